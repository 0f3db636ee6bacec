//! `strait import`: what is told from what is in a file, and what is said about it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::run::Strait;
use crate::support::{scratch, strait};

const STRACE: &str = "\
7 execve(\"/usr/bin/app\", [\"app\", \"-x\"], 0x7f /* 3 vars */) = 0
7 arch_prctl(ARCH_SET_FS, 0x7f) = 0
7 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3
7 exit_group(0) = ?
7 +++ exited with 0 +++
";
const AUDIT: &str = "\
type=SECCOMP msg=audit(1700000000.123:4): auid=0 uid=0 gid=0 ses=1 pid=7 comm=\"app\" exe=\"/usr/bin/app\" sig=0 \
arch=c000003e syscall=59 compat=0 ip=0x7f code=0x7ffc0000\n";

fn import(dir: &Path, files: &[(&str, &str)]) -> Strait {
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
    strait().arg("import").args(files.iter().map(|(name, _)| *name)).in_dir(dir)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_log_becomes_a_recording_that_is_called_as_its_program() {
    let dir = scratch();
    let outcome = import(dir.path(), &[("some.log", STRACE)]).run();
    assert_eq!(outcome.stdout, "");
    outcome
        .says(&["4 system calls (4 different: 4 x86_64) of 1 program", "wrote app.recording.json"]);
    let recording = json(&dir.path().join("app.recording.json"));
    assert_eq!(recording["target"]["command"], json!(["/usr/bin/app", "-x"]));
    assert_eq!(recording["started"], "1970-01-01T00:00:00Z");
    assert_eq!(recording["caveats"], json!([{"kind": "traced-by", "tracer": "strace"}]));
    let socket = &recording["abis"]["x86_64"]["syscalls"]["socket"];
    assert_eq!(socket["arguments"]["values"][0]["values"], json!([2, 1, 6]));
    // And it is one for all that reads recordings.
    let run = |args: &[&str]| strait().args(args.to_vec()).in_dir(dir.path()).run();
    run(&["generate", "app.recording.json", "-o", "app.json"]).says(&["it is a log of strace"]);
    run(&["check", "app.json", "--covers", "app.recording.json"]);
    run(&["report", "app.recording.json", "-o", "app.html"]);
    run(&["merge", "app.recording.json", "-o", "merged.json"]);
    run(&["explain", "app.recording.json", "socket"]);
}

#[test]
fn the_same_files_make_the_same_recording() {
    let dir = scratch();
    let print = |text| import(dir.path(), &[("a", text)]).args(["-o", "-"]).run().stdout;
    for text in [STRACE, AUDIT] {
        assert_eq!(print(text), print(text));
    }
}

#[test]
fn an_incomplete_recording_is_written_and_generate_refuses_it() {
    let dir = scratch();
    import(dir.path(), &[("audit.log", AUDIT)]).args(["--name", "web"]).run().says(&[
        "incomplete",
        "a source that does not write down all of them",
        "wrote web.recording.json",
    ]);
    let recording = json(&dir.path().join("web.recording.json"));
    assert_eq!(recording["losses"]["partial"], 1);
    assert_eq!(recording["started"], "2023-11-14T22:13:20.123Z");
    assert_eq!(recording["target"]["kind"], "processes");
    let generate = |more: &[&str], status| {
        let run = strait().args(["generate", "web.recording.json"]).args(more.to_vec());
        run.in_dir(dir.path()).expect_exit(status).run()
    };
    generate(&[], 4).says(&["incomplete"]);
    generate(&["--allow-incomplete"], 0)
        .says(&["made of an incomplete recording", "audit records"]);
}

#[test]
fn standard_input_is_a_file_too() {
    let dir = scratch();
    let outcome = strait()
        .args(["import", "-", "-o", "-", "--name", "app"])
        .stdin(AUDIT)
        .in_dir(dir.path())
        .run();
    assert_eq!(outcome.json()["target"]["name"], "app");
}

#[test]
fn a_profile_and_a_resource_are_lists_of_calls() {
    let dir = scratch();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["read", "socket"], "action": "SCMP_ACT_ALLOW"}],
    });
    import(dir.path(), &[("web.json", &profile.to_string())]).run().says(&[
        "2 system calls",
        "it is a list of calls",
        "wrote web.recording.json",
    ]);
    let resource = json!({
        "apiVersion": "security-profiles-operator.x-k8s.io/v1beta1", "kind": "SeccompProfile",
        "metadata": {"name": "db"}, "spec": profile,
    });
    import(dir.path(), &[("db.yaml", &resource.to_string())])
        .run()
        .says(&["wrote db.recording.json"]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [resource]});
    import(dir.path(), &[("list.json", &list.to_string())])
        .run()
        .says(&["wrote db.recording.json"]);
    let recording = json(&dir.path().join("db.recording.json"));
    assert_eq!(recording["abis"]["x86_64"]["syscalls"].as_object().unwrap().len(), 2);
}

