//! Changes of a profile as a whole.

use std::collections::BTreeSet;

use super::Side;
use crate::abi::Abi;
use crate::policy::decide::ChangeKind;

/// A change of the whole profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What changed: `default action`, `architectures`, `unknown calls`.
    pub what: &'static str,
    /// As it was.
    pub before: String,
    /// As it is.
    pub after: String,
    /// In which direction, where no [`Change`] of a call says it.
    pub direction: ChangeKind,
}

impl Setting {
    /// Whether something is newly let through by it.
    pub(super) fn widens(&self) -> bool {
        matches!(self.direction, ChangeKind::Widened | ChangeKind::Mixed)
    }

    /// Whether something no longer is.
    pub(super) fn narrows(&self) -> bool {
        matches!(self.direction, ChangeKind::Narrowed | ChangeKind::Mixed)
    }
}

/// The changes of the whole. `answers_count`: whether it matters how a call is refused.
pub(super) fn settings(old: &Side, new: &Side, answers_count: bool) -> Vec<Setting> {
    let listed = |side: &Side| {
        let unknown = side.unknown_architectures.iter().copied();
        side.policy.abis().map(Abi::name).chain(unknown).collect::<Vec<_>>().join(", ")
    };
    let default = |side: &Side| side.policy.default_action().to_string();
    let unknown = |side: &Side| match side.unknown_calls.iter().cloned().collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        names => names.join(" "),
    };
    // What Strait does not know it cannot compare by number, and must not call equal for that.
    let calls = by_what_is_listed(&old.unknown_calls, &new.unknown_calls);
    let architectures = by_what_is_listed(&old.unknown_architectures, &new.unknown_architectures);
    [
        (answers_count, "default action", default(old), default(new), ChangeKind::Refusal),
        (true, "architectures", listed(old), listed(new), architectures),
        (answers_count, "unknown calls", unknown(old), unknown(new), calls),
    ]
    .into_iter()
    .filter(|(counts, _, before, after, _)| *counts && before != after)
    .map(|(_, what, before, after, direction)| Setting { what, before, after, direction })
    .collect()
}

fn by_what_is_listed<T: Ord>(old: &BTreeSet<T>, new: &BTreeSet<T>) -> ChangeKind {
    match (new.is_subset(old), old.is_subset(new)) {
        (true, true) => ChangeKind::Refusal,
        (true, false) => ChangeKind::Narrowed,
        (false, true) => ChangeKind::Widened,
        (false, false) => ChangeKind::Mixed,
    }
}
