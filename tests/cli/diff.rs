//! `strait diff` and `strait explain`: verdicts, gates, formats, and what cannot be compared.

use std::path::Path;

use serde_json::{Value, json};

use crate::merge::{put, recording};
use crate::support::run::Strait;
use crate::support::{scratch, strait};

fn profile(names: &[&str], families: &[u64]) -> Value {
    let mut entries = vec![json!({"names": names, "action": "SCMP_ACT_ALLOW"})];
    entries.extend(families.iter().map(|family| {
        json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW",
               "args": [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"}]})
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"], "syscalls": entries,
    })
}

pub fn diff(dir: &Path, arguments: &[&str]) -> Strait {
    strait().arg("diff").args(arguments.iter().copied()).in_dir(dir)
}

fn explain(dir: &Path, arguments: &[&str]) -> Strait {
    strait().arg("explain").args(arguments.iter().copied()).in_dir(dir)
}

/// `old.json`, `same.json` which says it otherwise, `wider.json` and `narrower.json`.
pub fn releases(dir: &Path) {
    put(dir, "old.json", &profile(&["read", "write", "mkdir"], &[1, 2]));
    put(dir, "same.json", &profile(&["mkdir", "read", "write", "read"], &[2, 1]));
    put(dir, "wider.json", &profile(&["read", "write", "mkdir"], &[1, 2, 16]));
    put(dir, "narrower.json", &profile(&["read", "write"], &[1, 2]));
}

#[test]
fn the_verdict_decides_the_exit_status() {
    let dir = scratch();
    releases(dir.path());
    for (new, verdict, failing) in [
        ("same.json", "equal", &[][..]),
        ("wider.json", "widened", &["widened", "risky", "changed"]),
        ("narrower.json", "narrowed", &["changed"]),
    ] {
        for gate in ["widened", "risky", "changed", "never"] {
            let status = if failing.contains(&gate) { 10 } else { 0 };
            let outcome =
                diff(dir.path(), &["old.json", new, "--format", "json", "--fail-on", gate])
                    .expect_exit(status)
                    .run();
            let report = outcome.json();
            assert_eq!(report["verdict"], verdict, "{new}");
            assert_eq!(report["gate"]["failed"], status == 10);
        }
    }
    diff(dir.path(), &["old.json", "wider.json"]).expect_exit(10).run();
}

#[test]
fn a_profile_and_a_recording_can_be_compared() {
    let dir = scratch();
    releases(dir.path());
    put(dir.path(), "r.json", &recording("app", 1, &[("read", 0), ("bpf", 321)]));
    let outcome =
        diff(dir.path(), &["old.json", "r.json", "--format", "json"]).expect_exit(10).run();
    let report = outcome.json();
    assert_eq!(report["verdict"], "mixed");
    assert_eq!(report["changes"][0]["syscall"], "bpf");
    assert_eq!(report["changes"][0]["evidence"]["programs"]["/bin/app"], 2);
    let told = |nth: usize| (&report["changes"][nth]["before"], &report["changes"][nth]["after"]);
    assert_eq!(told(0), (&json!("refused with ENOSYS"), &json!("called")));
    assert_eq!(told(1).1, "not called", "a recording refuses nothing");
    assert_eq!(report["changes"][1]["witness"]["after"], "not called");
    diff(dir.path(), &["r.json", "r.json", "--fail-on", "changed"]).run();
}

/// Wherever the report goes, even if the warning was missed.
#[test]
fn an_incomplete_recording_is_called_so_in_every_report() {
    let dir = scratch();
    releases(dir.path());
    let mut lossy = recording("app", 1, &[("read", 0)]);
    lossy["complete"] = json!(false);
    lossy["losses"]["tasks"] = json!(2);
    put(dir.path(), "r.json", &lossy);
    for format in ["text", "markdown"] {
        let outcome = diff(dir.path(), &["old.json", "r.json", "--format", format]).run();
        let says = outcome.stdout.replace(['`', '*'], "");
        assert!(says.contains("r.json is incomplete"), "{}", outcome.stdout);
        outcome.says(&["warning", "incomplete"]);
    }
    let report = diff(dir.path(), &["old.json", "r.json", "--format", "json"]).run().json();
    assert_eq!(report["new"]["complete"], false);
    assert_eq!(report["old"]["complete"], Value::Null);
}

/// From recordings with samples to a profile with evidence, whose new call names its test.
#[test]
fn a_new_call_names_the_test_that_made_it_first() {
    let dir = scratch();
    let before = recording("app", 1, &[("read", 0), ("write", 1)]);
    let mut after = recording("app", 2, &[("read", 0), ("write", 1), ("mkdir", 83)]);
    after["samples"] = json!([
        {"name": "test_read", "finished_ms": 5, "calls": {"x86_64": {"read": 1}}},
        {"name": "test_upload", "finished_ms": 9, "calls": {"x86_64": {"read": 1, "mkdir": 2}}},
    ]);
    put(dir.path(), "1.recording.json", &before);
    put(dir.path(), "2.recording.json", &after);
    for release in ["1", "2"] {
        let (from, to) = (format!("{release}.recording.json"), format!("{release}.json"));
        strait()
            .args(["generate", "--generalize", "exact", &from, "-o", &to])
            .in_dir(dir.path())
            .run();
    }
    let outcome = diff(dir.path(), &["1.json", "2.json"]).expect_exit(10).run();
    insta::assert_snapshot!("new_call", outcome.stdout);
    let outcome =
        diff(dir.path(), &["1.json", "2.json", "--format", "markdown"]).expect_exit(10).run();
    insta::assert_snapshot!("new_call_markdown", outcome.stdout);
    let outcome = explain(dir.path(), &["2.json", "mkdir", "bpf"]).run();
    insta::assert_snapshot!("explain_profile", outcome.stdout);
    let outcome = explain(dir.path(), &["2.recording.json", "mkdir", "socket"]).run();
    insta::assert_snapshot!("explain_recording", outcome.stdout);
    // The evidence of another profile is not passed off as this one's.
    std::fs::copy(dir.path().join("1.evidence.json"), dir.path().join("2.evidence.json")).unwrap();
    diff(dir.path(), &["1.json", "2.json"]).expect_exit(10).run().says(&["out of date"]);
}

#[test]
fn a_call_with_arguments_is_allowed_or_refused_and_an_entry_says_so() {
    let dir = scratch();
    releases(dir.path());
    let calls = ["socket(AF_NETLINK, SOCK_RAW, 0)", "socket(AF_INET)", "socket", "mount", "read"];
    let mut arguments = vec!["old.json"];
    arguments.extend(calls);
    insta::assert_snapshot!("explain_calls", explain(dir.path(), &arguments).run().stdout);
}

#[test]
fn what_is_no_call_is_a_wrong_command_line() {
    let dir = scratch();
    releases(dir.path());
    for (call, word) in [("sockt", "no system call"), ("socket(AF_NETLNK)", "AF_NETLINK")] {
        explain(dir.path(), &["old.json", call])
            .expect_exit(2)
            .run()
            .says_one_paragraph()
            .says(&[word]);
    }
}

#[test]
fn exceptions_are_obeyed_and_stale_ones_pointed_out() {
    let dir = scratch();
    releases(dir.path());
    let file = |exceptions: Value| {
        put(dir.path(), "ok.json", &json!({"schema": "strait.allow/v1", "exceptions": exceptions}));
        diff(dir.path(), &["old.json", "wider.json", "--allow-file", "ok.json"])
    };
    file(json!([{"call": "socket(AF_NETLINK)", "reason": "names"}])).run();
    file(json!([{"call": "socket(AF_NETLINK)", "reason": "names", "expires": "2020-01-01"}]))
        .expect_exit(10)
        .run()
        .says(&["warning", "expired after 2020-01-01"]);
    file(json!([{"call": "socket(AF_NETLINK)", "reason": "n"}, {"call": "bpf", "reason": "n"}]))
        .run()
        .says(&["warning", "nothing needs the exception for `bpf`"]);
    file(json!([{"call": "socket(AF_NETLINK)"}])).expect_exit(1).run().says(&["ok.json", "reason"]);
}

#[test]
fn what_cannot_be_compared_is_1_and_never_0() {
    let dir = scratch();
    releases(dir.path());
    let text = profile(&["read"], &[]).to_string();
    std::fs::write(dir.path().join("half.json"), &text[..text.len() / 2]).unwrap();
    put(dir.path(), "report.json", &json!({"schema": "strait.verify/v1"}));
    put(dir.path(), "later.json", &json!({"schema": "strait.recording/v2"}));
    put(dir.path(), "other.json", &json!({"hello": "world"}));
    std::fs::write(dir.path().join("binary.json"), [0xff, 0, 1]).unwrap();
    std::fs::write(dir.path().join("marked.json"), format!("\u{feff}{text}")).unwrap();
    for (file, word) in [
        ("half.json", "complete"),
        ("report.json", "strait.verify/v1"),
        ("later.json", "strait.recording/v2"),
        ("other.json", "defaultAction"),
        ("binary.json", "UTF-8"),
        ("marked.json", "byte order mark"),
        ("missing.json", "No such file"),
    ] {
        for (old, new) in [("old.json", file), (file, "old.json")] {
            diff(dir.path(), &[old, new, "--fail-on", "never"])
                .expect_exit(1)
                .run()
                .says_one_paragraph()
                .says(&[file, word]);
        }
    }
    diff(dir.path(), &["old.json", "old.json", "-o", "/no/such/folder/comment.md"])
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["/no/such/folder/comment.md"]);
    diff(dir.path(), &["old.json", "old.json", "--allow-file", "half.json"]).expect_exit(1).run();
}

#[test]
fn a_report_does_not_overwrite_what_is_compared() {
    let dir = scratch();
    releases(dir.path());
    let before = std::fs::read(dir.path().join("wider.json")).unwrap();
    diff(dir.path(), &["old.json", "wider.json", "-o", "./wider.json"])
        .expect_exit(2)
        .run()
        .says_one_paragraph()
        .says(&["wider.json"]);
    assert_eq!(std::fs::read(dir.path().join("wider.json")).unwrap(), before);
    diff(dir.path(), &["-", "-"]).expect_exit(2).run().says(&["only once"]);
}

/// What is known of the call is not passed off as known of these arguments.
#[test]
fn explain_tells_who_made_the_call_with_these_arguments() {
    let dir = scratch();
    let mut recorded = recording("app", 1, &[("read", 0), ("socket", 41)]);
    recorded["abis"]["x86_64"]["syscalls"]["socket"]["arguments"] = json!({
        "indexes": [0, 1, 2], "overflow": 0,
        "values": [
            {"values": [2, 1, 0], "count": 2, "first_seen_ms": 1, "programs": {"/bin/app": 2}},
        ],
    });
    put(dir.path(), "app.recording.json", &recorded);
    strait().args(["generate", "app.recording.json", "-o", "app.json"]).in_dir(dir.path()).run();
    let says = |call: &str| explain(dir.path(), &["app.json", call]).run().stdout;
    let made = says("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC)");
    assert!(made.contains("made 2 times"), "{made}");
    let never = says("socket(AF_NETLINK, SOCK_RAW, 0)");
    assert!(never.contains("never made with these arguments"), "{never}");
    assert!(!never.contains("2 times"), "{never}");
    let recorded = explain(dir.path(), &["app.recording.json", "socket"]).run().stdout;
    assert!(recorded.contains("risk: medium, network:"), "no raw packets were seen: {recorded}");
}

#[test]
fn a_file_has_no_colours_and_a_terminal_may() {
    let dir = scratch();
    releases(dir.path());
    let plain = diff(dir.path(), &["old.json", "wider.json"]).expect_exit(10).run();
    assert!(!plain.stdout.contains('\u{1b}'));
    let forced =
        diff(dir.path(), &["old.json", "wider.json", "--color", "always"]).expect_exit(10).run();
    assert!(forced.stdout.contains('\u{1b}'));
}
