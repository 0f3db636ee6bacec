//! Attaching to what runs already: its start is missed, and said to be; all that follows is there.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use tempfile::TempDir;

use crate::common::fixtures::{self, Fixture};
use crate::common::spawned::Spawned;
use crate::common::strait;
use crate::common::wait;
use crate::support::recorder::strait_with_engines;
use crate::support::{Container, Engine, Recording, image, lab};

const MARKER: &str = "sched_rr_get_interval";

/// A shell that waits until it is told to go on, and then becomes a program that makes seven calls.
struct Patient {
    directory: TempDir,
}

impl Patient {
    fn new() -> Self {
        let directory = lab().scratch();
        nix::unistd::mkfifo(&directory.path().join("gate"), Mode::S_IRWXU).expect("a new name");
        std::fs::copy(Fixture::Bare("marker").build(), directory.path().join("marker"))
            .expect("the directory is ours");
        Self { directory }
    }

    /// What it runs, where its directory is seen as `place`.
    fn command(place: &str) -> [String; 3] {
        let number = libc::SYS_sched_rr_get_interval;
        let script = format!("read line <{place}/gate; {place}/marker {number} 7; exit 0");
        ["sh".to_owned(), "-c".to_owned(), script]
    }

    fn contained(&self, engine: &Engine, name: &str) -> Container {
        engine
            .container(name)
            .files(self.directory.path())
            .start(image::DEBIAN, &Self::command("/srv"))
    }

    /// The gate, once the shell waits at it.
    fn gate(&self) -> File {
        let mut options = OpenOptions::new();
        // Without a reader there is an error, and no waiting.
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let mut gate = None;
        wait::until("the shell waits", || {
            gate = options.open(self.directory.path().join("gate")).ok();
            gate.is_some()
        });
        gate.expect("it was opened")
    }

    /// Attaches by these arguments, lets the shell go on, and returns what was recorded until its end.
    fn recorded(&self, args: &[&str]) -> Recording {
        let mut gate = self.gate();
        let path = self.directory.path().join("attached.recording.json");
        let log = self.directory.path().join("log");
        let run = strait_with_engines()
            .through(["sh", "-c", r#"exec "$@" 2>"$0""#, &fixtures::text(&log)])
            .args(["record", "-o"])
            .arg(&path)
            .args(args.iter().copied());
        let mut recorder: Spawned = run.spawn();
        wait::until("the recorder is attached", || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!text.contains("error"), "{text}");
            text.contains("attached to 1 task")
        });
        writeln!(gate, "go on").expect("the shell reads");
        // It ends by itself when nothing is recorded any more.
        let (status, _) = recorder.end();
        let text = std::fs::read_to_string(&log).expect("a log");
        assert_eq!(status, 0, "{text}");
        assert!(text.contains(" start ") && text.contains("recording"), "{text}");
        Recording::read(path)
    }
}

/// What came of it, whatever it was attached by.
fn check(recording: &Recording) {
    assert_eq!(recording.start(), "attached");
    assert_eq!(recording.value["complete"], true);
    let calls = recording.calls();
    assert_eq!(calls.get(MARKER), Some(&7), "{calls:?}");
    assert!(calls.contains_key("execve") && calls.contains_key("read"), "{calls:?}");
    // Only the start of the shell makes these.
    for early in ["set_tid_address", "set_robust_list", "arch_prctl"] {
        assert!(!calls.contains_key(early), "{early}: {calls:?}");
    }
    strait()
        .args(["generate", "-o", "/dev/null"])
        .arg(&recording.path)
        .run()
        .says(&["Warning", "ran already"]);
}

pub fn to_a_container(engine: &Engine) {
    let patient = Patient::new();
    let container = patient.contained(engine, &format!("{}-attached", engine.name()));
    let recording = patient.recorded(&["--container", &container.name]);
    check(&recording);
    let known = recording.of_container();
    assert_eq!(known["id"], container.id.as_str());
    assert_eq!(known["filtered"], true);
    assert_eq!(container.wait(), 0);
}

pub fn to_a_container_by_its_id(engine: &Engine) {
    let patient = Patient::new();
    let container = patient.contained(engine, &format!("{}-attached-by-id", engine.name()));
    let recording = patient.recorded(&["--container", &container.id[..12]]);
    check(&recording);
    assert_eq!(recording.of_container()["name"], container.name.as_str());
}

pub fn to_a_process() {
    let patient = Patient::new();
    let [shell, option, script] = Patient::command(&fixtures::text(patient.directory.path()));
    let mut command = Command::new(shell);
    command.args([option, script]);
    let process = Spawned::start(command);
    check(&patient.recorded(&["--pid", &process.pid().to_string()]));
}

/// By a path as `/proc/PID/cgroup` has it, and by the folder that it stands for.
pub fn to_a_cgroup(engine: &Engine) {
    for folder in [false, true] {
        let patient = Patient::new();
        let container = patient.contained(engine, &format!("{}-attached-{folder}", engine.name()));
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", container.pid()));
        let text = text.expect("it runs");
        // cgroups(7): ID:CONTROLLERS:PATH, and version 2 has no controllers there.
        let line = text.lines().find(|line| line.contains(":pids:") || line.starts_with("0::/"));
        let path = line.and_then(|line| line.splitn(3, ':').nth(2)).expect("a path");
        let path = if folder { below(path) } else { path.to_owned() };
        check(&patient.recorded(&["--cgroup", &path]));
    }
}

fn below(path: &str) -> String {
    let v1 = format!("/sys/fs/cgroup/pids{path}");
    if Path::new(&v1).is_dir() { v1 } else { format!("/sys/fs/cgroup{path}") }
}

/// Nothing was recorded, and the exit status says so.
pub fn to_what_is_idle() {
    let process = Spawned::start(Command::new(Fixture::Bare("pause").build()));
    let pid = process.pid().to_string();
    wait::until("it waits", || {
        let waits = format!("{} ", libc::SYS_pause);
        std::fs::read_to_string(format!("/proc/{pid}/syscall"))
            .is_ok_and(|text| text.starts_with(&waits))
    });
    strait()
        .args(["record", "-o", "/dev/null", "--for", "10ms", "--pid", &pid])
        .expect_exit(3)
        .run()
        .says(&["recorded no system call"]);
}

/// A container that has ended is not running, whatever its engine still knows.
pub fn to_what_has_ended() {
    let engine = Engine::docker();
    let (container, _) = engine.container("docker-ended").run(image::SMALL, &["/bin/static"]);
    for by in [&*container.name, &*container.id] {
        strait_with_engines()
            .args(["record", "-o", "/dev/null", "--container", by])
            .expect_exit(125)
            .run()
            .says(&["no running container", by])
            .says_one_paragraph();
    }
    let mut ended = Command::new("true").spawn().expect("true is there");
    let pid = ended.id().to_string();
    ended.wait().expect("it is ours");
    strait_with_engines()
        .args(["record", "-o", "/dev/null", "--pid", &pid])
        .expect_exit(125)
        .run()
        .says(&["no process", &pid])
        .says_one_paragraph();
}
