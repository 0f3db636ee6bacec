//! `strait merge`: what goes together, what does not, and what is said about it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// A recording of `name` that made these calls once each.
pub fn recording(name: &str, minute: u32, calls: &[(&str, u32)]) -> Value {
    let calls: serde_json::Map<String, Value> = calls
        .iter()
        .map(|(name, number)| {
            let call = json!({
                "number": number, "count": 2, "first_seen_ms": minute, "programs": {"/bin/app": 2},
            });
            ((*name).to_owned(), call)
        })
        .collect();
    json!({
        "schema": "strait.recording/v1",
        "tool": {"name": "strait", "version": "0.1.0"},
        "host": {"kernel": "6.12.0", "arch": "x86_64"},
        "target": {"kind": "command", "name": name, "command": [name, minute.to_string()]},
        "started": format!("2026-01-01T00:{minute:02}:00Z"),
        "finished": format!("2026-01-01T00:{minute:02}:01Z"),
        "complete": true,
        "losses": {"calls": 0, "programs": 0, "missed": 0, "tasks": 0},
        "programs": [{"path": "/bin/app", "device": "8:1", "inode": 7}],
        "abis": {"x86_64": {"syscalls": calls}},
    })
}

/// One of a command that was given another name than its program has.
pub fn named(name: &str, minute: u32, calls: &[(&str, u32)]) -> Value {
    let mut recording = recording("app", minute, calls);
    recording["target"]["name"] = json!(name);
    recording
}

/// Writes it as a file of this folder.
pub fn put(dir: &Path, name: &str, value: &Value) {
    std::fs::write(dir.join(name), value.to_string()).unwrap();
}

fn merge(dir: &Path, files: &[&str]) -> Strait {
    strait().arg("merge").args(files.iter().copied()).in_dir(dir)
}

fn shards(dir: &Path) {
    put(dir, "a.json", &recording("app", 1, &[("read", 0), ("write", 1)]));
    put(dir, "b.json", &recording("app", 2, &[("read", 0), ("socket", 41)]));
    put(dir, "c.json", &recording("app", 3, &[("read", 0)]));
}

#[test]
fn shards_become_one_recording_and_each_says_what_it_added() {
    let dir = scratch();
    shards(dir.path());
    let outcome = merge(dir.path(), &["a.json", "b.json", "c.json", "a.json"]).run();
    insta::assert_snapshot!(outcome.stderr);
    let merged = outcome.json();
    let calls = &merged["abis"]["x86_64"]["syscalls"];
    assert_eq!(calls["read"]["count"], 6);
    assert_eq!(calls["socket"]["count"], 2);
    assert_eq!(merged["sources"].as_array().unwrap().len(), 3);
}

#[test]
fn the_order_of_files_and_of_merges_changes_no_byte() {
    let dir = scratch();
    shards(dir.path());
    let all = merge(dir.path(), &["a.json", "b.json", "c.json"]).run().stdout;
    assert_eq!(merge(dir.path(), &["c.json", "a.json", "b.json"]).run().stdout, all);
    merge(dir.path(), &["a.json", "b.json", "-o", "ab.json"]).run();
    merge(dir.path(), &["b.json", "c.json", "-o", "bc.json"]).run();
    assert_eq!(merge(dir.path(), &["ab.json", "bc.json"]).run().stdout, all);
    assert_eq!(merge(dir.path(), &["bc.json", "-"]).stdin(all.clone()).run().stdout, all);
}

#[test]
fn a_profile_of_the_merged_is_that_of_all() {
    let dir = scratch();
    shards(dir.path());
    merge(dir.path(), &["a.json", "b.json", "c.json", "-o", "all.json"]).run();
    let generate = |files: &[&str]| {
        strait().arg("generate").args(files.iter().copied()).in_dir(dir.path()).run().stdout
    };
    assert_eq!(generate(&["all.json"]), generate(&["a.json", "b.json", "c.json"]));
}

