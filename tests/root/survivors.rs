//! Who outlives whom: grandchildren their command, commands their recorder, recorders each other.

use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use strait_generator::abi::Abi;

use crate::support::calls::read_complete_recording;
use crate::support::fixtures::Fixture;
use crate::support::kernel::{bpf_objects, is_alive};
use crate::support::run::Strait;
use crate::support::{Calls, kernel, scratch, strait, wait};

/// A command that leaves a grandchild behind, tells its pid, and ends. The grandchild waits until
/// somebody writes into `go`, and then makes a directory, which nothing else does.
const LEAVES_ONE_BEHIND: &str =
    "(read line <go; mkdir done) >/dev/null 2>&1 </dev/null & echo $!; exit 5";

fn record(dir: &Path, options: &[&str], command: &[&str]) -> Strait {
    kernel::require_root();
    strait().args(["record", "-o", "r.json"]).args(options).arg("--").args(command).in_dir(dir)
}

fn with_fifo() -> tempfile::TempDir {
    let dir = scratch();
    mkfifo(&dir.path().join("go"), Mode::S_IRWXU).unwrap();
    dir
}

fn go(dir: &Path) {
    std::fs::write(dir.join("go"), "go\n").unwrap();
}

#[test]
fn a_grandchild_is_recorded_until_it_ends() {
    let dir = with_fifo();
    let script = ["/bin/sh", "-c", LEAVES_ONE_BEHIND];
    let mut recorder = record(dir.path(), &[], &script).spawn();
    let shell = recorder.line();
    wait::until("the command has ended", || {
        children(recorder.pid()).is_empty() && is_alive(&shell)
    });
    go(dir.path());
    assert_eq!(recorder.finish().0, 5);
    let calls = Calls::of(&read_complete_recording(&dir.path().join("r.json")));
    assert_eq!(calls.count(Abi::X86_64, "mkdir"), 1);
}

#[test]
fn lingering_has_an_end() {
    let dir = with_fifo();
    let script = ["/bin/sh", "-c", LEAVES_ONE_BEHIND];
    let mut recorder = record(dir.path(), &["--linger", "1s"], &script).spawn();
    let grandchild = recorder.line();
    assert_eq!(recorder.finish().0, 5);
    assert!(is_alive(&grandchild), "it still waits, undisturbed");
    read_complete_recording(&dir.path().join("r.json"));
    go(dir.path());
    wait::until("the grandchild has done its work", || {
        dir.path().join("done").exists() && !is_alive(&grandchild)
    });
}

/// Processes whose parent is `pid` and which have not ended.
/// But for those that write the recording and scan programs.
fn children(pid: nix::unistd::Pid) -> Vec<String> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let comm = |child: &str| std::fs::read_to_string(format!("/proc/{child}/comm"));
    let writes = |child: &str| {
        comm(child)
            .is_ok_and(|comm| ["strait-writer\n", "strait-scanner\n"].contains(&comm.as_str()))
    };
    let children = text.split_whitespace().filter(|child| is_alive(child) && !writes(child));
    children.map(str::to_owned).collect()
}

#[test]
fn a_killed_recorder_leaves_nothing_attached_and_its_command_goes_on() {
    let dir = with_fifo();
    let script = "echo $$; read line <go; mkdir done; echo finished >done/text";
    let mut recorder = record(dir.path(), &[], &["/bin/sh", "-c", script]).spawn();
    let command = recorder.line();
    let objects = bpf_objects(recorder.pid());
    assert!(!objects.is_empty(), "a recorder at work holds BPF objects");

    recorder.signal(Signal::SIGKILL);
    assert_eq!(recorder.status(), 128 + 9);

    // The kernel frees them after a grace period.
    for (kind, id) in objects {
        wait::until(&format!("{kind:?} {id} is gone"), || !kind.exists(id));
    }
    assert!(is_alive(&command));
    go(dir.path());
    wait::until("the command has ended", || !is_alive(&command));
    let text = std::fs::read_to_string(dir.path().join("done/text")).unwrap();
    assert_eq!(text, "finished\n");
    assert!(!dir.path().join("r.json").exists(), "not even half of it");
}

#[test]
fn two_recorders_at_once_see_their_own_command_each() {
    let many = Fixture::Dynamic("many_calls").path();
    let sets = [("3", 3 * 2 * 1000), ("5", 5 * 2 * 1000)].map(|(processes, calls)| {
        let dir = with_fifo();
        let script = format!("echo ready; read line <go; exec {many} {processes} 2 1000");
        let mut recorder = record(dir.path(), &[], &["/bin/sh", "-c", &script]).spawn();
        assert_eq!(recorder.line(), "ready");
        (dir, recorder, calls)
    });
    // Both are attached here, and neither command has begun.
    for (dir, _, _) in &sets {
        go(dir.path());
    }
    for (dir, recorder, calls) in sets {
        assert_eq!(recorder.finish().0, 0);
        let recorded = Calls::of(&read_complete_recording(&dir.path().join("r.json")));
        // The shell asks once for its own parent.
        assert_eq!(recorded.count(Abi::X86_64, "getppid"), calls + 1);
    }
}
