//! The scripts under `glue/`: with each test runner, the test that makes a call is the one that is named.

use std::path::{Path, PathBuf};
use std::process::Command;

use strait_generator::recording::{Recording, Sample};
use tempfile::TempDir;

use crate::support::calls::read_complete_recording;
use crate::support::run::STRAIT;
use crate::support::{kernel, scratch, scrub, strait};

/// What the scripts need to know.
fn variables() -> [(&'static str, PathBuf); 3] {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap();
    [
        ("GLUE", root.join("glue")),
        ("FIXTURES", root.join("tests/fixtures/glue")),
        // What Go has built is of use to the next run.
        ("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go")),
    ]
}

fn record(dir: &Path, script: &str) -> Recording {
    kernel::require_root();
    let recorder = strait().args(["record", "-o", "r.json", "--", "/bin/sh", "-e", "-c", script]);
    let variables = variables().into_iter();
    let recorder = variables.fold(recorder, |all, (name, value)| all.env(name, value));
    recorder.env("STRAIT", STRAIT).in_dir(dir).run();
    read_complete_recording(&dir.join("r.json"))
}

/// Runs a script where nothing is recorded and no `strait` is installed. Returns what it says.
fn run(dir: &Path, script: &str) -> String {
    let mut command = Command::new("/bin/sh");
    scrub(&mut command, dir);
    let output = command.args(["-e", "-c", script]).envs(variables()).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{script}: {text:?}");
    text.concat()
}

fn names(recording: &Recording) -> Vec<&str> {
    recording.samples.iter().map(|sample| sample.name.as_str()).collect()
}

/// The samples in which a pipe with a name was made.
fn with_a_pipe(recording: &Recording) -> Vec<&str> {
    let made = |sample: &&Sample| {
        ["mknod", "mknodat"]
            .into_iter()
            .filter_map(|name| strait_recorder::host::MACHINE.native().syscall_number(name))
            .any(|number| sample.has(strait_recorder::host::MACHINE.native(), number))
    };
    recording.samples.iter().filter(made).map(|sample| sample.name.as_str()).collect()
}

#[test]
fn pytest() {
    kernel::require("py.test-3", "python3-pytest");
    let dir = scratch();
    let script = "cp $FIXTURES/test_app.py .; PYTHONPATH=$GLUE /usr/bin/python3 -B -m pytest -q \
                  -p strait_pytest -p no:cacheprovider test_app.py";
    let recording = record(dir.path(), script);
    let [collection, nothing, pipe] = names(&recording)[..] else {
        panic!("{:?}", names(&recording));
    };
    assert_eq!((collection, nothing), ("(collection)", "test_app.py::test_nothing"));
    assert_eq!(pipe, "test_app.py::test_makes_a_pipe");
    assert_eq!(with_a_pipe(&recording), [pipe]);
}

#[test]
fn bats() {
    kernel::require("bats", "bats");
    let dir = scratch();
    let recording = record(dir.path(), "TMPDIR=. bats $FIXTURES/app.bats");
    assert_eq!(
        names(&recording),
        ["(start of app.bats)", "app.bats: nothing", "app.bats: makes a pipe"]
    );
    assert_eq!(with_a_pipe(&recording), ["app.bats: makes a pipe"]);
}

/// As nextest calls it: to list the tests, then once for each.
#[test]
fn nextest() {
    let dir = scratch();
    let script = "cp /bin/sh app-1234; \
                  $GLUE/nextest.sh ./app-1234 -c : --list; \
                  $GLUE/nextest.sh ./app-1234 -c : --exact tests::nothing --nocapture; \
                  $GLUE/nextest.sh ./app-1234 -c 'mkfifo pipe' --exact tests::pipe --nocapture; \
                  ! $GLUE/nextest.sh ./app-1234 -c 'exit 3' --exact tests::fails";
    let recording = record(dir.path(), script);
    let names = names(&recording);
    assert_eq!(
        names,
        ["tests::nothing", "tests::pipe", "tests::fails"].map(|t| format!("app-1234 {t}"))
    );
    assert_eq!(with_a_pipe(&recording), ["app-1234 tests::pipe"]);
}

/// A folder with a package of Go, whose tests are built already.
fn go_package() -> TempDir {
    kernel::require("go", "golang-go");
    let dir = scratch();
    run(dir.path(), "cp $FIXTURES/go/* .; go test -vet=off -run ^$ .");
    dir
}

#[test]
fn go_test_exec() {
    let dir = go_package();
    let go_test = "go test -vet=off -count=1 -exec $GLUE/go-exec.sh .";
    let recording = record(dir.path(), go_test);
    assert_eq!(
        names(&recording),
        ["web.TestNothing", "web.TestMakesAPipe", "web.TestSkipped", "web.TestParts"]
    );
    assert_eq!(with_a_pipe(&recording), ["web.TestMakesAPipe"]);
}

