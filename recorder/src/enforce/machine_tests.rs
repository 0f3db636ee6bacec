//! What a filter covers depends on the machine for which it is compiled.

use super::tests::{allow, profile_of, run};
use super::*;
use strait_generator::abi::Abi;
use strait_generator::bpf::Call;
use strait_generator::machine::{Machine, Machines};
use strait_generator::policy::{Action, Capability, Predicate};
use strait_generator::profile::{Architecture, Arg, Workload, parse_on};

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

/// A tree finds a call in a few steps; a list asks for all calls without conditions before any with conditions.
#[test]
fn both_layouts_decide_the_same_and_a_tree_in_fewer_steps() {
    let calls = Abi::X86_64.syscalls().map(|(_, name)| name).filter(|name| *name != "mmap");
    let mut entries: Vec<_> = calls.take(100).map(|name| allow(name, Vec::new())).collect();
    let executable = Predicate::MaskedEqual { mask: 4, value: 0 };
    entries.push(allow("mmap", vec![Arg { index: 2, predicate: executable }]));
    let profile = profile_of(entries);
    let policy = profile.policy(Machine::X86_64).unwrap();
    let steps = [Layout::Tree, Layout::List].map(|layout| {
        let compiled = compile_as(&profile, Machine::X86_64, layout).unwrap();
        faithful(&compiled, &policy, Machine::X86_64).unwrap();
        let number = Abi::X86_64.syscall_number("mmap").unwrap();
        let call = Call::new(Abi::X86_64, number, [0, 4096, 3, 0, 0, 0]);
        let run = compiled.program.filter().unwrap().trace(&call);
        assert!(!run.by_number);
        run.instructions
    });
    assert!(steps[0] < 30 && steps[1] > 100, "{steps:?}");
}
