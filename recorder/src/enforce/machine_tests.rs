//! What a filter covers depends on the machine for which it is compiled.

use super::tests::{allow, profile_of, run};
use super::*;
use strait_generator::abi::Abi;
use strait_generator::machine::{Machine, Machines};
use strait_generator::policy::{Action, Capability};
use strait_generator::profile::{Architecture, Workload, parse_on};

/// libseccomp starts with the machine's own architecture: what a profile lists changes nothing of that.
#[test]
fn a_machines_own_calls_are_covered_whatever_the_profile_lists() {
    let lists: [&[Abi]; 6] =
        [&[], &[Abi::X86_64], &[Abi::Aarch64], &[Abi::X86], &[Abi::X32], &Abi::ALL];
    for list in lists {
        let mut profile = profile_of(vec![allow("exit_group", Vec::new()), allow("iopl", vec![])]);
        profile.architectures = list.iter().map(|abi| Architecture::from(*abi)).collect();
        for machine in Machine::ALL {
            let policy = profile.policy(machine).unwrap();
            let filter = compile_for(&profile, machine).unwrap().program.filter().unwrap();
            for abi in machine.abis().iter().copied() {
                let killed = !abi.is_native() && !list.contains(&abi);
                for name in ["iopl", "exit_group", "read"] {
                    let Some(number) = abi.syscall_number(name) else { continue };
                    let meant = policy.evaluate(abi, number, &[0; 6]);
                    assert_eq!(meant, run(&filter, abi, number, &[0; 6]), "{name} {abi} {list:?}");
                    assert_eq!(meant == Action::KillThread, killed, "{name} {abi} {list:?}");
                }
            }
        }
    }
}

/// An `archMap` is resolved before libseccomp sees the profile.
#[test]
fn an_architecture_map_is_resolved_for_the_machine() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
        "syscalls": [{"names": ["exit_group", "iopl"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}]}"#;
    let capabilities = Capability::docker_default();
    let profile = parse_on(text, Machines::ALL, &Workload { capabilities, kernel: None }).unwrap();
    assert_eq!(profile.abis(), [Abi::X86_64, Abi::X86, Abi::Aarch64, Abi::Riscv64]);
    for (machine, profile) in profile.iter() {
        let compiled = compile_for(profile, machine).unwrap();
        faithful(&compiled, &profile.policy(machine).unwrap(), machine).unwrap();
    }
    let policy = profile.policy().unwrap();
    let allows = |abi: Abi, name: &str| policy.may_allow(abi, abi.syscall_number(name).unwrap());
    assert!(allows(Abi::X86, "iopl") && allows(Abi::Aarch64, "sync"));
    assert!(!allows(Abi::X86_64, "sync"));
}
