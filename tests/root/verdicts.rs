//! `strait verify` blames a profile for what it refuses, and for nothing else.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::fixtures::Fixture;
use crate::support::run::Strait;
use crate::support::{kernel, scratch, strait};

/// A profile that allows every call but these.
fn all_but(dir: &Path, refused: &[&str]) {
    kernel::require_root();
    let allowed: Vec<&str> = strait_recorder::host::MACHINE
        .native()
        .syscalls()
        .map(|(_, name)| name)
        .filter(|name| !refused.contains(name))
        .collect();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}],
    });
    std::fs::write(dir.join("p.json"), profile.to_string()).unwrap();
}

fn verify(dir: &Path, program: &'static str, arguments: &[&str]) -> Strait {
    verify_with(dir, &[], program, arguments)
}

fn verify_with(dir: &Path, options: &[&str], program: &'static str, arguments: &[&str]) -> Strait {
    let program = Fixture::Dynamic(program).path();
    strait()
        .args(["verify", "p.json", "--format", "json", "-o", "report.json"])
        .args(options.iter().copied())
        .args(["--", &program])
        .args(arguments.iter().copied())
        .in_dir(dir)
}

fn report(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join("report.json")).expect("a report");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// `CALL ANSWER COUNT` of each refusal in a list of the report, in order.
fn listed(report: &Value, list: &str) -> Vec<String> {
    let all = report[list].as_array().unwrap_or_else(|| panic!("{list} in {report:#}"));
    let one = |it: &Value| {
        let answer = it["errno"].as_str().or_else(|| it["answer"].as_str()).unwrap();
        format!("{} {answer} {}", it["syscall"].as_str().unwrap(), it["count"])
    };
    let mut lines: Vec<String> = all.iter().map(one).collect();
    lines.sort();
    lines
}

#[test]
fn what_the_programs_own_filter_answers_is_listed_apart() {
    let dir = scratch();
    all_but(dir.path(), &["clone3"]);
    for (mode, status, answer) in [
        ("errno", 0, "EPERM"),
        ("zero", 0, "success"),
        ("trap", 0, "sigsys"),
        ("notify", 0, "success"),
        ("kill", 128 + libc::SIGSYS, "killed"),
        ("process", 128 + libc::SIGSYS, "killed"),
    ] {
        verify(dir.path(), "own_filter", &[mode]).expect_exit(status).run();
        let report = report(dir.path());
        assert_eq!(report["conclusion"], "clean", "{mode}: {report:#}");
        assert_eq!(report["command_status"], status, "{mode}");
        assert_eq!(listed(&report, "refused"), [""; 0], "{mode}");
        assert_eq!(listed(&report, "not_by_profile"), [format!("chown {answer} 1")], "{mode}");
    }
}

#[test]
fn what_both_refuse_is_the_profiles() {
    let dir = scratch();
    all_but(dir.path(), &["chown", "clone3"]);
    // An error comes before a supervisor.
    for (mode, answer) in [("errno", "chown EPERM 1"), ("notify", "chown ENOSYS 1")] {
        verify(dir.path(), "own_filter", &[mode]).expect_exit(12).run();
        let report = report(dir.path());
        assert_eq!(listed(&report, "refused"), [answer], "{mode}: {report:#}");
        assert_eq!(report["conclusion"], "refused");
    }
}

/// The profile answers with an error, and so has not given another answer.
#[test]
fn what_both_refuse_and_the_workload_answers_itself_is_its_own() {
    let dir = scratch();
    all_but(dir.path(), &["chown", "clone3"]);
    for (mode, answer) in [("zero", "chown success 1"), ("trap", "chown sigsys 1")] {
        verify(dir.path(), "own_filter", &[mode]).run();
        let report = report(dir.path());
        assert_eq!(listed(&report, "not_by_profile"), [answer], "{mode}: {report:#}");
    }
}

#[test]
fn what_the_handler_of_a_signal_is_refused_is_seen() {
    let dir = scratch();
    all_but(dir.path(), &["getpgid", "clone3"]);
    verify(dir.path(), "own_filter", &["handler"]).expect_exit(12).run();
    let report = report(dir.path());
    assert_eq!(listed(&report, "refused"), ["getpgid ENOSYS 1"], "{report:#}");
    assert_eq!(listed(&report, "not_by_profile"), ["chown sigsys 1"]);
}

#[test]
fn a_signal_that_no_filter_sent_is_no_refusal() {
    let dir = scratch();
    all_but(dir.path(), &["clone3"]);
    verify(dir.path(), "own_filter", &["signal"]).expect_exit(128 + libc::SIGSYS).run();
    let report = report(dir.path());
    assert_eq!(listed(&report, "refused"), [""; 0]);
    assert_eq!(listed(&report, "not_by_profile"), [""; 0]);
}

