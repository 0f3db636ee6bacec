//! `--machine`: a profile means something else on each machine, whatever it lists, and each answer says of
//! which machine it is true.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{put, recording};
use crate::support::run::{Outcome, Strait};
use crate::support::{scratch, strait};

/// A profile that lists these architectures and allows these calls besides the usual.
fn profile(architectures: &[&str], names: &[&str]) -> Value {
    let architectures: Vec<String> =
        architectures.iter().map(|name| format!("SCMP_ARCH_{name}")).collect();
    let names: Vec<&str> =
        ["execve", "exit", "exit_group", "read"].iter().chain(names).copied().collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": architectures,
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    })
}

fn run(dir: &Path, args: &[&str], code: i32) -> Outcome {
    let run: Strait = strait().args(args.iter().copied()).in_dir(dir);
    run.expect_exit(code).run()
}

/// The calls are none of arm64, and an x86-64 node allows them all the same.
#[test]
fn a_profile_for_arm64_is_not_proved_for_x86_64() {
    let dir = scratch();
    put(dir.path(), "arm.json", &profile(&["AARCH64"], &["iopl", "uselib"]));
    let wider = run(dir.path(), &["check", "arm.json"], 10).stdout;
    assert!(wider.contains("is wider than the Docker default on x86_64: 2 calls"), "{wider}");
    assert!(wider.contains("iopl(0): allow, there: refuse with EPERM (x86_64)"), "{wider}");
    assert!(wider.contains("within        on aarch64 and riscv64"), "{wider}");
    assert!(wider.contains("not listed    x86 on x86_64, x32 on x86_64: every"), "{wider}");
    let within = run(dir.path(), &["check", "arm.json", "--machine", "aarch64"], 0).stdout;
    assert!(within.contains("is within the Docker default on aarch64: proved"), "{within}");
    assert!(!within.contains("x86") && !within.contains("not listed"), "{within}");
    let json = ["check", "arm.json", "--format", "json"];
    let report = run(dir.path(), &json, 10).json();
    assert_eq!(report["machines"], json!(["x86_64", "aarch64", "riscv64"]));
    assert_eq!(report["within"]["wider"][0]["machine"], "x86_64");
}

#[test]
fn calls_are_killed_only_where_a_machine_has_them_and_the_profile_does_not() {
    let dir = scratch();
    put(dir.path(), "none.json", &profile(&[], &[]));
    put(dir.path(), "all.json", &profile(&["X86_64", "X86", "X32", "AARCH64"], &[]));
    let none = run(dir.path(), &["check", "none.json"], 0).stdout;
    assert!(none.contains("x86 on x86_64, x32 on x86_64: every call is killed"), "{none}");
    assert!(!run(dir.path(), &["check", "all.json"], 0).stdout.contains("not listed"));
}

/// What `check` finds, `diff` and `merge --intersect` find too.
#[test]
fn all_commands_agree_about_what_is_not_listed() {
    let dir = scratch();
    put(dir.path(), "old.json", &profile(&["AARCH64"], &[]));
    put(dir.path(), "new.json", &profile(&["AARCH64"], &["iopl"]));
    let report = run(dir.path(), &["diff", "old.json", "new.json"], 10).stdout;
    assert!(report.contains("old.json → new.json: widened on x86_64"), "{report}");
    assert!(report.contains("+ iopl (x86_64): refused with ENOSYS → allowed"), "{report}");
    let arm = ["diff", "old.json", "new.json", "--machine", "aarch64"];
    let report = run(dir.path(), &arm, 0).stdout;
    assert!(report.contains("equal on aarch64"), "{report}");
    // Lists make no difference for the machines' own calls.
    put(dir.path(), "x86.json", &profile(&["X86_64"], &[]));
    put(dir.path(), "unlisted.json", &profile(&[], &[]));
    let names = ["old.json", "x86.json", "unlisted.json"];
    for one in names {
        for other in names {
            run(dir.path(), &["diff", one, other, "--fail-on", "changed"], 0);
            run(dir.path(), &["merge", "--intersect", one, other, "-o", "both.json"], 0);
            run(dir.path(), &["diff", one, "both.json", "--fail-on", "changed"], 0);
        }
    }
    put(dir.path(), "i386.json", &profile(&["X86_64", "X86"], &[]));
    run(dir.path(), &["merge", "--intersect", "i386.json", "old.json", "-o", "both.json"], 0);
    run(dir.path(), &["diff", "old.json", "both.json", "--fail-on", "changed"], 0);
    let more = run(dir.path(), &["diff", "both.json", "i386.json"], 10).stdout;
    assert!(more.contains("all of x86 on x86_64: 4 calls newly allowed"), "{more}");
}

