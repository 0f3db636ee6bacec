//! Families: calls that come with others, since they give no further reach. Data in `profiles/families.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::data::{embedded, words};

static FAMILIES: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::FAMILIES));

#[derive(Deserialize)]
struct File {
    shells: String,
    tools: Tools,
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Tools {
    calls: String,
}

/// What the tools can call that are started by shells.
pub(super) fn tools() -> impl Iterator<Item = &'static str> {
    words(&FAMILIES.tools.calls)
}

/// All of them.
pub(super) fn all() -> &'static [Family] {
    &FAMILIES.families
}

/// Calls that come with others.
#[derive(Debug, Deserialize)]
pub(super) struct Family {
    /// What the summary and the evidence call it.
    #[serde(rename = "family")]
    pub name: String,
    pub calls: String,
    /// Each of these lists has a call that is allowed.
    #[serde(default)]
    pub when: Vec<String>,
    /// The programs can make one of these; empty where that does not matter.
    #[serde(default)]
    pub can: String,
    /// Each of these calls was made with one of these values.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeSet<Vec<u64>>>,
    /// The values that come with calls that have an [`ArgumentRule`].
    #[serde(default)]
    pub arguments: BTreeMap<String, BTreeSet<Vec<u64>>>,
    /// Whether the calls are the same for the program, so that it need not be able to make this one.
    #[serde(default)]
    pub spellings: bool,
    /// Why it gives no further reach.
    pub reason: String,
}

/// Whether programs of this path start programs that a recording does not show: shells.
pub(super) fn is_shell(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    words(&FAMILIES.shells).any(|shell| shell == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::diff::{Level, assess_risk};
    use crate::generate::always::Needed;
    use crate::policy::argument::{self, ArgumentRule};
    use crate::policy::decide::space::Set;
    use crate::policy::refusal;
    use crate::policy::width;

    fn number(name: &str) -> Option<(Abi, u32)> {
        Abi::ALL.into_iter().find_map(|abi| Some((abi, abi.syscall_number(name)?)))
    }

    #[test]
    fn every_name_is_a_call() {
        for family in all() {
            let lists = family.when.iter().chain([&family.calls]);
            let keys = family.values.keys().chain(family.arguments.keys());
            for name in lists.flat_map(|list| words(list)).chain(keys.map(String::as_str)) {
                assert!(number(name).is_some() || name == "waitpid", "{}: {name}", family.name);
            }
        }
    }

    /// No error helps, so that a profile has to allow them where a program may make them.
    #[test]
    fn calls_in_which_programs_spin_are_in_a_family_or_always_allowed() {
        let always: BTreeSet<&str> = Needed::by(|_| false)
            .calls()
            .chain(all().iter().flat_map(|one| words(&one.calls)))
            .collect();
        for name in refusal::spinning() {
            assert!(always.contains(name), "{name}");
        }
    }

    /// Without values the call would be allowed with any at one level, and with none at another.
    #[test]
    fn calls_that_are_filtered_come_with_values() {
        for family in all() {
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
        for family in all() {
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
