//! `strait verify` looks at the profile before it runs anything.

use crate::support::{scratch, strait};

/// That a profile is refused and the command not run.
fn assert_refused(profile: &str, texts: &[&str]) {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    let outcome = strait()
        .args(["verify", "p.json", "--", "/bin/echo", "the command ran"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["p.json"])
        .says(texts);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_profile_that_means_unconfined_is_refused() {
    assert_refused("{}", &["unconfined"]);
    assert_refused(r#"{"syscalls": []}"#, &["unconfined"]);
    for action in ["ALLOW", "LOG"] {
        let profile = format!(r#"{{"defaultAction": "SCMP_ACT_{action}", "syscalls": []}}"#);
        assert_refused(&profile, &["confines nothing", action]);
    }
}

#[test]
fn a_profile_that_is_cut_off_is_refused() {
    assert_refused(r#"{"defaultAction": "SCMP_ACT_ERRNO", "sysc"#, &[]);
}

#[test]
fn an_empty_file_is_called_empty() {
    assert_refused("", &["empty"]);
    assert_refused("\n", &["empty"]);
}

#[test]
fn something_that_is_no_profile_is_refused() {
    assert_refused("[1, 2]", &[]);
    assert_refused(r#"{"defaultAction": "SCMP_ACT_SHRUG", "syscalls": []}"#, &["SCMP_ACT_SHRUG"]);
}

#[test]
fn a_missing_profile_is_named() {
    let dir = scratch();
    let outcome = strait()
        .args(["verify", "p.json", "--", "/bin/echo", "the command ran"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["p.json", "No such file"]);
    assert_eq!(outcome.stdout, "");
}

/// libseccomp 2.5.4 loops forever over these conditions of one call.
#[test]
fn a_profile_that_libseccomp_never_finishes_is_given_up() {
    let dir = scratch();
    let rule = |args: &str| {
        format!(r#"{{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{args}]}}"#)
    };
    let arg = |index: u32, op: &str, value: u64| {
        format!(r#"{{"index": {index}, "op": "SCMP_CMP_{op}", "value": {value}}}"#)
    };
    let rules = [
        rule(&[arg(0, "EQ", 1 << 32), arg(1, "GT", 0xffff_ffff)].join(",")),
        rule(&[arg(0, "GE", 1), arg(1, "LE", 1)].join(",")),
        rule(&[arg(0, "GE", 1), arg(1, "EQ", 15)].join(",")),
        r#"{"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}"#.to_owned(),
    ];
    let profile = format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{}]}}"#,
        rules.join(",")
    );
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    let outcome = strait()
        .args(["verify", "p.json", "--", "/bin/true"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run();
    // A later libseccomp may come to an end, with another filter than was asked for.
    let said = ["does not finish compiling", "a filter that differs from it"];
    assert!(said.iter().any(|said| outcome.stderr.contains(said)), "{}", outcome.stderr);
}

const NARROW: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "syscalls": [{"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}"#;

/// That exceptions are refused and the command not run.
fn assert_exceptions_refused(exceptions: Option<&str>, texts: &[&str]) {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), NARROW).unwrap();
    if let Some(exceptions) = exceptions {
        std::fs::write(dir.path().join("allow.json"), exceptions).unwrap();
    }
    let outcome = strait()
        .args(["verify", "p.json", "--allow-file", "allow.json", "--", "/bin/echo", "it ran"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run()
        .says(&["allow.json"])
        .says(texts);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn exceptions_that_cannot_be_used_are_refused_before_anything_is_run() {
    assert_exceptions_refused(None, &["No such file"]);
    assert_exceptions_refused(Some("{"), &["not a list of exceptions"]);
    assert_exceptions_refused(
        Some(r#"{"schema": "strait.allow/v1", "exceptions": [{"call": "sockt", "reason": "r"}]}"#),
        &["exception 1", "sockt"],
    );
    assert_exceptions_refused(
        Some(r#"{"schema": "strait.allow/v1", "exceptions": [{"call": "bpf", "reason": ""}]}"#),
        &["no reason"],
    );
}

#[test]
fn standard_input_is_one_file() {
    let dir = scratch();
    strait()
        .args(["verify", "-", "--allow-file", "-", "--", "/bin/echo", "it ran"])
        .in_dir(dir.path())
        .stdin(NARROW)
        .expect_exit(2)
        .run()
        .says(&["only once"]);
}
