//! `strait mark`: each test has its own sample, whichever user runs it, and no other user may mark it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::calls::read_complete_recording;
use crate::support::run::{STRAIT, Strait};
use crate::support::{kernel, scratch, strait};

use strait_generator::recording::{Recording, Sample};

fn record(dir: &Path, script: &str) -> Strait {
    kernel::require_root();
    strait()
        .args(["record", "-o", "r.json", "--", "/bin/sh", "-c", script])
        .env("STRAIT", STRAIT)
        .in_dir(dir)
}

fn names(recording: &Recording) -> Vec<&str> {
    recording.samples.iter().map(|sample| sample.name.as_str()).collect()
}

fn has(sample: &Sample, name: &str) -> bool {
    sample.has(
        strait_recorder::host::MACHINE.native(),
        strait_recorder::host::MACHINE.native().syscall_number(name).unwrap(),
    )
}

#[test]
fn each_test_has_its_own_sample_and_the_first_one_to_make_a_call_is_known() {
    let dir = scratch();
    let script = "$STRAIT mark start; \
                  cat /etc/hostname >/dev/null; $STRAIT mark reads; \
                  mkdir d; $STRAIT mark 'makes a folder'; \
                  mkdir e; rmdir d e; $STRAIT mark again";
    record(dir.path(), script).run();
    let recording = read_complete_recording(&dir.path().join("r.json"));
    assert_eq!(names(&recording), ["start", "reads", "makes a folder", "again"]);
    let mkdir = |sample: &Sample| has(sample, "mkdir") || has(sample, "mkdirat");
    let which: Vec<_> = recording.samples.iter().map(mkdir).collect();
    assert_eq!(which, [false, false, true, true]);
    let number = strait_recorder::host::MACHINE.native().syscall_number("mkdir").unwrap();
    assert_eq!(
        recording.first_sample(strait_recorder::host::MACHINE.native(), number).unwrap().name,
        "makes a folder"
    );
    let ends: Vec<_> = recording.samples.iter().map(|sample| sample.finished).collect();
    assert!(ends.is_sorted(), "{ends:?}");
}

#[test]
fn what_strait_mark_calls_itself_is_no_part_of_the_recording() {
    let dir = scratch();
    record(dir.path(), "$STRAIT mark one; $STRAIT mark two").run();
    let recording = read_complete_recording(&dir.path().join("r.json"));
    assert!(recording.programs.iter().all(|program| program.path != STRAIT));
    for name in ["socket", "connect"] {
        let number = strait_recorder::host::MACHINE.native().syscall_number(name).unwrap();
        assert!(
            !recording.calls[&strait_recorder::host::MACHINE.native()].contains_key(&number),
            "{name}"
        );
    }
    for (abi, number, call) in recording.iter() {
        let in_samples: u64 =
            recording.samples.iter().map(|sample| sample.count(abi, number)).sum();
        assert!(in_samples <= call.count, "{abi} {number}");
    }
}

#[test]
fn the_user_of_the_command_may_mark_and_others_may_not() {
    let dir = scratch();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Where any user may run it: the build folder may be closed to others.
    let copy = dir.path().join("strait");
    std::fs::copy(STRAIT, &copy).unwrap();
    kernel::require_root();
    let script = "stat -c '%a %U' $STRAIT_MARK; stat -c '%a %U' $(dirname $STRAIT_MARK); \
                  ./strait mark mine && echo marked; echo $STRAIT_MARK; read line";
    let mut recorder = strait()
        .args(["record", "-o", "r.json", "--user", "nobody", "--", "/bin/sh", "-c", script])
        .in_dir(dir.path())
        .spawn();
    assert_eq!(recorder.line(), "600 nobody");
    assert_eq!(recorder.line(), "711 root");
    assert_eq!(recorder.line(), "marked");
    let socket = recorder.line();
    let other = ["setpriv", "--reuid", "1", "--regid", "1", "--clear-groups"];
    strait()
        .args(["mark", "theirs"])
        .env("STRAIT_MARK", &socket)
        .through(other)
        .in_dir(dir.path())
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["Permission denied"]);
    recorder.write("\n");
    recorder.end();
    let recording = read_complete_recording(&dir.path().join("r.json"));
    assert_eq!(names(&recording), ["mine"]);
    assert!(!Path::new(&socket).exists(), "the socket goes with the recorder");
}

#[test]
fn without_a_recorder_a_mark_fails_unless_that_does_not_matter() {
    let dir = scratch();
    strait().args(["mark", "x"]).expect_exit(1).run().says(&["STRAIT_MARK", "strait record"]);
    strait().args(["mark", "--if-recording", "x"]).run();
    let gone = dir.path().join("gone");
    strait()
        .args(["mark", "--if-recording", "x"])
        .env("STRAIT_MARK", &gone)
        .expect_exit(1)
        .run()
        .says(&["gone", "No such file"]);
}

#[test]
fn a_name_that_is_no_name_is_refused_and_the_next_one_is_taken() {
    let dir = scratch();
    record(dir.path(), "$STRAIT mark ''; $STRAIT mark \"$(printf 'a\\nb')\"; $STRAIT mark good")
        .run()
        .says(&["needs a name", "control character"]);
    let recording = read_complete_recording(&dir.path().join("r.json"));
    assert_eq!(names(&recording), ["good"]);
}
