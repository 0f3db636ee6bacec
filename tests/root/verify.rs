//! `strait verify` runs a command under its profile and names what was refused.

use std::path::Path;

use serde_json::Value;

use crate::support::fixtures::Fixture;
use crate::support::run::{Outcome, Strait};
use crate::support::{kernel, scratch, strait};

const PYTHON: [&str; 3] = ["/usr/bin/python3", "-IB", "-c"];

/// Records a command and generates its profile into `p.json`.
fn profile(dir: &Path, command: &[&str]) {
    kernel::require_root();
    strait().args(["record", "-o", "r.json", "--"]).args(command).in_dir(dir).run();
    strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir).run();
}

/// `verify` with the report in `report.json`.
fn verify(dir: &Path, command: &[&str]) -> Strait {
    strait()
        .args(["verify", "p.json", "--format", "json", "-o", "report.json"])
        .arg("--")
        .args(command)
        .in_dir(dir)
}

fn report(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join("report.json")).expect("a report");
    serde_json::from_str(&text).expect("the report is JSON")
}

fn python(script: &str) -> Vec<&str> {
    PYTHON.into_iter().chain([script]).collect()
}

#[test]
fn a_command_passes_under_its_own_profile() {
    let dir = scratch();
    profile(dir.path(), &["/bin/echo", "hello"]);
    let outcome = verify(dir.path(), &["/bin/echo", "hello"]).run();
    assert_eq!(outcome.stdout, "hello\n", "its output is untouched");
    let report = report(dir.path());
    assert_eq!(report["schema"], "strait.verify/v1");
    assert_eq!(report["command_status"], 0);
    assert_eq!(report["refused"], Value::Array(vec![]));
}

#[test]
fn one_thing_more_is_refused_and_named_even_if_the_command_survives_it() {
    let dir = scratch();
    profile(dir.path(), &python("import os, socket"));
    // AF_ALG (38) is refused by the Docker default with EPERM.
    let script = "
import os, socket
for _ in range(3):
    try:
        socket.socket(38, socket.SOCK_SEQPACKET, 0)
    except OSError as error:
        print(error.errno)
";
    let outcome = verify(dir.path(), &python(script)).expect_exit(12).run();
    let report = report(dir.path());
    assert_eq!(report["command_status"], 0);
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    let call = &refused[0];
    assert_eq!(call["syscall"], "socket");
    assert_eq!(call["abi"], "x86_64");
    assert_eq!(call["count"], 3);
    let program = call["program"].as_str().unwrap();
    assert!(program.contains("python3"), "{program}");
    let arguments = call["args"].to_string();
    assert!(arguments.contains("38") || arguments.contains("AF_ALG"), "{arguments}");
    // What the program was told is what the report says.
    let told: i64 = outcome.stdout.lines().next().unwrap().parse().unwrap();
    let errno = call["errno"].to_string();
    let name = nix::errno::Errno::from_raw(i32::try_from(told).unwrap());
    assert!(
        errno == told.to_string() || errno.contains(&format!("{name:?}")),
        "{errno} is not {told}"
    );
}

#[test]
fn a_refused_mount_is_eperm_as_under_the_docker_default() {
    let dir = scratch();
    let script = |end: &str| {
        format!("import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.getppid()\n{end}")
    };
    profile(dir.path(), &python(&script("")));
    let mount =
        script("assert libc.mount(b'a', b'/no', b'b', 0, None) == -1\nprint(ctypes.get_errno())");
    let outcome = verify(dir.path(), &python(&mount)).expect_exit(12).run();
    assert_eq!(outcome.stdout, format!("{}\n", libc::EPERM));
    assert_eq!(report(dir.path())["refused"][0]["syscall"], "mount");
}

#[test]
fn the_text_report_goes_to_stderr_and_says_the_same() {
    let dir = scratch();
    profile(dir.path(), &["/bin/true"]);
    let outcome: Outcome = strait()
        .args(["verify", "p.json", "--", "/bin/mkdir", "made"])
        .in_dir(dir.path())
        .expect_exit(12)
        .run()
        .says(&["mkdir", "/bin/mkdir"]);
    assert_eq!(outcome.stdout, "");
    assert!(!dir.path().join("made").exists(), "it was really refused");
}

#[test]
fn a_fallback_by_design_is_listed_and_does_not_fail() {
    let dir = scratch();
    let threads = Fixture::Dynamic("many_calls").path();
    let command = [threads.as_str(), "2", "2", "10"];
    profile(dir.path(), &command);
    verify(dir.path(), &command).run();
    let report = report(dir.path());
    assert_eq!(report["refused"], Value::Array(vec![]));
    let fallbacks = report["fallbacks"].to_string();
    assert!(fallbacks.contains("clone3"), "{report:#}");
}

#[test]
fn without_a_refusal_the_exit_status_is_the_commands_own() {
    let dir = scratch();
    let command = |status| ["/bin/sh".to_owned(), "-c".into(), format!("exit {status}")];
    let [zero, seven] = [0, 7].map(command);
    profile(dir.path(), &zero.each_ref().map(String::as_str));
    verify(dir.path(), &seven.each_ref().map(String::as_str)).expect_exit(7).run();
    assert_eq!(report(dir.path())["command_status"], 7);
}

#[test]
fn a_command_that_is_not_there_is_127_under_a_profile_too() {
    let dir = scratch();
    profile(dir.path(), &["/bin/true"]);
    verify(dir.path(), &["/no/such/command"]).expect_exit(127).run().says(&["/no/such/command"]);
}
