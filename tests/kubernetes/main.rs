//! Manifests as Kubernetes sees them: every fixture is valid before it is edited, and after.
//!
//! Needs the Python environment that `cargo xtask setup` makes below `target/`, and fails without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod odd;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::manifests::{folder, group};

/// The oldest version that is supported by anybody.
const OLDEST: &str = "1.29";

fn validate(files: impl Iterator<Item = PathBuf>) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kubernetes/validate.py");
    let output = Command::new(support::python_tool("python"))
        .arg(script)
        .arg(OLDEST)
        .args(files)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The fixtures that become something, in this folder.
fn fixtures(below: &Path) -> impl Iterator<Item = PathBuf> {
    ["container", "pod", "escalation", "fix"]
        .into_iter()
        .flat_map(group)
        .map(move |(path, _)| below.join(path.strip_prefix(folder()).unwrap()))
}

#[test]
fn fixtures_are_valid_before_and_after() {
    let before = validate(fixtures(&folder()));
    let after = validate(fixtures(&folder().join("expected")));
    assert!(before.contains("validated "), "{before}");
    assert_eq!(before, after, "the same objects by the same versions");
    eprint!("{after}");
}

/// Kinds without pods, and the versions and fields of the Pod Security Standards.
#[test]
fn facts_are_those_of_its_schemas() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(support::python_tool("python"))
        .arg(root.join("tests/kubernetes/facts.py"))
        .arg(root.join("profiles/kubernetes/kinds.json"))
        .arg(root.join("profiles/kubernetes/pod-security.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
