//! What a profile may allow besides what was recorded, since it gives no further reach.
//!
//! A test run shows what a workload did that day. What it does on another, with what it can do already, is in
//! `profiles/families.json`: who writes files may save and rename them, who makes children waits for them. A family adds
//! calls of low risk only, with the arguments that keep it low. Where it is known what the programs can call, it adds
//! nothing else, but for spellings: calls that stand for each other in other releases of C libraries and kernels.

use std::collections::BTreeSet;

use super::Generalize;
use super::calls::calls_of;
use super::family::{self, Family};
use super::reach::Reach;
use super::rule::Rule;
use super::select::{Selection, everywhere};
use crate::diff::{Level, assess_risk};
use crate::policy::argument::{self, ArgumentRule};
use crate::policy::baseline::{Resolved, Treatment};
use crate::policy::data::words;
use crate::policy::decide::space::Set;
use crate::policy::{Clause, width};
use crate::recording::Recording;

/// Whether the conditions of a family are met.
fn applies(family: &Family, selection: &Selection, recordings: &[Recording]) -> bool {
    // What another release calls instead matters for what this one was seen to call.
    let counts = |name: &str| {
        !family.spellings
            || !selection.added.contains_key(name) && !selection.startup.contains(name)
    };
    let is_allowed = |list: &String| {
        words(list).any(|name| selection.allowed.contains_key(name) && counts(name))
    };
    let was_made = |(name, any): (&String, &BTreeSet<Vec<u64>>)| {
        calls_of(recordings, name)
            .filter_map(|(_, call)| call.arguments.as_ref())
            .any(|arguments| arguments.values.keys().any(|values| any.contains(values)))
    };
    family.when.iter().all(is_allowed) && family.values.iter().all(was_made)
}

/// Whether the programs can make what the family is about.
fn can(family: &Family, reach: &Reach) -> bool {
    family.can.is_empty() || words(&family.can).any(|name| reach.may_have(name))
}

/// Adds calls to a selection, until there is nothing more to add.
pub(super) fn extend(
    selection: &mut Selection,
    recordings: &[Recording],
    baseline: &Resolved<'_>,
    generalize: Generalize,
    level: Option<argument::Level>,
) {
    if generalize == Generalize::Exact {
        return;
    }
    let reach = Reach::of(recordings);
    let mut additions = Additions { selection, baseline, level };
    if generalize == Generalize::Imports {
        for name in reach.calls() {
            additions.add(name, harmless(name).as_ref(), Rule::Program(reach.how(name)));
        }
    }
    loop {
        let before = additions.size();
        for family in family::all() {
            if !applies(family, additions.selection, recordings) || !can(family, &reach) {
                continue;
            }
            for name in words(&family.calls) {
                if family.spellings || reach.may_have(name) {
                    additions.add(name, family.arguments.get(name), Rule::Family(family));
                }
            }
        }
        if additions.size() == before {
            return;
        }
    }
}

/// The values with which a call is of low risk, by the families that ask for none to have been seen.
fn harmless(name: &str) -> Option<BTreeSet<Vec<u64>>> {
    let families = family::all().iter().filter(|family| family.values.is_empty());
    let values: BTreeSet<_> =
        families.filter_map(|family| family.arguments.get(name)).flatten().cloned().collect();
    (!values.is_empty()).then_some(values)
}

struct Additions<'a, 'b> {
    selection: &'a mut Selection,
    baseline: &'a Resolved<'b>,
    /// The rules for arguments that the profile filters by.
    level: Option<argument::Level>,
}

impl Additions<'_, '_> {
    fn size(&self) -> (usize, usize) {
        let values = self.selection.added_values.values().map(BTreeSet::len);
        (self.selection.added.len(), values.sum())
    }

    /// Adds a call, if it is of low risk with these values, or else those that always come with it.
    fn add(&mut self, name: &'static str, values: Option<&BTreeSet<Vec<u64>>>, rule: Rule) {
        let filter = ArgumentRule::for_call(name)
            .filter(|filter| self.level.is_some_and(|level| filter.level <= level));
        let values = filter.and_then(|filter| {
            let always = || filter.always.iter().cloned().collect::<BTreeSet<_>>();
            let values = values.cloned().unwrap_or_else(always);
            (!values.is_empty()).then_some((filter, values))
        });
        let Some(treatment) = everywhere(self.baseline, name) else { return };
        if matches!(treatment, Treatment::Refuse(_)) {
            return;
        }
        let is_new = !self.selection.allowed.contains_key(name);
        let clauses = match &values {
            Some((filter, values)) => filter.condition(values),
            None => Some(treatment.allowed()),
        };
        let clauses = clauses.unwrap_or_else(|| vec![Clause::ALWAYS]);
        if is_new && !is_low(self.baseline, name, &clauses) {
            return;
        }
        if let Some((_, values)) = values {
            self.selection.added_values.entry(name).or_default().extend(values);
        }
        if is_new {
            self.selection.allowed.insert(name, treatment);
            self.selection.added.insert(name, rule);
        }
    }
}

/// Whether a call is of low risk with these arguments, on each ABI that has it.
fn is_low(baseline: &Resolved<'_>, name: &str, clauses: &[Clause]) -> bool {
    let abis = baseline.context().abis.iter();
    let mut numbers = abis.filter_map(|abi| Some((*abi, abi.syscall_number(name)?)));
    numbers.all(|(abi, number)| {
        assess_risk(abi, number, &Set::any(clauses, width(abi))).level == Level::Low
    })
}
