//! `strait report`: one page, wherever it goes, and nothing of what cannot be used.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{named, put, recording};
use crate::support::run::Strait;
use crate::support::{scratch, strait};

fn report(dir: &Path, arguments: &[&str]) -> Strait {
    strait().arg("report").args(arguments.iter().copied()).in_dir(dir)
}

/// A recording with a bit of everything.
fn tested() -> Value {
    let calls = [("read", 0), ("socket", 41), ("mkdir", 83), ("bpf", 321)];
    let mut value = recording("app", 1, &calls);
    let calls = &mut value["abis"]["x86_64"]["syscalls"];
    calls["read"]["count"] = json!(1200);
    calls["read"]["programs"] = json!({"/bin/app": 1199, "/bin/<i>sh</i>": 1});
    calls["socket"]["arguments"] = json!({"indexes": [0, 1, 2], "overflow": 0, "values": [
        {"values": [2, 1, 0], "count": 2, "first_seen_ms": 1, "programs": {"/bin/app": 2}},
    ]});
    value["programs"] = json!([
        {"path": "/bin/<i>sh</i>", "device": "8:1", "inode": 8},
        {"path": "/bin/app", "device": "8:1", "inode": 7},
    ]);
    value["samples"] = json!([
        {"name": "test_read", "finished_ms": 5, "calls": {"x86_64": {"read": 1}}},
        {"name": "test_upload[a&b]", "finished_ms": 9, "calls": {"x86_64": {"read": 1, "mkdir": 2}}},
    ]);
    value["refused"] =
        json!([{"abi": "x86_64", "syscall": "keyctl", "number": 250, "errno": 1, "count": 4}]);
    value
}

/// The page without its style and what follows from that, an element on a line.
fn readable(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let (before, hash) = before.split_once("sha256-").unwrap();
    let (_, title) = hash.split_once('\'').unwrap();
    let this = concat!("Made by strait ", env!("CARGO_PKG_VERSION"));
    format!("{before}sha256-[HASH]'{title}<style/>{after}")
        .replace("><", ">\n<")
        .replace(this, "Made by strait [VERSION]")
}

#[test]
fn a_page_reads_like_this() {
    let dir = scratch();
    put(dir.path(), "r.json", &tested());
    let page = report(dir.path(), &["r.json"]).run().stdout;
    insta::assert_snapshot!("page", readable(&page));
}

#[test]
fn the_page_goes_where_it_is_sent() {
    let dir = scratch();
    put(dir.path(), "r.json", &tested());
    let page = report(dir.path(), &["r.json"]).run().stdout;
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert_eq!(
        report(dir.path(), &["-", "-o", "-"]).stdin(tested().to_string()).run().stdout,
        page
    );
    let outcome =
        report(dir.path(), &["r.json", "-o", "page.html"]).run().says(&["wrote page.html"]);
    assert_eq!(outcome.stdout, "");
    assert_eq!(std::fs::read_to_string(dir.path().join("page.html")).unwrap(), page);
    report(dir.path(), &["r.json", "-o", "/no/such/page.html"])
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["/no/such/page.html"]);
}

#[test]
fn many_recordings_are_one_page_whatever_their_order() {
    let dir = scratch();
    put(dir.path(), "a.json", &tested());
    put(dir.path(), "b.json", &recording("app", 2, &[("mount", 165)]));
    put(dir.path(), "other.json", &named("cron", 3, &[("read", 0)]));
    let page = report(dir.path(), &["a.json", "b.json"]).run().stdout;
    assert!(page.contains("2 recordings") && page.contains("mount"), "{page}");
    assert_eq!(report(dir.path(), &["b.json", "a.json", "b.json"]).run().stdout, page);
    strait().args(["merge", "a.json", "b.json", "-o", "m.json"]).in_dir(dir.path()).run();
    assert_eq!(report(dir.path(), &["m.json"]).run().stdout, page);
    report(dir.path(), &["a.json", "other.json"])
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["other.json", "`cron`", "--allow-mixed"]);
    report(dir.path(), &["a.json", "other.json", "--allow-mixed"]).run();
    report(dir.path(), &["-", "-"]).expect_exit(2).run().says(&["only once"]);
}

#[test]
fn an_incomplete_recording_has_a_page_that_says_so() {
    let dir = scratch();
    let mut lossy = tested();
    lossy["complete"] = json!(false);
    lossy["losses"]["tasks"] = json!(2);
    put(dir.path(), "r.json", &lossy);
    let outcome = report(dir.path(), &["r.json"]).run();
    assert!(outcome.stdout.contains("This recording is incomplete"), "{}", outcome.stdout);
    outcome.says(&["warning", "incomplete", "2 times"]);
}

#[test]
fn what_is_no_recording_is_refused() {
    let dir = scratch();
    let text = tested().to_string();
    std::fs::write(dir.path().join("half.json"), &text[..text.len() / 2]).unwrap();
    put(dir.path(), "later.json", &json!({"schema": "strait.recording/v2"}));
    put(dir.path(), "profile.json", &json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}));
    put(dir.path(), "empty.json", &recording("app", 1, &[]));
    for (file, status, word) in [
        ("half.json", 1, "complete"),
        ("later.json", 1, "v2"),
        ("profile.json", 1, "not a recording"),
        ("no.json", 1, "No such file"),
        ("empty.json", 3, "nothing was recorded"),
    ] {
        let outcome = report(dir.path(), &[file, "-o", "page.html"]).expect_exit(status).run();
        outcome.says_one_paragraph().says(&[word]);
        assert!(!dir.path().join("page.html").exists(), "{file}");
    }
}
