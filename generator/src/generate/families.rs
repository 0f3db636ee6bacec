//! What a profile may allow besides what was recorded, since it gives no further reach.
//!
//! A test run shows what a workload did that day. What it does on another, with what it can do already, is in
//! `profiles/families.json`: who writes files may save and rename them, who makes children waits for them. A family adds
//! calls of low risk only, with the arguments that keep it low.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::Generalize;
use super::select::{Selection, everywhere};
use crate::diff::{Level, assess_risk};
use crate::policy::argument::{self, ArgumentRule};
use crate::policy::baseline::{Resolved, Treatment};
use crate::policy::data::{embedded, words};
use crate::policy::decide::space::Set;
use crate::policy::{Clause, width};
use crate::recording::Recording;

static FAMILIES: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::FAMILIES));

#[derive(Deserialize)]
struct File {
    families: Vec<Family>,
}

/// Calls that come with others.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    /// What the profile and the evidence call it.
    #[serde(rename = "family")]
    pub name: String,
    calls: String,
    /// Each of these lists has a call that is allowed.
    #[serde(default)]
    when: Vec<String>,
    /// Each of these calls was made with one of these values.
    #[serde(default)]
    values: BTreeMap<String, BTreeSet<Vec<u64>>>,
    /// The values that come with calls that have an [`ArgumentRule`].
    #[serde(default)]
    arguments: BTreeMap<String, BTreeSet<Vec<u64>>>,
    /// Whether the calls are the same for the program, so that it need not be able to make this one.
    #[serde(default)]
    spellings: bool,
    /// Why it gives no further reach.
    pub reason: String,
}

impl Family {
    fn applies(&self, selection: &Selection, seen: &Values<'_>) -> bool {
        let is_allowed =
            |list: &String| words(list).any(|name| selection.allowed.contains_key(name));
        let was_made = |(name, any): (&String, &BTreeSet<Vec<u64>>)| {
            seen.of(name).any(|values| any.contains(values))
        };
        self.when.iter().all(is_allowed) && self.values.iter().all(was_made)
    }

    fn calls(&self) -> impl Iterator<Item = &str> {
        words(&self.calls)
    }
}

/// The values with which calls were recorded.
struct Values<'a>(&'a [Recording]);

impl<'a> Values<'a> {
    fn of(&self, name: &'a str) -> impl Iterator<Item = &'a Vec<u64>> {
        let recordings = self.0;
        super::arguments::calls(recordings, name)
            .filter_map(|(_, call)| call.arguments.as_ref())
            .flat_map(|arguments| arguments.values.keys())
    }
}

/// Adds what the families say to a selection, until they say nothing more.
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
    let seen = Values(recordings);
    loop {
        let before = (
            selection.added.len(),
            selection.added_values.values().map(BTreeMap::len).sum::<usize>(),
        );
        for family in &FAMILIES.families {
            if !family.applies(selection, &seen) {
                continue;
            }
            for name in family.calls() {
                add(selection, baseline, family, name, level);
            }
        }
        let after = (
            selection.added.len(),
            selection.added_values.values().map(BTreeMap::len).sum::<usize>(),
        );
        if before == after {
            return;
        }
    }
}

/// Adds a call of a family, if it is of low risk with the arguments that the family gives.
fn add(
    selection: &mut Selection,
    baseline: &Resolved<'_>,
    family: &'static Family,
    name: &'static str,
    level: Option<argument::Level>,
) {
    let rule =
        ArgumentRule::for_call(name).filter(|rule| level.is_some_and(|level| rule.level <= level));
    let values =
        rule.and_then(|rule| {
            family.arguments.get(name).cloned().or_else(|| {
                (!rule.always.is_empty()).then(|| rule.always.iter().cloned().collect())
            })
        });
    let Some(treatment) = everywhere(baseline, name) else { return };
    if matches!(treatment, Treatment::Refuse(_)) {
        return;
    }
    let clauses = match (rule, &values) {
        (Some(rule), Some(values)) => {
            rule.condition(values).unwrap_or_else(|| vec![Clause::ALWAYS])
        }
        _ => treatment.allowed(),
    };
    let is_new = !selection.allowed.contains_key(name);
    if is_new && !is_low(baseline, name, &clauses) {
        return;
    }
    if let Some(values) = values {
        let of_call = selection.added_values.entry(name).or_default();
        for value in values {
            of_call.entry(value).or_insert(family);
        }
    }
    if is_new {
        selection.allowed.insert(name, treatment);
        selection.added.insert(name, family);
    }
}

/// Whether a call is of low risk with these arguments, on each ABI that has it.
fn is_low(baseline: &Resolved<'_>, name: &str, clauses: &[Clause]) -> bool {
    let abis = baseline.context().abis.iter();
    let numbers = abis.filter_map(|abi| Some((*abi, abi.syscall_number(name)?)));
    numbers.clone().count() > 0
        && numbers.clone().all(|(abi, number)| {
            assess_risk(abi, number, &Set::any(clauses, width(abi))).level == Level::Low
        })
}
