//! What programs call on one machine in place of calls that only others have: `profiles/counterparts.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::abi::Abi;
use crate::policy::data::{embedded, words};

static COUNTERPARTS: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::COUNTERPARTS));

#[derive(Deserialize)]
struct File {
    counterparts: Vec<Row>,
    none: Vec<Without>,
}

#[derive(Deserialize)]
struct Row {
    calls: String,
    to: String,
    /// Whether programs that call `to` call `calls` where there are some.
    #[serde(default)]
    back: bool,
    #[serde(default)]
    values: Carried,
}

#[derive(Deserialize)]
struct Without {
    calls: String,
    reason: String,
}

/// How values of arguments that are kept carry over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Carried {
    /// Nothing is known of them.
    #[default]
    Any,
    /// As they are.
    Same,
    /// They are those that always come with the counterpart.
    Always,
}

/// Calls that stand for others on some machine.
#[derive(Debug, Default)]
pub(super) struct Counterparts {
    /// By counterpart: what it stands for.
    pub of: BTreeMap<&'static str, BTreeMap<&'static str, Carried>>,
    /// The counterparts that nothing else allows.
    pub added: BTreeSet<&'static str>,
}

impl Counterparts {
    /// What a call stands for.
    pub fn standing_for(&self, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
        self.of.get(name).into_iter().flatten().map(|(name, carried)| (*name, *carried))
    }

    /// The calls that are allowed only for this, and what each stands for.
    pub fn added(&self) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        self.added
            .iter()
            .map(|name| (*name, self.standing_for(name).map(|(other, _)| other).collect()))
    }
}

/// What a program calls on an ABI in place of a call that it does not have, and how its arguments carry over.
pub(super) fn instead(abi: Abi, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
    let rows = COUNTERPARTS.counterparts.iter();
    let rows = rows.filter(move |row| words(&row.calls).any(|call| call == name));
    let calls = rows.flat_map(|row| words(&row.to).map(|call| (call, row.values)));
    calls.filter(move |(call, _)| abi.syscall_number(call).is_some())
}

/// What a program may call on an ABI in place of a call that it does have.
pub(super) fn older(abi: Abi, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
    let rows = COUNTERPARTS.counterparts.iter();
    let rows = rows.filter(move |row| row.back && words(&row.to).any(|call| call == name));
    let calls = rows.flat_map(|row| words(&row.calls).map(|call| (call, row.values)));
    calls.filter(move |(call, _)| abi.syscall_number(call).is_some())
}

/// Why a call needs nothing in its place on other machines.
pub(super) fn why_none(name: &str) -> Option<&'static str> {
    let row = COUNTERPARTS.none.iter().find(|row| words(&row.calls).any(|call| call == name));
    row.map(|row| row.reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::policy::Capability;
    use crate::policy::argument::ArgumentRule;
    use crate::policy::baseline::{Baseline, Context};

    #[test]
    fn every_name_is_a_call() {
        let rows = COUNTERPARTS.counterparts.iter().flat_map(|row| [&row.calls, &row.to]);
        for name in
            rows.chain(COUNTERPARTS.none.iter().map(|row| &row.calls)).flat_map(|list| words(list))
        {
            let known = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
            assert!(known || ["waitpid", "uprobe"].contains(&name), "{name}");
        }
    }

    #[test]
    fn values_that_carry_over_are_kept_alike() {
        for row in COUNTERPARTS.counterparts.iter().filter(|row| row.values == Carried::Same) {
            for name in words(&row.calls) {
                let kept = |name| {
                    let rule = ArgumentRule::for_call(name).unwrap();
                    rule.keep.iter().map(|kept| (kept.reduction, kept.mask)).collect::<Vec<_>>()
                };
                assert!(words(&row.to).all(|to| kept(to) == kept(name)), "{name}");
            }
        }
    }

    /// What the Docker default allows on one machine has a counterpart on each other, or is known to have none.
    #[test]
    fn nothing_that_the_baseline_allows_is_forgotten() {
        let baseline = Baseline::docker_default().resolve(&Context {
            abis: Abi::ALL.into(),
            capabilities: Capability::docker_default(),
            kernel: None,
        });
        let mut forgotten = BTreeSet::new();
        for (from, to) in Abi::ALL
            .into_iter()
            .flat_map(|from| Machine::ALL.map(|machine| (from, machine.native())))
        {
            for (_, name) in from.syscalls() {
                let is_allowed = baseline
                    .treatment(from, name)
                    .is_some_and(|treatment| !treatment.allowed().is_empty());
                if is_allowed
                    && to.syscall_number(name).is_none()
                    && instead(to, name).next().is_none()
                    && why_none(name).is_none()
                {
                    forgotten.insert((to, name));
                }
            }
        }
        assert_eq!(forgotten, BTreeSet::new());
    }
}
