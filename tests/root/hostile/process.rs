//! The recorder as a process beside others: who may signal it, speak to it and type for it, and what it leaves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::{PATIENCE, each, with_sudo};
use crate::support::attacker::Attacker;
use crate::support::calls::{read_complete_recording, read_recording};
use crate::support::helpers::helper;
use crate::support::run::{STRAIT, Strait};
use crate::support::{kernel, scratch, scrub, strait, wait};

fn record(script: &str, dir: &Path) -> Strait {
    kernel::require_root();
    strait()
        .args(["record", "-o", "r.json", "--", "/bin/sh", "-c", script])
        .env("STRAIT", STRAIT)
        .in_dir(dir)
}

#[test]
fn sigusr1_does_not_end_a_recording_and_what_there_is_is_written() {
    let dir = scratch();
    let file = dir.path().join("r.json");
    let mut recorder = record("echo; read line; mkdir d", dir.path()).spawn();
    recorder.line();
    recorder.signal(Signal::SIGUSR1);
    let pid = recorder.pid().to_string();
    wait::until("there is a recording, or no recorder", || {
        file.exists() || !kernel::is_alive(&pid)
    });
    assert!(kernel::is_alive(&pid), "SIGUSR1 has ended the recorder");
    assert!(!read_recording(&file).is_empty());
    recorder.write("\n");
    recorder.close();
    let (status, stderr) = recorder.end_within(PATIENCE);
    assert_eq!(status, 0, "{stderr}");
    let calls = crate::support::Calls::from_recording(&read_complete_recording(&file));
    assert_eq!(calls.count(strait_recorder::host::MACHINE.native(), "mkdir"), 1);
}

/// A recorder whose command has said where its marks go, and waits.
fn with_marks(dir: &Path, user: Option<u32>) -> (crate::support::spawned::Spawned, PathBuf) {
    let user = user.map(|user| user.to_string());
    let mut recorder = strait()
        .args(["record", "-o", "r.json"])
        .args(user.iter().flat_map(|user| ["--user", user]))
        .args(["--", "/bin/sh", "-c", "echo $STRAIT_MARK; read line; exit 0"])
        .in_dir(dir)
        .spawn();
    let socket = PathBuf::from(recorder.line());
    assert!(socket.exists(), "{}", socket.display());
    (recorder, socket)
}

#[test]
fn what_root_makes_for_a_run_is_where_no_other_user_writes() {
    kernel::require_root();
    let dir = scratch();
    let attacker = Attacker::new();
    for user in [None, Some(attacker.uid())] {
        let (recorder, socket) = with_marks(dir.path(), user);
        assert!(socket.starts_with("/run/strait"), "{}", socket.display());
        for folder in socket.ancestors().skip(2) {
            let mode = folder.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o022, 0, "{} is writable", folder.display());
        }
        assert_eq!(recorder.finish().0, 0);
        assert!(!socket.parent().unwrap().exists(), "it goes with the recorder");
    }
}

#[test]
fn another_user_cannot_connect_to_the_socket_of_marks() {
    let dir = scratch();
    let (user, other) = (Attacker::new(), Attacker::new());
    for (of, refused) in [(None, vec![&user, &other]), (Some(user.uid()), vec![&other])] {
        let (recorder, socket) = with_marks(dir.path(), of);
        for attacker in refused {
            // Into its own folder, since the build folder may be closed to others.
            let program = attacker.path("strait");
            assert!(Command::new("cp").arg(STRAIT).arg(&program).status().unwrap().success());
            let mut mark = attacker.command(&program);
            let mark = mark.args(["mark", "theirs"]).env("STRAIT_MARK", &socket).output().unwrap();
            let said = String::from_utf8_lossy(&mark.stderr);
            assert!(!mark.status.success() && said.contains("Permission denied"), "{said}");
            let list = attacker.shell(&format!("ls {}", socket.parent().unwrap().display()));
            let listed = { list }.output().unwrap();
            assert!(!listed.status.success(), "{}", String::from_utf8_lossy(&listed.stdout));
        }
        assert_eq!(recorder.finish().0, 0);
    }
    assert!(read_recording(&dir.path().join("r.json")).samples.is_empty());
}

#[test]
fn the_next_recorder_removes_what_a_killed_one_left() {
    kernel::require_root();
    let dir = scratch();
    let (mut killed, socket) = with_marks(dir.path(), None);
    let (living, of_living) = with_marks(dir.path(), None);
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.status(), 128 + 9);
    record("true", dir.path()).run();
    assert!(!socket.parent().unwrap().exists(), "{} is left behind", socket.display());
    assert!(of_living.exists(), "another recorder uses it");
    assert_eq!(living.finish().0, 0);
    let left: Vec<_> = std::fs::read_dir("/tmp")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        // Those of the tests themselves are called `strait-test-`.
        .filter(|name| name.starts_with("strait-") && !name.starts_with("strait-test-"))
        .filter(|name| socket.starts_with(Path::new("/tmp").join(name)))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn marks_survive_a_low_limit_of_descriptors_or_are_counted_as_lost() {
    each([16, 48], |limit| {
        let dir = scratch();
        // Each client is in the background, so that many of them are connected at once.
        let script = "i=0; while [ $i -lt 100 ]; do \
                      { $STRAIT mark t$i && echo taken; } & i=$((i+1)); done; wait";
        let limit = format!("--nofile={limit}:");
        let mut recorder = record(script, dir.path()).through(["prlimit", &limit, "--"]).spawn();
        recorder.close();
        // Of those that came at the same time not all have calls of their own, and so a sample.
        let taken = recorder.rest().lines().filter(|line| *line == "taken").count();
        let (status, stderr) = recorder.end_within(4 * PATIENCE);
        assert_eq!(status, 0, "{stderr}");
        assert_eq!(taken, 100, "{stderr}");
        assert!(!read_recording(&dir.path().join("r.json")).samples.is_empty());
    });
}

