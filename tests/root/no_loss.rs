//! Nothing is lost under load, and what is lost is said.

use std::path::{Path, PathBuf};

use strait_generator::abi::Abi;
use strait_generator::recording::Completeness;

use crate::support::calls::{read_complete_recording, read_recording};
use crate::support::fixtures::Fixture;
use crate::support::{Calls, kernel, scratch, strait};

fn record(dir: &Path, command: &[&str]) -> PathBuf {
    kernel::require_root();
    let file = dir.join("recording.json");
    strait().args(["record", "-o"]).arg(&file).arg("--").args(command).in_dir(dir).run();
    file
}

fn counts(command: &[&str]) -> Calls {
    let dir = scratch();
    Calls::from_recording(&read_complete_recording(&record(dir.path(), command)))
}

#[test]
fn ten_million_calls_of_512_threads_are_counted_exactly() {
    let calls = counts(&[&Fixture::Dynamic("many_calls").path(), "64", "8", "20000"]);
    assert_eq!(calls.count(Abi::X86_64, "getppid"), 64 * 8 * 20_000);
    assert_eq!(calls.count(Abi::X86_64, "exit_group"), 64 + 1);
    let threads = calls.count(Abi::X86_64, "exit");
    assert_eq!(threads, 64 * 8);
}

#[test]
fn ten_thousand_processes_are_counted_exactly() {
    let calls = counts(&[&Fixture::Dynamic("many_processes").path(), "10000"]);
    assert_eq!(calls.count(Abi::X86_64, "getppid"), 10_000);
    assert_eq!(calls.count(Abi::X86_64, "exit_group"), 10_001);
    assert_eq!(calls.count(Abi::X86_64, "clone"), 10_000);
}

#[test]
fn ten_thousand_executed_programs_are_counted_exactly() {
    let tiny = Fixture::Bare("static").path();
    let calls = counts(&[&Fixture::Dynamic("many_processes").path(), "10000", &tiny]);
    assert_eq!(calls.count(Abi::X86_64, "getppid"), 10_000);
    assert_eq!(calls.count(Abi::X86_64, "execve"), 10_001);
    assert_eq!(calls.count(Abi::X86_64, "exit_group"), 10_001);
}

#[test]
fn calls_belong_to_the_program_that_made_them() {
    let dir = scratch();
    let tiny = Fixture::Bare("static").path();
    let many = Fixture::Dynamic("many_processes").path();
    let recording = read_complete_recording(&record(dir.path(), &[&many, "7", &tiny]));
    let getppid = Abi::X86_64.syscall_number("getppid").unwrap();
    let by_program = &recording.calls[&Abi::X86_64][&getppid].programs;
    assert_eq!(by_program.clone().into_iter().collect::<Vec<_>>(), [(tiny, 7)]);
}

#[test]
fn what_there_is_no_room_for_makes_the_recording_incomplete() {
    kernel::require_root();
    let dir = scratch();
    let said = strait()
        .args(["record", "-o", "r.json", "--max-programs", "1", "--"])
        .args(["/bin/sh", "-c", "/bin/true; /bin/echo hello"])
        .in_dir(dir.path())
        .run();
    assert_eq!(said.stdout, "hello\n");
    said.says(&["incomplete", "program"]);

    let recording = read_recording(&dir.path().join("r.json"));
    let Completeness::Incomplete(losses) = recording.completeness else {
        panic!("one program has room, three ran, and the recording says that it is complete");
    };
    assert!(losses.programs > 0, "{losses:?}");
    assert_eq!((losses.calls, losses.missed, losses.tasks), (0, 0, 0));
    // Who called is lost, what was called is not.
    assert_eq!(Calls::from_recording(&recording).count(Abi::X86_64, "execve"), 3);

    let generate = || strait().args(["generate", "r.json"]).in_dir(dir.path());
    generate().expect_exit(4).run().says(&["incomplete"]);
    generate().arg("--allow-incomplete").run();
}
