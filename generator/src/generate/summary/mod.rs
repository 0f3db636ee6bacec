//! What a generated profile allows and what it does not, on one screen.

mod advice;
mod arguments;
mod display;
mod sections;

use std::collections::{BTreeMap, BTreeSet};

use super::Startup;
use super::arguments::{Filters, RefusedValues, Unfiltered};
use super::left_out::{LeftOut, call};
use super::select::Selection;
use crate::abi::Abi;
use crate::policy::baseline::{Resolved, Treatment};
use crate::policy::{Action, Errno, NoPolicy};
use crate::profile::Profile;
use crate::recording::Recording;

/// What went into a profile and what did not. Its `Display` is plain text, several lines without
/// a newline at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Names of the targets, each once.
    pub targets: Vec<String>,
    /// How many recordings there were.
    pub recordings: usize,
    /// How many calls they hold.
    pub calls: u64,
    /// What the baseline is called, with an article.
    pub baseline: String,
    /// How many calls there are, by ABI.
    pub abis: Vec<AbiCounts>,
    /// Allowed by their arguments only, under the baseline's conditions.
    pub by_argument: Vec<String>,
    /// Allowed with the values of arguments only that were seen, or are always needed.
    pub filtered: Vec<FilteredCall>,
    /// Not filtered by the arguments that were seen, although there is a rule, and why.
    pub unfiltered: Vec<(String, Unfiltered)>,
    /// Arguments that were seen and are not allowed, since the baseline refuses them.
    pub refused_values: Vec<RefusedValues>,
    /// Allowed with any arguments, although the baseline looks at them.
    pub without_conditions: Vec<String>,
    /// Allowed though never seen, because every workload needs them.
    pub always: Vec<String>,
    /// Allowed though never seen, because they stand in for a call that was.
    pub stands_in: Vec<String>,
    /// Allowed though never seen, because they give no further reach: by family, or because the programs can call
    /// them. None is above low risk.
    pub added: Vec<(String, Vec<String>)>,
    /// Allowed though never seen, because those who start the workload need them.
    pub startup: Vec<String>,
    /// Who starts the workload: container runtimes, and the init process if there is one. Empty if
    /// nothing is added for them.
    pub starters: Vec<String>,
    /// Needed to start the workload, but not allowed, because the baseline refuses them.
    pub startup_refused: Vec<String>,
    /// Seen and not allowed, because only the recorded container's runtime made them, and the ones
    /// that will start it do not.
    pub runtime_only: Vec<String>,
    /// Refused while recording, by the filter that was active then.
    pub refused: Vec<Refused>,
    /// Seen, but not allowed.
    pub left_out: Vec<LeftOut>,
    /// What follows from how it was recorded and will be started.
    pub notes: Vec<String>,
    /// What else there is to know before the profile is used.
    pub warnings: Vec<String>,
}

/// Calls of one ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbiCounts {
    /// The ABI.
    pub abi: Abi,
    /// Calls that were seen.
    pub seen: usize,
    /// Calls that the profile allows, for some arguments at least.
    pub allowed: usize,
    /// Calls that the baseline allows, for some arguments at least.
    pub baseline: usize,
    /// Calls that the kernel has, as far as this release knows.
    pub kernel: usize,
}

/// A call that was refused while recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The ABI it was made through.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// What it returned; `None` if the task was killed.
    pub errno: Option<Errno>,
    /// How often.
    pub count: u64,
}

impl Refused {
    /// The call's name, or its number if it has none.
    #[must_use]
    pub fn call(&self) -> String {
        call(self.abi, self.number)
    }
}

pub use arguments::FilteredCall;
pub use sections::{Body, Item, Section};

/// What a profile was made of.
#[derive(Clone, Copy)]
pub(super) struct Decided<'a> {
    pub selection: &'a Selection,
    pub filters: &'a Filters,
}

pub(super) fn summarise(
    recordings: &[Recording],
    Decided { selection, filters }: Decided<'_>,
    baseline: &Resolved<'_>,
    startup: &Startup,
    profile: &Profile,
) -> Result<Summary, NoPolicy> {
    let mut abis = Vec::new();
    for abi in baseline.context().abis.iter().copied() {
        let policy = profile.policy(abi.machine())?;
        let seen: BTreeSet<u32> = recordings
            .iter()
            .flat_map(Recording::iter)
            .filter(|(of, number, _)| *of == abi && abi.syscall_name(*number).is_some())
            .map(|(_, number, _)| number)
            .collect();
        let named = |number: u32| {
            let rules = policy.rules(abi, number);
            rules.iter().any(|rule| rule.action == Action::Allow)
        };
        abis.push(AbiCounts {
            abi,
            seen: seen.len(),
            allowed: abi.syscalls().filter(|(number, _)| named(*number)).count(),
            baseline: baseline.allowed_count(abi),
            kernel: abi.syscalls().count(),
        });
    }
    let owned = |names: &BTreeSet<&str>| names.iter().map(|name| (*name).to_owned()).collect();
    let targets: BTreeSet<&str> =
        recordings.iter().map(|recording| recording.target.name.as_str()).collect();
    Ok(Summary {
        targets: owned(&targets),
        recordings: recordings.len(),
        calls: recordings.iter().map(Recording::total).sum(),
        baseline: baseline.baseline().title().to_owned(),
        abis,
        by_argument: selection
            .allowed
            .iter()
            .filter(|(name, treatment)| {
                **treatment != Treatment::Allow && !filters.filtered.contains_key(*name)
            })
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        filtered: arguments::filtered(selection, filters, baseline),
        unfiltered: filters
            .unfiltered
            .iter()
            .map(|(name, reason)| ((*name).to_owned(), *reason))
            .collect(),
        refused_values: filters.refused.clone(),
        without_conditions: owned(&selection.without_conditions),
        always: owned(&selection.always),
        stands_in: owned(&selection.stands_in),
        added: added(selection),
        startup: owned(&selection.startup),
        starters: startup.starters().into_iter().map(str::to_owned).collect(),
        startup_refused: owned(&selection.startup_refused),
        runtime_only: selection.runtime_only.iter().cloned().collect(),
        refused: refused(recordings),
        left_out: selection.left_out.clone(),
        notes: advice::notes(recordings, baseline, startup),
        warnings: advice::warnings(recordings, selection, startup, profile),
    })
}

/// What was added, by rule, in the order of the rules' names.
fn added(selection: &Selection) -> Vec<(String, Vec<String>)> {
    let mut by_rule: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, rule) in &selection.added {
        by_rule.entry(rule.name()).or_default().push((*name).to_owned());
    }
    by_rule.into_iter().map(|(rule, calls)| (rule.to_owned(), calls)).collect()
}

fn refused(recordings: &[Recording]) -> Vec<Refused> {
    let mut calls: BTreeMap<_, u64> = BTreeMap::new();
    for (key, count) in recordings.iter().flat_map(|recording| &recording.refused) {
        let sum = calls.entry(*key).or_default();
        *sum = sum.saturating_add(*count);
    }
    let refused = calls.into_iter().map(|((abi, number, errno), count)| Refused {
        abi,
        number,
        errno: errno.and_then(Errno::new),
        count,
    });
    refused.collect()
}