#[test]
fn go_test_exec_runs_what_it_was_asked_for_and_fails_if_it_cannot() {
    let dir = go_package();
    let go_test = "go test -vet=off -count=1 -v -exec $GLUE/go-exec.sh";
    let said = run(dir.path(), &format!("{go_test} -run 'TestParts/second' ."));
    assert!(said.contains("--- PASS: TestParts/second"), "{said}");
    assert!(!said.contains("TestParts/first") && !said.contains("TestNothing"), "{said}");
    let main =
        "package web; import (\"os\"; \"testing\"); func TestMain(m *testing.M) { os.Exit(3) }";
    std::fs::write(dir.path().join("main_test.go"), main).unwrap();
    run(dir.path(), &format!("! {go_test} ."));
}

#[test]
fn go_test_json() {
    let dir = go_package();
    let recording = record(dir.path(), "go test -vet=off -count=1 -json . | $GLUE/go-test.sh");
    let tests = [
        "TestNothing",
        "TestMakesAPipe",
        "TestSkipped",
        "TestParts/first",
        "TestParts/second",
        "TestParts",
    ];
    assert_eq!(names(&recording), tests.map(|test| format!("shop/web.{test}")));
}

#[test]
fn lines_of_go_test() {
    let dir = scratch();
    let line = |action: &str, test: &str| {
        format!(
            r#"{{"Time":"2026-01-01T00:00:00Z","Action":"{action}","Package":"shop/web","Test":"{test}"}}"#
        )
    };
    let lines = [
        line("run", "TestNothing"),
        line("output", "TestNothing"),
        line("pass", "TestNothing"),
        line("fail", "TestPipe/with_space"),
        r#"{"Action":"fail","Package":"shop/web","Elapsed":0.1}"#.to_owned(),
    ];
    std::fs::write(dir.path().join("lines"), lines.join("\n") + "\n").unwrap();
    let script = "! $GLUE/go-test.sh <lines >passed; cmp lines passed";
    let recording = record(dir.path(), script);
    assert_eq!(names(&recording), ["shop/web.TestNothing", "shop/web.TestPipe/with_space"]);
}

#[test]
fn go_test_json_fails_if_a_test_fails() {
    let dir = go_package();
    let script = "go test -vet=off -count=1 -json . | $GLUE/go-test.sh";
    run(dir.path(), script);
    let test = "package web; import \"testing\"; func TestFails(t *testing.T) { t.Fatal(`x`) }";
    std::fs::write(dir.path().join("fails_test.go"), test).unwrap();
    run(dir.path(), &format!("! {script}"));
    std::fs::write(dir.path().join("fails_test.go"), "package web; this is no Go").unwrap();
    run(dir.path(), &format!("! {script}"));
}

#[test]
fn junit() {
    let dir = scratch();
    let report = r#"<?xml version="1.0"?>
<testsuites><testsuite tests="2" name="web.UploadTest" time="0.1"><testcase name="a"/></testsuite></testsuites>"#;
    std::fs::write(dir.path().join("report.xml"), report).unwrap();
    let recording = record(dir.path(), "mkfifo pipe; $GLUE/junit.sh report.xml");
    assert_eq!(names(&recording), ["web.UploadTest"]);
    assert_eq!(with_a_pipe(&recording), ["web.UploadTest"]);
}

#[test]
fn nothing_is_marked_and_nothing_fails_without_a_recording() {
    kernel::require("bats", "bats");
    let dir = go_package();
    let said = run(
        dir.path(),
        "cp /bin/sh app-1234; $GLUE/nextest.sh ./app-1234 -c : --exact tests::nothing;
         echo '<testsuite name=\"web\"/>' >report.xml; $GLUE/junit.sh report.xml;
         TMPDIR=. bats $FIXTURES/app.bats;
         go test -vet=off -count=1 -v -exec $GLUE/go-exec.sh .;
         go test -vet=off -count=1 -json . | $GLUE/go-test.sh",
    );
    assert!(said.contains("ok 2 makes a pipe") && said.contains("PASS: TestMakesAPipe"), "{said}");
    assert!(!said.contains("strait"), "{said}");
}

/// The recorder may have ended, or `strait` be in no PATH: the tests are none the worse.
#[test]
fn a_mark_that_is_not_taken_is_reported_and_changes_no_result() {
    kernel::require("bats", "bats");
    kernel::require("py.test-3", "python3-pytest");
    let dir = go_package();
    for strait in [STRAIT, "no-such-strait"] {
        let script =
            "export STRAIT_MARK=$PWD/gone; cp /bin/sh app-1234; cp $FIXTURES/test_app.py .;
             $GLUE/nextest.sh ./app-1234 -c : --exact tests::nothing;
             echo '<testsuite name=\"web\"/>' >report.xml; $GLUE/junit.sh report.xml;
             TMPDIR=. bats $FIXTURES/app.bats;
             PYTHONPATH=$GLUE /usr/bin/python3 -B -m pytest -q -s -p strait_pytest \
                 -p no:cacheprovider test_app.py;
             go test -vet=off -count=1 -v -exec $GLUE/go-exec.sh .;
             go test -vet=off -count=1 -json . | $GLUE/go-test.sh";
        let said = run(dir.path(), &format!("export STRAIT={strait}; {script}"));
        assert!(said.contains(if strait == STRAIT { "cannot reach" } else { strait }), "{said}");
    }
}
