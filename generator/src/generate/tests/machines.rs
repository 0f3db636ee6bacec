//! A recording of one machine makes a profile for others.

use proptest::prelude::*;

use super::super::*;
use crate::abi::Abi;
use crate::machine::Machine;
use crate::policy::decide::{Comparison, Meaning};
use crate::recording::example::{recording, set};

fn options(generalize: Generalize, arguments: ArgumentFilters) -> Options {
    let machines = Machine::ALL.into_iter().collect();
    Options { machines, generalize, arguments, ..Options::default() }
}

fn of(abi: Abi, names: &[&str]) -> Recording {
    let calls: Vec<_> =
        names.iter().filter_map(|name| Some((abi, abi.syscall_number(name)?))).collect();
    recording(&calls)
}

/// What is not allowed on a machine of what was recorded and of what stands for it there.
fn refused(recording: &Recording, options: &Options) -> Vec<(Abi, &'static str)> {
    let made = generate(std::slice::from_ref(recording), options).unwrap();
    let policy = made.profile.policy(crate::machine::Machines::ALL).unwrap();
    let baseline =
        Baseline::docker_default().resolve(&context(std::slice::from_ref(recording), options));
    let mut refused = Vec::new();
    for (abi, number, _) in recording.iter() {
        let Some(name) = abi.syscall_name(number) else { continue };
        let is_allowable = |abi, name: &str| {
            baseline.treatment(abi, name).is_some_and(|one| !one.allowed().is_empty())
        };
        if !is_allowable(abi, name) {
            continue;
        }
        for other in Machine::ALL.map(Machine::native) {
            let stands: Vec<&str> = match other.syscall_number(name) {
                Some(_) => vec![name],
                None => counterparts::instead(other, name).map(|(call, _)| call).collect(),
            };
            let lacks = |call: &&str| {
                other.syscall_number(call).is_some_and(|at| !policy.may_allow(other, at))
            };
            refused.extend(stands.iter().copied().filter(lacks).map(|_| (other, name)));
        }
    }
    let context = context(std::slice::from_ref(recording), options);
    let wide = Baseline::docker_default().resolve(&context).meaning().unwrap();
    let meaning = Meaning::from(&policy).only(|abi| context.abis.contains(&abi));
    assert!(Comparison::new(&meaning, &wide).is_within(), "it is wider than the baseline");
    refused
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_recorded_on_one_machine_is_allowed_on_the_others_by_its_counterpart(
        abi in prop_oneof![Just(Abi::X86_64), Just(Abi::X86), Just(Abi::Aarch64), Just(Abi::Riscv64)],
        numbers in prop::collection::btree_set(0u32..460, 1..60),
        exact in any::<bool>(),
    ) {
        let calls: Vec<_> = numbers
            .into_iter()
            .filter(|number| abi.syscall_name(*number).is_some())
            .map(|number| (abi, number))
            .collect();
        prop_assume!(!calls.is_empty());
        let generalize = if exact { Generalize::Exact } else { Generalize::Reach };
        let options = options(generalize, ArgumentFilters::Baseline);
        prop_assert_eq!(refused(&recording(&calls), &options), vec![]);
    }
}

#[test]
fn every_call_of_a_machine_has_what_stands_for_it_on_the_others() {
    for abi in [Abi::X86_64, Abi::X86, Abi::Aarch64, Abi::Riscv64] {
        let all: Vec<_> = abi.syscalls().map(|(number, _)| (abi, number)).collect();
        let options = options(Generalize::Exact, ArgumentFilters::Baseline);
        assert_eq!(refused(&recording(&all), &options), []);
    }
}

#[test]
fn values_of_arguments_carry_over() {
    let mut recording = of(Abi::X86_64, &["chmod", "vfork", "mmap"]);
    set(&mut recording, "chmod", &[&[0]], &[], 0);
    set(&mut recording, "mmap", &[&[0]], &[], 0);
    let standard = ArgumentFilters::Seen(Level::Standard);
    let made = generate(&[recording], &options(Generalize::Exact, standard)).unwrap();
    let policy = made.profile.policy(Machine::Aarch64).unwrap();
    let action = |name: &str, args| {
        policy.evaluate(Abi::Aarch64, Abi::Aarch64.syscall_number(name).unwrap(), &args)
    };
    assert_eq!(action("fchmodat", [0, 0, 0o644, 0, 0, 0]), Action::Allow);
    assert_ne!(action("fchmodat", [0, 0, 0o4755, 0, 0, 0]), Action::Allow);
    assert_eq!(action("clone", [0x4111, 0, 0, 0, 0, 0]), Action::Allow, "vfork");
    assert_ne!(action("clone", [0x1000_0011, 0, 0, 0, 0, 0]), Action::Allow);
    assert_ne!(action("mmap", [0, 0, 7, 0, 0, 0]), Action::Allow);
    let added = &made.added["fchmodat"];
    assert_eq!(added.rule, "counterpart");
    assert!(added.reason.contains("chmod"), "{}", added.reason);
    let text = made.summary.text().to_string();
    assert!(text.contains("nothing was recorded on aarch64 and riscv64"), "{text}");
    assert!(
        text.contains("needs nothing in place of") || !text.contains("arch_prctl needs"),
        "{text}"
    );
}

#[test]
fn what_has_no_counterpart_is_said() {
    let made = generate(
        &[of(Abi::X86_64, &["read", "modify_ldt"])],
        &options(Generalize::Exact, ArgumentFilters::Baseline),
    );
    let notes = made.unwrap().summary.notes.join("\n");
    assert!(notes.contains("aarch64 needs nothing in place of modify_ldt"), "{notes}");
}

#[test]
fn without_other_machines_nothing_changes() {
    let recording = of(Abi::X86_64, &["open", "stat", "vfork"]);
    let plain = Options { generalize: Generalize::Exact, ..Options::default() };
    let same = Options { machines: Machine::X86_64.into(), ..plain.clone() };
    let one = generate(std::slice::from_ref(&recording), &plain).unwrap();
    assert_eq!(one, generate(&[recording], &same).unwrap());
    assert_eq!(one.profile.listed_machines().iter().count(), 1);
}
