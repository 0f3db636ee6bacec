//! Properties that hold for all policies, tried on random ones: see [`cases`].

use std::cmp::Ordering;

use proptest::prelude::*;
use strait_generator::policy::decide::{ChangeKind, compare, intersection, union, within};
use strait_generator::policy::{Action, Policy};

use crate::arbitrary::{ENOSYS, EPERM, calls, cases, few_bits, picks, policy, predicate};

fn any_policy() -> impl Strategy<Value = Policy> {
    policy(predicate, &[Action::Allow, EPERM, Action::Log, Action::Trace(7)])
}

/// Policies whose unions and intersections have few clauses.
fn plain() -> impl Strategy<Value = Policy> {
    policy(few_bits, &[Action::Allow])
}

fn equal(one: &Policy, other: &Policy) -> Result<(), TestCaseError> {
    let comparison = compare(one, other);
    let change = comparison.changes().next();
    prop_assert!(change.is_none(), "{change:?}");
    Ok(())
}

fn joined(one: &Policy, other: &Policy) -> Policy {
    union(one, other).unwrap()
}

fn met(one: &Policy, other: &Policy) -> Policy {
    intersection(one, other).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_order_of_two_policies_does_not_count(one in plain(), other in plain()) {
        equal(&joined(&one, &other), &joined(&other, &one))?;
        equal(&met(&one, &other), &met(&other, &one))?;
    }

    #[test]
    fn a_policy_with_itself_is_itself(one in plain()) {
        equal(&joined(&one, &one), &one)?;
        equal(&met(&one, &one), &one)?;
    }

    #[test]
    fn three_policies_can_be_taken_in_any_order(one in plain(), two in plain(), three in plain()) {
        equal(&joined(&joined(&one, &two), &three), &joined(&one, &joined(&two, &three)))?;
        equal(&met(&met(&one, &two), &three), &met(&one, &met(&two, &three)))?;
    }

    #[test]
    fn union_and_intersection_absorb_each_other(one in plain(), other in plain()) {
        equal(&joined(&one, &met(&one, &other)), &one)?;
        equal(&met(&one, &joined(&one, &other)), &one)?;
    }

    #[test]
    fn an_intersection_is_within_both_and_both_are_within_the_union(
        one in plain(),
        other in plain(),
    ) {
        let (both, either) = (met(&one, &other), joined(&one, &other));
        for policy in [&one, &other] {
            prop_assert_eq!(within(&both, policy), Ok(()));
            prop_assert_eq!(within(policy, &either), Ok(()));
        }
        // A policy is within another if cutting it down to that changes nothing.
        prop_assert_eq!(within(&one, &other).is_ok(), compare(&both, &one).is_within() && within(&one, &both).is_ok());
        prop_assert_eq!(within(&one, &other).is_ok(), within(&either, &other).is_ok());
    }

    #[test]
    fn a_witness_really_separates(
        before in any_policy(),
        after in any_policy(),
        picks in picks(6),
    ) {
        let comparison = compare(&before, &after);
        for change in comparison.changes() {
            for witness in [change.widened, change.narrowed, change.refusal].into_iter().flatten() {
                let (abi, number, args) = (witness.abi, witness.number, &witness.args);
                prop_assert_eq!(before.evaluate(abi, number, args), witness.before);
                prop_assert_eq!(after.evaluate(abi, number, args), witness.after);
                prop_assert_ne!(witness.before, witness.after);
            }
            prop_assert!(change.widened.is_none_or(|one| one.before.reach() < one.after.reach()));
            prop_assert!(change.narrowed.is_none_or(|one| one.before.reach() > one.after.reach()));
            prop_assert!(change.refusal.is_none_or(|one| one.before.reach() == one.after.reach()));
            let expected = match (change.widened, change.narrowed) {
                (Some(_), Some(_)) => ChangeKind::Mixed,
                (Some(_), None) => ChangeKind::Widened,
                (None, Some(_)) => ChangeKind::Narrowed,
                (None, None) => ChangeKind::Refusal,
            };
            prop_assert_eq!(change.kind, expected);
        }
        // Nothing that differs is missed.
        for (abi, number, args) in calls(&[&before, &after], &picks) {
            let (was, is) = (before.evaluate(abi, number, &args), after.evaluate(abi, number, &args));
            let mut changes = comparison.changes();
            let change = changes.find(|change| (change.abi, change.number) == (abi, number));
            match was.reach().cmp(&is.reach()) {
                Ordering::Less => prop_assert!(change.is_some_and(|one| one.widened.is_some())),
                Ordering::Greater => prop_assert!(change.is_some_and(|one| one.narrowed.is_some())),
                Ordering::Equal if was != is => {
                    prop_assert!(change.is_some_and(|one| one.refusal.is_some()));
                }
                Ordering::Equal => {}
            }
        }
        prop_assert_eq!(comparison.is_within(), within(&before, &after).is_ok());
    }

    #[test]
    fn what_comes_of_two_policies_is_right_for_each_call(
        one in policy(few_bits, &[Action::Allow, Action::Log]),
        other in plain(),
        picks in picks(6),
    ) {
        let (both, either) = (met(&one, &other), joined(&one, &other));
        for (abi, number, args) in calls(&[&one, &other], &picks) {
            let of = |policy: &Policy| policy.evaluate(abi, number, &args);
            let mut actions = [of(&one), of(&other)];
            actions.sort_by_key(|action| match action {
                Action::Allow => 0,
                Action::Log => 1,
                Action::Errno(_) => 2,
                _ => 3,
            });
            prop_assert_eq!((of(&either), of(&both)), actions.into(), "{} {} {:x?}", abi, number, args);
        }
        prop_assert!([ENOSYS, Action::KillThread].contains(&both.default_action()));
    }
}
