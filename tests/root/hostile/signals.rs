//! SIGINT and SIGTERM end the recorder within two seconds, and what there is has been written.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::{AT_ONCE, PATIENCE, each};
use crate::runtimes::{Bundle, Runtime, Way};
use crate::support::attacker::recordings;
use crate::support::calls::read_recording;
use crate::support::kernel::is_alive;
use crate::support::profiles::base;
use crate::support::run::Strait;
use crate::support::spawned::Spawned;
use crate::support::{kernel, scratch, scrub, strait, wait};

const BOTH: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

/// Ignores both, says its number, and ends with its standard input.
const STUBBORN: &str = "trap '' TERM INT; echo $$; read line; echo done >done";

fn run(options: &[&str], script: &str, dir: &Path) -> Strait {
    kernel::require_root();
    strait().args(options.iter().copied()).args(["--", "/bin/sh", "-c", script]).in_dir(dir)
}

/// A folder with a profile that allows nearly everything.
fn with_profile() -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), base().to_string()).unwrap();
    dir
}

/// Sends the signal to a recorder whose command ignores it: the recorder ends and the command goes on.
fn ends_before_its_command(mut recorder: Spawned, signal: Signal, dir: &Path) {
    let command = recorder.line();
    recorder.signal(signal);
    let (status, stderr) = ended(&mut recorder, &command);
    assert_eq!(status, 128 + signal as i32, "{stderr}");
    assert!(is_alive(&command), "the command goes on");
    assert!(!dir.join("done").exists());
    recorder.write("\n");
    wait::until("the command has ended", || !is_alive(&command));
    assert!(dir.join("done").exists(), "it went on undisturbed");
}

/// As [`Spawned::end_within`]; standard error belongs to the command, too, so that it does not end.
fn ended(recorder: &mut Spawned, command: &str) -> (i32, String) {
    let started = std::time::Instant::now();
    let pid = recorder.pid().to_string();
    while is_alive(&pid) {
        if started.elapsed() > AT_ONCE {
            let _ = nix::sys::signal::kill(recorder.pid(), Signal::SIGKILL);
            recorder.close();
            panic!(
                "the recorder has not ended within {AT_ONCE:?}; its command {command} ignores the signal"
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    (recorder.status(), String::new())
}

#[test]
fn a_recording_ends_when_its_command_does_not() {
    each(BOTH, |signal| {
        let dir = scratch();
        let recorder = run(&["record", "-o", "r.json"], STUBBORN, dir.path()).spawn();
        ends_before_its_command(recorder, signal, dir.path());
        assert!(!read_recording(&dir.path().join("r.json")).is_empty());
    });
}

#[test]
fn a_verification_ends_when_its_command_does_not() {
    each(BOTH, |signal| {
        let dir = with_profile();
        let options = ["verify", "p.json", "--format", "json", "-o", "report.json"];
        let recorder = run(&options, STUBBORN, dir.path()).spawn();
        ends_before_its_command(recorder, signal, dir.path());
        assert!(dir.path().join("report.json").exists());
    });
}

#[test]
fn a_recording_of_containers_ends_when_its_command_does_not() {
    each(BOTH, |signal| {
        let dir = scratch();
        let bundle =
            Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "sleep", "600"]);
        let script = format!("read line; {STUBBORN}");
        let options = ["record", "--containers", "-o", "out"];
        let mut recorder = run(&options, &format!("echo; {script}"), dir.path()).spawn();
        recorder.line();
        bundle.start();
        recorder.write("\n");
        ends_before_its_command(recorder, signal, dir.path());
        let names: Vec<_> =
            recordings(&dir.path().join("out")).into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&format!("{}.recording.json", bundle.id())), "{names:?}");
    });
}

#[test]
fn a_verification_of_containers_ends_when_its_command_does_not() {
    each(BOTH, |signal| {
        let dir = with_profile();
        let profile = base();
        let sleep = ["/bin/busybox", "sleep", "600"];
        let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], Some(&profile), &sleep);
        let options = ["verify", "p.json", "--containers", "--format", "json", "-o", "report.json"];
        let script = format!("echo; read line; {STUBBORN}");
        let mut recorder = run(&options, &script, dir.path()).spawn();
        recorder.line();
        bundle.start();
        recorder.write("\n");
        ends_before_its_command(recorder, signal, dir.path());
        let report = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
        assert!(report.contains(bundle.id()), "{report}");
    });
}

#[test]
fn an_attached_recorder_ends_and_what_it_is_attached_to_does_not() {
    each(BOTH, |signal| {
        let dir = scratch();
        let mut command = Command::new("/bin/sh");
        scrub(&mut command, dir.path());
        command.args(["-c", "echo started; while read line; do cat /dev/null; echo done; done"]);
        let mut target = Spawned::start(command);
        assert_eq!(target.line(), "started");
        let pid = target.pid().to_string();
        let mut recorder =
            strait().args(["record", "-o", "r.json", "--pid", &pid]).in_dir(dir.path()).spawn();
        // The last that it gives up, when it is in place.
        wait::until("the recorder is attached", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", recorder.pid()));
            status.is_ok_and(|status| status.contains("\nNoNewPrivs:\t1\n"))
        });
        target.write("\n");
        assert_eq!(target.line(), "done");
        recorder.signal(signal);
        let (status, stderr) = recorder.end_within(AT_ONCE);
        // That is how it is ended.
        assert_eq!(status, 0, "{stderr}");
        assert!(!read_recording(&dir.path().join("r.json")).is_empty(), "{stderr}");
        target.write("\n");
        assert_eq!(target.line(), "done");
    });
}

#[test]
fn two_signals_end_it_at_once() {
    let dir = scratch();
    let mut recorder = run(&["record", "-o", "r.json"], STUBBORN, dir.path()).spawn();
    let command = recorder.line();
    recorder.signal(Signal::SIGTERM);
    let _ = nix::sys::signal::kill(recorder.pid(), Signal::SIGTERM);
    let (status, _) = ended(&mut recorder, &command);
    assert_eq!(status, 128 + Signal::SIGTERM as i32);
    recorder.close();
}

/// What reads the recording does not read, and the pipe is full.
#[test]
fn a_reader_that_does_not_read_is_not_waited_for() {
    each(BOTH, |signal| {
        let dir = scratch();
        let pipe = dir.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let reader =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        // Less than any recording has.
        fcntl(&reader, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let mut recorder = run(&["record", "-o", "pipe"], "echo $$", dir.path()).spawn();
        let command = PathBuf::from("/proc").join(recorder.line());
        wait::until("the command is gone", || !command.exists());
        recorder.signal(signal);
        let (status, stderr) = recorder.end_within(AT_ONCE);
        assert_eq!(status, 1, "{stderr}");
        assert!(stderr.contains("cannot write pipe"), "{stderr}");
    });
}

#[test]
fn a_command_that_ends_with_the_signal_is_recorded_to_its_end() {
    each(BOTH, |signal| {
        let dir = scratch();
        let mut recorder =
            run(&["record", "-o", "r.json"], "echo $$; read line", dir.path()).spawn();
        recorder.line();
        recorder.signal(signal);
        let (status, stderr) = recorder.end_within(PATIENCE);
        assert_eq!(status, 128 + signal as i32, "{stderr}");
        read_recording(&dir.path().join("r.json"));
    });
}
