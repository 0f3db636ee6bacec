//! Other kernels, each in a virtual machine: what Strait reads from the running kernel lies elsewhere there,
//! and what the kernel offers is less. And another machine: one that systemd runs.
//!
//! Boots every kernel that `cargo xtask setup` has downloaded below `target/`, and fails without any; and,
//! run by `cargo xtask test --arm64`, one of arm64.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests panic when the test fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod image;
mod machine;
mod platform;
mod systemd;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use serde_json::{Value, json as value};
use strait_generator::abi::Abi;
use strait_generator::profile::Architecture;
use strait_generator::recording::{
    Completeness, ContainerOrigin, Recording, Start, TargetKind, v1,
};

use image::{Image, marker};
use machine::boot;
use platform::{Platform, tools};
use support::fixtures::Fixture;

/// Names a `strait` that was built for arm64.
const ARM64: &str = "STRAIT_ARM64";

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

fn count(recording: &Recording, abi: Abi, number: u32) -> u64 {
    recording.calls[&abi].get(&number).map_or(0, |call| call.count)
}

/// The versions of the kernels that there are.
fn versions() -> BTreeSet<String> {
    let folder = tools("kernels");
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kernels: BTreeSet<String> = names.filter(|name| !name.starts_with('.')).collect();
    assert!(!kernels.is_empty(), "{} has no kernel: run `cargo xtask setup`", folder.display());
    kernels
}

/// Runs `run.sh` as the first process, with what it needs.
fn image(platform: &Platform) -> Image<'_> {
    let filter = value!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [Architecture::from(platform.abi()).name()],
        "syscalls": [{"names": ["vhangup"], "action": "SCMP_ACT_ERRNO"}],
    });
    let image = Image::new(platform, &filter);
    image.add_program(&platform.program("crun"));
    for fixture in ["arguments", "attack"] {
        image.add_program(&platform.build(Fixture::Dynamic(fixture)));
    }
    image.add_script("run.sh", "sbin/init");
    image
}

fn all_works_on(platform: &Platform, kernel: &Path) -> String {
    let abi = platform.abi();
    // The shell in the guest finds what the kernel does not know in its environment.
    let out = boot(kernel, &image(platform), &format!("marker={}", marker(abi)));
    let out = out.path();
    let release = read(&out.join("release")).trim().to_owned();
    let steps = [
        "record",
        "notify",
        "outlive",
        "generate",
        "verify",
        "attack",
        "containers",
        "profile",
        "enforce",
    ];
    for step in steps {
        let expected = if step == "attack" { "12" } else { "0" };
        let status = read(&out.join(format!("{step}.status")));
        let log = read(&out.join(format!("{step}.log")));
        assert_eq!(status.trim(), expected, "{step} on Linux {release}:\n{log}");
    }

    // Every call of every task, with the values of arguments.
    for file in ["command.json", "notify.json"] {
        let recording = complete(&out.join(file));
        assert_eq!(recording.host.kernel, release);
        assert_eq!(recording.calls.keys().collect::<Vec<_>>(), [&abi]);
        assert_eq!(count(&recording, abi, marker(abi)), 150, "{file}");
        let socket = abi.syscall_number("socket").unwrap();
        let arguments = recording.calls[&abi][&socket].arguments.as_ref().unwrap();
        let values: Vec<_> = arguments.values.keys().map(Vec::as_slice).collect();
        assert_eq!(values, [[1, 1, 0], [2, 2, 17]], "{file}");
    }

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
        let TargetKind::Container(known) = &recording.target.kind else { panic!("{container}") };
        assert_eq!(known.origin, Some(ContainerOrigin::Descent), "{container}");
        assert_eq!(count(&recording, abi, marker(abi)), 3, "{container}");
        let mount = abi.syscall_number("pivot_root").unwrap();
        assert_eq!(count(&recording, abi, mount), 0, "{container}");
    }
    release
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match std::env::var_os(ARM64) {
        Some(strait) => vec![Trial::test("all_works_on_arm64", || {
            all_works_on(&Platform::Arm64(strait.into()), &tools("arm64/kernel"));
            Ok(())
        })],
        None => on_this_platform(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_this_platform() -> Vec<Trial> {
    let versions = versions();
    // Their order is that of their names, and any of them will do.
    let any = versions.last().map(|version| tools("kernels").join(version)).unwrap();
    let systemd = Trial::test("docker_works_with_the_cgroups_of_systemd", move || {
        systemd::docker_works_with_the_cgroups_of_systemd(&any);
        Ok(())
    });
    versions.into_iter().map(of_version).chain([systemd]).collect()
}

fn of_version(version: String) -> Trial {
    Trial::test(format!("all_works_on_linux_{}", version.replace('.', "_")), move || {
        let release = all_works_on(&Platform::X86_64, &tools("kernels").join(&version));
        assert!(release.starts_with(&format!("{version}.")), "{release}");
        Ok(())
    })
}
