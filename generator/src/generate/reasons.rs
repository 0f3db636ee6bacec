//! Why a profile allows what was not recorded.

use std::collections::BTreeMap;

use super::select::Selection;
use crate::evidence::Added;

/// The rule and reason of each call that is allowed and was not recorded, by name.
pub(super) fn of(selection: &Selection, starters: &str) -> BTreeMap<String, Added> {
    let added =
        |rule: &str, reason: &str| Added { rule: rule.to_owned(), reason: reason.to_owned() };
    let stands_in = selection.stands_in.iter().map(|name| {
        (
            *name,
            added("stand-in", "another call that starts a task was made, for which it stands in"),
        )
    });
    let always = selection
        .always
        .iter()
        .map(|name| (*name, added("always", selection.needed.reason(name).unwrap_or_default())));
    let reason = format!("{starters} can start the workload with it");
    let startup = selection.startup.iter().map(|name| (*name, added("start-up", &reason)));
    let others = selection.added.iter().map(|(name, rule)| (*name, rule.describe()));
    let counterparts = selection.counterparts.added().map(|(name, of)| {
        let reason = format!("what programs call on another machine in place of {}", of.join(", "));
        (name, added("counterpart", &reason))
    });
    let all = stands_in.chain(always).chain(startup).chain(others).chain(counterparts);
    all.map(|(name, added)| (name.to_owned(), added)).collect()
}
