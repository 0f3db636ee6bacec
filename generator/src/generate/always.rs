//! Calls that every workload needs sooner or later, though its tests may never make them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::argument::ArgumentRule;
use crate::policy::data::{embedded, words};

static ALWAYS: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::ALWAYS));

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    calls: String,
    /// Needed only if one of these was seen; empty for all workloads.
    #[serde(default)]
    with: String,
    /// Why every workload needs them.
    why: String,
    /// Values that are kept of their arguments, as in an `ArgumentRule`.
    #[serde(default)]
    arguments: BTreeMap<String, BTreeSet<Vec<u64>>>,
}

/// What a workload needs besides what it was seen to call.
pub(super) struct Needed(Vec<&'static Group>);

impl Needed {
    /// By a workload that was seen to make these calls.
    pub fn by(seen: impl Fn(&str) -> bool) -> Self {
        let groups = ALWAYS.groups.iter();
        let applies = |group: &&Group| group.with.is_empty() || words(&group.with).any(&seen);
        Self(groups.filter(applies).collect())
    }

    /// Names of the calls.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().flat_map(|group| words(&group.calls))
    }

    /// Why a call is needed; `None` if it is not.
    pub fn reason(&self, name: &str) -> Option<&'static str> {
        let of_call = self.0.iter().find(|group| words(&group.calls).any(|call| call == name));
        of_call.map(|group| group.why.as_str())
    }

    /// The values of a call's arguments that are needed; `None` if the call is not.
    pub fn arguments(&self, rule: &ArgumentRule, name: &str) -> Option<BTreeSet<Vec<u64>>> {
        let mut groups =
            self.0.iter().filter(|group| words(&group.calls).any(|call| call == name)).peekable();
        groups.peek()?;
        let values = groups.flat_map(|group| match group.arguments.get(name) {
            Some(values) => values.clone(),
            None => rule.always.iter().cloned().collect(),
        });
        Some(values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;

    #[test]
    fn every_name_is_a_call() {
        for name in Needed::by(|_| true).calls() {
            let known = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
            assert!(known, "{name}");
        }
    }

    #[test]
    fn what_is_needed_has_values_where_there_is_a_rule() {
        let needed = Needed::by(|_| true);
        for name in needed.calls() {
            if let Some(rule) = ArgumentRule::for_call(name) {
                let values = needed.arguments(rule, name).unwrap();
                assert!(!values.is_empty(), "{name}");
                assert!(values.iter().all(|values| values.len() == rule.keep.len()), "{name}");
            }
        }
    }

    #[test]
    fn who_connects_asks_what_came_of_it() {
        let needs =
            |seen: &str| Needed::by(|name| name == seen).calls().any(|call| call == "getsockopt");
        assert!(needs("connect") && !needs("accept"));
    }
}
