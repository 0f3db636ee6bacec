//! What workloads do on another day, and what that calls: `profiles/events.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::data::{embedded, words};

static EVENTS: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::EVENTS));
static FAMILIES: LazyLock<Families> = LazyLock::new(|| embedded(strait_profiles::FAMILIES));

#[derive(Deserialize)]
struct File {
    events: Vec<Event>,
}

/// Something that a test run need not have.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// What it is called.
    #[serde(rename = "event")]
    pub name: String,
    /// The test that one writes for it.
    pub test: String,
    calls: String,
    /// The values with which calls are made that have a rule for their arguments.
    #[serde(default)]
    arguments: BTreeMap<String, BTreeSet<Vec<u64>>>,
}

#[derive(Deserialize)]
struct Families {
    shells: String,
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    family: String,
    calls: String,
}

/// All events, the likeliest first.
pub(super) fn events() -> &'static [Event] {
    &EVENTS.events
}

impl Event {
    /// Whether some program makes the call then.
    pub(super) fn needs(&self, call: &str) -> bool {
        words(&self.calls).any(|name| name == call)
    }

    /// The values with which it is made then, where they matter.
    pub(super) fn values(&self, call: &str) -> impl Iterator<Item = &Vec<u64>> {
        self.arguments.get(call).into_iter().flatten()
    }
}

/// The families that bring a call in once something else was seen.
pub(super) fn families(call: &str) -> impl Iterator<Item = &'static str> {
    let has = move |family: &&Family| words(&family.calls).any(|name| name == call);
    FAMILIES.families.iter().filter(has).map(|family| family.family.as_str())
}

/// Whether a program starts others, which a recording need not show: a shell.
pub(super) fn is_shell(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    words(&FAMILIES.shells).any(|shell| shell == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::policy::Capability;
    use crate::policy::argument::ArgumentRule;
    use crate::policy::baseline::{Baseline, Context};

    #[test]
    fn every_name_is_a_call_and_every_value_fits_its_rule() {
        for event in events() {
            for name in words(&event.calls) {
                let known = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
                let of_arm = name.starts_with("arm_")
                    || ["cacheflush", "set_tls", "sync_file_range2"].contains(&name);
                assert!(known || of_arm, "{}: {name}", event.name);
            }
            for (name, values) in &event.arguments {
                let rule = ArgumentRule::for_call(name).unwrap_or_else(|| panic!("{name}"));
                assert!(event.needs(name) && values.iter().all(|one| one.len() == rule.keep.len()));
            }
        }
    }

    /// So that what is announced where nothing is known of programs is all that may break.
    #[test]
    fn what_the_baseline_allows_is_of_some_event() {
        let baseline = Baseline::docker_default().resolve(&Context {
            abis: Abi::ALL.into(),
            capabilities: Capability::all(),
            kernel: None,
        });
        for abi in Abi::ALL {
            for (_, name) in abi.syscalls() {
                let allowed =
                    baseline.treatment(abi, name).is_some_and(|one| !one.allowed().is_empty());
                let is_of_one = events().iter().any(|event| event.needs(name));
                assert!(!allowed || is_of_one || name == "exit", "{abi} {name}");
            }
        }
    }

    #[test]
    fn every_event_says_what_to_test_and_where_that_is_from() {
        let file: serde_json::Value = serde_json::from_str(strait_profiles::EVENTS).unwrap();
        let mut names = BTreeSet::new();
        for event in file["events"].as_array().unwrap() {
            let said = |field: &str| event[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(
                said("test") && said("source") && names.insert(event["event"].as_str()),
                "{event}"
            );
        }
    }
}
