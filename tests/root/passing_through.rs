//! The command does not notice: its status, streams, terminal, signals and user are its own.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::calls::read_complete_recording;
use crate::support::run::{STRAIT, Strait, heed_sigint};
use crate::support::{kernel, scratch, scrub, strait};

/// A recording of a shell script into `r.json`.
fn record(dir: &Path, script: &str) -> Strait {
    kernel::require_root();
    strait().args(["record", "-o", "r.json", "--", "/bin/sh", "-c", script]).in_dir(dir)
}

/// Tests that were started in the background may ignore it, and a shell cannot trap what
/// it was told to ignore.
const HEEDING_SIGINT: [&str; 2] = ["env", "--default-signal=INT"];

fn assert_recorded(dir: &Path) {
    let recording = read_complete_recording(&dir.join("r.json"));
    assert!(!recording.is_empty());
}

#[test]
fn the_exit_status_passes_through() {
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9), ("kill -SEGV $$", 128 + 11)]
    {
        let dir = scratch();
        record(dir.path(), script).expect_exit(status).run();
        assert_recorded(dir.path());
    }
}

#[test]
fn standard_input_and_output_pass_through() {
    let dir = scratch();
    let text = "a line\n".repeat(100_000);
    let outcome = record(dir.path(), "exec cat").stdin(text.as_bytes()).run();
    assert_eq!(outcome.stdout.len(), text.len());
    assert_eq!(outcome.stdout, text);
}

#[test]
fn standard_error_passes_through() {
    let dir = scratch();
    record(dir.path(), "echo from the command >&2").run().says(&["from the command\n"]);
}

#[test]
fn a_terminal_passes_through() {
    kernel::require("script", "bsdutils");
    let dir = scratch();
    kernel::require_root();
    let inner = format!(
        "{STRAIT} record -o r.json -- /bin/sh -c 'test -t 0 && test -t 1 && test -t 2 && exit 9'"
    );
    let mut script = Command::new("script");
    scrub(&mut script, dir.path());
    let output = script
        .args(["--quiet", "--return", "--command", &inner, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert_recorded(dir.path());
}

/// The command says when it is there, then waits until it is ended.
#[test]
fn a_signal_to_the_recorder_ends_the_command_and_the_recording_is_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = scratch();
        let mut recorder =
            record(dir.path(), "echo ready; read line").through(HEEDING_SIGINT).spawn();
        assert_eq!(recorder.line(), "ready");
        recorder.signal(signal);
        assert_eq!(recorder.end().0, 128 + signal as i32, "{signal}");
        assert_recorded(dir.path());
    }
}

#[test]
fn a_command_may_end_in_its_own_way_after_a_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = scratch();
        let script = "trap 'echo bye; exit 7' INT TERM; echo ready; read line";
        let mut recorder = record(dir.path(), script).through(HEEDING_SIGINT).spawn();
        assert_eq!(recorder.line(), "ready");
        recorder.signal(signal);
        assert_eq!(recorder.line(), "bye");
        assert_eq!(recorder.end().0, 7, "{signal}");
        assert_recorded(dir.path());
    }
}

#[test]
fn the_command_runs_as_the_user_that_was_asked_for() {
    kernel::require_root();
    let dir = scratch();
    let outcome = strait()
        .args(["record", "-o", "r.json", "--user", "nobody", "--"])
        .args(["/bin/sh", "-c", "id -un; id -gn; id -Gn; grep CapEff /proc/self/status"])
        .in_dir(dir.path())
        .run();
    assert_eq!(outcome.stdout, "nobody\nnogroup\nnogroup\nCapEff:\t0000000000000000\n");
    assert_recorded(dir.path());
}

#[test]
fn the_command_inherits_what_it_would_without_a_recorder() {
    let script = "echo /proc/self/fd/*; \
                  grep -E '^(Sig(Blk|Ign|Cgt)|Cap.*|NoNewPrivs|Seccomp|Groups|Uid|Gid):' \
                  /proc/self/status; umask; ulimit -a; env";
    let dir = scratch();
    let mut shell = Command::new("/bin/sh");
    scrub(&mut shell, dir.path());
    heed_sigint(&mut shell);
    let alone = shell.args(["-c", script]).stdin(Stdio::null()).output().unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    let recorded = record(dir.path(), script).run().stdout;
    // The one thing that it is told.
    let lines = recorded.lines().filter(|line| !line.starts_with("STRAIT_MARK="));
    let recorded: String = lines.map(|line| format!("{line}\n")).collect();
    assert_eq!(recorded, alone.replace(dir.path().to_str().unwrap(), "[DIR]"));
}

#[test]
fn a_recording_is_named_after_its_command_by_default() {
    kernel::require_root();
    let dir = scratch();
    strait().args(["record", "--", "/bin/true"]).in_dir(dir.path()).run();
    read_complete_recording(&dir.path().join("true.recording.json"));
}

/// The recorder is root without its privileges by then, which may not signal other users' processes.
#[test]
fn a_signal_reaches_a_command_that_has_become_another_user() {
    let dir = scratch();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let script = "trap 'echo bye; exit 7' TERM; echo ready; read line";
    let script = format!("exec setpriv --reuid=65534 --clear-groups sh -c \"{script}\"");
    let mut recorder = record(dir.path(), &script).spawn();
    assert_eq!(recorder.line(), "ready");
    recorder.signal(Signal::SIGTERM);
    assert_eq!(recorder.line(), "bye");
    assert_eq!(recorder.end().0, 7);
}
