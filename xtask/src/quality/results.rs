//! What was measured, as a document: `strait.quality/v1`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::app::Class;
use super::policy::Policy;
use super::stage::{Check, Done};
use crate::page;

const SCHEMA: &str = "strait.quality/v1";

/// All of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub schema: String,
    /// The day, as `2026-11-28`.
    pub date: String,
    /// The kernel's release.
    pub kernel: String,
    pub machine: String,
    /// What `strait --version` says.
    pub strait: String,
    pub apps: Vec<Measured>,
}

/// An application.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub name: String,
    pub title: String,
    /// Debian's packages with their versions.
    pub packages: BTreeMap<String, String>,
    /// The calls that the test made.
    pub recorded: usize,
    /// Checks that hold without a filter. Only these count.
    pub counted: BTreeMap<String, Class>,
    /// Checks that fail without a filter, too.
    pub not_counted: Vec<String>,
    pub policies: BTreeMap<Policy, Outcome>,
}

/// An application under a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How many calls the profile allows.
    pub calls: usize,
    /// Those of them that are of risk medium, and of risk high.
    pub medium: usize,
    pub high: usize,
    /// Those of risk medium or high that the test did not make.
    pub risky_not_recorded: Vec<String>,
    pub broken: Vec<Broken>,
    pub refused: Vec<Refused>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub trouble: Vec<String>,
}

/// A check that holds without a filter, and does not under the policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Broken {
    pub name: String,
    pub class: Class,
    /// The run of the application's file that it belongs to.
    pub run: usize,
}

/// A call that was refused, as `strait verify` reports it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refused {
    pub run: usize,
    pub syscall: String,
    /// The arguments of the first one.
    pub args: Vec<String>,
    pub program: String,
    pub errno: String,
    pub count: u64,
}

impl Results {
    pub fn new(strait: String, apps: Vec<Measured>) -> Result<Self> {
        Ok(Self {
            schema: SCHEMA.to_owned(),
            date: page::today()?,
            kernel: page::kernel()?,
            machine: std::env::consts::ARCH.to_owned(),
            strait,
            apps,
        })
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let results: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} has no results", path.display()))?;
        ensure!(results.schema == SCHEMA, "{}: not {SCHEMA}", path.display());
        Ok(results)
    }

    /// One of two measurements: an application of the later one replaces that of the earlier one.
    pub fn with(self, mut later: Self) -> Self {
        let names: BTreeSet<String> = later.apps.iter().map(|app| app.name.clone()).collect();
        later.apps.extend(self.apps.into_iter().filter(|app| !names.contains(&app.name)));
        later.apps.sort_by(|one, other| one.name.cmp(&other.name));
        later
    }

    /// The policies that every application was measured under.
    pub fn policies(&self) -> Vec<Policy> {
        let everywhere =
            |policy: &Policy| self.apps.iter().all(|app| app.policies.contains_key(policy));
        Policy::ALL.into_iter().filter(everywhere).collect()
    }
}

impl Measured {
    /// How many checks of the class count.
    pub fn total(&self, class: Class) -> usize {
        self.counted.values().filter(|counted| **counted == class).count()
    }
}

impl Outcome {
    pub fn broken(&self, class: Class) -> usize {
        self.broken.iter().filter(|broken| broken.class == class).count()
    }

    /// Those of risk medium or high.
    pub fn risky(&self) -> usize {
        self.medium + self.high
    }
}

/// Which checks of the control run did not hold under a profile. A check that is missing did not hold.
pub fn broken(control: &Done, verified: &Done) -> Vec<Broken> {
    let held: BTreeSet<&str> = verified
        .checks
        .iter()
        .filter(|check| check.held)
        .map(|check| check.name.as_str())
        .collect();
    let counts = |check: &&Check| check.held && !held.contains(check.name.as_str());
    let broken =
        |check: &Check| Broken { name: check.name.clone(), class: check.class, run: check.run };
    control.checks.iter().filter(counts).map(broken).collect()
}

/// The refused calls of a report of `strait verify`; the run is the number that its name begins with.
pub fn refused(name: &str, report: &Value) -> Vec<Refused> {
    let run = name.split('-').next().and_then(|run| run.parse().ok()).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = report["refused"].as_array().into_iter().flatten();
    calls
        .map(|call| Refused {
            run,
            syscall: text(&call["syscall"]),
            args: call["args"].as_array().into_iter().flatten().map(text).collect(),
            program: text(&call["program"]),
            errno: text(&call["errno"]),
            count: call["count"].as_u64().unwrap_or_default(),
        })
        .collect()
}

/// Refusals of the same call by the same program in the same run, added up.
pub fn add_up(mut refused: Vec<Refused>) -> Vec<Refused> {
    refused.sort();
    let mut sums: Vec<Refused> = Vec::new();
    for call in refused {
        let same = |sum: &&mut Refused| {
            sum.run == call.run && sum.syscall == call.syscall && sum.program == call.program
        };
        match sums.iter_mut().find(same) {
            Some(sum) => sum.count += call.count,
            None => sums.push(call),
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn done(checks: &[(&str, bool)]) -> Done {
        let check = |(name, held): &(&str, bool)| Check {
            name: (*name).to_owned(),
            class: Class::Event,
            held: *held,
            run: 2,
        };
        Done { checks: checks.iter().map(check).collect(), ..Done::default() }
    }

    #[test]
    fn only_checks_that_hold_without_a_filter_can_be_broken() {
        let control = done(&[("a", true), ("b", true), ("c", false), ("d", true)]);
        let verified = done(&[("a", true), ("b", false), ("c", false)]);
        let names: Vec<String> =
            broken(&control, &verified).into_iter().map(|broken| broken.name).collect();
        assert_eq!(names, ["b", "d"], "a check that a profile kept from running is broken");
    }

    #[test]
    fn refusals_are_those_of_the_report_with_its_run() {
        let report = json!({"refused": [
            {"syscall": "fsync", "args": ["3"], "program": "/bin/x", "errno": "ENOSYS", "count": 2},
            {"syscall": "reboot", "answer": "kill", "program": "/bin/x"},
        ]});
        let calls = refused("12-server.verify.json", &report);
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].run, calls[0].syscall.as_str(), calls[0].count), (12, "fsync", 2));
        let twice = add_up([calls.clone(), calls].concat());
        assert_eq!(twice.iter().map(|call| call.count).collect::<Vec<_>>(), [4, 0]);
    }

    #[test]
    fn a_later_measurement_replaces_its_applications_only() {
        let earlier = super::super::table::tests::example();
        let mut later = earlier.clone();
        later.apps.retain(|app| app.name == "two");
        later.apps[0].recorded = 99;
        later.date = "2026-12-01".to_owned();
        let merged = earlier.with(later);
        let recorded: Vec<_> =
            merged.apps.iter().map(|app| (app.name.as_str(), app.recorded)).collect();
        assert_eq!(recorded, [("one", 40), ("two", 99)]);
        assert_eq!(merged.date, "2026-12-01");
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let results = super::super::table::tests::example();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), serde_json::to_string(&results).unwrap()).unwrap();
        let read = Results::read(file.path()).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&results).unwrap());
        std::fs::write(file.path(), r#"{"schema": "strait.diff/v1"}"#).unwrap();
        assert!(Results::read(file.path()).is_err());
    }
}
