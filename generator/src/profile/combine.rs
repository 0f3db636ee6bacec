//! Profiles out of profiles: what any of them allows, or what all of them do.
//!
//! The names of a profile hold for all of its architectures. So the union of profiles of different
//! architectures allows each name on all of them, as [`Combined::notes`] then says. A machine's own
//! architecture is covered on it, whether a profile lists it or not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use thiserror::Error;

use super::{Architecture, Arg, Entry, Profile};
use crate::abi::Abi;
use crate::machine::Machines;
use crate::policy::decide::{self, Inexpressible};
use crate::policy::{Action, Clause, NoPolicy, Policy, Rule};

/// How to combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// What any of them allows.
    Union,
    /// What all of them allow.
    Intersection,
}

/// Why profiles cannot be combined.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CombineError {
    /// No profile was given.
    #[error("there is no profile to combine")]
    Nothing,
    /// A call has two actions under the same condition.
    #[error(transparent)]
    NoPolicy(#[from] NoPolicy),
    /// No policy does what is asked for.
    #[error("{0}")]
    Inexpressible(#[from] Inexpressible),
    /// What is allowed differs between architectures, so that no names can say it.
    #[error(
        "`{0}` would have to be allowed differently on two architectures, which a profile cannot express: \
         combine profiles of one architecture"
    )]
    Architectures(String),
}

/// A profile made of others.
#[derive(Clone, Debug)]
#[must_use]
pub struct Combined {
    /// The profile.
    pub profile: Profile,
    /// What should be known about it.
    pub notes: Vec<String>,
}

