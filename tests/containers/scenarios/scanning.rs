//! What the programs of containers can call, found out while the containers live.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::apps::{self, App, Site};
use crate::common::reachable::{Program, missed, programs};
use crate::common::wait;
use crate::support::{Engine, Recorder, Recording, image, lab, profile};

/// How many calls a profile allows.
fn allowed(profile: &Path) -> usize {
    let text = std::fs::read_to_string(profile).expect("strait wrote it");
    let profile: Value = serde_json::from_str(&text).expect("it is JSON");
    let entries = profile["syscalls"].as_array().expect("a profile has entries").iter();
    let allowing = entries.filter(|entry| entry["action"] == "SCMP_ACT_ALLOW");
    let names = allowing.flat_map(|entry| entry["names"].as_array().expect("names"));
    names.map(Value::to_string).collect::<BTreeSet<_>>().len()
}

/// Has what there is written until the programs of this container are known as far as that is wanted. On a busy machine the
/// scan may be behind, and when the recording ends it is not waited for until it has caught up.
fn wait_until(
    recorder: &Recorder,
    name: &str,
    is_wanted: impl Fn(&BTreeMap<String, Program>) -> bool,
) {
    let path = recorder.directory().join(format!("{name}.recording.json"));
    let mut asked: Option<Instant> = None;
    wait::until(&format!("the programs of {name} are scanned"), || {
        if asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(500)) {
            recorder.flush();
            asked = Some(Instant::now());
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let recording = serde_json::from_str::<Value>(&text);
        recording.is_ok_and(|recording| is_wanted(&programs(&recording)))
    });
}

fn is_scanned(program: &Program) -> bool {
    !program.open.iter().any(|reason| reason.contains("not scanned"))
}

/// The profile of a recording has fewer calls than the one of the same recording without what its programs can call,
/// and each program called only what is known of it.
pub fn is_known(engine: &Engine, app: &dyn App) {
    let recorder = Recorder::start();
    let site = Site::new(app, true);
    let name = format!("{}-{}-scanned", engine.name(), app.name());
    let container = apps::start(app, &site, engine.container(&name));
    apps::test_run(app, &site, &container);
    wait_until(&recorder, &name, |programs| {
        let mut of_files = programs.iter().filter(|(path, _)| path.starts_with('/'));
        of_files.all(|(_, program)| is_scanned(program))
    });
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    let all = programs(&recording.value);
    assert!(all.keys().any(|path| path.contains(app.name())), "{:?}", all.keys());
    for (path, program) in all.iter().filter(|(path, _)| path.starts_with('/')) {
        let missed = missed(program);
        assert!(program.reachable.len() > 30, "{path}: {:?}", program.open);
        assert!(missed.is_empty(), "{path}: {missed:?}, open: {:?}", program.open);
    }
    let folder = lab().scratch();
    let file = |name: &str| folder.path().join(name);
    let known = profile::generate(&[recording], &[], &file("known.json"));
    let mut without = recording.value.clone();
    for program in without["programs"].as_array_mut().expect("a list") {
        program.as_object_mut().expect("an object").remove("reachable");
    }
    let path = file("without.recording.json");
    std::fs::write(&path, without.to_string()).expect("the folder is ours");
    let unknown =
        profile::generate(&[&Recording { path, value: without }], &[], &file("whole.json"));
    let [known, unknown] = [known, unknown].map(|path| allowed(&path));
    eprintln!("{name}: {known} calls, {unknown} if nothing is known of the programs");
    assert!(known < unknown, "{known} calls, and {unknown} if nothing is known");
}

/// It may have ended before anything of it could be opened, which is said then. Its engine can remove it at once, and start
/// it again.
pub fn of_what_ends_at_once(engine: &Engine) {
    let recorder = Recorder::start();
    for nth in 0..5 {
        let name = format!("{}-scanned-removed-{nth}", engine.name());
        let options = engine.container(&name).option(&["--rm"]);
        let status = options.command(image::DEBIAN, &["true"]).status().expect("it runs");
        assert!(status.success(), "{status}");
    }
    let name = format!("{}-scanned-again", engine.name());
    let container = engine.container(&name).start(image::DEBIAN, &["true"]);
    for _ in 0..3 {
        container.wait();
        container.restart();
    }
    container.wait();
    let recordings = recorder.finish();
    let is_ours = |one: &&Recording| {
        let name = one.of_container()["name"].as_str().unwrap_or_default();
        name.starts_with(&format!("{}-scanned-", engine.name()))
    };
    let ours: Vec<_> = recordings.all.iter().filter(is_ours).collect();
    assert_eq!(ours.len(), 9, "{:?}", recordings.names());
    for recording in ours {
        for (path, Program { reachable, open, .. }) in programs(&recording.value) {
            let is_said = open.iter().any(|reason| reason.contains("not scanned"));
            // What the runtime does before the program is no program.
            assert!(!path.starts_with('/') || is_said || reachable.len() > 30, "{path}: {open:?}");
        }
    }
}

/// Executes a program that is in a file system which never answers, and waits.
const HANG: &str = r#"
import ctypes, os, shutil, struct, threading
os.mkdir("/hang")
shutil.copy("/bin/sleep", "/hang/sleep")
program = os.open("/hang/sleep", os.O_RDONLY)
fuse = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"hang", b"/hang", b"fuse", 0, options):
    raise OSError(ctypes.get_errno(), "mount")
def answer():
    while True:
        request = os.read(fuse, 1 << 17)
        # FUSE_INIT, and nothing else.
        if struct.unpack_from("I", request, 4)[0] == 26:
            unique = struct.unpack_from("Q", request, 8)[0]
            body = struct.pack("IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 1 << 16, 1, 0, 0, 0)
            os.write(fuse, struct.pack("IiQ", 16 + len(body), 0, unique) + body)
threading.Thread(target=answer, daemon=True).start()
if os.fork() == 0:
    os.execve(program, ["sleep", "1000"], {})
print("executed", flush=True)
os.wait()
"#;

/// The recording does not wait for such a container, and the programs of another one are scanned.
pub fn of_what_never_answers() {
    let engine = Engine::docker();
    let recorder = Recorder::start();
    let options = ["--device", "/dev/fuse", "--cap-add", "SYS_ADMIN"];
    let hostile = engine
        .container("docker-hanging")
        .option(&options)
        .option(&["--security-opt", "apparmor=unconfined"])
        .start(image::DEBIAN, &["python3", "-c", HANG]);
    wait::until("it hangs", || hostile.logs().contains("executed"));
    let other = engine.container("docker-beside-hanging").start(image::DEBIAN, &["sleep", "1000"]);
    other.exec(&["ls"]);
    let has_sleep = |programs: &BTreeMap<String, Program>, fits: &dyn Fn(&Program) -> bool| {
        programs.iter().any(|(path, program)| path.ends_with("/sleep") && fits(program))
    };
    wait_until(&recorder, &hostile.name, |programs| {
        has_sleep(programs, &|program| program.open.join("; ").contains("it took longer than"))
    });
    wait_until(&recorder, &other.name, |programs| {
        has_sleep(programs, &|program| program.reachable.len() > 30)
    });
    let asked = Instant::now();
    let recordings = recorder.finish();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    let hung = programs(&recordings.life(&hostile).value);
    assert!(has_sleep(&hung, &|program| program.reachable.is_empty()));
}