/// The same change on several machines is one change.
#[test]
fn a_change_is_listed_once() {
    let dir = scratch();
    put(dir.path(), "old.json", &profile(&["X86_64", "AARCH64"], &[]));
    put(dir.path(), "new.json", &profile(&["X86_64", "AARCH64"], &["flock", "open"]));
    let report = run(dir.path(), &["diff", "old.json", "new.json", "--format", "json"], 10).json();
    assert_eq!(report["counts"]["widened"], 2);
    let change = |name: &str| {
        let changes = report["changes"].as_array().unwrap();
        changes.iter().find(|change| change["syscall"] == name).unwrap().clone()
    };
    assert_eq!(change("flock")["also_on"], json!(["aarch64", "riscv64"]));
    assert_eq!(change("open")["also_on"], Value::Null);
    let text = run(dir.path(), &["diff", "old.json", "new.json"], 10).stdout;
    assert!(text.contains("+ flock: ") && text.contains("+ open (x86_64): "), "{text}");
}

/// What was recorded on one machine says nothing of another.
#[test]
fn a_recording_is_compared_on_its_own_machine() {
    let dir = scratch();
    put(dir.path(), "p.json", &profile(&["X86_64", "AARCH64"], &[]));
    let calls = [("execve", 59), ("exit", 60), ("exit_group", 231), ("read", 0)];
    put(dir.path(), "r.json", &recording("app", 1, &calls));
    let same = run(dir.path(), &["diff", "p.json", "r.json", "--fail-on", "changed"], 0).stdout;
    assert!(same.contains("equal on x86_64"), "{same}");
    let covered = run(dir.path(), &["check", "p.json", "--covers", "r.json"], 0).stdout;
    assert!(covered.contains("covers r.json on x86_64: all 4 recorded calls"), "{covered}");
    for command in [&["diff", "p.json", "r.json"][..], &["check", "p.json", "--covers", "r.json"]] {
        let args: Vec<&str> = command.iter().copied().chain(["--machine", "aarch64"]).collect();
        run(dir.path(), &args, 2).says(&["r.json was recorded on x86_64"]);
    }
}

/// systemd and the operator are given names of calls: those of all machines, or of one.
#[test]
fn an_export_is_for_the_machines_that_it_names() {
    let dir = scratch();
    put(dir.path(), "p.json", &profile(&["X86_64"], &["open"]));
    let exported = |args: &[&str]| {
        let all: Vec<&str> =
            ["export", "p.json", "--to", "spo"].iter().chain(args).copied().collect();
        run(dir.path(), &all, 0).stdout
    };
    assert_eq!(exported(&[]), exported(&["--machine", "all"]));
    let (x86, arm) = (exported(&["--machine", "x86_64"]), exported(&["--machine", "aarch64"]));
    // vfork is none of arm64's calls, so nothing has to be said of it there.
    assert!(x86.contains("- vfork\n") && !arm.contains("- vfork\n"), "{arm}");
    run(dir.path(), &["export", "p.json", "--to", "docker", "--machine", "aarch64"], 2)
        .says(&["--machine is for spo, systemd and seccompiler"]);
}

#[test]
fn what_names_no_machine_or_contradicts_itself_is_refused() {
    let dir = scratch();
    put(dir.path(), "p.json", &profile(&["X86_64"], &[]));
    put(dir.path(), "r.json", &recording("app", 1, &[("read", 0)]));
    for command in [
        &["check", "p.json"][..],
        &["diff", "p.json", "p.json"],
        &["merge", "--intersect", "p.json"],
        &["export", "p.json", "--to", "spo"],
        &["explain", "p.json", "read"],
    ] {
        for machine in ["arm", "x86", "", "x86_64,aarch64"] {
            let args: Vec<&str> = command.iter().copied().chain(["--machine", machine]).collect();
            run(dir.path(), &args, 2).says(&["--machine"]);
        }
    }
    run(dir.path(), &["merge", "r.json", "--machine", "x86_64"], 2).says(&["--machine"]);
    run(dir.path(), &["explain", "p.json", "read", "--abi", "x86", "--machine", "x86_64"], 2)
        .says(&["--machine"]);
}

#[test]
fn an_explanation_is_for_the_listed_machines_or_those_that_are_asked_for() {
    let dir = scratch();
    put(dir.path(), "arm.json", &profile(&["AARCH64"], &["iopl"]));
    let of = |args: &[&str]| {
        let all: Vec<&str> = ["explain", "arm.json", "read"].iter().chain(args).copied().collect();
        run(dir.path(), &all, 0).stdout
    };
    let (own, all) = (of(&[]), of(&["--machine", "all"]));
    assert!(own.contains("on aarch64: allowed") && !own.contains("x86_64"), "{own}");
    assert!(all.contains("on aarch64: allowed") && all.contains("on x86_64: allowed"), "{all}");
}