/// The kernel ends it within its call, so that nothing is known but that a filter has done so.
#[test]
fn a_thread_that_some_filter_has_killed_counts_and_is_unsure() {
    let dir = scratch();
    all_but(dir.path(), &["clone3"]);
    verify(dir.path(), "own_filter", &["thread"]).expect_exit(12).run();
    let report = report(dir.path());
    let refused = &report["refused"][0];
    assert_eq!(
        (&refused["number"], &refused["certain"]),
        (&Value::Null, &false.into()),
        "{report:#}"
    );
    assert_eq!(refused["answer"], "killed");
}

#[test]
fn calls_are_kept_apart_by_what_a_filter_can_see() {
    let dir = scratch();
    all_but(dir.path(), &["socket"]);
    verify(dir.path(), "families", &["16", "18"]).expect_exit(12).run();
    let report = report(dir.path());
    let families: Vec<&str> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refused| refused["args"][0].as_str().unwrap())
        .collect();
    assert_eq!(families, ["AF_NETLINK", "AF_PACKET", "AF_ASH"], "{report:#}");
}

#[test]
fn more_arguments_than_are_kept_apart_are_counted_and_reported() {
    let dir = scratch();
    all_but(dir.path(), &["socket"]);
    verify(dir.path(), "families", &["0", "199"]).expect_exit(12).run();
    let report = report(dir.path());
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 65, "64 and the others");
    let (others, kept): (Vec<_>, Vec<_>) =
        refused.iter().partition(|refused| refused["other_args"] == true);
    assert!(kept.iter().all(|refused| refused["count"] == 1));
    assert_eq!(others.len(), 1);
    assert_eq!(others[0]["count"], 200 - 64);
    assert_eq!(report["refused_without_room"], 0);
}

#[test]
fn a_refusal_that_was_reviewed_is_accepted() {
    let dir = scratch();
    all_but(dir.path(), &["socket"]);
    let allow = |exceptions: Value| {
        let file = json!({"schema": "strait.allow/v1", "exceptions": exceptions});
        std::fs::write(dir.path().join("allow.json"), file.to_string()).unwrap();
    };
    let run = |exit| {
        verify_with(dir.path(), &["--allow-file", "allow.json"], "families", &["16", "17"])
            .expect_exit(exit)
            .run()
    };
    allow(json!([{"call": "socket(AF_NETLINK)", "reason": "names of interfaces"}]));
    run(12);
    let one = report(dir.path());
    assert_eq!(one["accepted"][0]["reason"], "names of interfaces");
    assert_eq!(one["refused"][0]["args"][0], "AF_PACKET");
    allow(json!([
        {"call": "socket(AF_NETLINK)", "reason": "names of interfaces"},
        {"call": "socket(AF_PACKET)", "reason": "is tried only"},
        {"call": "mkdir", "reason": "nobody remembers"},
    ]));
    run(0).says(&["nothing needs the exception for `mkdir`"]);
    assert_eq!(report(dir.path())["conclusion"], "clean");
    allow(json!([{"call": "socket", "reason": "reviewed once", "expires": "2020-01-01"}]));
    run(12).says(&["`socket` expired after 2020-01-01"]);
}

#[test]
fn a_call_that_no_kernel_has_opens_no_abi_and_is_no_refusal() {
    let dir = scratch();
    kernel::require_root();
    let program = Fixture::Dynamic("by_number").path();
    for number in ["-1", "600", "1000000"] {
        let command = [program.as_str(), number];
        strait().args(["record", "-o", "r.json", "--"]).args(command).in_dir(dir.path()).run();
        strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir.path()).run();
        verify(dir.path(), "by_number", &[number]).run();
        let report = report(dir.path());
        assert_eq!(listed(&report, "no_such_call"), [format!("{number} ENOSYS 1")], "{report:#}");
        let check = ["check", "p.json", "--covers", "r.json"];
        let outcome = strait().args(check).in_dir(dir.path()).run();
        assert!(outcome.stdout.contains("Linux has no such call"), "{}", outcome.stdout);
    }
}

/// It has the bit of x32, which a profile does not list for that. libseccomp kills what is not listed, and that is
/// not what the kernel would have done.
#[test]
fn a_call_that_no_kernel_has_and_that_kills_is_a_refusal() {
    let dir = scratch();
    kernel::require_root();
    let program = Fixture::Dynamic("by_number").path();
    let command = [program.as_str(), "-2"];
    strait().args(["record", "-o", "r.json", "--"]).args(command).in_dir(dir.path()).run();
    strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir.path()).run();
    let profile = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    assert!(!profile.contains("SCMP_ARCH_X32"), "{profile}");
    verify(dir.path(), "by_number", &["-2"]).expect_exit(12).run();
    assert_eq!(listed(&report(dir.path()), "refused"), ["-2 killed 1"]);
    let check = ["check", "p.json", "--covers", "r.json"];
    strait().args(check).in_dir(dir.path()).expect_exit(12).run();
}
