//! Exact answers about policies: is one within another, are they equal, and which call shows a difference.
//!
//! Policies are compared as functions from calls, with all values of all six arguments, to actions. Nothing
//! is sampled: the arguments of a call are a decision diagram over 6 × 64 bits, and a difference of two
//! diagrams is empty or has a member, the [`Witness`]. Calls without conditions need no diagram.
//!
//! - What a policy does not list is compared too: other ABIs are killed ([`UNLISTED_ABI`](super::UNLISTED_ABI)),
//!   and the numbers that no rule names, of calls that are still to be invented, are one class.
//! - For 32-bit ABIs only the lower halves of arguments are compared, as libseccomp does.
//! - Where clauses with different actions overlap, the rule that was added first counts, as in
//!   [`Policy::evaluate`].
//!
//! # Terminology
//!
//! A policy is *within* another if no call gets further under it than under the other one: if it lets none
//! through that the other does not, and leaves none to a tracer that the other refuses ([`Action::reach`]).
//! How a call is refused by both is no matter of being within, but of being equal.
//!
//! [`compare`] and [`within`] answer about two policies, [`union`] and [`intersection`] make a new one. The
//! same questions can be asked about anything that has a [`Meaning`], such as a filter read back from the kernel.

pub(crate) mod bound;
mod combine;
mod express;
mod meaning;
pub(crate) mod space;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Action, Args, Policy, Width, width};
use crate::abi::Abi;
use crate::decode;
pub(crate) use meaning::Decision;

pub use bound::{Intricate, decidable};
pub use combine::{intersection, union};
pub use express::{Inexpressible, narrowed};
pub use meaning::{Certainty, LAST_NUMBER, Meaning};

/// A call that two policies treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its ABI.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// Arguments for which the difference shows: small ones, and 0 for those that do not matter.
    pub args: Args,
    /// What the first policy does with it.
    pub before: Action,
    /// What the second policy does with it.
    pub after: Action,
}

impl fmt::Display for Witness {
    /// The call as people write it: `socket(AF_ALG, 0, 0)`. Where a 32-bit argument has an upper half, which
    /// the kernel passes over and a filter need not, its register is shown too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decode::call(self.abi, self.number, &self.args))?;
        let name = self.abi.syscall_name(self.number).unwrap_or_default();
        let halved = self.args.iter().enumerate().filter(|(index, value)| {
            width(self.abi) == Width::Bits64
                && **value > Width::Bits32.mask()
                && decode::is_32_bit(name, *index)
        });
        for (nth, (index, value)) in halved.enumerate() {
            write!(f, "{} arg{index} = {value:#x}", if nth == 0 { " with" } else { "," })?;
        }
        Ok(())
    }
}

/// In which direction a call changes from the first policy to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// With some of its arguments it gets further under the second policy.
    Widened,
    /// With some it gets further under the first one.
    Narrowed,
    /// Both: with some arguments it gets further under the first policy, with others under the second.
    Mixed,
    /// Both policies let the same through, and refuse (or log) otherwise.
    Refusal,
}

/// A call that two policies treat differently, with a witness for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its ABI.
    pub abi: Abi,
    /// Its number. For numbers without a name, the smallest of all those that change in the same way.
    pub number: u32,
    /// How many more numbers without a name change in the same way; 0 if this one has a name.
    pub more: u32,
    /// Its direction.
    pub kind: ChangeKind,
    /// A call that gets further under the second policy.
    pub widened: Option<Witness>,
    /// A call that gets further under the first policy.
    pub narrowed: Option<Witness>,
    /// A call that both refuse, or let through, but not in the same way.
    pub refusal: Option<Witness>,
}

impl Change {
    fn between(abi: Abi, number: u32, before: &Decision, after: &Decision) -> Option<Self> {
        let find = |interesting: fn(Action, Action) -> bool| {
            before.first_difference(after, interesting).map(|(args, before, after)| Witness {
                abi,
                number,
                args,
                before,
                after,
            })
        };
        let widened = find(|before, after| before.reach() < after.reach());
        let narrowed = find(|before, after| before.reach() > after.reach());
        let refusal = find(|before, after| before != after && before.reach() == after.reach());
        let kind = match (widened, narrowed, refusal) {
            (None, None, None) => return None,
            (None, None, Some(_)) => ChangeKind::Refusal,
            (Some(_), None, _) => ChangeKind::Widened,
            (None, Some(_), _) => ChangeKind::Narrowed,
            (Some(_), Some(_), _) => ChangeKind::Mixed,
        };
        Some(Self { abi, number, more: 0, kind, widened, narrowed, refusal })
    }

