//! The report about a run under a profile.
//!
//! [`Report`] is the model; [`json`] is its file format, and [`Report::text`] is for people. [`Expectation`] says
//! whose a refusal is.

mod containers;
pub mod json;
mod text;
mod under;
mod verdict;

#[cfg(test)]
mod tests;

use crate::abi::Abi;
use crate::decode;
use crate::diff::Exception;
use crate::outcome::{Answer, ContainersOutcome, Outcome, Refusal, Status};
use crate::policy::Capability;
use crate::recording::{Completeness, Losses, Recording, TargetKind};

pub use containers::{Looked, Standing, keep_verified, standing};
pub use under::{Under, under, under_filter};
pub use verdict::{Expectation, Place, Verdict};

/// A run under a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// Path of the profile, as given.
    pub profile: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// How the command ended.
    pub status: Status,
    /// The containers in which refusals were looked for; empty for a command that itself was under the
    /// profile.
    pub containers: Vec<String>,
    /// Those of them of which it is not known under which filter they ran.
    pub unknown: Vec<String>,
    /// Calls that the profile kept the workload from, in the order of the first time; also those of which that
    /// is not sure.
    pub refused: Vec<Refused>,
    /// Calls that are refused by design, with what software makes instead.
    pub fallbacks: Vec<Fallback>,
    /// Calls that the profile refuses, and that exceptions say it may.
    pub accepted: Vec<Accepted>,
    /// Calls that a container runtime tries and does without, and that Docker's default refuses as well.
    pub runtime: Vec<Refused>,
    /// Calls that the profile lets through, and that were answered otherwise: by another filter, a supervisor or a
    /// tracer.
    pub elsewhere: Vec<Refused>,
    /// Calls that no kernel has.
    pub no_such_call: Vec<Refused>,
    /// Refusals for which there was no room, so that nothing is known of them but their number.
    pub lost: u64,
    /// Why refusals may have been missed, if they may: a sentence for each reason.
    pub missed: Vec<String>,
    /// Tasks that still ran at the end; what they called later was not seen.
    pub still_running: u64,
    /// Exceptions that nothing needed.
    pub unused: Vec<Exception>,
}

/// A call that did not get past a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// ABI of the call.
    pub abi: Abi,
    /// Its number; `None` if the task was killed and no more is known.
    pub number: Option<u32>,
    /// The arguments of the first one, decoded.
    pub args: Vec<String>,
    /// How it was answered.
    pub answer: Answer,
    /// Whether these are calls with many different arguments, of which those of the first are shown.
    pub others: bool,
    /// Whether it is known to be the profile that refused it.
    pub sure: bool,
    /// Path of the executable that made it.
    pub program: String,
    /// The container in which it was made, if it was in one.
    pub container: Option<String>,
    /// How often.
    pub count: u64,
}

/// A call that is refused so that software makes another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The call.
    pub refused: Refused,
    /// What is made instead, the likeliest first; the profile allows it.
    pub falls_back_to: Vec<&'static str>,
}

/// A call that may be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The call.
    pub refused: Refused,
    /// Why it may, as the exception has it.
    pub reason: String,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The workload was kept from nothing.
    Clean,
    /// Not all of it was seen, or not all is known to have been under the profile.
    Incomplete,
    /// The profile kept the workload from something.
    Refused,
}

impl Report {
    fn empty(profile: &str, command: Vec<String>, status: Status) -> Self {
        Self {
            profile: profile.to_owned(),
            command,
            status,
            containers: Vec::new(),
            unknown: Vec::new(),
            refused: Vec::new(),
            fallbacks: Vec::new(),
            accepted: Vec::new(),
            runtime: Vec::new(),
            elsewhere: Vec::new(),
            no_such_call: Vec::new(),
            lost: 0,
            missed: Vec::new(),
            still_running: 0,
            unused: Vec::new(),
        }
    }

    /// About a command that was run under the profile.
    pub fn new(profile: &str, expectation: &Expectation<'_>, outcome: &Outcome) -> Self {
        let command = outcome.recording.target.command.clone();
        let mut report = Self::empty(profile, command, outcome.status);
        report.lost = outcome.refusals_lost;
        report.still_running = outcome.still_running;
        report.missed = missed(&outcome.recording);
        let place = Place { started: true, capabilities: None };
        let mut used = vec![false; expectation.valid().len()];
        report.add(expectation, &outcome.refusals, &place, None, &mut used);
        report.unused = unused(expectation, &used);
        report
    }

