//! Policy → libseccomp → BPF → policy is the identity, and a profile survives its file.

use proptest::prelude::*;
use strait_generator::abi::Abi;
use strait_generator::bpf;
use strait_generator::machine::Machine;
use strait_generator::policy::decide::{Comparison, Meaning};
use strait_generator::policy::exact::is_exact;
use strait_generator::policy::{Action, Clause, Errno, Predicate, Width};
use strait_generator::profile::{Arg, Entry, Profile, parse, print};
use strait_recorder::enforce::{compile, prove};

use crate::arbitrary::{ENOSYS, NAMES, cases, clause, equality, predicate};

fn entries<P: Strategy<Value = Predicate>>(
    predicate: fn() -> P,
    actions: &'static [Action],
) -> impl Strategy<Value = Vec<Entry>> {
    let arg = (0..3usize, predicate()).prop_map(|(index, predicate)| Arg { index, predicate });
    let names = prop::sample::subsequence(NAMES.to_vec(), 1..3);
    let action = prop::sample::select(actions);
    let entry =
        (names, action, prop::collection::vec(arg, 0..3)).prop_map(|(names, action, args)| Entry {
            names: names.into_iter().map(str::to_owned).collect(),
            action,
            args,
        });
    prop::collection::vec(entry, 1..4)
}

/// Comparisons for order, and for equality, with a few values.
fn ordered() -> impl Strategy<Value = Predicate> {
    let value = prop::sample::select(vec![0, 1, 2, u64::from(u32::MAX), 1 << 32]);
    (0..5, value).prop_map(|(kind, value)| match kind {
        0 => Predicate::Less(value),
        1 => Predicate::LessOrEqual(value),
        2 => Predicate::GreaterOrEqual(value),
        3 => Predicate::Greater(value),
        _ => Predicate::Equal(value),
    })
}

fn profile(entries: Vec<Entry>, abi: Abi) -> Profile {
    Profile { default: ENOSYS, architectures: vec![abi.into()], entries }
}

const ACTIONS: [Action; 8] = [
    Action::Allow,
    Action::Log,
    Action::Errno(Errno::EPERM),
    Action::Errno(Errno::ENOSYS),
    Action::Trace(7),
    Action::Trap,
    Action::KillThread,
    Action::KillProcess,
];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_profile_that_is_printed_is_read_back(
        entries in entries(predicate, &ACTIONS),
        default in prop::sample::select(ACTIONS.as_slice()),
        abis in prop::sample::subsequence(Abi::ALL.to_vec(), 0..4),
    ) {
        let architectures = abis.into_iter().map(Into::into).collect();
        let profile = Profile { default, architectures, entries };
        let text = print(&profile).unwrap();
        match parse(&text) {
            Ok(read) => {
                prop_assert_eq!(&read, &profile);
                prop_assert_eq!(print(&read).unwrap(), text);
            }
            // Two actions for one condition: no runtime would take it either.
            Err(error) => prop_assert!(profile.policy(Machine::X86_64).is_err(), "{}", error),
        }
    }

    #[test]
    fn what_is_compiled_and_read_back_is_the_same(
        entries in entries(equality, &[Action::Allow]),
    ) {
        let mut profile = profile(entries, Abi::X86_64);
        profile.entries.push(Entry {
            names: vec!["exit_group".to_owned()],
            action: Action::Allow,
            args: Vec::new(),
        });
        let compiled = compile(&profile).unwrap();
        let back = bpf::meaning(&compiled.program.filter().unwrap()).unwrap();
        let meant = Meaning::from(&profile.policy(Machine::X86_64).unwrap());
        let comparison = Comparison::new(&meant, &back);
        let known = |name: &str| !compiled.unknown.iter().any(|unknown| unknown == name);
        let change = comparison.changes().find(|one| one.name().is_none_or(known));
        prop_assert!(change.is_none(), "{change:?}");
    }

    /// Ordered comparisons among them; which forms that can be is what `is_exact` has to know.
    #[test]
    fn conditions_that_are_called_exact_are_compiled_to_what_they_say(
        clauses in prop_oneof![
            // Each on the same argument, which leaves something to tell apart.
            prop::collection::vec(predicate(), 1..4).prop_map(|predicates| {
                predicates.into_iter().filter_map(|one| Clause::on(1, one)).collect::<Vec<_>>()
            }),
            prop::collection::vec(clause(predicate()), 1..3),
            // Values that touch each other.
            prop::collection::vec(clause(ordered()), 2..4),
        ],
    ) {
        prop_assume!(is_exact(&clauses));
        let entries = clauses.iter().map(|clause| Entry {
            names: vec!["personality".to_owned()],
            action: Action::Allow,
            args: clause.predicates().map(|(index, predicate)| Arg { index, predicate }).collect(),
        });
        let profile = profile(entries.collect(), Abi::X86_64);
        let proven = prove(&profile);
        prop_assert!(proven.is_ok(), "{}", proven.unwrap_err());
    }

    #[test]
    fn a_32_bit_value_is_the_same_however_it_is_extended(value in any::<i32>(), noise in any::<u32>()) {
        let unsigned = value.cast_unsigned();
        let signed = i64::from(value).cast_unsigned();
        let others = [u64::from(unsigned), signed, u64::from(noise) << 32 | u64::from(unsigned)];
        let number = Abi::X86_64.syscall_number("personality").unwrap();
        // Whichever way the value is written in the profile, under the mask of an int it is one value.
        for written in others {
            let masked = Predicate::MaskedEqual { mask: 0xffff_ffff, value: written };
            let exact = Predicate::Equal(written);
            let of = |predicate| {
                let args = vec![Arg { index: 0, predicate }];
                let names = vec!["personality".to_owned()];
                let profile = profile(vec![Entry { names, action: Action::Allow, args }], Abi::X86_64);
                let program = compile(&profile).unwrap().program;
                (profile.policy(Machine::X86_64).unwrap(), program.filter().unwrap())
            };
            for (predicate, any) in [(masked, true), (exact, false)] {
                let (policy, filter) = of(predicate);
                for given in others {
                    let args = [given, 0, 0, 0, 0, 0];
                    let expected = any || given == written;
                    let answer = policy.evaluate(Abi::X86_64, number, &args);
                    prop_assert_eq!(answer == Action::Allow, expected, "{:x} {:x}", written, given);
                    let verdict = filter.run(&bpf::Call::new(Abi::X86_64, number, args));
                    prop_assert_eq!(bpf::action(verdict), Some(answer));
                }
                let clause = Clause::on(0, predicate).unwrap();
                // For a program of 32 bits all of them are one.
                prop_assert!(others.iter().all(|given| clause.holds(&[*given, 0, 0, 0, 0, 0], Width::Bits32)));
            }
        }
    }
}