    /// Name of the call; `None` if this release knows none.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.abi.syscall_name(self.number)
    }

    /// The witness that shows best what changed: that of being wider, then narrower, then otherwise refused.
    #[must_use]
    pub fn witness(&self) -> Option<&Witness> {
        self.widened.as_ref().or(self.narrowed.as_ref()).or(self.refusal.as_ref())
    }
}

/// How two policies differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Comparison {
    changes: Vec<Change>,
    abis: Vec<Abi>,
}

impl Comparison {
    /// Compares two functions call by call.
    pub fn new(before: &Meaning, after: &Meaning) -> Self {
        let abis: BTreeSet<Abi> = before.abis().chain(after.abis()).collect();
        let changes =
            abis.iter().flat_map(|abi| changes_of(*abi, before, after)).collect::<Vec<_>>();
        Self { changes, abis: abis.into_iter().collect() }
    }

    /// The ABIs that at least one of the two lists. Both kill the calls of all others.
    #[must_use]
    pub fn abis(&self) -> &[Abi] {
        &self.abis
    }

    /// The calls that change, by ABI and number. Calls that both treat alike are left out.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// Whether no call gets further under the first policy than under the second.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.changes.iter().all(|change| change.narrowed.is_none())
    }

    /// Whether both do the same with every call.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty()
    }

    /// A call that gets further under the first policy; one that has a name, if there is any.
    #[must_use]
    pub fn escape(&self) -> Option<&Witness> {
        let escapes = || self.changes.iter().filter(|change| change.narrowed.is_some());
        let named = escapes().find(|change| change.name().is_some());
        named.or_else(|| escapes().next()).and_then(|change| change.narrowed.as_ref())
    }
}

/// The changes of one ABI: one for each name, and one for all numbers without a name that change alike.
fn changes_of(abi: Abi, before: &Meaning, after: &Meaning) -> Vec<Change> {
    let named = abi.syscalls().flat_map(|(number, _)| [number, number + 1]);
    let mut starts: Vec<u32> = before.starts(abi).chain(after.starts(abi)).chain(named).collect();
    starts.push(0);
    starts.retain(|start| *start <= LAST_NUMBER);
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([LAST_NUMBER + 1]);
    let mut changes: Vec<Change> = Vec::new();
    let mut unnamed: BTreeMap<(Action, Action), usize> = BTreeMap::new();
    for (start, end) in starts.iter().copied().zip(ends) {
        let (one, other) = (before.decision(abi, start), after.decision(abi, start));
        if one.uniform().is_some() && one.uniform() == other.uniform() {
            continue;
        }
        let is_named = abi.syscall_name(start).is_some();
        let actions = one.uniform().zip(other.uniform()).filter(|_| !is_named);
        if let Some(nth) = actions.and_then(|actions| unnamed.get(&actions)) {
            if let Some(change) = changes.get_mut(*nth) {
                change.more += end - start;
            }
            continue;
        }
        if let Some(mut change) = Change::between(abi, start, one, other) {
            change.more = end - start - 1;
            if let Some(actions) = actions {
                unnamed.insert(actions, changes.len());
            }
            changes.push(change);
        }
    }
    changes
}

/// How two policies differ, from `before` to `after`.
pub fn compare(before: &Policy, after: &Policy) -> Comparison {
    Comparison::new(&before.into(), &after.into())
}

/// Whether no call gets further under `policy` than under `limit`.
///
/// # Errors
///
/// A call that does: what `policy` does with it (`before`), and `limit` (`after`).
pub fn within(policy: &Policy, limit: &Policy) -> Result<(), Witness> {
    compare(policy, limit).escape().map_or(Ok(()), |witness| Err(*witness))
}

#[cfg(test)]
mod tests;