    /// About containers that a command started under the profile. Of those that are called in `unknown` it is not
    /// known under which filter they ran.
    pub fn of_containers(
        profile: &str,
        expectation: &Expectation<'_>,
        command: Vec<String>,
        outcome: &ContainersOutcome,
        unknown: Vec<String>,
    ) -> Self {
        let status = outcome.status.unwrap_or(Status::Exited(0));
        let mut report = Self::empty(profile, command, status);
        report.lost = outcome.refusals_lost;
        report.still_running = outcome.still_running;
        report.unknown = unknown;
        let mut used = vec![false; expectation.valid().len()];
        for (nth, container) in outcome.recordings.iter().enumerate() {
            let recording = &container.recording;
            let name = &recording.target.name;
            report.containers.push(name.clone());
            // What is lost is lost to all of them, and is said once.
            if nth == 0 {
                report.missed = missed(recording);
            }
            let place = Place {
                started: !recording.is_before_start(),
                capabilities: capabilities(recording),
            };
            report.add(expectation, &container.refusals, &place, Some(name), &mut used);
        }
        report.unused = unused(expectation, &used);
        report
    }

    /// Puts each refusal where it belongs.
    fn add(
        &mut self,
        expectation: &Expectation<'_>,
        refusals: &[Refusal],
        place: &Place,
        container: Option<&String>,
        used: &mut [bool],
    ) {
        for refusal in refusals {
            let refused = Refused::new(refusal, container);
            match expectation.verdict(refusal, place) {
                Verdict::Refused => self.refused.push(refused),
                Verdict::Unsure => self.refused.push(Refused { sure: false, ..refused }),
                Verdict::Fallback(falls_back_to) => {
                    self.fallbacks.push(Fallback { refused, falls_back_to });
                }
                Verdict::Accepted(nth) => {
                    let exception = expectation.valid().get(nth);
                    let reason = exception.map_or_else(String::new, |it| it.reason.clone());
                    used.iter_mut().skip(nth).take(1).for_each(|used| *used = true);
                    self.accepted.push(Accepted { refused, reason });
                }
                Verdict::Runtime => self.runtime.push(refused),
                Verdict::Elsewhere => self.elsewhere.push(refused),
                Verdict::NoSuchCall => self.no_such_call.push(refused),
            }
        }
    }

    /// What the run comes to.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        if !self.refused.is_empty() || self.lost > 0 {
            Conclusion::Refused
        } else if !self.unknown.is_empty() || !self.missed.is_empty() {
            Conclusion::Incomplete
        } else {
            Conclusion::Clean
        }
    }
}

/// What may have kept refusals from being seen. Calls and programs without room are no such thing: refusals
/// have their own.
fn missed(recording: &Recording) -> Vec<String> {
    let losses = match recording.completeness {
        Completeness::Complete => Losses::default(),
        Completeness::Incomplete(losses) => Losses { calls: 0, programs: 0, ..losses },
    };
    losses.describe()
}

fn capabilities(recording: &Recording) -> Option<std::collections::BTreeSet<Capability>> {
    match &recording.target.kind {
        TargetKind::Container(container) => container.bounding_set.map(Capability::from_mask),
        TargetKind::Command | TargetKind::Processes => None,
    }
}

fn unused(expectation: &Expectation<'_>, used: &[bool]) -> Vec<Exception> {
    let exceptions = expectation.valid().iter().zip(used);
    exceptions.filter(|(_, used)| !**used).map(|(exception, _)| (*exception).clone()).collect()
}

impl Refused {
    fn new(refusal: &Refusal, container: Option<&String>) -> Self {
        Self {
            abi: refusal.abi,
            number: refusal.number,
            args: refusal.number.map_or_else(Vec::new, |number| {
                decode::arguments(refusal.abi, number, &refusal.args)
            }),
            answer: refusal.answer,
            others: refusal.others,
            sure: true,
            program: refusal.program.clone(),
            container: container.cloned(),
            count: refusal.count,
        }
    }

    /// Name of the call, or its number if it has no name.
    pub fn syscall(&self) -> String {
        let Some(number) = self.number else { return "a call that is not known".to_owned() };
        let name = self.abi.syscall_name(number);
        name.map_or_else(|| self.abi.raw_number(number), str::to_owned)
    }
}
