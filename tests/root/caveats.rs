//! What a recording does not show is said in it, and when it is made.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::fixtures::{self, Fixture};
use crate::support::spawned::Spawned;
use crate::support::{kernel, scratch, strait};

/// `io_uring_setup`, which has this number on all architectures.
const RING: &str = "import ctypes; ctypes.CDLL(None).syscall(425, 1, None)";

/// Records a command; what is said has each of these texts.
fn record(dir: &Path, options: &[&str], command: &[&str], texts: &[&str]) -> Value {
    kernel::require_root();
    let run = strait().args(["record", "-o", "r.json"]).args(options).arg("--").args(command);
    run.in_dir(dir).run().says(texts);
    serde_json::from_slice(&std::fs::read(dir.join("r.json")).unwrap()).unwrap()
}

fn generate_says(dir: &Path, texts: &[&str]) {
    strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir).run().says(texts);
}

#[test]
fn a_ring_is_reported_and_without_it_the_call_is_refused_and_not_recorded() {
    let dir = scratch();
    let command = ["python3", "-c", RING];
    let with = record(dir.path(), &[], &command, &["--without io_uring"]);
    assert_eq!(with["caveats"], json!([{"kind": "io-uring"}]));
    generate_says(dir.path(), &["--without io_uring"]);
    let without = record(dir.path(), &["--without", "io_uring"], &command, &["recorded"]);
    assert_eq!(without["caveats"], Value::Null);
    assert_eq!(without["abis"]["x86_64"]["syscalls"]["io_uring_setup"], Value::Null);
    assert_eq!(without["complete"], true);
}

/// What is done through a ring that was made before the recorder attached makes no call at all.
#[test]
fn a_ring_from_before_is_reported() {
    kernel::require_root();
    let dir = scratch();
    let program = "import ctypes, sys; ring = ctypes.CDLL(None).syscall(425, 1, bytes(120)); \
                   assert ring > 0; print('made', flush=True); sys.stdin.read()";
    let mut command = Command::new("python3");
    command.args(["-c", program]);
    let mut process = Spawned::start(command);
    assert_eq!(process.line(), "made");
    let pid = process.pid().to_string();
    let run = strait().args(["record", "-o", "r.json", "--for", "100ms", "--pid", &pid]);
    // It makes no call, and that is an exit status of its own.
    run.expect_exit(3).in_dir(dir.path()).run().says(&["--without io_uring"]);
    let recording = std::fs::read(dir.path().join("r.json")).unwrap();
    let recording: Value = serde_json::from_slice(&recording).unwrap();
    assert_eq!(recording["caveats"][0], json!({"kind": "io-uring"}));
}

#[test]
fn what_else_can_be_kept_away_is_named() {
    let run = strait().args(["record", "--without", "nothing", "--", "true"]);
    run.expect_exit(2).run().says(&["io_uring"]);
    let run = strait().args(["record", "--containers", "--without", "io_uring", "--", "true"]);
    run.expect_exit(2).run().says(&["--containers"]);
}

#[test]
fn a_supervisor_is_reported() {
    let dir = scratch();
    let program = Fixture::Dynamic("own_filter").path();
    let recording = record(dir.path(), &[], &[&program, "notify"], &["supervisor"]);
    assert_eq!(recording["caveats"], json!([{"kind": "listener"}]));
    generate_says(dir.path(), &["supervisor"]);
    // Any other filter is none.
    let recording = record(dir.path(), &[], &[&program, "errno"], &["recorded"]);
    assert_eq!(recording["caveats"], Value::Null);
}

#[test]
fn a_client_of_an_engine_is_reported() {
    let dir = scratch();
    let client = dir.path().join("docker");
    std::fs::copy("/bin/true", &client).unwrap();
    let client = fixtures::text(&client);
    let recording = record(dir.path(), &[], &[&client], &["client of a container engine"]);
    assert_eq!(recording["caveats"], json!([{"kind": "engine-client", "program": client}]));
}

#[test]
fn a_task_that_goes_on_is_reported() {
    let dir = scratch();
    let texts = ["1 task was still running"];
    let command = ["sh", "-c", "sleep 60 >/dev/null 2>&1 & exit 0"];
    let recording = record(dir.path(), &["--linger", "0"], &command, &texts);
    assert_eq!(recording["caveats"], json!([{"kind": "still-running", "tasks": 1}]));
}
