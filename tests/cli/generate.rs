//! `strait generate`: good recordings, bad recordings, and where the profile goes.

use std::path::Path;

use serde_json::{Value, json};
use strait_generator::profile::parse;
use strait_recorder::enforce::prove;
use tempfile::TempDir;

use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// A small recording that could have been made.
fn recording() -> Value {
    let call = |number: u32| {
        json!({
            "number": number, "count": 1, "first_seen_ms": 0, "programs": {"/bin/true": 1},
        })
    };
    json!({
        "schema": "strait.recording/v1",
        "tool": {"name": "strait", "version": "0.1.0"},
        "host": {"kernel": "6.12.0", "arch": "x86_64"},
        "target": {"kind": "command", "name": "true", "command": ["/bin/true"]},
        "started": "2026-01-01T00:00:00Z",
        "finished": "2026-01-01T00:00:01Z",
        "complete": true,
        "losses": {"calls": 0, "programs": 0, "missed": 0, "tasks": 0},
        "programs": [{"path": "/bin/true", "device": "8:1", "inode": 7}],
        "abis": {"x86_64": {"syscalls": {
            "execve": call(59), "getppid": call(110), "exit_group": call(231),
        }}},
    })
}

/// A directory with this text as `r.json`.
fn with(text: &str) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("r.json"), text).unwrap();
    dir
}

fn changed(change: impl FnOnce(&mut Value)) -> TempDir {
    let mut value = recording();
    change(&mut value);
    with(&value.to_string())
}

/// Into `p.json`, of which nothing may be there when the run fails.
fn generate(dir: &TempDir) -> Strait {
    strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir.path())
}

