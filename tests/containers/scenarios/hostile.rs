//! Users without any privilege beside containers of root's: none of what they do is taken for a container, is
//! executed, is written to, or is waited for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::common::attacker::{Attacker, IMAGE, Lineage, NAME, forged_calls, recordings};
use crate::support::recorder::strait_with_engines;
use crate::support::{Bundle, Engine, Recorder, Recordings, Runtime, at_once, image, lab, output};

const MARKER: &str = "sched_rr_get_interval";

fn marker(count: u64) -> [String; 3] {
    let number = libc::SYS_sched_rr_get_interval;
    ["/bin/marker".to_owned(), number.to_string(), count.to_string()]
}

/// That no recording has what only forged containers call, in this number.
fn assert_none_forged(recordings: &Recordings, count: u32) {
    let forged: Vec<_> = recordings
        .all
        .iter()
        .filter(|one| forged_calls(&one.value) == u64::from(count))
        .map(|one| one.file_name())
        .collect();
    assert!(forged.is_empty(), "forged containers are recorded as {forged:?}");
}

/// Each user may read the cgroup of each process, and so knows the ids of all containers.
pub fn is_not_taken_for(engine: &Engine) {
    let attacker = Attacker::new();
    let name = format!("{}-imitated", engine.name());
    let count = if engine.name() == "docker" { 2011 } else { 2012 };
    let recorder = Recorder::start();
    let container = engine.container(&name).start(image::SMALL, &["/bin/pause"]);
    let forged: Vec<_> = Lineage::ALL
        .into_iter()
        .map(|lineage| attacker.forge(lineage, &container.id, count))
        .collect();
    container.exec(&marker(3));
    container.kill("KILL");
    container.wait();
    let recordings = recorder.finish_saying(&["not recorded", "other users"]);
    drop(forged);
    attacker.assert_nothing_ran();
    assert_none_forged(&recordings, count);
    let life = recordings.life(&container);
    assert_eq!(life.file_name(), format!("{name}.recording.json"));
    assert_eq!(life.calls().get(MARKER), Some(&3));
    let named = recordings.names().into_iter().filter(|file| file.starts_with(&name));
    assert_eq!(named.count(), 1);
}

/// A process that has not made the container, and that was there before it.
pub fn monitor_is_not_asked(engine: &Engine) {
    let attacker = Attacker::new();
    let name = format!("{}-watched", engine.name());
    let mut create = engine.command();
    create.args(["create", "--network", "host", "--name", &name, image::SMALL]).args(marker(3));
    let id = output(&mut create).lines().last().expect("an id").to_owned();
    let line = attacker.line(Lineage::Conmon, &id);
    let line: Vec<_> = line.iter().map(String::as_str).collect();
    let monitor = attacker.start(&line, "monitor", &[]);
    let recorder = Recorder::start();
    output(engine.command().args(["start", "--attach", &id]));
    output(engine.command().args(["rm", "--force", &id]));
    let recordings = recorder.finish();
    drop(monitor);
    attacker.assert_nothing_ran();
    let of_it: Vec<_> =
        recordings.all.iter().filter(|one| one.of_container()["id"] == id.as_str()).collect();
    assert_eq!(of_it.len(), 1, "{:?}", recordings.names());
    let container = of_it[0].of_container().to_string();
    assert!(!container.contains(NAME) && !container.contains(IMAGE), "{container}");
    assert_eq!(of_it[0].calls().get(MARKER), Some(&3));
}

const BY_RUNTIMES: usize = 180;
const BY_DOCKER: usize = 20;
const ATTACKERS: usize = 10;
/// How often a forged container makes the call by which it is known again.
const FORGED: u32 = 2013;

/// Two seconds for a signal, and four for a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(6);

/// What the attackers look at, and have it in for.
struct Field {
    out: PathBuf,
    victim: PathBuf,
    recorder: String,
    over: AtomicBool,
}

/// The name of the nth container.
fn id(nth: usize) -> String {
    if nth < BY_RUNTIMES { format!("attacked-{nth}") } else { format!("docker-attacked-{nth}") }
}

/// Puts something else into the place of what is read about containers, and of what is written about them, and
/// signals the recorder.
const SCRIPT: &str = r#"
list=$STORAGE/containers.json
for what in fifo link folder endless; do
    rm -rf "$list"
    case $what in
    fifo) mkfifo "$list" ;;
    link) ln -s "$VICTIM/shadow" "$list" ;;
    folder) mkdir "$list" ;;
    endless) truncate -s 64M "$list" ;;
    esac
    kill -TERM "$RECORDER" 2>/dev/null && echo "signalled $RECORDER" >&2
    kill -USR1 "$RECORDER" 2>/dev/null && echo "signalled $RECORDER" >&2
    # Fails where there is something, and where the folder is another user's.
    $PLANT "$OUT/$NEXT.recording.json" 2>/dev/null
done
exit 0
"#;

