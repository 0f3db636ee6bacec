//! Values of arguments: kept as a filter sees them, and what was not seen is refused.

use std::path::Path;

use serde_json::Value;

use crate::support::fixtures::Fixture;
use crate::support::{attack, kernel, scratch, strait};
use crate::workloads::{self, Workload};

fn record(dir: &Path, command: &[String]) -> Value {
    kernel::require_root();
    strait().args(["record", "-o", "r.json", "--"]).args(command).in_dir(dir).run();
    let text = std::fs::read_to_string(dir.join("r.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The combinations of values that a program made a call with, and how often.
fn values(recording: &Value, call: &str, program: &str) -> Vec<(Vec<u64>, u64)> {
    let arguments = &recording["abis"]["x86_64"]["syscalls"][call]["arguments"];
    assert_eq!(arguments["overflow"], 0, "{call}");
    let combinations = arguments["values"].as_array().unwrap();
    let of_program = combinations.iter().filter_map(|one| {
        let programs = one["programs"].as_object().unwrap();
        let count = programs.iter().find(|(path, _)| path.ends_with(program))?.1.as_u64().unwrap();
        Some((serde_json::from_value(one["values"].clone()).unwrap(), count))
    });
    of_program.collect()
}

#[test]
fn are_kept_as_the_kernel_takes_them() {
    let dir = scratch();
    let recording = record(dir.path(), &[Fixture::Dynamic("arguments").path()]);
    let values = |call| values(&recording, call, "arguments");
    assert_eq!(values("socket"), [(vec![1, 1, 0], 3), (vec![2, 2, 17], 1)]);
    assert_eq!(values("ioctl"), [(vec![0x8004_5430], 1)]);
    assert_eq!(values("prctl"), [(vec![16], 1)]);
    assert_eq!(values("setsockopt"), [(vec![1, 2], 1)]);
    let limits = values("prlimit64");
    assert!(limits.contains(&(vec![0, 7], 1)) && limits.contains(&(vec![1, 6], 1)), "{limits:?}");
    let maps = values("mmap");
    assert!(matches!(maps[..], [(_, _), (_, 1)]) && maps[1].0 == [1], "{maps:?}");
    let total: u64 = maps.iter().map(|(_, count)| count).sum();
    assert_eq!(recording["abis"]["x86_64"]["syscalls"]["mmap"]["count"], total);
}

#[test]
fn more_of_them_than_there_is_room_for_are_counted_and_widen_the_call() {
    let dir = scratch();
    let recording = record(dir.path(), &[Fixture::Dynamic("arguments").path(), "300".to_owned()]);
    let ioctl = &recording["abis"]["x86_64"]["syscalls"]["ioctl"];
    assert_eq!(ioctl["count"], 301);
    let kept = ioctl["arguments"]["values"].as_array().unwrap().len() as u64;
    assert!(kept > 0 && kept < 301);
    assert_eq!(ioctl["arguments"]["overflow"], 301 - kept);
    assert_eq!(recording["complete"], true, "no call was lost");
    let summary =
        strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir.path()).run().stderr;
    assert!(summary.contains("more values than a recording has room for: ioctl"), "{summary}");
    strait()
        .args(["verify", "p.json", "--", &Fixture::Dynamic("arguments").path(), "300"])
        .in_dir(dir.path())
        .run();
}

fn assert_narrow_and_enough(workload: &Workload) {
    for level in ["standard", "strict"] {
        let dir = scratch();
        workload.prepare(dir.path());
        record(dir.path(), &workload.command);
        strait()
            .args(["generate", "r.json", "--args", level, "-o", "p.json"])
            .in_dir(dir.path())
            .run();
        strait().args(["check", "p.json", "--within", "docker-default"]).in_dir(dir.path()).run();
        let again = scratch();
        workload.prepare(again.path());
        strait()
            .arg("verify")
            .arg(dir.path().join("p.json"))
            .arg("--")
            .args(&workload.command)
            .in_dir(again.path())
            .run();
        attack::assert_refused(&dir.path().join("p.json"));
    }
}

#[test]
fn python_can_do_what_it_did_and_nothing_worse() {
    assert_narrow_and_enough(&workloads::python());
}

#[test]
fn curl_can_do_what_it_did_and_nothing_worse() {
    assert_narrow_and_enough(&workloads::curl());
}

#[test]
fn ssh_can_do_what_it_did_and_nothing_worse() {
    assert_narrow_and_enough(&workloads::ssh());
}

#[test]
fn nginx_can_do_what_it_did_and_nothing_worse() {
    assert_narrow_and_enough(&workloads::nginx());
}

#[test]
fn redis_can_do_what_it_did_and_nothing_worse() {
    assert_narrow_and_enough(&workloads::redis());
}
