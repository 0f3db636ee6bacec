//! What an attacker who has taken over a process would try, tried under a profile.

use std::path::Path;

use serde_json::{Value, json};

use super::fixtures::Fixture;
use super::{scratch, strait};

/// Attempts that a profile refuses, unless its workload makes such calls itself.
const ATTEMPTS: usize = 13;

/// Makes them under the profile of a workload that does nothing of the kind: none may go through.
pub fn assert_refused(profile: &Path) {
    let dir = scratch();
    let outcome = strait()
        .arg("verify")
        .arg(profile)
        .args(["--format", "json", "-o", "report.json", "--"])
        .arg(Fixture::Dynamic("attack").path())
        .in_dir(dir.path())
        .expect_exit(12)
        .run();
    assert_eq!(outcome.stdout.lines().count(), ATTEMPTS, "{}", outcome.stdout);
    let refused = [libc::ENOSYS, libc::EPERM].map(|errno| errno.to_string());
    let through: Vec<&str> = outcome
        .stdout
        .lines()
        .filter(|line| !refused.iter().any(|errno| line.ends_with(&format!(" {errno}"))))
        .collect();
    assert!(through.is_empty(), "under {}: {through:?}", profile.display());
    let report = std::fs::read_to_string(dir.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let calls = report["refused"].as_array().unwrap();
    let named = |call: &str, args: &Value| {
        calls.iter().any(|one| one["syscall"] == call && one["args"] == *args)
    };
    assert!(named("socket", &json!(["AF_ALG", "SOCK_SEQPACKET", "0"])), "{calls:?}");
}
