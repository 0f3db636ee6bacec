//! However short a container's life is and however often it begins: each life is a recording.

use std::time::{Duration, Instant};

use crate::common::wait;
use crate::support::recorder::strait_with_engines;
use crate::support::{Engine, Recorder, Recording, Recordings, image, lab};

const MARKER: &str = "sched_rr_get_interval";

fn marker(count: u64) -> [String; 3] {
    let number = libc::SYS_sched_rr_get_interval;
    ["/bin/marker".to_owned(), number.to_string(), count.to_string()]
}

/// The program makes two calls and is gone.
pub fn of_milliseconds(engine: &Engine) {
    let recorder = Recorder::start();
    let name = format!("{}-short", engine.name());
    let (container, status) = engine.container(&name).run(image::SMALL, &["/bin/static"]);
    assert_eq!(status, 0);
    let recordings = recorder.finish();
    let calls = recordings.life(&container).calls();
    assert!(calls.contains_key("execve"));
    assert!(calls.contains_key("getppid") && calls.contains_key("exit_group"), "{calls:?}");
}

/// With `--rm`, it is too late to ask the engine about the container when the recorder ends.
pub fn removed_at_once() {
    let recorder = Recorder::start();
    let folder = lab().scratch();
    let id = folder.path().join("id");
    let options = Engine::docker().container("docker-removed").option(&[
        "--rm",
        "--cidfile",
        id.to_str().expect("UTF-8"),
    ]);
    let status = options.command(image::SMALL, &marker(7)).status().expect("docker runs");
    assert!(status.success());
    let recordings = recorder.finish();
    let id = std::fs::read_to_string(id).expect("docker writes the id");
    let recording = recordings.all.iter().find(|one| one.of_container()["id"] == id.trim());
    let recording = recording.unwrap_or_else(|| panic!("{id} among {:?}", recordings.names()));
    recording.assert_complete();
    assert_eq!(recording.calls().get(MARKER), Some(&7));
}

pub fn five_are_five_recordings() {
    let recorder = Recorder::start();
    let container = Engine::docker()
        .container("docker-restarting")
        .option(&["--restart", "on-failure:4"])
        .start(image::DEBIAN, &["false"]);
    wait::until("it was started five times", || {
        container.inspect("{{.RestartCount}} {{.State.Status}}") == "4 exited"
    });
    let recordings = recorder.finish();
    let lives = recordings.lives(&container, 5);
    for life in &lives {
        // What runc calls before depends on how its threads are scheduled.
        assert!(life.calls_in("startup").contains("exit_group"));
        assert_eq!(life.calls_in("startup"), lives[0].calls_in("startup"));
    }
    let mut names = recordings.names();
    names.retain(|name| name.starts_with("docker-restarting"));
    names.sort();
    let numbered = (2..=5).map(|number| format!("docker-restarting-{number}.recording.json"));
    let mut expected: Vec<_> = numbered.collect();
    expected.push("docker-restarting.recording.json".to_owned());
    assert_eq!(names, expected);
}

/// Its runtime makes calls under the filter, and finds nothing to execute.
pub fn of_what_never_started(engine: &Engine) {
    let recorder = Recorder::start();
    let name = format!("{}-never-started", engine.name());
    let mut run =
        engine.container(&name).option(&["--rm"]).command(image::SMALL, &["/nonexistent"]);
    let status = run.status().expect("the client runs");
    assert_eq!(status.code(), Some(127));
    let recordings = recorder.finish_saying(&[&name, "did not start"]);
    assert!(!recordings.names().iter().any(|file| file.starts_with(&name)));
}

/// What there is is written on demand, whole, and nothing is stopped.
pub fn so_far() {
    let recorder = Recorder::start();
    let container =
        Engine::docker().container("docker-so-far").start(image::SMALL, &["/bin/pause"]);
    let path = recorder.directory().join("docker-so-far.recording.json");
    let flushed = |what: &str, is_there: &dyn Fn(&Recording) -> bool| {
        recorder.flush();
        let mut asked = Instant::now();
        wait::until(what, || {
            // The first time, the engine may not have told its name yet.
            if asked.elapsed() > Duration::from_millis(500) {
                recorder.flush();
                asked = Instant::now();
            }
            path.exists() && is_there(&Recording::read(path.clone()))
        });
    };
    let syscall = format!("/proc/{}/syscall", container.pid());
    let waits = format!("{} ", libc::SYS_pause);
    wait::until("it waits", || {
        std::fs::read_to_string(&syscall).is_ok_and(|text| text.starts_with(&waits))
    });
    flushed("its wait is written", &|recording| recording.count_in("running", "pause") == 1);
    container.exec(&marker(5));
    flushed("what was executed is written", &|recording| recording.calls().get(MARKER) == Some(&5));
    container.exec(&marker(6));
    container.kill("KILL");
    container.wait();
    let recordings = recorder.finish();
    assert_eq!(recordings.life(&container).calls().get(MARKER), Some(&11));
    let of_it = recordings.names().into_iter().filter(|name| name.starts_with("docker-so-far"));
    assert_eq!(of_it.count(), 1);
}

pub fn exec_is_recorded(engine: &Engine) {
    let recorder = Recorder::start();
    let name = format!("{}-executed", engine.name());
    let container = engine.container(&name).start(image::SMALL, &["/bin/pause"]);
    container.exec(&marker(5));
    container.exec(&marker(6));
    container.kill("KILL");
    container.wait();
    let recordings = recorder.finish();
    let recording = recordings.life(&container);
    assert_eq!(recording.calls().get(MARKER), Some(&11));
    assert_eq!(recording.count_in("exec", MARKER), 11);
    assert_eq!(recording.count_in("running", MARKER), 0);
    assert_eq!(recording.count_in("running", "pause"), 1);
}

pub fn exit_status() {
    let directory = lab().scratch();
    let run = Engine::docker().container("docker-status").command(image::DEBIAN, &["false"]);
    let container = |status: i32| {
        let recorder = strait_with_engines().args(["record", "--containers", "-o"]);
        recorder.arg(directory.path()).arg("--").expect_exit(status)
    };
    let args = std::iter::once(run.get_program()).chain(run.get_args()).map(ToOwned::to_owned);
    container(1).args::<std::ffi::OsString>(args).run();
    let recordings = Recordings::read(directory);
    let names = recordings.names();
    assert!(names.contains(&"docker-status.recording.json".to_owned()), "{names:?}");
    let remove = ["rm", "--force", "docker-status"];
    crate::support::output(Engine::docker().command().args(remove));
}
