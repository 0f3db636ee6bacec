//! A call that two sides treat differently: what is newly allowed and no longer allowed, as text, and the exceptions for it.

use std::collections::BTreeSet;

use super::allow::ByCall;
use super::wording::{self, is_all};
use super::{Change, Exception, Kind, Side, action_text, risk};
use crate::abi::Abi;
use crate::policy::decide::space::Set;
use crate::policy::decide::{self, ChangeKind, Meaning, Witness};
use crate::policy::fallback::fallbacks;
use crate::policy::{Action, Args, Clause, Errno, Predicate, width};

/// What two sides do with the calls of one number.
pub(super) struct Pair {
    before: Vec<(Action, Set)>,
    after: Vec<(Action, Set)>,
}

/// Exceptions by their place in the file: those of a change that is covered as a whole, and those that
/// cover a part of one.
#[derive(Debug, Default)]
pub(super) struct UseOf {
    pub whole: BTreeSet<usize>,
    pub partial: BTreeSet<usize>,
}

/// The arguments with which a call is let through.
pub(crate) fn let_through(parts: &[(Action, Set)]) -> Set {
    let sets = parts.iter().filter(|(action, _)| action.lets_through());
    Set::union(sets.map(|(_, set)| set.clone()).collect())
}

/// The arguments with which a call gets further by the second than by the first: also to a tracer, where it was
/// refused.
fn further(one: &[(Action, Set)], other: &[(Action, Set)]) -> Set {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    let wider = pairs.filter(|((less, _), (more, _))| less.reach() < more.reach());
    Set::union(wider.map(|((_, these), (_, those))| these.and(those)).collect())
}

impl Pair {
    pub fn new(before: &Meaning, after: &Meaning, abi: Abi, number: u32) -> Self {
        Self {
            before: before.decision(abi, number).parts(),
            after: after.decision(abi, number).parts(),
        }
    }

    /// What to say of a change, and which exceptions are of use for it.
    pub fn change(
        &self,
        change: &decide::Change,
        old: &Side,
        new: &Side,
        after: &Meaning,
        (exceptions, by_call): (&[&Exception], &ByCall),
        use_of: &mut UseOf,
    ) -> Option<Change> {
        let decide::Change { abi, number, more, kind: direction, .. } = *change;
        let (had, has) = (let_through(&self.before), let_through(&self.after));
        let (gained, lost) = (has.minus(&had), had.minus(&has));
        let witness = *change.witness()?;
        let widens = change.widened.is_some();
        let side = if widens { new } else { old };
        let describe = |set: &Set| wording::describe(set, abi, number);
        // Where the whole call goes from one to the other, before and after say it all.
        let whole = (had.is_empty() && is_all(&has)) || (is_all(&had) && has.is_empty());
        // What is left when all was allowed is shorter to say than what is gone; and so for the reverse.
        let from_or_to_all = is_all(&had) || is_all(&has);
        let part =
            |set: &Set| (!set.is_empty() && !whole && !from_or_to_all).then(|| describe(set));
        let wider = further(&self.before, &self.after);
        let (touching, is_covered) = by_call.touching(&wider, abi, number);
        let covering = if is_covered { touching.as_slice() } else { &[] };
        if is_covered { &mut use_of.whole } else { &mut use_of.partial }.extend(&touching);
        let subject = if widens { wider } else { further(&self.after, &self.before) };
        let seen = side.evidence.as_ref().and_then(|evidence| evidence.seen(abi, number)).cloned();
        let is_meant = |args: &Args| {
            let clause = Clause::new(args.map(|value| Some(Predicate::Equal(value))));
            !Set::from_clause(&clause, width(abi)).and(&subject).is_empty()
        };
        Some(Change {
            abi,
            also_on: Vec::new(),
            number,
            more,
            direction,
            before: state(old.kind(), &self.before, &had, &describe),
            after: state(new.kind(), &self.after, &has, &describe),
            gained: part(&gained),
            lost: part(&lost),
            witness,
            of_witness: (
                action_text(old.kind(), witness.before),
                action_text(new.kind(), witness.after),
            ),
            risk: risk::assess(abi, number, if subject.is_empty() { &has } else { &subject }),
            seen: if whole { seen } else { seen.and_then(|seen| seen.only(is_meant)) },
            instead: match new.kind() {
                Kind::Profile => instead(&witness, direction, after),
                Kind::Recording => Vec::new(),
            },
            excepted: covering
                .iter()
                .filter_map(|nth| exceptions.get(*nth))
                .copied()
                .cloned()
                .collect(),
        })
    }
}

/// What is let through in words, or how a call is refused.
fn state(
    kind: Kind,
    parts: &[(Action, Set)],
    allowed: &Set,
    describe: &dyn Fn(&Set) -> String,
) -> String {
    if !allowed.is_empty() && !is_all(allowed) {
        return describe(allowed);
    }
    let actions: BTreeSet<String> =
        parts.iter().map(|(action, _)| action_text(kind, *action)).collect();
    actions.into_iter().collect::<Vec<_>>().join(" or ")
}

/// The calls that software makes when this one is answered as the new side does, as far as that lets
/// them through.
fn instead(witness: &Witness, direction: ChangeKind, after: &Meaning) -> Vec<&'static str> {
    let asks = direction == ChangeKind::Narrowed && witness.after == Action::Errno(Errno::ENOSYS);
    let name = witness.abi.syscall_name(witness.number).filter(|_| asks);
    let calls = name.into_iter().flat_map(fallbacks);
    let allowed = |call: &&str| {
        let number = witness.abi.syscall_number(call);
        number.is_some_and(|number| after.may_allow(witness.abi, number))
    };
    calls.filter(allowed).collect()
}