fn assert_refused(dir: &TempDir, status: i32, texts: &[&str]) {
    generate(dir).expect_exit(status).run().says_one_paragraph().says(texts);
    assert_eq!(files(dir.path()), ["r.json"], "nothing half-written");
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn assert_is_profile(profile: &Value) {
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO", "{profile}");
    assert!(profile["syscalls"].to_string().contains("getppid"));
}

#[test]
fn a_recording_becomes_a_profile() {
    let dir = with(&recording().to_string());
    let outcome = generate(&dir).run();
    assert_eq!(outcome.stdout, "");
    assert!(!outcome.stderr.is_empty(), "a summary");
    let text = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    assert_is_profile(&serde_json::from_str(&text).unwrap());
    assert_eq!(files(dir.path()), ["p.evidence.json", "p.json", "r.json"]);
    std::fs::remove_file(dir.path().join("p.evidence.json")).unwrap();
    generate(&dir).arg("--no-evidence").run();
    assert_eq!(files(dir.path()), ["p.json", "r.json"]);
}

/// The names that a profile made with these options allows.
fn allowed(dir: &TempDir, options: &[&str]) -> Vec<String> {
    let exact = ["generate", "r.json", "--generalize", "exact"];
    let outcome = strait().args(exact).args(options).in_dir(dir.path()).run();
    let profile = outcome.json();
    let entries = profile["syscalls"].as_array().unwrap();
    let allowing = entries.iter().filter(|entry| entry["action"] == "SCMP_ACT_ALLOW");
    let names = allowing.flat_map(|entry| entry["names"].as_array().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_starts_it_decides_what_is_added() {
    let dir = with(&recording().to_string());
    let has = |options: &[&str], name: &str| allowed(&dir, options).iter().any(|n| n == name);
    assert!(has(&[], "fchown") && has(&[], "setresuid") && has(&[], "accept4"));
    assert!(has(&["--runtime", "runc"], "fchown"));
    assert!(!has(&["--runtime", "runc"], "setresuid"));
    assert!(!has(&["--runtime", "recorded"], "fchown"));
    assert!(!has(&["--no-new-privs"], "fchown"));
    assert!(has(&["--no-new-privs"], "getdents64"));
    assert!(has(&["--init"], "rt_sigtimedwait") && !has(&[], "rt_sigtimedwait"));
    generate(&dir).run().says(&["runc, crun and youki can start it"]);
    generate(&dir).args(["--runtime", "gvisor"]).expect_exit(2).run().says(&["youki"]);
}

#[test]
fn a_recorded_container_gives_its_capabilities_and_not_its_runtime() {
    let dir = changed(|value| {
        value["target"]["kind"] = json!("container");
        value["target"]["start"] = json!("filter");
        value["target"]["container"] =
            json!({"runtime": "crun", "bounding_set": "0000000002000000"});
        let calls = &mut value["abis"]["x86_64"]["syscalls"];
        calls["settimeofday"] = calls["execve"].clone();
        calls["settimeofday"]["number"] = json!(164);
        calls["setresuid"] = calls["execve"].clone();
        calls["setresuid"]["number"] = json!(117);
        calls["setresuid"]["phases"] = json!({"runtime": 1});
        value["refused"] =
            json!([{"abi": "x86_64", "syscall": "keyctl", "number": 250, "errno": 1, "count": 4}]);
    });
    let names = allowed(&dir, &["--runtime", "runc"]);
    assert!(names.contains(&"settimeofday".to_owned()), "CAP_SYS_TIME");
    assert!(!names.contains(&"setresuid".to_owned()), "crun's own");
    assert!(!allowed(&dir, &["--cap-drop", "SYS_TIME"]).contains(&"settimeofday".to_owned()));
    assert!(allowed(&dir, &["--cap-add", "ALL"]).contains(&"settimeofday".to_owned()));
    let all_but_one = allowed(&dir, &["--cap-add", "all", "--cap-drop", "sys_time"]);
    assert!(!all_but_one.contains(&"settimeofday".to_owned()));
    generate(&dir)
        .args(["--cap-add", "EVERYTHING"])
        .expect_exit(2)
        .run()
        .says(&["is not a valid capability"]);
    let outcome = generate(&dir).args(["--runtime", "runc"]).run();
    outcome.says(&["CAP_SYS_TIME", "keyctl (EPERM)", "(4 times)", "setresuid"]);
}

#[test]
fn without_an_output_the_profile_goes_to_stdout() {
    let dir = with(&recording().to_string());
    for output in [&[][..], &["-o", "-"]] {
        let outcome = strait().args(["generate", "r.json"]).args(output).in_dir(dir.path()).run();
        assert_is_profile(&outcome.json());
    }
}

#[test]
fn a_dash_is_standard_input() {
    let outcome = strait().args(["generate", "-"]).stdin(recording().to_string()).run();
    assert_is_profile(&outcome.json());
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let dir = with(&recording().to_string());
    let mut command = strait().args(["generate", "r.json"]).in_dir(dir.path()).command();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_truncated_recording_is_refused() {
    let text = recording().to_string();
    assert_refused(&with(&text[..text.len() / 2]), 1, &["r.json", "complete"]);
    assert_refused(&with(""), 1, &["r.json"]);
}

#[test]
fn json_that_is_no_recording_is_refused() {
    assert_refused(&with(r#"{"hello": "world"}"#), 1, &["r.json", "schema"]);
    let profile = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#;
    assert_refused(&with(profile), 1, &["r.json", "strait record"]);
    assert_refused(&with("[]"), 1, &["r.json"]);
    let diff = changed(|value| value["schema"] = json!("strait.diff/v1"));
    assert_refused(&diff, 1, &["strait.diff/v1"]);
}

#[test]
fn a_binary_file_is_refused() {
    let dir = scratch();
    std::fs::write(dir.path().join("r.json"), [0xff, 0xfe, 0, 1]).unwrap();
    assert_refused(&dir, 1, &["r.json"]);
}

#[test]
fn an_unknown_version_is_refused() {
    let dir = changed(|value| value["schema"] = json!("strait.recording/v9"));
    assert_refused(&dir, 1, &["strait.recording/v9", "strait.recording/v1"]);
}

#[test]
fn an_unknown_field_is_no_reason_to_refuse() {
    let dir = changed(|value| value["weather"] = json!("fine"));
    generate(&dir).run();
}

#[test]
fn a_recording_that_contradicts_itself_is_refused() {
    let dir = changed(|value| value["losses"]["calls"] = json!(3));
    assert_refused(&dir, 1, &["contradicts"]);
}

#[test]
fn an_empty_recording_is_3() {
    let dir = changed(|value| value["abis"] = json!({}));
    assert_refused(&dir, 3, &["r.json"]);
}

#[test]
fn an_incomplete_recording_is_4_unless_it_is_allowed() {
    let dir = changed(|value| {
        value["complete"] = json!(false);
        value["losses"]["tasks"] = json!(3);
    });
    assert_refused(&dir, 4, &["incomplete", "--allow-incomplete", "3"]);
    let outcome = generate(&dir).arg("--allow-incomplete").run();
    outcome.says(&["incomplete"]);
}

#[test]
fn one_incomplete_recording_among_many_is_enough() {
    let dir = with(&recording().to_string());
    let mut second = recording();
    second["complete"] = json!(false);
    second["losses"]["calls"] = json!(1);
    std::fs::write(dir.path().join("second.json"), second.to_string()).unwrap();
    strait()
        .args(["generate", "r.json", "second.json", "-o", "p.json"])
        .in_dir(dir.path())
        .expect_exit(4)
        .run()
        .says(&["second.json"]);
}

#[test]
fn a_missing_recording_is_named() {
    let dir = scratch();
    strait()
        .args(["generate", "r.json", "-o", "p.json"])
        .in_dir(dir.path())
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["r.json", "No such file"]);
    assert!(files(dir.path()).is_empty());
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let dir = with(&recording().to_string());
    for path in ["/no/such/directory/p.json", "/proc/p.json"] {
        strait()
            .args(["generate", "r.json", "-o", path])
            .in_dir(dir.path())
            .expect_exit(1)
            .run()
            .says_one_paragraph()
            .says(&[path]);
    }
}

#[test]
fn a_profile_that_is_there_stays_as_it_is_when_the_run_fails() {
    let dir = with("{");
    std::fs::write(dir.path().join("p.json"), "precious").unwrap();
    generate(&dir).expect_exit(1).run();
    let text = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    assert_eq!(text, "precious");
}

#[test]
fn a_filter_that_differs_from_the_profile_is_reported() {
    let dir = changed(|value| {
        let mut abis = value["abis"]["x86_64"].take();
        let values = json!({"indexes": [0, 1, 2], "overflow": 0, "values": [
            {"values": [39, 0, 0], "count": 1, "first_seen_ms": 0, "programs": {"/bin/true": 1}},
        ]});
        abis["syscalls"]["execve"]["number"] = json!(520);
        abis["syscalls"]["socket"] = json!({
            "number": 41, "count": 1, "first_seen_ms": 0, "programs": {"/bin/true": 1}, "arguments": values,
        });
        value["abis"] = json!({"x32": abis});
    });
    let said = generate(&dir).run().stderr;
    let text = std::fs::read_to_string(dir.path().join("p.json")).unwrap();
    // 2.5.4 gives socket(AF_NFC, 0, 38) the answer that is meant for socket(38, …).
    match prove(&parse(&text).unwrap()) {
        Ok(_) => assert!(!said.contains("libseccomp"), "{said}"),
        Err(error) => assert!(said.contains(&error.to_string()), "{said}"),
    }
}
