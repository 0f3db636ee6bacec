//! Ends: of the command, by signals, of the recorder before its command, of what outlives both.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use strait_generator::abi::Abi;

use super::{notify, read};
use crate::support::calls::read_complete_recording;
use crate::support::helpers::helper;
use crate::support::kernel::is_alive;
use crate::support::{Calls, kernel, scratch, wait};

/// As in `survivors`: what is left behind makes a directory once it is told to.
const LEAVES_ONE_BEHIND: &str =
    "(read line <go; mkdir done) >/dev/null 2>&1 </dev/null & echo $!; exit 5";

const HEEDING_SIGINT: [&str; 2] = ["env", "--default-signal=INT"];

fn with_fifo() -> tempfile::TempDir {
    let dir = scratch();
    mkfifo(&dir.path().join("go"), Mode::S_IRWXU).unwrap();
    dir
}

fn go(dir: &Path) {
    std::fs::write(dir.join("go"), "go\n").unwrap();
}

/// How many standby processes there are whose working directory is `dir`.
fn standbys(dir: &Path) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is = |process: &std::path::PathBuf| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm == "strait-standby\n")
            && std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == dir)
    };
    processes.filter(is).count()
}

#[test]
fn the_exit_status_passes_through() {
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9), ("kill -SEGV $$", 128 + 11)]
    {
        let dir = scratch();
        notify(dir.path(), &[], &["/bin/sh", "-c", script]).expect_exit(status).run();
        assert!(!read(dir.path())["abis"].as_object().unwrap().is_empty());
        wait::until("the standby process has ended", || standbys(dir.path()) == 0);
    }
}

#[test]
fn a_grandchild_is_recorded_until_it_ends() {
    let dir = with_fifo();
    let script = ["/bin/sh", "-c", LEAVES_ONE_BEHIND];
    let mut recorder = notify(dir.path(), &["--linger", "forever"], &script).spawn();
    let grandchild = recorder.line();
    assert!(is_alive(&grandchild));
    go(dir.path());
    assert_eq!(recorder.finish().0, 5);
    let calls = Calls::from_recording(&read_complete_recording(&dir.path().join("r.json")));
    assert_eq!(calls.count(Abi::X86_64, "mkdir"), 1);
}

#[test]
fn what_outlives_its_recording_goes_on() {
    let dir = with_fifo();
    let script = ["/bin/sh", "-c", LEAVES_ONE_BEHIND];
    let mut recorder = notify(dir.path(), &["--linger", "0"], &script).spawn();
    let grandchild = recorder.line();
    let (status, said) = recorder.finish();
    assert_eq!(status, 5);
    assert!(said.contains("1 task was still running"), "{said}");
    assert!(is_alive(&grandchild));
    assert_eq!(standbys(dir.path()), 1);
    let calls = Calls::from_recording(&read_complete_recording(&dir.path().join("r.json")));
    assert_eq!(calls.count(Abi::X86_64, "mkdir"), 0);
    go(dir.path());
    wait::until("the grandchild has done its work", || {
        dir.path().join("done").exists() && !is_alive(&grandchild)
    });
    wait::until("the standby process has ended", || standbys(dir.path()) == 0);
}

#[test]
fn a_killed_recorder_leaves_its_command_as_it_is() {
    let dir = with_fifo();
    let script = "echo $$; read line <go; mkdir done; /bin/true; echo finished >done/text";
    let mut recorder = notify(dir.path(), &[], &["/bin/sh", "-c", script]).spawn();
    let command = recorder.line();
    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.status(), 128 + 9);
    assert!(is_alive(&command));
    go(dir.path());
    wait::until("the command has ended", || !is_alive(&command));
    assert_eq!(std::fs::read_to_string(dir.path().join("done/text")).unwrap(), "finished\n");
    wait::until("the standby process has ended", || standbys(dir.path()) == 0);
    assert!(!dir.path().join("r.json").exists(), "not even half of it");
}

