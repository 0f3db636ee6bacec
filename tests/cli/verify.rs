//! `strait verify` looks at the profile before it runs anything.

use crate::support::{scratch, strait};

/// That a profile is refused and the command not run.
fn assert_refused(profile: &str, words: &[&str]) {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    let outcome = strait()
        .args(["verify", "p.json", "--", "/bin/echo", "the command ran"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["p.json"])
        .says(words);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_profile_that_means_unconfined_is_refused() {
    assert_refused("{}", &["unconfined"]);
    assert_refused(r#"{"syscalls": []}"#, &["unconfined"]);
    assert_refused(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}"#, &["unconfined"]);
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
