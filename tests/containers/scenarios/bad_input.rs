//! What goes wrong is said, and loses nothing.

use crate::common::strait;
use crate::support::recorder::strait_with_engines;
use crate::support::{Engine, Recorder, image, lab};

/// The calls are all there, and the cgroup tells the id.
pub fn dead_engine() {
    let dead = format!("unix://{}/dead.sock", lab().directory().display());
    let strait = strait().env("DOCKER_HOST", &dead).env("CONTAINER_HOST", &dead);
    let recorder = Recorder::start_as(strait, &[]);
    let (container, _) =
        Engine::docker().container("docker-unknown").run(image::SMALL, &["/bin/static"]);
    let notes = ["cannot ask the container engine", "dead.sock", "which DOCKER_HOST names"];
    let recordings = recorder.finish_saying(&notes);
    let recording = recordings.life(&container);
    let calls = recording.calls();
    assert!(calls.contains_key("getppid") && calls.contains_key("exit_group"), "{calls:?}");
}

/// A directory where a socket should be, and a socket in a directory that the recorder may not enter.
pub fn unusable_engine() {
    let folder = lab().scratch();
    let directory = format!("unix://{}", folder.path().display());
    let [(_, socket), _] = crate::support::engine::environment(lab().directory());
    let open = lab().scratch();
    let nobody = Some(65534);
    std::os::unix::fs::chown(open.path(), nobody, nobody).expect("we are root");
    let set = "-all,+bpf,+perfmon,+sys_admin,+sys_ptrace";
    let as_nobody = [
        "setpriv".to_owned(),
        "--reuid=65534".to_owned(),
        "--regid=65534".to_owned(),
        "--clear-groups".to_owned(),
        format!("--inh-caps={set}"),
        format!("--ambient-caps={set}"),
        format!("--bounding-set={set}"),
    ];
    let run = |name: &str| Engine::docker().container(name).run(image::SMALL, &["/bin/static"]).0;

    let recorder = Recorder::start_as(strait().env("DOCKER_HOST", &directory), &[]);
    let container = run("docker-behind-a-directory");
    let notes = ["cannot ask the container engine", "which DOCKER_HOST names"];
    let recordings = recorder.finish_saying(&notes);
    assert!(recordings.life(&container).calls().contains_key("getppid"));

    let strait = strait().env("DOCKER_HOST", &socket).through(as_nobody);
    let recorder = Recorder::start_into(strait, open, &[]);
    let container = run("docker-behind-a-wall");
    let recordings = recorder.finish_saying(&["Permission denied"]);
    assert!(recordings.life(&container).calls().contains_key("getppid"));
}

/// A folder that goes away meanwhile takes nothing with it.
pub fn lost_folder() {
    let scratch = lab().scratch();
    let folder = scratch.path().join("recordings");
    let elsewhere = scratch.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("ours");
    let mut run = Engine::docker()
        .container("docker-homeless")
        .option(&["--rm"])
        .command(image::SMALL, &["/bin/static"]);
    assert!(run.status().expect("docker runs").success());
    let args = std::iter::once(run.get_program()).chain(run.get_args());
    let outcome = strait_with_engines()
        .env("TMPDIR", elsewhere.as_os_str())
        .args(["record", "--containers", "--only", "docker-homeless", "-o"])
        .arg(&folder)
        .args(["--", "sh", "-ec", "rmdir \"$0\"; echo >\"$0\"; \"$@\""])
        .arg(&folder)
        .args(args.map(ToOwned::to_owned).collect::<Vec<std::ffi::OsString>>())
        .expect_exit(1)
        .run();
    let outcome = outcome.says(&["cannot write", "It was saved as"]);
    let saved = std::fs::read_dir(&elsewhere).expect("ours").next().expect("a folder").expect("it");
    assert!(outcome.stderr.contains(&*saved.path().to_string_lossy()));
    assert!(saved.path().join("docker-homeless.recording.json").exists());
}

pub fn two_recorders() {
    let recorders = [(); 2].map(|()| Recorder::start());
    let (container, _) = Engine::docker()
        .container("docker-seen-twice")
        .run(image::DEBIAN, &["sh", "-c", "ls / | cat; exit 0"]);
    let recordings = recorders.map(Recorder::finish);
    let [first, second] = recordings.each_ref().map(|all| all.life(&container).calls());
    assert!(first.len() > 20, "{first:?}");
    assert_eq!(first, second);
}

pub fn output_folder() {
    let ran = lab().scratch().path().join("ran");
    strait_with_engines()
        .args(["record", "--containers", "-o", "/proc/recordings", "--", "touch"])
        .arg(&ran)
        .expect_exit(125)
        .run()
        .says(&["/proc/recordings"])
        .says_one_paragraph();
    assert!(!ran.exists(), "what cannot be recorded is not run");
}

pub fn not_there() {
    let directory = lab().scratch();
    let attach = |what: [&str; 2]| {
        strait_with_engines()
            .args(["record", "-o", "r.json", "--for", "1s"])
            .args(what)
            .in_dir(directory.path())
            .expect_exit(125)
            .run()
            .says(&[what[1]])
            .says_one_paragraph();
    };
    attach(["--container", "no-such-container"]);
    // Above /proc/sys/kernel/pid_max's largest value.
    attach(["--pid", "4194305"]);
    attach(["--cgroup", "/no/such/cgroup"]);
}
