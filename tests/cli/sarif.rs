//! What is written as SARIF, against its schema and against what GitHub asks for besides.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::diff::{diff, releases};
use crate::support::manifests::folder;
use crate::support::{scratch, strait};

/// The folder of a package that the tests are built with.
fn package(name: &str) -> PathBuf {
    // Only of this machine's kind. What other members of the workspace need, and a first build has not downloaded, is
    // downloaded now.
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", host, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages.find(|package| package["name"] == name).unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn assert_valid(log: &Value) {
    let schema = std::fs::read_to_string(package("serde-sarif").join("src/schema.json")).unwrap();
    // A pattern of it has a bracket too many, which strict readers of expressions refuse.
    let schema: Value = serde_json::from_str(&schema.replace("{2}]?$", "{2}$")).unwrap();
    assert!(schema["title"].as_str().unwrap().contains("SARIF"), "{}", schema["title"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(log).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{log:#}");
    // "SARIF support for code scanning", GitHub Docs, 2026: it takes no rule without these.
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
        for field in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[field]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        }
    }
}

fn results(log: &Value) -> usize {
    log["runs"][0]["results"].as_array().unwrap().len()
}

#[test]
fn of_a_diff_is_valid() {
    let dir = scratch();
    releases(dir.path());
    for (new, count) in [("same.json", 0), ("wider.json", 1)] {
        let options = ["old.json", new, "--format", "sarif", "--fail-on", "never"];
        let log = diff(dir.path(), &options).run().json();
        assert_valid(&log);
        assert_eq!(results(&log), count, "{new}");
    }
}

#[test]
fn of_an_audit_is_valid() {
    let run = strait().args(["audit", "--format", "sarif", "container", "pod"]).in_dir(&folder());
    let log = run.run().json();
    assert_valid(&log);
    assert!(results(&log) > 100, "{}", results(&log));
}
