//! What the tests did not show: what the recorded programs can call and were never seen to, whether the default profile
//! allows it, which test would show it, and how much is likely missing.
//!
//! A recording is a sample of what a workload does, and its profile is a promise about what it does next. Each call that
//! the profile refuses and that the workload may make is named here, with the reason. Where it is not known what the
//! programs can call, that is said, and then any call is possible that the Docker default allows and that an event of
//! `profiles/events.json` needs.

mod estimate;
mod events;
mod held_out;
mod incidence;
pub mod json;
mod knowledge;
mod text;
mod unseen;

use std::collections::BTreeSet;

use crate::generate::{self, GenerateError, Generated, Options, generate};
use crate::policy::baseline::Baseline;
use crate::recording::merge::{MergeError, merge};
use crate::recording::{Completeness, Recording};

pub use estimate::{Estimate, FEWEST, Interval, TooFew};
pub use events::Event;
pub use held_out::{CrossCheck, HeldOut};
pub use incidence::Unit;
pub use knowledge::{Known, ProgramReach};
pub use unseen::{Status, Unseen, UnseenValues};

use incidence::Incidence;
use unseen::Search;

/// What the tests of a target did not show.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Name of the target.
    pub target: String,
    /// How many recordings there are.
    pub recordings: usize,
    /// Calls that were seen.
    pub seen: usize,
    /// What was lost, in sentences; empty if the recordings are complete.
    pub losses: Vec<String>,
    /// What is known of its programs.
    pub programs: Vec<ProgramReach>,
    /// Calls that were not seen, or not with all arguments, and that a program can make, or may be able to.
    pub unseen: Vec<Unseen>,
    /// Calls within reach that the Docker default refuses too.
    pub outside: BTreeSet<&'static str>,
    /// How much is missing.
    pub estimate: Result<Estimate, TooFew>,
    /// What would have become of each test under the profile of the others; `None` if that was not tried.
    pub cross_check: Option<CrossCheck>,
}

/// Why there is no coverage.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// There would be no profile.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The recordings do not go together.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// Something to test next.
#[derive(Clone, Debug)]
pub struct Advice<'a> {
    /// What the tests may lack.
    pub event: &'static Event,
    /// What the default profile refuses of what it needs: calls with their reach, the known ones first.
    pub calls: Vec<&'a Unseen>,
    /// Arguments that it refuses, of calls that it allows with others.
    pub values: Vec<&'a UnseenValues>,
}

impl Coverage {
    /// Looks for what the tests of one target did not show.
    ///
    /// # Errors
    ///
    /// [`CoverageError`] if no profile can be made of the recordings, or they are of several targets and `allow_mixed` is
    /// not given.
    pub fn of(recordings: Vec<Recording>, allow_mixed: bool) -> Result<Self, CoverageError> {
        // What is lost is said, and what is unconfirmed is only looked at.
        let options =
            Options { allow_incomplete: true, allow_unconfirmed: true, ..Options::default() };
        let Generated { profile, added, .. } = generate(&recordings, &options)?;
        let baseline =
            Baseline::docker_default().resolve(&generate::context(&recordings, &options));
        let policy = profile.policy(profile.listed_machines()).map_err(GenerateError::from)?;
        let programs = knowledge::programs(&recordings);
        let search = Search {
            recordings: &recordings,
            programs: &programs,
            baseline: &baseline,
            profile: &policy,
            added: &|name| added.get(name).map(|added| format!("{}: {}", added.rule, added.reason)),
        };
        let (unseen, outside) = (search.unseen(), search.outside());
        let merged = merge(recordings, allow_mixed)?;
        let cross_check = held_out::cross_check(&merged, &baseline, &options)?;
        let losses = match merged.completeness {
            Completeness::Complete => Vec::new(),
            Completeness::Incomplete(losses) => losses.describe(),
        };
        Ok(Self {
            target: merged.target.name.clone(),
            recordings: merged.sources().len(),
            seen: merged.calls.values().map(std::collections::BTreeMap::len).sum(),
            losses,
            programs,
            unseen,
            outside,
            estimate: estimate::estimate(&Incidence::of(&merged)),
            cross_check,
        })
    }

    /// Whether so much of what another sample has was seen, as far as can be estimated: a share from 0 to 1.
    #[must_use]
    pub fn reaches(&self, required: f64) -> bool {
        self.estimate.as_ref().is_ok_and(|estimate| estimate.coverage.estimate >= required)
    }

    /// What the default profile refuses, whole or with some arguments.
    pub fn refused(&self) -> impl Iterator<Item = &Unseen> {
        self.unseen.iter().filter(|unseen| unseen.status != Status::Open)
    }

    /// Whether it is not known what all programs can call, or what they start.
    pub fn is_open(&self) -> bool {
        self.programs.iter().any(ProgramReach::is_open)
    }

    /// What to test next: the events of which most is refused that is known to be within reach first, else the likeliest.
    #[must_use]
    pub fn advice(&self) -> Vec<Advice<'_>> {
        let mut all: Vec<Advice<'_>> = events::events()
            .iter()
            .map(|event| {
                let is_needed =
                    |unseen: &&Unseen| unseen.events.iter().any(|of| of.name == event.name);
                let needed = || self.refused().filter(is_needed);
                let mut calls: Vec<&Unseen> =
                    needed().filter(|unseen| unseen.status == Status::Closed).collect();
                calls.sort_by_key(|unseen| unseen.reach.is_empty());
                let values = needed().filter(|unseen| unseen.status == Status::ByArgument);
                let values = values.flat_map(|unseen| &unseen.values);
                let is_its =
                    |values: &&UnseenValues| values.events.iter().any(|of| of.name == event.name);
                Advice { event, calls, values: values.filter(is_its).collect() }
            })
            .filter(|advice| !advice.calls.is_empty() || !advice.values.is_empty())
            .collect();
        all.sort_by_key(|advice| {
            let known = advice.calls.iter().filter(|unseen| !unseen.reach.is_empty()).count();
            std::cmp::Reverse(known)
        });
        all
    }
}

#[cfg(test)]
mod tests;
