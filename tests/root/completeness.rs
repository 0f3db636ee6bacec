//! What is recorded is what `strace -f` sees: the same calls by ABI, and as often.

use crate::support::calls::read_complete_recording;
use crate::support::{Calls, Explained, kernel, scratch, strace, strait};
use crate::workloads::{self, Workload};

/// The calls of one run under `strait record` with these options.
pub fn record(workload: &Workload, options: &[&str]) -> Calls {
    let dir = scratch();
    let output = scratch();
    let file = output.path().join("recording.json");
    workload.prepare(dir.path());
    strait()
        .args(["record", "-o"])
        .arg(&file)
        .args(options)
        .args(workload.user.map(|user| ["--user", user]).into_iter().flatten())
        .arg("--")
        .args(&workload.command)
        .in_dir(dir.path())
        .run();
    Calls::from_recording(&read_complete_recording(&file))
}

pub fn trace(workload: &Workload) -> Calls {
    let dir = scratch();
    workload.prepare(dir.path());
    strace::trace(&workload.command, dir.path(), workload.user)
}

fn assert_same(workload: &Workload, first: &Calls, second: &Calls) {
    assert_same_but(workload, first, second, &[]);
}

/// That both are the same, but for what may differ between two runs and for this.
pub fn assert_same_but(
    workload: &Workload,
    first: &Calls,
    second: &Calls,
    explained: &[Explained],
) {
    let differences = first.unexplained(second, &[workload.explained, explained].concat());
    assert!(differences.is_empty(), "{:?}\n{}", workload.command, differences.join("\n"));
}

macro_rules! recorded_as_traced {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use super::*;

            #[test]
            fn is_recorded_as_strace_sees_it() {
                kernel::require_root();
                let workload = workloads::$name();
                assert_same(&workload, &trace(&workload), &record(&workload, &["--backend", "ebpf"]));
            }

            /// Otherwise the comparison would say as little as the oracle does.
            #[test]
            fn is_the_same_in_two_runs_of_strace() {
                let workload = workloads::$name();
                assert_same(&workload, &trace(&workload), &trace(&workload));
            }
        }
    )*};
}

recorded_as_traced!(
    shell,
    python,
    spawn,
    clone3,
    daemon,
    bare,
    i386,
    mixed_abi,
    x32,
    thread_exec,
    unknown,
    restart,
    id_of_nobody,
    nginx,
    redis,
    stress_ng,
);