#[test]
fn bad_input_is_one_clear_message() {
    let dir = scratch();
    let fails = |files: &[(&str, &str)], args: &[&str], status: i32, texts: &[&str]| {
        let run = import(dir.path(), files).args(args.to_vec()).expect_exit(status);
        let outcome = run.run().says(texts).says_one_paragraph();
        assert_eq!(outcome.stdout, "");
    };
    let formats = ["strace", "audit", "profile", "--from"];
    fails(&[("a.txt", "hello\nworld\n")], &[], 1, &formats);
    fails(&[("a.txt", "")], &[], 1, &formats);
    fails(&[("a.bin", "\u{0}\u{1}\u{2}")], &[], 1, &formats);
    fails(&[("a.txt", "hello\n")], &["--from", "strace"], 1, &["no line of a.txt"]);
    fails(&[("a", STRACE), ("b", AUDIT)], &[], 1, &["a is a log", "b is records", "strait merge"]);
    fails(
        &[("a", "type=LOGIN msg=audit(1700000000.123:9): pid=1\n")],
        &[],
        3,
        &["no system call in a"],
    );
    fails(&[("a", "7 write(1, \"\", 0) = 0\n")], &[], 1, &["--machine x86_64"]);
    fails(&[("a", "{\"defaultAction\": ")], &[], 1, &["cannot use a", "complete JSON"]);
    fails(&[("a", "apiVersion: v1\nkind: Pod\n")], &[], 1, &["no SeccompProfile"]);
    fails(&[("a", "{\"schema\": \"strait.recording/v1\"}")], &[], 1, &["this is a recording"]);
    let mixed = "7 [  64] write(1, \"\", 0) = 0\n7 [ 158] arch_prctl(ARCH_SET_FS, 0x7f) = 0\n";
    fails(&[("a", mixed)], &[], 1, &["calls of different machines"]);
    strait()
        .args(["import", "none"])
        .in_dir(dir.path())
        .expect_exit(1)
        .run()
        .says(&["cannot read none"]);
    strait()
        .args(["import", "."])
        .in_dir(dir.path())
        .expect_exit(1)
        .run()
        .says(&["it is a folder"]);
}

#[test]
fn what_is_cut_off_or_mixed_with_something_else_is_counted_and_named() {
    let dir = scratch();
    let long = format!("7 write(1, \"{}\"..., 1000000) = 1000000\n", "x".repeat(1_000_000));
    let longer = format!("7 write(1, \"{}\", 5) = 5\n", "x".repeat(5 << 20));
    let log = format!("{STRACE}{long}hello\n{longer}7 read(0, \"abc");
    let outcome = import(dir.path(), &[("a.log", &log)]).run();
    let outcome = outcome.says(&[
        "a.log, line 7: not a line of strace: hello",
        "a.log, line 8: longer than a line may be",
        "a.log, line 9: cut off",
        "incomplete: 3 times: a line of the log could not be read",
    ]);
    assert!(outcome.stderr.len() < 2000, "{}", outcome.stderr);
    let recording = json(&dir.path().join("app.recording.json"));
    assert_eq!(recording["losses"]["unread"], 3);
    let calls = &recording["abis"]["x86_64"]["syscalls"];
    assert_eq!((&calls["write"]["count"], &calls["read"]["count"]), (&json!(1), &json!(1)));
}

#[test]
fn the_output_is_not_written_if_there_is_none() {
    let dir = scratch();
    import(dir.path(), &[("a.txt", "hello\n")]).args(["-o", "a.json"]).expect_exit(1).run();
    assert!(!dir.path().join("a.json").exists());
}
