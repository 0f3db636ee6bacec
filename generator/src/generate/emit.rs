//! A selection of calls into the entries of a profile.

use std::collections::{BTreeMap, BTreeSet};

use super::RefuseWith;
use super::arguments::Filters;
use super::select::{Selection, everywhere};
use crate::policy::baseline::{Resolved, Treatment};
use crate::policy::fallback::fallbacks;
use crate::policy::multiplex::multiplexer;
use crate::policy::refusal;
use crate::policy::{Action, Clause, Errno};
use crate::profile::{Architecture, Arg, Entry, Profile};

pub(super) fn profile(
    selection: &Selection,
    filters: &Filters,
    baseline: &Resolved<'_>,
    refuse_with: RefuseWith,
) -> Profile {
    let abis = &baseline.context().abis;
    let default = refuse_with.action();
    let otherwise = Action::Errno(baseline.baseline().refuse_with());
    // Calls under the same conditions share their entries.
    let mut allowed: BTreeMap<Vec<Clause>, Vec<String>> = BTreeMap::new();
    for (name, treatment) in &selection.allowed {
        let filter = filters.filtered.get(name);
        let clauses = filter.map_or_else(|| treatment.allowed(), |filter| filter.clauses.clone());
        allowed.entry(clauses).or_default().push((*name).to_owned());
    }
    let unconditional = allowed.remove(&vec![Clause::ALWAYS]).unwrap_or_default();
    let mut entries = vec![Entry { names: unconditional, action: Action::Allow, args: Vec::new() }];
    let mut conditional: Vec<_> = allowed.into_iter().collect();
    conditional.sort_by(|(_, one), (_, other)| one.cmp(other));
    for (clauses, names) in conditional {
        entries.extend(clauses.iter().map(|clause| entry(&names, Action::Allow, clause)));
    }
    for (name, treatment) in &selection.allowed {
        if *treatment == Treatment::Allow {
            continue;
        }
        // Through i386's multiplexer the two halves of the condition look the same, and libseccomp
        // refuses a filter with two actions under one condition.
        let told_apart = abis.iter().all(|abi| multiplexer(*abi, name).is_none());
        if told_apart {
            let refused = treatment.refused();
            let names = [(*name).to_owned()];
            entries.extend(refused.iter().map(|clause| entry(&names, otherwise, clause)));
        }
    }
    for (errno, names) in refusals(selection, baseline, default) {
        entries.push(Entry {
            names: names.into_iter().map(str::to_owned).collect(),
            action: Action::Errno(errno),
            args: Vec::new(),
        });
    }
    // runc before 1.0.2 fails on a rule that does what happens anyway. But Docker before 23 drops
    // `defaultErrnoRet` (moby pull request 42604), and answers EPERM where ENOSYS is meant; there C libraries fall back only from
    // what is named.
    let by_name = Action::Errno(Errno::ENOSYS);
    entries.retain(|entry| {
        (entry.action != default || entry.action == by_name) && !entry.names.is_empty()
    });
    Profile {
        default,
        architectures: abis.iter().copied().map(Architecture::from).collect(),
        entries,
    }
}

fn entry(names: &[String], action: Action, clause: &Clause) -> Entry {
    Entry {
        names: names.to_vec(),
        action,
        args: clause.predicates().map(|(index, predicate)| Arg { index, predicate }).collect(),
    }
}

/// The calls that get an answer by name, by that answer: the baseline's own, ENOSYS where software then makes another
/// call, and what makes programs give up where ENOSYS makes them spin.
fn refusals(
    selection: &Selection,
    baseline: &Resolved<'_>,
    default: Action,
) -> BTreeMap<Errno, BTreeSet<&'static str>> {
    let is_default = |errno| default == Action::Errno(errno);
    let mut refusals: BTreeMap<Errno, BTreeSet<&'static str>> = BTreeMap::new();
    let abis = baseline.context().abis.iter();
    let known = abis.flat_map(|abi| abi.syscalls().map(|(number, name)| (*abi, number, name)));
    for (abi, number, name) in known {
        if selection.allowed.contains_key(name) {
            continue;
        }
        let errno = match everywhere(baseline, name) {
            Some(Treatment::Allow) if is_default(Errno::ENOSYS) => {
                refusal::errno(name).unwrap_or(Errno::ENOSYS)
            }
            Some(Treatment::Allow) => continue,
            Some(Treatment::Refuse(errno)) => errno,
            Some(Treatment::AllowIf { .. } | Treatment::ByArguments { .. }) | None => {
                baseline.refusal(abi, number)
            }
        };
        if errno == Errno::ENOSYS && is_default(errno) && fallbacks(name).next().is_none() {
            continue;
        }
        refusals.entry(errno).or_default().insert(name);
    }
    refusals
}