/// Combines profiles, as they work on each of these machines.
///
/// # Errors
///
/// [`CombineError`] if no profile says what is asked for. Nothing is left out instead.
pub fn combine(
    profiles: &[Profile],
    operation: Operation,
    machines: impl Into<Machines>,
) -> Result<Combined, CombineError> {
    let machines = machines.into();
    let architectures = architectures(profiles, operation, machines)?;
    let mut notes = Vec::new();
    let lists: BTreeSet<BTreeSet<Architecture>> =
        profiles.iter().map(|profile| of_others(profile, machines)).collect();
    if lists.len() > 1 {
        let names: Vec<_> = architectures.iter().map(|architecture| architecture.name()).collect();
        notes.push(format!(
            "the profiles list different architectures; what is allowed now holds for {}",
            if names.is_empty() { "each machine's own".to_owned() } else { names.join(", ") }
        ));
    }
    let mut policies = profiles.iter().map(|profile| {
        Profile { architectures: architectures.clone(), ..profile.clone() }.policy(machines)
    });
    let mut policy = policies.next().ok_or(CombineError::Nothing)??;
    for other in policies {
        policy = match operation {
            Operation::Union => decide::union(&policy, &other?)?,
            Operation::Intersection => decide::intersection(&policy, &other?)?,
        };
    }
    let mut entries = entries(&policy)?;
    let unknown = unknown_calls(profiles, operation);
    if !unknown.is_empty() {
        let names: BTreeSet<_> = unknown.iter().flat_map(|entry| entry.names.clone()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(" ");
        notes.push(format!("kept as they are, because Strait does not know them: {names}"));
    }
    entries.extend(unknown);
    let profile = Profile { default: policy.default_action(), architectures, entries };
    // Whatever was overlooked would make the profile say something else.
    let said = profile.policy(machines)?;
    match decide::compare(&policy, &said).changes().next() {
        Some(change) => Err(CombineError::Architectures(
            change.name().map_or_else(|| change.number.to_string(), str::to_owned),
        )),
        None => Ok(Combined { profile, notes }),
    }
}

/// What the combined profile lists.
///
/// A machine's own ABI is covered there, listed or not. So of both is allowed on it what both allow, also if
/// only one of them lists it; of any other architecture only if both do.
fn architectures(
    profiles: &[Profile],
    operation: Operation,
    machines: Machines,
) -> Result<Vec<Architecture>, CombineError> {
    let listed = |profile: &Profile| -> BTreeSet<Architecture> {
        let there =
            |architecture: &&Architecture| architecture.abi().is_none_or(|abi| machines.have(abi));
        profile.architectures.iter().filter(there).copied().collect()
    };
    let is_own = |architecture: &Architecture| architecture.abi().is_some_and(Abi::is_native);
    let any = profiles.iter().map(listed).reduce(|all, set| &all | &set);
    let any = any.ok_or(CombineError::Nothing)?;
    let all = match operation {
        Operation::Union => any,
        Operation::Intersection => {
            let others = profiles.iter().map(|profile| of_others(profile, machines));
            let both = others.reduce(|all, set| &all & &set).unwrap_or_default();
            &both | &any.into_iter().filter(is_own).collect()
        }
    };
    Ok(all.into_iter().collect())
}

/// What a profile lists besides each machine's own architecture, which is covered in any case.
fn of_others(profile: &Profile, machines: Machines) -> BTreeSet<Architecture> {
    let other = |architecture: &&Architecture| {
        architecture.abi().is_none_or(|abi| machines.have(abi) && !abi.is_native())
    };
    profile.architectures.iter().filter(other).copied().collect()
}

/// The entries that say what a policy means, names with the same rules together.
fn entries(policy: &Policy) -> Result<Vec<Entry>, CombineError> {
    let mut by_name: BTreeMap<&'static str, &[Rule]> = BTreeMap::new();
    for abi in policy.abis() {
        for (number, name) in abi.syscalls() {
            // A name that two numbers have is said by the number that it leads to.
            if abi.syscall_number(name) == Some(number) {
                let rules = policy.rules(abi, number);
                match by_name.get(name) {
                    Some(others) if !same(others, rules) => {
                        return Err(CombineError::Architectures(name.to_owned()));
                    }
                    _ => {
                        by_name.insert(name, rules);
                    }
                }
            }
        }
    }
    let mut together: BTreeMap<(Action, Clause), BTreeSet<&str>> = BTreeMap::new();
    for (name, rules) in by_name {
        for rule in rules {
            for clause in &rule.clauses {
                together.entry((rule.action, *clause)).or_default().insert(name);
            }
        }
    }
    // Entries that hold without conditions first, as people look for them.
    let mut groups: Vec<_> = together.into_iter().collect();
    groups.sort_by_key(|((action, clause), names)| {
        (!clause.is_unconditional(), *action, names.first().copied(), *clause)
    });
    let entry = |((action, clause), names): ((Action, Clause), BTreeSet<&str>)| Entry {
        names: names.into_iter().map(str::to_owned).collect(),
        action,
        args: clause.predicates().map(|(index, predicate)| Arg { index, predicate }).collect(),
    };
    Ok(groups.into_iter().map(entry).collect())
}

fn same(one: &[Rule], other: &[Rule]) -> bool {
    let cases = |rules: &[Rule]| {
        let cases = rules.iter().flat_map(|rule| {
            rule.clauses.iter().map(|clause| (rule.action, *clause)).collect::<Vec<_>>()
        });
        cases.collect::<BTreeSet<_>>()
    };
    cases(one) == cases(other)
}

/// Entries of names that no ABI here has: of other architectures, or of newer kernels. What decides in the end,
/// to allow in a union and to refuse in an intersection, is taken over from any profile, the opposite only if
/// all of them say so.
fn unknown_calls(profiles: &[Profile], operation: Operation) -> Vec<Entry> {
    let is_known = |name: &str| Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
    let of = |profile: &Profile| -> Vec<Entry> {
        let single = |entry: &Entry| {
            let names = entry.names.iter().filter(|name| !is_known(name));
            let single = |name: &String| Entry {
                names: vec![name.clone()],
                action: entry.action,
                args: entry.args.clone(),
            };
            names.map(single).collect::<Vec<_>>()
        };
        profile.entries.iter().flat_map(single).collect()
    };
    let each: Vec<(Action, Vec<Entry>)> =
        profiles.iter().map(|profile| (profile.default, of(profile))).collect();
    let named: Vec<HashSet<&[String]>> = each
        .iter()
        .map(|(_, said)| said.iter().map(|entry| entry.names.as_slice()).collect())
        .collect();
    let stated: Vec<HashSet<&Entry>> = each.iter().map(|(_, said)| said.iter().collect()).collect();
    let all_say_so = |entry: &Entry| {
        let each = each.iter().zip(named.iter().zip(&stated));
        each.map(|((default, _), sets)| (default, sets)).all(|(default, (named, stated))| {
            match named.contains(entry.names.as_slice()) {
                true => stated.contains(entry),
                false => default.lets_through() == entry.action.lets_through(),
            }
        })
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut taken: HashSet<&Entry> = HashSet::new();
    for entry in each.iter().flat_map(|(_, said)| said) {
        let decides = entry.action.lets_through() == (operation == Operation::Union);
        if (decides || all_say_so(entry)) && taken.insert(entry) {
            entries.push(entry.clone());
        }
    }
    entries.sort_by(|one, other| one.names.cmp(&other.names));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::policy::decide::{compare, within};
    use crate::policy::{Errno, Predicate};
    use crate::profile::{parse, print};
    use proptest::prelude::*;

    const ENOSYS: Action = Action::Errno(Errno::ENOSYS);

    fn profile(entries: Vec<(&str, Option<u64>)>) -> Profile {
        let entry = |(name, family): (&str, Option<u64>)| Entry {
            names: vec![name.to_owned()],
            action: Action::Allow,
            args: family
                .map(|value| Arg { index: 0, predicate: Predicate::Equal(value) })
                .into_iter()
                .collect(),
        };
        Profile {
            default: ENOSYS,
            architectures: vec![Abi::X86_64.into()],
            entries: entries.into_iter().map(entry).collect(),
        }
    }

    fn policy(profile: &Profile) -> Policy {
        profile.policy(Machine::X86_64).unwrap()
    }

    fn both(one: &Profile, other: &Profile, operation: Operation) -> Profile {
        combine(&[one.clone(), other.clone()], operation, Machines::ALL).unwrap().profile
    }

    #[test]
    fn arguments_are_alternatives() {
        let (inet, unix) = (profile(vec![("socket", Some(2))]), profile(vec![("socket", Some(1))]));
        let union = policy(&both(&inet, &unix, Operation::Union));
        let socket = Abi::X86_64.syscall_number("socket").unwrap();
        let families = (0..64).filter(|family| {
            union.evaluate(Abi::X86_64, socket, &[*family, 1, 0, 0, 0, 0]).lets_through()
        });
        assert_eq!(families.collect::<Vec<_>>(), [1, 2]);
        let none = policy(&both(&inet, &unix, Operation::Intersection));
        assert!(!none.may_allow(Abi::X86_64, socket));
    }

    #[test]
    fn a_call_allowed_by_one_whatever_its_arguments_is_so_in_the_union() {
        let (some, all) = (profile(vec![("socket", Some(2))]), profile(vec![("socket", None)]));
        assert!(compare(&policy(&both(&some, &all, Operation::Union)), &policy(&all)).is_equal());
        assert!(
            compare(&policy(&both(&some, &all, Operation::Intersection)), &policy(&some))
                .is_equal()
        );
    }

    #[test]
    fn both_architectures_are_kept() {
        let one = profile(vec![("read", None), ("open", None)]);
        let other = Profile {
            architectures: vec![Abi::Aarch64.into()],
            ..profile(vec![("read", None), ("openat", None)])
        };
        let combined =
            combine(&[one.clone(), other.clone()], Operation::Union, Machines::ALL).unwrap();
        assert_eq!(combined.profile.architectures.len(), 2);
        assert_eq!(combined.profile.entries[0].names, ["open", "openat", "read"]);
        assert!(combined.notes.is_empty(), "each covers the machine's own anyway");
        let with_i386 = Profile {
            architectures: vec![Abi::X86_64.into(), Abi::X86.into()],
            ..profile(vec![("read", None)])
        };
        let more = combine(&[one.clone(), with_i386], Operation::Union, Machines::ALL).unwrap();
        assert!(more.notes[0].contains("SCMP_ARCH_X86_64"), "{:?}", more.notes);
        // On each machine both cover its own ABI, whatever they list.
        let less = combine(&[one, other], Operation::Intersection, Machines::ALL).unwrap().profile;
        assert_eq!(less.architectures.len(), 2);
        assert_eq!(less.entries[0].names, ["read"]);
    }

    #[test]
    fn unknown_names_are_kept_and_reported() {
        let one = profile(vec![("read", None), ("invented_in_2031", None)]);
        let other = profile(vec![("read", None)]);
        let union =
            combine(&[one.clone(), other.clone()], Operation::Union, Machines::ALL).unwrap();
        assert!(print(&union.profile).unwrap().contains("invented_in_2031"));
        assert!(union.notes[0].contains("invented_in_2031"));
        let less = both(&one, &other, Operation::Intersection);
        assert!(!print(&less).unwrap().contains("invented_in_2031"));
    }

    #[test]
    fn what_one_profile_refuses_of_names_that_are_not_known_is_refused_by_an_intersection() {
        let open = Profile { default: Action::Allow, ..profile(vec![]) };
        let entry = |name: &str, action| Entry { names: vec![name.into()], action, args: vec![] };
        let closed = |name: &str, action| Profile {
            entries: vec![entry(name, action), entry("bpf", Action::Errno(Errno::EPERM))],
            ..open.clone()
        };
        let refusing = closed("invented_in_2031", Action::Errno(Errno::EPERM));
        let has = |profile: &Profile| print(profile).unwrap().contains("invented_in_2031");
        assert!(has(&both(&refusing, &open, Operation::Intersection)));
        assert!(has(&both(&open, &refusing, Operation::Intersection)));
        assert!(!has(&both(&refusing, &open, Operation::Union)), "one of them allows it");
        assert!(has(&both(&refusing, &refusing, Operation::Union)));
        let allowing = profile(vec![("read", None), ("invented_in_2031", None)]);
        assert!(has(&both(&allowing, &open, Operation::Intersection)), "both allow it");
    }

    /// With any list of architectures.
    fn any_listed() -> impl Strategy<Value = Profile> {
        let lists = prop::sample::subsequence(Abi::ALL.to_vec(), 0..=4);
        (any_profile(), lists).prop_map(|(profile, abis)| Profile {
            architectures: abis.into_iter().map(Into::into).collect(),
            ..profile
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What `diff` says of it, too.
        #[test]
        fn on_every_machine_an_intersection_allows_what_both_do(
            one in any_listed(),
            other in any_listed(),
        ) {
            let less = both(&one, &other, Operation::Intersection);
            for machine in Machine::ALL {
                let of = |profile: &Profile| profile.policy(machine).unwrap();
                let exact = decide::intersection(&of(&one), &of(&other)).unwrap();
                prop_assert!(compare(&of(&less), &exact).is_equal(), "{machine}");
                let more = of(&both(&one, &other, Operation::Union));
                prop_assert!(within(&of(&one), &more).is_ok(), "{machine}");
                prop_assert!(within(&of(&other), &more).is_ok(), "{machine}");
            }
            let swapped = both(&other, &one, Operation::Intersection);
            prop_assert_eq!(less.architectures, swapped.architectures);
        }
    }

    fn any_profile() -> impl Strategy<Value = Profile> {
        let call = prop::sample::select(vec!["read", "write", "socket", "clone", "personality"]);
        let entry = (call, prop::option::of(0..4_u64));
        prop::collection::vec(entry, 0..8).prop_map(profile)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_union_is_the_least_that_holds_both(one in any_profile(), other in any_profile()) {
            let union = policy(&both(&one, &other, Operation::Union));
            prop_assert!(within(&policy(&one), &union).is_ok());
            prop_assert!(within(&policy(&other), &union).is_ok());
            let swapped = policy(&both(&other, &one, Operation::Union));
            prop_assert!(compare(&union, &swapped).is_equal());
            let again = both(&both(&one, &other, Operation::Union), &one, Operation::Union);
            prop_assert!(compare(&union, &policy(&again)).is_equal());
        }

        #[test]
        fn an_intersection_is_within_both(one in any_profile(), other in any_profile()) {
            let less = policy(&both(&one, &other, Operation::Intersection));
            prop_assert!(within(&less, &policy(&one)).is_ok());
            prop_assert!(within(&less, &policy(&other)).is_ok());
        }

        #[test]
        fn what_is_combined_can_be_printed_and_read(one in any_profile(), other in any_profile()) {
            let union = both(&one, &other, Operation::Union);
            let read = parse(&print(&union).unwrap()).unwrap();
            prop_assert!(compare(&policy(&union), &policy(&read)).is_equal());
        }
    }
}
