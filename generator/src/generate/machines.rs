//! Profiles for machines on which nothing was recorded.
//!
//! arm64 and RISC-V have none of the older calls of x86: a program that calls `open` here calls `openat` there. What
//! stands for what is in `profiles/counterparts.json`. A counterpart gives the reach of the call that was recorded, so
//! that risk is not asked; the Docker default is, as it is resolved for each machine.

use std::collections::{BTreeMap, BTreeSet};

use super::counterparts::{instead, older, why_none};
use super::select::{Selection, everywhere};
use crate::abi::Abi;
use crate::machine::{Machine, Machines};
use crate::policy::baseline::{Resolved, Treatment};

/// These ABIs, and those of the programs of these machines.
pub(super) fn with_native(abis: BTreeSet<Abi>, machines: Machines) -> BTreeSet<Abi> {
    abis.into_iter().chain(machines.iter().map(Machine::native)).collect()
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