#[test]
fn recordings_of_different_targets_need_allow_mixed() {
    let dir = scratch();
    shards(dir.path());
    put(dir.path(), "other.json", &named("cron", 5, &[("read", 0)]));
    let refused = merge(dir.path(), &["a.json", "other.json", "-o", "m.json"]).expect_exit(1).run();
    refused.says_one_paragraph().says(&["other.json", "commands", "`cron`", "--allow-mixed"]);
    assert!(!dir.path().join("m.json").exists());
    merge(dir.path(), &["a.json", "other.json", "--allow-mixed"]).run();
}

#[test]
fn losses_are_reported() {
    let dir = scratch();
    shards(dir.path());
    let mut lossy = recording("app", 9, &[("read", 0)]);
    lossy["complete"] = json!(false);
    lossy["losses"]["tasks"] = json!(2);
    put(dir.path(), "lossy.json", &lossy);
    let outcome = merge(dir.path(), &["a.json", "lossy.json"]).run().says(&["incomplete"]);
    assert_eq!(outcome.json()["losses"]["tasks"], 2);
}

#[test]
fn half_a_file_and_other_files_are_named() {
    let dir = scratch();
    shards(dir.path());
    let text = recording("app", 1, &[("read", 0)]).to_string();
    std::fs::write(dir.path().join("half.json"), &text[..text.len() / 2]).unwrap();
    put(dir.path(), "later.json", &json!({"schema": "strait.recording/v2"}));
    for (file, word) in
        [("half.json", "complete"), ("later.json", "v2"), ("no.json", "No such file")]
    {
        let outcome = merge(dir.path(), &["a.json", file, "-o", "m.json"]).expect_exit(1).run();
        outcome.says_one_paragraph().says(&[file, word]);
        assert!(!dir.path().join("m.json").exists());
    }
}

/// As `strait merge <(zcat a.json.gz) …` does.
#[test]
fn pipes_are_read_once() {
    let dir = scratch();
    shards(dir.path());
    put(dir.path(), "inet.json", &profile(2, "SCMP_ARCH_X86_64"));
    for (first, other) in [("a.json", "b.json"), ("inet.json", "inet.json")] {
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let text = std::fs::read(dir.path().join(first)).unwrap();
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, text).unwrap()
        });
        let merged = merge(dir.path(), &["pipe", other]).run().stdout;
        writer.join().unwrap();
        assert_eq!(merged, merge(dir.path(), &[first, other]).run().stdout);
        std::fs::remove_file(pipe).unwrap();
    }
    let inet = profile(2, "SCMP_ARCH_X86_64").to_string();
    let alone = merge(dir.path(), &["-"]).stdin(inet).run().stdout;
    assert_eq!(alone, merge(dir.path(), &["inet.json"]).run().stdout);
    merge(dir.path(), &["-", "-"]).expect_exit(2).run().says(&["only once"]);
}

fn profile(family: u64, architecture: &str) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": [architecture],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"}]},
        ],
    })
}

#[test]
fn profiles_are_united_or_intersected_by_meaning() {
    let dir = scratch();
    put(dir.path(), "inet.json", &profile(2, "SCMP_ARCH_X86_64"));
    put(dir.path(), "unix.json", &profile(1, "SCMP_ARCH_X86_64"));
    let outcome = merge(dir.path(), &["inet.json", "unix.json"]).run();
    insta::assert_snapshot!("profiles", outcome.stdout);
    outcome.says(&["inet.json: the result allows 1 call more, 0 calls less"]);
    let outcome = merge(dir.path(), &["inet.json", "unix.json", "--intersect"]).run();
    assert!(!outcome.stdout.contains("socket"), "{}", outcome.stdout);
    put(dir.path(), "arm.json", &profile(2, "SCMP_ARCH_AARCH64"));
    let both = merge(dir.path(), &["inet.json", "arm.json"]).run().json();
    assert_eq!(both["architectures"].as_array().unwrap().len(), 2);
    // On each machine both cover its own calls, whatever they list.
    let outcome = merge(dir.path(), &["inet.json", "arm.json", "--intersect"]).run();
    outcome.says(&[
        "arm.json: the result allows 0 calls more, 0 calls less on x86_64, aarch64 and riscv64",
    ]);
    shards(dir.path());
    merge(dir.path(), &["inet.json", "a.json"]).expect_exit(1).run().says(&["a.json"]);
    merge(dir.path(), &["a.json", "inet.json"]).expect_exit(1).run().says(&["inet.json"]);
}