/// `script` gives its command a terminal of its own, in which root would be at work.
#[test]
fn a_command_of_another_user_cannot_type_into_roots_terminal() {
    kernel::require("script", "bsdutils");
    let attacker = Attacker::new();
    for verb in ["record -o r.json", "verify p.json"] {
        let dir = scratch();
        std::fs::write(dir.path().join("p.json"), crate::support::profiles::base().to_string())
            .unwrap();
        let line = format!(
            "{STRAIT} {verb} --user {} -- /bin/sh -c '{} >{}/said'",
            attacker.uid(),
            attacker.path("forge").display(),
            attacker.folder().display(),
        );
        let mut script = Command::new("script");
        scrub(&mut script, dir.path());
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.env("FORGE", "terminal").env("SHELL", "/bin/sh").stdin(std::process::Stdio::null());
        let output = script.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let said = std::fs::read_to_string(attacker.path("said")).unwrap();
        assert!(said.starts_with("open "), "{said}");
        assert!(!said.contains("done"), "{verb}: the terminal is in its hands:\n{said}");
    }
}

#[test]
fn neither_the_command_nor_another_user_may_signal_the_recorder() {
    let dir = scratch();
    let (user, other) = (Attacker::new(), Attacker::new());
    // All that the recorder has: its command, and what helps it.
    let script = "echo $PPID $$; me=$$; for pid in $PPID $(cat /proc/$PPID/task/*/children) $(pgrep strait-writer); do \
                  test $pid = $me || ! kill -TERM $pid 2>/dev/null || echo signalled $pid; done; \
                  echo tried; read line";
    let run = strait()
        .args(["record", "-o"])
        .arg(user.path("r.json"))
        .args(["--user", &user.uid().to_string(), "--", "/bin/sh", "-c", script])
        .in_dir(dir.path());
    let mut recorder = with_sudo(run, &user).spawn();
    let pids = recorder.line();
    let (pid, command) = pids.split_once(' ').unwrap();
    assert_eq!(recorder.line(), "tried");
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let writer = helper(pid, "strait-writer").expect("it is there");
    for target in [pid, &writer].into_iter().chain(children.split_whitespace()) {
        let kill = |attacker: &Attacker| {
            attacker.shell(&format!("kill -TERM {target} 2>/dev/null")).status().unwrap().success()
        };
        assert!(!kill(&other), "{target} of {children}");
        // The user's other processes may end the command, and nothing else.
        let is_of_user = std::fs::read_to_string(format!("/proc/{target}/status"))
            .is_ok_and(|text| text.contains(&format!("Uid:\t{0}\t{0}", user.uid())));
        assert!(!is_of_user || target == command, "{target} runs as the user");
        assert!(is_of_user || !kill(&user), "{target}");
    }
    recorder.write("\n");
    recorder.close();
    let (status, stderr) = recorder.end_within(PATIENCE);
    assert_eq!(status, 0, "{stderr}");
}

/// More would be a way to what root has opened.
#[test]
fn the_command_has_the_descriptors_of_its_caller_and_no_others() {
    let attacker = Attacker::new();
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), crate::support::profiles::base().to_string())
        .unwrap();
    let uid = attacker.uid().to_string();
    let list = ["/bin/sh", "-c", "echo /proc/$$/fd/*"];
    let names = |text: &str| {
        let names = text.split_whitespace().filter_map(|path| path.rsplit('/').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    // What runs the tests may leave some of its own to them.
    let mut plain = Command::new(list[0]);
    scrub(&mut plain, dir.path());
    let plain = plain.args(&list[1..]).stdin(std::process::Stdio::null()).output().unwrap();
    let of_caller = names(&String::from_utf8(plain.stdout).unwrap());
    assert!(of_caller.len() >= 3);
    for args in [
        &["record", "-o", "r.json"][..],
        &["record", "-o", "r.json", "--user", &uid],
        &["record", "--containers", "-o", "out"],
        &["record", "--containers", "-o", "out", "--user", &uid],
        &["verify", "p.json"],
        &["verify", "p.json", "--user", &uid],
    ] {
        let run = strait().args(args.iter().copied()).arg("--").args(list).in_dir(dir.path());
        assert_eq!(names(&run.run().stdout), of_caller, "{args:?}");
    }
}
