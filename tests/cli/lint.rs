//! `strait lint`: what consumers make of a profile, also of one that Strait would refuse.

use serde_json::{Value, json};

use crate::support::run::Outcome;
use crate::support::{scratch, strait};

/// What Docker's own default looks like, and mistakes of every kind.
fn strange() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "weather": "fine",
        "syscalls": [
            {"names": ["read", "", "frobnicate"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1},
            {"name": "write", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "5.8"}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF"]}},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
                {"index": 0, "value": 18446744073709551615_u64, "op": "=="}]},
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": -1}]},
            {"names": ["open"], "action": "SCMP_ACT_NOTIFY"},
        ],
    })
}

fn lint(profile: &str, options: &[&str], status: i32) -> Outcome {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    let run = strait().args(["lint", "p.json"]).args(options.to_vec());
    run.in_dir(dir.path()).expect_exit(status).run()
}

#[test]
fn every_consumer_has_its_own_view() {
    for consumer in ["docker", "podman", "containerd", "crio", "spo", "kep-6061"] {
        let outcome = lint(&strange().to_string(), &["--for", consumer], 10);
        insta::assert_snapshot!(format!("lint_{consumer}"), outcome.stdout);
    }
}

const GOOD: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [{"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}]
}"#;

#[test]
fn a_plain_profile_says_the_same_to_everybody() {
    let outcome = lint(GOOD, &[], 0);
    assert_eq!(outcome.stdout, "");
    outcome.says(&["docker, podman, containerd, crio, spo, kep-6061"]);
}

#[test]
fn names_of_others_are_not_obeyed() {
    let odd = GOOD
        .replace("\"execve\"", "\"execve\", \"\\u001b[2J\"")
        .replace("\"architectures\"", "\"\\u001b[3J\": 1, \"architectures\"");
    let outcome = lint(&odd, &[], 0);
    assert!(!outcome.stdout.contains('\u{1b}'), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\\u{1b}[3J"), "{}", outcome.stdout);
}

#[test]
fn what_is_merely_ignored_is_no_failure() {
    let profile = GOOD.replace("\"architectures\"", "\"defaultErrnoRet\": 38, \"architectures\"");
    let outcome = lint(&profile, &[], 0);
    assert!(outcome.stdout.contains("moby pull request 42604"), "{}", outcome.stdout);
    assert_eq!(lint(&profile, &["--for", "podman,containerd"], 0).stdout, "");
}

/// No consumer misreads this; its author may.
#[test]
fn what_misleads_is_reported_and_not_a_failure() {
    let more = r#""syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["read"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 9, "op": "SCMP_CMP_LT"}]},
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 4, "op": "SCMP_CMP_GT"}]},"#;
    let profile = GOOD.replace("\"syscalls\": [", more);
    let stdout = lint(&profile, &["--for", "podman"], 0).stdout;
    assert!(stdout.contains("all: syscalls[1]: warning: the call has a rule already"), "{stdout}");
    assert!(stdout.contains("the conditions are not what libseccomp"), "{stdout}");
    let json: Value =
        serde_json::from_str(&lint(&profile, &["--for", "podman", "--format", "json"], 0).stdout)
            .unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 2, "{json:#}");
}

#[test]
fn what_confines_nothing_is_a_failure_for_everybody() {
    for profile in [
        "{}",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}], "architectures": ["SCMP_ARCH_X86_64"]}"#,
    ] {
        let outcome = lint(profile, &["--for", "docker"], 10);
        assert!(!outcome.stdout.is_empty());
    }
}

/// It starts a container, and that is what is wrong with it.
#[test]
fn a_default_that_lets_everything_through_confines_nothing() {
    for action in ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"] {
        let profile = json!({"defaultAction": action, "architectures": ["SCMP_ARCH_X86_64"]});
        let stdout = lint(&profile.to_string(), &[], 10).stdout;
        assert!(stdout.starts_with("all: defaultAction: confines nothing"), "{stdout}");
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
    }
}

#[test]
fn one_cause_is_one_finding() {
    let mut rules =
        vec![json!({"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"})];
    rules.extend((0..300).map(|nth| {
        json!({"names": [format!("call{nth}"), "s390_pci_mmio_read"], "action": "SCMP_ACT_ALLOW", "weather": nth})
    }));
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules,
    });
    let outcome = lint(&profile.to_string(), &["--for", "podman"], 0);
    insta::assert_snapshot!("one_cause", format!("{}\n----\n{}", outcome.stdout, outcome.stderr));
    let report = lint(&profile.to_string(), &["--for", "podman", "--format", "json"], 0).json();
    assert_eq!(report["remarks"][0]["places"], 300, "{report:#}");
    assert_eq!(report["remarks"][0]["checked"], true);
}

#[test]
fn json_is_what_its_schema_says() {
    let schema = strait_profiles::schema::LINT_V1;
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for profile in [&strange().to_string(), GOOD, "{}", "[]"] {
        let status = if profile == GOOD { 0 } else { 10 };
        let report = lint(profile, &["--format", "json"], status).json();
        assert!(validator.is_valid(&report), "{report:#}");
        assert_eq!(report["consumers"].as_array().unwrap().len(), 6);
    }
    let report = lint(&strange().to_string(), &["--format", "json", "--for", "spo,docker,spo"], 10);
    assert_eq!(report.json()["consumers"], json!(["docker", "spo"]), "each once, in their order");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    lint("", &[], 1).says_one_paragraph().says(&["p.json", "empty"]);
    lint("{\"defaultAction\":", &[], 1).says_one_paragraph().says(&["p.json"]);
    lint(r#"{"schema": "strait.recording/v1"}"#, &[], 1).says(&["strait generate"]);
    lint(GOOD, &["--for", "kubernetes"], 2).says(&["kubernetes", "containerd"]);
    let missing = strait().args(["lint", "/no/such/p.json"]).expect_exit(1).run();
    missing.says_one_paragraph().says(&["/no/such/p.json", "No such file"]);
}

#[test]
fn no_input_makes_it_fall_over() {
    for profile in [
        "null",
        "1",
        "\"x\"",
        "[[]]",
        r#"{"syscalls": {}}"#,
        r#"{"syscalls": [1, null, []]}"#,
        r#"{"syscalls": [{"names": "read", "args": {}}]}"#,
        r#"{"defaultAction": 1, "architectures": [1], "syscalls": [{"names": [1], "action": 2,
            "errnoRet": "x", "args": [1, {"index": "0", "value": 1.5, "op": 3}]}]}"#,
    ] {
        lint(profile, &[], 10);
    }
}
