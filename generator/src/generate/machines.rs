//! Profiles for machines on which nothing was recorded.
//!
//! arm64 and RISC-V have none of the older calls of x86: a program that calls `open` here calls `openat` there. What
//! stands for what is in `profiles/counterparts.json`. A counterpart gives the reach of the call that was recorded, so
//! that risk is not asked; the Docker default is, as it is resolved for each machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::select::{Selection, everywhere};
use crate::abi::Abi;
use crate::machine::{Machine, Machines};
use crate::policy::baseline::{Resolved, Treatment};
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
    of: BTreeMap<&'static str, BTreeMap<&'static str, Carried>>,
    /// The counterparts that nothing else allows.
    added: BTreeSet<&'static str>,
}

impl Counterparts {
    /// What a call stands for.
    pub fn of(&self, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
        self.of.get(name).into_iter().flatten().map(|(name, carried)| (*name, *carried))
    }

    /// The calls that are allowed only for this, and what each stands for.
    pub fn added(&self) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        self.added.iter().map(|name| (*name, self.of(name).map(|(other, _)| other).collect()))
    }
}

/// These ABIs, and those of the programs of these machines.
pub(super) fn with_native(abis: BTreeSet<Abi>, machines: Machines) -> BTreeSet<Abi> {
    abis.into_iter().chain(machines.iter().map(Machine::native)).collect()
}

/// What a program calls on an ABI in place of a call that it does not have, and how its arguments carry over.
pub(super) fn instead(abi: Abi, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
    let rows = COUNTERPARTS.counterparts.iter();
    let rows = rows.filter(move |row| words(&row.calls).any(|call| call == name));
    let calls = rows.flat_map(|row| words(&row.to).map(|call| (call, row.values)));
    calls.filter(move |(call, _)| abi.syscall_number(call).is_some())
}

/// What a program may call on an ABI in place of a call that it does have.
fn older(abi: Abi, name: &str) -> impl Iterator<Item = (&'static str, Carried)> {
    let rows = COUNTERPARTS.counterparts.iter();
    let rows = rows.filter(move |row| row.back && words(&row.to).any(|call| call == name));
    let calls = rows.flat_map(|row| words(&row.calls).map(|call| (call, row.values)));
    calls.filter(move |(call, _)| abi.syscall_number(call).is_some())
}

/// Allows on ABIs that were not recorded what stands for the calls that are allowed. What has no counterpart there is the
/// result.
pub(super) fn carry_over(
    selection: &mut Selection,
    recorded: &BTreeSet<Abi>,
    baseline: &Resolved<'_>,
) -> BTreeMap<Abi, BTreeSet<&'static str>> {
    let mut missing: BTreeMap<Abi, BTreeSet<&'static str>> = BTreeMap::new();
    let names: Vec<&'static str> = selection.allowed.keys().copied().collect();
    for abi in baseline.context().abis.difference(recorded).copied() {
        for name in &names {
            let stand_ins: Vec<_> = match abi.syscall_number(name) {
                Some(_) => older(abi, name).collect(),
                None => instead(abi, name).collect(),
            };
            if stand_ins.is_empty() && abi.syscall_number(name).is_none() {
                missing.entry(abi).or_default().insert(name);
            }
            for (call, carried) in stand_ins {
                match everywhere(baseline, call) {
                    None | Some(Treatment::Refuse(_)) => continue,
                    Some(treatment) => {
                        if !selection.allowed.contains_key(call) {
                            selection.allowed.insert(call, treatment);
                            selection.counterparts.added.insert(call);
                        }
                    }
                }
                selection.counterparts.of.entry(call).or_default().insert(name, carried);
            }
        }
    }
    missing
}

/// What there is to know about the machines on which nothing was recorded.
pub(super) fn notes(
    selection: &Selection,
    recorded: &BTreeSet<Abi>,
    baseline: &Resolved<'_>,
    missing: &BTreeMap<Abi, BTreeSet<&'static str>>,
) -> Vec<String> {
    let new: Vec<&str> =
        baseline.context().abis.difference(recorded).map(|abi| abi.name()).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let new = new.join(" and ");
    let added: Vec<&str> = selection.counterparts.added().map(|(name, _)| name).collect();
    let added = match added.as_slice() {
        [] => "no call had to be added".to_owned(),
        names => format!("added as counterparts of recorded calls: {}", names.join(", ")),
    };
    let mut notes = vec![format!(
        "nothing was recorded on {new}: what programs call there is taken from a table; {added}. To be sure, verify it there"
    )];
    let recorded_only = |name: &&&'static str| {
        !selection.always.contains(**name) && !selection.startup.contains(**name)
    };
    for (abi, names) in missing {
        let names: Vec<&str> = names.iter().filter(recorded_only).copied().collect();
        let (explained, unknown): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| why_none(name).is_some());
        if let Some(reason) = explained.first().and_then(|name| why_none(name)) {
            notes.push(format!(
                "{abi} needs nothing in place of {}: {reason}",
                explained.join(", ")
            ));
        }
        if !unknown.is_empty() {
            notes.push(format!(
                "no counterpart is known on {abi} of {}: what needs them has to be recorded there",
                unknown.join(", ")
            ));
        }
    }
    notes
}

/// Why a call needs nothing in its place on other machines.
fn why_none(name: &str) -> Option<&'static str> {
    let row = COUNTERPARTS.none.iter().find(|row| words(&row.calls).any(|call| call == name));
    row.map(|row| row.reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
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
