//! What a profile may allow besides what was recorded, since it gives no further reach.
//!
//! A test run shows what a workload did that day. What it does on another, with what it can do already, is in
//! `profiles/families.json`: who writes files may save and rename them, who makes children waits for them. A family adds
//! calls of low risk only, with the arguments that keep it low. Where it is known what the programs can call, it adds
//! nothing else, but for spellings: calls that stand for each other in other releases of C libraries and kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::Generalize;
use super::arguments::calls_of;
use super::reach::Reach;
use super::reasons::Rule;
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
    shells: String,
    families: Vec<Family>,
}

/// Calls that come with others.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    /// What the summary and the evidence call it.
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
    fn applies(&self, selection: &Selection, recordings: &[Recording]) -> bool {
        let is_allowed =
            |list: &String| words(list).any(|name| selection.allowed.contains_key(name));
        let was_made = |(name, any): (&String, &BTreeSet<Vec<u64>>)| {
            calls_of(recordings, name)
                .filter_map(|(_, call)| call.arguments.as_ref())
                .any(|arguments| arguments.values.keys().any(|values| any.contains(values)))
        };
        self.when.iter().all(is_allowed) && self.values.iter().all(was_made)
    }
}

/// Whether programs of this path start programs that a recording does not show: shells.
pub(super) fn is_shell(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    words(&FAMILIES.shells).any(|shell| shell == name)
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
        for family in &FAMILIES.families {
            if !family.applies(additions.selection, recordings) {
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
    let families = FAMILIES.families.iter().filter(|family| family.values.is_empty());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;

    fn number(name: &str) -> Option<(Abi, u32)> {
        Abi::ALL.into_iter().find_map(|abi| Some((abi, abi.syscall_number(name)?)))
    }

    #[test]
    fn every_name_is_a_call() {
        for family in &FAMILIES.families {
            let lists = family.when.iter().chain([&family.calls]);
            let keys = family.values.keys().chain(family.arguments.keys());
            for name in lists.flat_map(|list| words(list)).chain(keys.map(String::as_str)) {
                assert!(number(name).is_some() || name == "waitpid", "{}: {name}", family.name);
            }
        }
    }

    /// Without values the call would be allowed with any at one level, and with none at another.
    #[test]
    fn calls_that_are_filtered_come_with_values() {
        for family in &FAMILIES.families {
            for name in words(&family.calls) {
                let Some(rule) = ArgumentRule::for_call(name) else { continue };
                let values = family.arguments.get(name);
                let is_given = values.is_some() || !rule.always.is_empty();
                assert!(
                    is_given || rule.level == argument::Level::Strict,
                    "{}: {name}",
                    family.name
                );
                let fits = |one: &Vec<u64>| one.len() == rule.keep.len();
                assert!(values.is_none_or(|values| values.iter().all(fits)), "{name}");
            }
        }
    }

    /// Values are added to calls that were seen, whatever their risk: none may be a step up.
    #[test]
    fn values_are_of_low_risk_or_like_one_that_was_seen() {
        for family in &FAMILIES.families {
            for (name, values) in &family.arguments {
                let (rule, (abi, number)) =
                    (ArgumentRule::for_call(name).unwrap(), number(name).unwrap());
                for value in values {
                    let set = Set::any(&rule.exactly(value), width(abi));
                    let level = assess_risk(abi, number, &set).level;
                    let is_alike = family.values.contains_key(name) && level == Level::Medium;
                    assert!(level == Level::Low || is_alike, "{}: {name} {value:?}", family.name);
                }
            }
        }
    }

    #[test]
    fn every_family_says_why_and_where_that_is_from() {
        let file: serde_json::Value = serde_json::from_str(strait_profiles::FAMILIES).unwrap();
        let mut names = BTreeSet::new();
        for family in file["families"].as_array().unwrap() {
            let said = |field: &str| family[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(said("reason") && said("source"), "{family}");
            assert!(names.insert(family["family"].as_str().unwrap()), "{family}");
        }
    }
}
