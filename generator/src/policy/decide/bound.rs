//! The bound on how complex conditions may be.
//!
//! The diagram of conditions on the same arguments grows with their number. That of conditions that each
//! combine other arguments, or other bits, can double with each of them, and a profile may come from anybody.

use super::space::{Set, spend};
use crate::abi::Abi;
use crate::policy::{Clause, Policy, Rule, Width, width};

/// Most nodes of a diagram, 16 bytes each. Two thousand conditions on the same six arguments take 770 000, and
/// sixty on pairs of arguments that are drawn at random as many.
pub(crate) const MOST_NODES: usize = 1 << 20;

/// Most nodes of all diagrams of a policy together, with those that are made on the way and thrown away.
pub(crate) const MOST_WORK: usize = 1 << 23;

/// So many conditions can always be decided about: 2⁸ times the 384 bits of one are far fewer nodes.
const FEW: usize = 8;

/// The rules of a call cannot be decided about exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the conditions of this profile combine values of different arguments in more ways than can be decided \
     about exactly (at the {conditions} of `{call}` on {abi}): use fewer of them, or compare the same arguments \
     in each"
)]
pub struct Intricate {
    /// The ABI.
    pub abi: Abi,
    /// Name of the call, or its number.
    pub call: String,
    /// How many conditions it has.
    pub conditions: usize,
}

/// Whether the rules of every call can be decided about with a bounded amount of memory and time.
///
/// # Errors
///
/// [`Intricate`] for the first call of which they cannot.
pub fn decidable(policy: &Policy) -> Result<(), Intricate> {
    let mut work = MOST_WORK;
    for abi in policy.abis() {
        for (number, rules) in policy.table(abi) {
            let conditions = rules.iter().map(|rule| rule.clauses.len()).sum();
            if conditions > FEW && !fits(rules, width(abi), &mut work) {
                let name = abi.syscall_name(number).map(str::to_owned);
                let call = name.unwrap_or_else(|| number.to_string());
                return Err(Intricate { abi, call, conditions });
            }
        }
    }
    Ok(())
}

/// Whether each diagram that [`Decision::of_rules`](super::Decision::of_rules) makes is small enough.
fn fits(rules: &[Rule], width: Width, work: &mut usize) -> bool {
    let mut taken = Set::none();
    rules.iter().all(|rule| take(&mut taken, &rule.clauses, width, work).is_some())
}

fn take(taken: &mut Set, clauses: &[Clause], width: Width, work: &mut usize) -> Option<()> {
    let holds = Set::any_within(clauses, width, MOST_NODES, work)?;
    if !taken.is_empty() {
        spend(work, holds.minus_within(taken, MOST_NODES)?.size())?;
        spend(work, taken.size())?;
    }
    *taken = taken.or_within(&holds, MOST_NODES)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Errno, Predicate};

    fn policy(clauses: impl IntoIterator<Item = Clause>) -> Policy {
        let mut policy = Policy::new(Action::Errno(Errno::ENOSYS), [Abi::X86_64]);
        for clause in clauses {
            policy.add("ioctl", Action::Allow, clause).unwrap();
        }
        policy
    }

    #[test]
    fn two_thousand_conditions_on_the_same_arguments_are_not_too_many() {
        let clauses = (1..=2000u64).map(|nth| {
            Clause::new(std::array::from_fn(|index| {
                let shift = u32::try_from(7 * index).unwrap();
                let value = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(shift);
                Some(Predicate::Equal(value))
            }))
        });
        assert_eq!(decidable(&policy(clauses)), Ok(()));
    }

    /// Each ties a bit to one that is 32 bits away, and all before it have to be remembered until then.
    #[test]
    fn thirty_conditions_on_distant_bits_are_too_many() {
        let clauses = (0..30).map(|bit| {
            let mask = 1 << bit | 1 << (bit + 32);
            Clause::on(1, Predicate::MaskedEqual { mask, value: mask }).unwrap()
        });
        assert_eq!(
            decidable(&policy(clauses)).unwrap_err().to_string(),
            "the conditions of this profile combine values of different arguments in more ways than can be \
             decided about exactly (at the 30 of `ioctl` on x86_64): use fewer of them, or compare the same \
             arguments in each"
        );
    }

    #[test]
    fn what_only_several_actions_make_intricate_is_seen_too() {
        let clause = |bit: u32| {
            let mask = 1 << bit | 1 << (bit + 32);
            Clause::on(1, Predicate::MaskedEqual { mask, value: mask }).unwrap()
        };
        let mut policy = policy((0..15).map(clause));
        for bit in 15..30 {
            policy.add("ioctl", Action::Log, clause(bit)).unwrap();
        }
        assert!(decidable(&policy).is_err());
    }
}
