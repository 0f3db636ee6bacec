//! A call that changes alike on several ABIs is one change.

use std::collections::BTreeSet;

use super::Change;
use crate::abi::Abi;

/// Puts changes together that differ in nothing but the ABI, the first one in front. Those of ABIs that change
/// as a whole stay as they are.
pub(super) fn fold(changes: Vec<Change>, whole: &BTreeSet<Abi>) -> Vec<Change> {
    let mut folded: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        if whole.contains(&change.abi) {
            folded.push(change);
            continue;
        }
        let alike = folded.iter_mut().rev().take_while(|one| one.call() == change.call());
        match alike.into_iter().find(|one| !whole.contains(&one.abi) && are_alike(one, &change)) {
            Some(one) => {
                one.also_on.push(change.abi);
                one.seen = one.seen.take().or(change.seen);
            }
            None => folded.push(change),
        }
    }
    folded
}

/// Whether they say the same. A number without a name is another call on each ABI.
fn are_alike(one: &Change, other: &Change) -> bool {
    let said = |change: &Change| {
        let Change { before, after, gained, lost, of_witness, instead, .. } = change;
        let words = (before.clone(), after.clone(), gained.clone(), lost.clone());
        (words, of_witness.clone(), instead.clone(), change.witness.to_string())
    };
    let is_named = one.abi.syscall_name(one.number).is_some();
    let seen_alike = one.seen.is_none() || other.seen.is_none() || one.seen == other.seen;
    is_named
        && one.direction == other.direction
        && seen_alike
        && one.risk == other.risk
        && one.excepted == other.excepted
        && said(one) == said(other)
}
