//! The profiles of real servers: narrow, enough, and the same every time.

use std::path::Path;

use serde_json::Value;

use crate::support::calls::read_complete_recording;
use crate::support::{kernel, scratch, strait};
use crate::workloads::{self, Workload};

fn record(workload: &Workload, file: &Path) {
    kernel::require_root();
    let dir = scratch();
    workload.prepare(dir.path());
    strait()
        .args(["record", "-o"])
        .arg(file)
        .arg("--")
        .args(&workload.command)
        .in_dir(dir.path())
        .run();
    read_complete_recording(file);
}

/// The names that a profile allows, whatever their arguments.
fn allowed(profile: &Value) -> Vec<&str> {
    let mut names: Vec<_> = profile["syscalls"]
        .as_array()
        .expect("a profile has rules")
        .iter()
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|rule| rule["names"].as_array().expect("a rule has names"))
        .map(|name| name.as_str().expect("a name is a string"))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What the server called, without its driver, which is recorded with it.
fn without_driver(recording: &Path) -> Value {
    let mut value: Value =
        serde_json::from_str(&std::fs::read_to_string(recording).unwrap()).unwrap();
    for table in value["abis"].as_object_mut().unwrap().values_mut() {
        table["syscalls"].as_object_mut().unwrap().retain(|_, call| {
            let programs = call["programs"].as_object().unwrap();
            programs.keys().any(|path| !path.contains("python"))
        });
    }
    value
}

fn assert_narrow_and_enough(workload: &Workload) {
    let output = scratch();
    let recording = output.path().join("r.json");
    let profile = output.path().join("p.json");
    record(workload, &recording);
    strait().arg("generate").arg(&recording).arg("-o").arg(&profile).run();

    let server = without_driver(&recording).to_string();
    let value =
        strait().args(["generate", "--generalize", "exact", "-"]).stdin(server).run().json();
    let names = allowed(&value);
    assert!(names.len() < 100, "{} calls: {names:?}", names.len());

    for run in 1..=5 {
        let dir = scratch();
        workload.prepare(dir.path());
        let report = output.path().join("verify.json");
        strait()
            .arg("verify")
            .arg(&profile)
            .args(["--format", "json", "-o"])
            .arg(&report)
            .arg("--")
            .args(&workload.command)
            .in_dir(dir.path())
            .run();
        let report: Value =
            serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
        assert_eq!(report["refused"], Value::Array(vec![]), "run {run}");
    }
}

#[test]
fn nginx_needs_under_a_hundred_calls_and_runs_under_its_profile() {
    assert_narrow_and_enough(&workloads::nginx());
}

#[test]
fn redis_needs_under_a_hundred_calls_and_runs_under_its_profile() {
    assert_narrow_and_enough(&workloads::redis());
}

#[test]
fn the_same_recordings_give_the_same_profile_byte_for_byte() {
    let dir = scratch();
    record(&workloads::shell(), &dir.path().join("a.json"));
    record(&workloads::python(), &dir.path().join("b.json"));
    let generate =
        |files: [&str; 2]| strait().arg("generate").args(files).in_dir(dir.path()).run().stdout;
    let profile = generate(["a.json", "b.json"]);
    assert!(!profile.is_empty());
    assert_eq!(profile, generate(["a.json", "b.json"]));
    assert_eq!(profile, generate(["b.json", "a.json"]), "in any order");
}

#[test]
fn an_architecture_is_listed_only_if_it_was_seen() {
    let architectures = |workload: &Workload| {
        let dir = scratch();
        let recording = dir.path().join("r.json");
        record(workload, &recording);
        let profile = strait().arg("generate").arg(&recording).run().json();
        profile["architectures"].to_string()
    };
    assert_eq!(architectures(&workloads::bare()), r#"["SCMP_ARCH_X86_64"]"#);
    assert_eq!(architectures(&workloads::mixed_abi()), r#"["SCMP_ARCH_X86_64","SCMP_ARCH_X86"]"#);
}