fn attack(attacker: &Attacker, nth: usize, field: &Field) {
    let home = tempfile::Builder::new().prefix("strait-test-").tempdir_in("/home").expect("ours");
    attacker.own(home.path());
    let storage = home.path().join(".local/share/containers/storage/overlay-containers");
    std::fs::create_dir_all(&storage).expect("ours");
    storage.ancestors().take_while(|part| *part != home.path()).for_each(|part| attacker.own(part));
    let ids = (nth..).step_by(7).map(|nth| id(nth % (BY_RUNTIMES + BY_DOCKER)));
    for (lineage, id) in Lineage::ALL.into_iter().cycle().zip(ids) {
        if field.over.load(Ordering::Relaxed) {
            break;
        }
        let forged = attacker.forge(lineage, &id, FORGED);
        let line = attacker.line(Lineage::Conmon, &id);
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        let monitor = attacker.start(&line, "monitor", &[]);
        let mut script = attacker.command(Path::new("/bin/sh"));
        script.args(["-c", SCRIPT]);
        for (name, value) in [("STORAGE", &storage), ("OUT", &field.out), ("VICTIM", &field.victim)]
        {
            script.env(name, value);
        }
        let link = format!("ln -s {}/shadow", field.victim.display());
        script.env("PLANT", if id.len() % 2 == 0 { "mkfifo" } else { &link });
        let script = script.env("NEXT", id).env("RECORDER", &field.recorder).output();
        let said = script.expect("a shell").stderr;
        assert_eq!(String::from_utf8_lossy(&said), "", "user {}", attacker.uid());
        drop((forged, monitor));
    }
}

/// Runs all containers, some at a time.
fn run_all() {
    let bundles = [Bundle::new(&marker(3)), Bundle::new(&marker(3)).unfiltered()];
    let all: Vec<usize> = (0..BY_RUNTIMES + BY_DOCKER).collect();
    let batches: Vec<Vec<usize>> =
        (0..4).map(|batch| all.iter().copied().skip(batch).step_by(4).collect()).collect();
    at_once(&batches, |batch| {
        for &nth in batch {
            let id = id(nth);
            if nth >= BY_RUNTIMES {
                let options = Engine::docker().container(&id).option(&["--rm"]);
                output(&mut options.command(image::SMALL, &marker(3)));
            } else {
                let runtime = if nth % 6 == 0 { Runtime::Crun } else { Runtime::Runc };
                bundles[nth % bundles.len()].run(runtime, &[], &id);
            }
        }
    });
}

pub fn two_hundred_while_ten_attack() {
    let attackers: Vec<_> = (0..ATTACKERS).map(|_| Attacker::new()).collect();
    let victim = lab().scratch();
    let shadow = victim.path().join("shadow");
    std::fs::write(&shadow, "secret").expect("ours");
    // The folder is one of the attackers', who may put there what it likes.
    let out = tempfile::Builder::new().tempdir_in(attackers[0].folder()).expect("ours");
    attackers[0].own(out.path());
    let recorder = Recorder::start_into(strait_with_engines(), out, &[]);
    let field = Field {
        out: recorder.directory().to_owned(),
        victim: victim.path().to_owned(),
        recorder: recorder.pid().to_string(),
        over: AtomicBool::new(false),
    };
    let folder = std::thread::scope(|scope| {
        let threads: Vec<_> = attackers
            .iter()
            .enumerate()
            .map(|(nth, attacker)| {
                scope.spawn({
                    let field = &field;
                    move || attack(attacker, nth, field)
                })
            })
            .collect();
        let ran = std::panic::catch_unwind(run_all);
        // They go on while the recorder ends.
        let ended = ran.and_then(|()| {
            let stop = std::panic::AssertUnwindSafe(|| recorder.stop(Signal::SIGTERM, AT_ONCE));
            std::panic::catch_unwind(stop)
        });
        field.over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        let (status, stderr, folder) =
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert_eq!(status, 128 + Signal::SIGTERM as i32, "{stderr}");
        folder
    });
    attackers.iter().for_each(Attacker::assert_nothing_ran);
    assert_eq!(std::fs::read_to_string(&shadow).expect("ours"), "secret");
    let in_victim: Vec<_> = std::fs::read_dir(victim.path()).expect("ours").collect();
    assert_eq!(in_victim.len(), 1, "{in_victim:?}");
    assert_complete(folder.path());
}

fn assert_complete(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let entry = entry.expect("a readable folder");
        assert!(entry.file_type().expect("a kind").is_file(), "{:?} is no file", entry.path());
    }
    let all = recordings(folder);
    let forged = all.iter().filter(|(_, one)| forged_calls(one) > 0).map(|(name, _)| name);
    assert_eq!(forged.collect::<Vec<_>>(), Vec::<&String>::new(), "forged");
    // Other tests' containers may have been recorded too.
    let is_ours = |name: &&String| {
        ["attacked-", "docker-attacked-", NAME, "unconfirmed"].iter().any(|of| name.starts_with(of))
    };
    let names: BTreeSet<_> = all.iter().map(|(name, _)| name).filter(is_ours).cloned().collect();
    let expected: BTreeSet<_> =
        (0..BY_RUNTIMES + BY_DOCKER).map(|nth| format!("{}.recording.json", id(nth))).collect();
    let missing: Vec<_> = expected.difference(&names).collect();
    let more: Vec<_> = names.difference(&expected).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, and not ours {more:?}");
    for (name, one) in all.iter().filter(|(name, _)| expected.contains(name)) {
        assert_eq!(one["complete"], true, "{name}: {}", one["losses"]);
        let abis = one["abis"].as_object().expect("tables");
        let marked: u64 =
            abis.values().filter_map(|abi| abi["syscalls"][MARKER]["count"].as_u64()).sum();
        assert_eq!(marked, 3, "{name}");
    }
}
