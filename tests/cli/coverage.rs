//! `strait coverage`: what the tests did not show, as a report and as a gate.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{named, put, recording};
use crate::support::run::Strait;
use crate::support::{scratch, strait};

fn coverage(dir: &Path, arguments: &[&str]) -> Strait {
    strait().arg("coverage").args(arguments.iter().copied()).in_dir(dir)
}

/// A recording with so many samples. The program is known to be able to make four calls.
fn tested(samples: u64) -> Value {
    let calls = [("read", 0), ("socket", 41), ("listen", 50)];
    let mut value = recording("app", 1, &calls);
    value["abis"]["x86_64"]["syscalls"]["socket"]["arguments"] = json!({
        "indexes": [0, 1, 2], "overflow": 0, "values": [
            {"values": [2, 1, 0], "count": 2, "first_seen_ms": 1, "programs": {"/bin/app": 2}},
        ],
    });
    let sample = |nth: u64| {
        let mut calls = json!({"x86_64": {"read": 1, "socket": 1}});
        if nth.is_multiple_of(3) {
            calls["x86_64"]["listen"] = json!(1);
        }
        let values = json!({"x86_64": {"socket": [[2, 1, 0]]}});
        json!({"name": format!("t{nth}"), "finished_ms": nth, "calls": calls, "values": values})
    };
    value["samples"] = (0..samples).map(sample).collect();
    let reachable = json!({"calls": {"x86_64": {"import": {"/bin/app": {
        "connect": "connect", "chown": "chown", "read": "read", "socket": "socket", "rename": "rename",
    }}}}});
    value["programs"] =
        json!([{"path": "/bin/app", "device": "8:1", "inode": 7, "reachable": reachable}]);
    value
}

#[test]
fn a_report_reads_like_this() {
    let dir = scratch();
    put(dir.path(), "r.json", &tested(30));
    insta::assert_snapshot!("coverage", coverage(dir.path(), &["r.json"]).run().stdout);
}

#[test]
fn json_keeps_to_its_schema() {
    let dir = scratch();
    put(dir.path(), "a.json", &tested(30));
    put(dir.path(), "b.json", &named("cron", 3, &[("read", 0)]));
    let args = ["a.json", "b.json", "--format", "json", "-o", "c.json"];
    coverage(dir.path(), &args).run().says(&["wrote c.json"]);
    let text = std::fs::read_to_string(dir.path().join("c.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    crate::check::valid(strait_profiles::schema::COVERAGE_V1, &value);
    let names: Vec<&str> = value["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["target"].as_str())
        .collect();
    assert_eq!(names, ["app", "cron"]);
    let connect = value["targets"][0]["unseen"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["syscall"] == "connect")
        .unwrap();
    assert_eq!(connect["status"], "closed");
    assert_eq!(connect["reach"], "known");
    assert_eq!(value["targets"][1]["too_few"], json!({"unit": "test", "samples": 0, "needed": 5}));
}

#[test]
fn a_share_can_be_required() {
    let dir = scratch();
    put(dir.path(), "good.json", &tested(30));
    let mut rare = tested(6);
    rare["samples"][5]["calls"]["x86_64"]["listen"] = json!(1);
    rare["samples"].as_array_mut().unwrap().iter_mut().take(5).for_each(|sample| {
        sample["calls"]["x86_64"].as_object_mut().unwrap().remove("listen");
    });
    put(dir.path(), "rare.json", &rare);
    put(dir.path(), "few.json", &tested(4));
    coverage(dir.path(), &["good.json", "--require", "0.99"]).run();
    coverage(dir.path(), &["rare.json", "--require", "0.5"]).run();
    coverage(dir.path(), &["rare.json", "--require", "0.99"])
        .expect_exit(10)
        .run()
        .says_one_paragraph()
        .says(&["estimated 0.9", "--require asks for 0.99", "Test next: "]);
    coverage(dir.path(), &["few.json", "--require", "0"])
        .expect_exit(10)
        .run()
        .says(&["too few samples", "strait mark"]);
    coverage(dir.path(), &["few.json"]).run();
    for wrong in ["99", "-1", "NaN", "much"] {
        coverage(dir.path(), &["good.json", &format!("--require={wrong}")]).expect_exit(2).run();
    }
}

#[test]
fn what_is_no_recording_is_refused_and_what_is_incomplete_is_said() {
    let dir = scratch();
    put(dir.path(), "empty.json", &recording("app", 1, &[]));
    put(dir.path(), "profile.json", &json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}));
    let mut lossy = tested(6);
    lossy["complete"] = json!(false);
    lossy["losses"]["tasks"] = json!(2);
    put(dir.path(), "lossy.json", &lossy);
    coverage(dir.path(), &["empty.json"]).expect_exit(3).run().says(&["nothing was recorded"]);
    coverage(dir.path(), &["profile.json"]).expect_exit(1).run().says(&["not a recording"]);
    let text = coverage(dir.path(), &["lossy.json"]).run().stdout;
    assert!(text.contains("incomplete: 2 times"), "{text}");
}

#[test]
fn a_profile_for_another_machine_has_the_calls_of_that_machine() {
    let dir = scratch();
    put(
        dir.path(),
        "r.json",
        &recording("app", 1, &[("open", 2), ("chmod", 90), ("modify_ldt", 154)]),
    );
    let args =
        ["generate", "r.json", "--generalize", "exact", "--arch", "x86_64,aarch64", "-o", "p.json"];
    strait().args(args).in_dir(dir.path()).run().says(&[
        "nothing was recorded on aarch64",
        "openat",
        "modify_ldt",
    ]);
    let text = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    let profile: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(profile["architectures"], json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]));
    assert!(text.contains("fchmodat") && text.contains("openat"));
    strait().args(["check", "p.json"]).in_dir(dir.path()).run();
}