/// It is killed with a call in its hands, as far as chance has it.
#[test]
fn a_recorder_killed_at_work_leaves_no_call_unanswered() {
    for round in 0..20 {
        let dir = scratch();
        let script = "echo $$; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); cd .; done; mkdir done";
        let mut recorder = notify(dir.path(), &[], &["/bin/sh", "-c", script]).spawn();
        let command = recorder.line();
        std::thread::sleep(Duration::from_micros(500 * round));
        recorder.signal(Signal::SIGKILL);
        recorder.status();
        wait::until("the command has ended", || !is_alive(&command));
        assert!(dir.path().join("done").exists(), "it was let through to its end");
    }
}

/// With no supervisor left each call fails, but none waits.
#[test]
fn without_recorder_and_standby_the_command_ends() {
    let dir = scratch();
    let mut recorder = notify(dir.path(), &[], &["/bin/cat"]).spawn();
    let children = format!("/proc/{0}/task/{0}/children", recorder.pid());
    let child = |name: &str| {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        let is = |pid: &&str| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.trim() == name)
        };
        text.split_whitespace().find(is).map(|pid| nix::unistd::Pid::from_raw(pid.parse().unwrap()))
    };
    wait::until("the command runs", || child("cat").is_some());
    let standby = helper(&recorder.pid().to_string(), "strait-standby").unwrap();
    let standby = nix::unistd::Pid::from_raw(standby.parse().unwrap());
    let command = child("cat").unwrap().to_string();
    nix::sys::signal::kill(standby, Signal::SIGKILL).unwrap();
    recorder.signal(Signal::SIGKILL);
    recorder.status();
    recorder.close();
    wait::until("the command has ended", || !is_alive(&command));
}

#[test]
fn a_signal_to_the_recorder_ends_the_command_and_the_recording_is_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let dir = scratch();
        let script = ["/bin/sh", "-c", "echo ready; read line"];
        let mut recorder = notify(dir.path(), &[], &script).through(HEEDING_SIGINT).spawn();
        assert_eq!(recorder.line(), "ready");
        recorder.signal(signal);
        assert_eq!(recorder.end().0, 128 + signal as i32, "{signal}");
        read(dir.path());
    }
}

#[test]
fn a_command_that_does_not_heed_signals_is_left_after_two_seconds() {
    let dir = scratch();
    let script = "trap '' TERM; echo $$; read line; mkdir done";
    let mut recorder = notify(dir.path(), &[], &["/bin/sh", "-c", script]).spawn();
    let command = recorder.line();
    let started = Instant::now();
    recorder.signal(Signal::SIGTERM);
    let (status, said) = recorder.end_within(Duration::from_secs(3));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(status, 128 + 15);
    assert!(said.contains("still running"), "{said}");
    read(dir.path());
    // Its standard input has ended by now.
    wait::until("the command has ended", || !is_alive(&command));
    assert!(dir.path().join("done").exists());
}

#[test]
fn a_second_signal_kills_the_command() {
    let dir = scratch();
    let script = "trap '' TERM; echo $$; while :; do sleep 0.1; done";
    let options = ["--stop-timeout", "1m"];
    let mut recorder = notify(dir.path(), &options, &["/bin/sh", "-c", script]).spawn();
    let command = recorder.line();
    recorder.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(100));
    recorder.signal(Signal::SIGTERM);
    let (status, said) = recorder.end_within(Duration::from_secs(5));
    assert_eq!(status, 128 + 9, "{said}");
    assert!(!is_alive(&command));
}

/// The kernel lets a signal interrupt a call that the recorder has not been told of, and makes it anew after a handler
/// that wants that. (After others the call fails with EINTR, which is what the recording says.)
#[test]
fn signals_without_end_leave_a_program_as_it_is() {
    kernel::require_root();
    let dir = scratch();
    let program = "import signal, os\n\
                   n = 0\n\
                   def handler(*_):\n\
                   \x20   global n\n\
                   \x20   n += 1\n\
                   signal.signal(signal.SIGALRM, handler)\n\
                   signal.siginterrupt(signal.SIGALRM, False)\n\
                   signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\n\
                   for _ in range(2000):\n\
                   \x20   with open('/etc/hostname') as file:\n\
                   \x20       file.read()\n\
                   signal.setitimer(signal.ITIMER_REAL, 0)\n\
                   assert n > 10, n\n";
    notify(dir.path(), &[], &["/usr/bin/python3", "-c", program]).run();
    read(dir.path());
}
