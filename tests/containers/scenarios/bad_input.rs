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
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    let calls = recording.calls();
    assert!(calls.contains_key("getppid") && calls.contains_key("exit_group"), "{calls:?}");
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
