//! Other kernels, each in a virtual machine: what Strait reads from the running kernel lies elsewhere there,
//! and what the kernel offers is less.
//!
//! Boots every kernel that `cargo xtask setup` has downloaded below `target/`, and fails without any.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod machine;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use strait::abi::Abi;
use strait::recording::{Completeness, Recording, Start, TargetKind, v1};

use machine::{boot, kernels};

/// What `marker` calls: a call that nothing else makes.
const MARKER: u32 = 148;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

fn complete(path: &Path) -> Recording {
    let recording = v1::parse(&read(path)).unwrap();
    assert_eq!(recording.completeness, Completeness::Complete, "{}", path.display());
    recording
}

fn count(recording: &Recording, number: u32) -> u64 {
    recording.calls[&Abi::X86_64].get(&number).map_or(0, |call| call.count)
}

fn all_works_on(version: &str) {
    let out = boot(version);
    let out = out.path();
    let release = read(&out.join("release"));
    assert!(release.starts_with(&format!("{version}.")), "{release}");
    for (step, expected) in
        [("record", "0"), ("generate", "0"), ("verify", "0"), ("attack", "12"), ("containers", "0")]
    {
        let status = read(&out.join(format!("{step}.status")));
        let log = read(&out.join(format!("{step}.log")));
        assert_eq!(status.trim(), expected, "{step} on Linux {version}:\n{log}");
    }

    // Every call of every task, with the values of arguments.
    let recording = complete(&out.join("command.json"));
    assert_eq!(recording.host.kernel, release.trim());
    assert_eq!(count(&recording, MARKER), 150);
    let socket = Abi::X86_64.syscall_number("socket").unwrap();
    let arguments = recording.calls[&Abi::X86_64][&socket].arguments.as_ref().unwrap();
    let values: Vec<_> = arguments.values.keys().map(Vec::as_slice).collect();
    assert_eq!(values, [[1, 1, 0], [2, 2, 17]]);

    // What a filter refuses never enters, and is seen all the same.
    assert_eq!(json(&out.join("verify.json"))["refused"], Value::Array(Vec::new()));
    let attack = json(&out.join("attack.json"));
    let refused = attack["refused"].as_array().unwrap();
    for (call, errno) in [("bpf", "EPERM"), ("keyctl", "EPERM"), ("ptrace", "ENOSYS")] {
        let found = refused.iter().find(|one| one["syscall"] == call);
        assert_eq!(found.unwrap_or_else(|| panic!("{call}: {attack:#}"))["errno"], errno);
    }

    // From the moment the filter is in force, whichever runtime installed it.
    for container in ["web", "api"] {
        let recording = complete(&out.join(format!("containers/{container}.recording.json")));
        assert_eq!(recording.target.start, Start::Filter, "{container}");
        assert!(matches!(recording.target.kind, TargetKind::Container(_)), "{container}");
        assert_eq!(count(&recording, MARKER), 3, "{container}");
        let mount = Abi::X86_64.syscall_number("pivot_root").unwrap();
        assert_eq!(count(&recording, mount), 0, "{container}");
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = kernels().into_iter().map(|version| {
        let name = format!("all_works_on_linux_{}", version.replace('.', "_"));
        Trial::test(name, move || {
            all_works_on(&version);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
