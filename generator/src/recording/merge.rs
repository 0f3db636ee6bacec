//! One recording of many: shards of a test suite, replicas, restarts, architectures, days.
//!
//! What comes out depends on *which recordings* went in and on nothing else: not on their order, not on
//! how often one was given, not on what had been merged before. So merging is associative, commutative
//! and, by the id of a recording, idempotent.
//!
//! Counts are added, losses too; of times of a first call the smallest stays, each from the beginning of
//! its own recording. Values of arguments are alternatives. Samples are kept apart.

mod arguments;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::target::{TargetIds, describe};
use super::{
    Call, Caveat, Completeness, Container, Losses, Origin, Phase, Program, Recording, Source,
    Start, Target, TargetKind, Tool,
};
use crate::abi::Abi;
use crate::digest::sha256;
use crate::scan::Reachable;
use arguments::united_arguments;
pub use order::in_an_order_that_works;

/// Of how many recordings a merged one keeps the parts, so that it can be merged with another one that
/// shares some of them.
pub const PARTS: usize = 64;

/// Why recordings cannot be merged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// No recording was given.
    #[error("there is no recording to merge")]
    Nothing,
    /// They are of different targets.
    #[error(
        "these are recordings of different targets: {one}, and {other}. A profile of both would allow each of \
         them what only the other one needs. If that is what you want, pass --allow-mixed"
    )]
    Mixed {
        /// Target of what was given before.
        one: String,
        /// Target of this one.
        other: String,
    },
    /// Two merged recordings share some of what they were merged from.
    #[error(
        "this recording was merged from {of}, and {shared} of them are in another merged recording \
         already, with others that are not: counts would be added twice. Merge the recordings \
         themselves and not what was merged from them"
    )]
    Overlap {
        /// How many recordings went into it.
        of: usize,
        /// How many of them are there already.
        shared: usize,
    },
}

/// What a recording brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Whether all of it was there already, by its id, so that it was passed over.
    pub known: bool,
    /// Calls that nothing before it had.
    pub calls: BTreeSet<(Abi, u32)>,
    /// How many calls were made in it.
    pub count: u64,
}

/// Merges recordings one after the other, so that not all of them have to be in memory.
#[derive(Debug, Default)]
pub struct Merger {
    allow_mixed: bool,
    /// Those of the first one, and so of all unless mixed is allowed.
    targets: Option<TargetIds>,
    sum: Option<Recording>,
    /// Rank and id of the recording whose target stands for all.
    source: (u8, String),
    programs: BTreeMap<String, Program>,
    /// By path of a program.
    reachable: BTreeMap<String, Reachable>,
    sources: BTreeMap<String, Source>,
    /// Those that were recorded and not merged, as long as there are few.
    parts: Option<BTreeMap<String, Recording>>,
}

/// Merges recordings.
///
/// # Errors
///
/// [`MergeError`] says which of them do not go together.
pub fn merge(
    recordings: impl IntoIterator<Item = Recording>,
    allow_mixed: bool,
) -> Result<Recording, MergeError> {
    let mut recordings: Vec<_> = recordings.into_iter().collect();
    // What can no longer be taken apart comes first, so that what it has in it is known.
    recordings.sort_by_key(|recording| std::cmp::Reverse(opaque_size(recording)));
    let mut merger = Merger::new(allow_mixed);
    for recording in recordings {
        merger.add(recording)?;
    }
    merger.finish()
}

/// From how many recordings it was merged, if they cannot be told apart any more; else 0.
fn opaque_size(recording: &Recording) -> usize {
    if recording.origin.parts.is_empty() { recording.origin.sources.len() } else { 0 }
}

impl Merger {
    /// With `allow_mixed`, recordings of different targets are merged too.
    #[must_use]
    pub fn new(allow_mixed: bool) -> Self {
        Self { allow_mixed, parts: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// [`MergeError`]; what was added before stays.
    pub fn add(&mut self, recording: Recording) -> Result<Added, MergeError> {
        let targets = recording.targets();
        let known = self.targets.get_or_insert_with(|| targets.clone());
        if !self.allow_mixed && *known != targets {
            return Err(MergeError::Mixed { one: describe(known), other: describe(&targets) });
        }
        if recording.origin.parts.is_empty() {
            return self.absorb(recording);
        }
        let mut added = Added { known: true, ..Added::default() };
        let mut recording = recording;
        // It has what its parts can call; a union does not mind what is in it already.
        self.add_reachable(&mut recording);
        for part in taken_apart(recording) {
            let of_part = self.absorb(part)?;
            added.known &= of_part.known;
            added.calls.extend(of_part.calls);
            added.count = added.count.saturating_add(of_part.count);
        }
        Ok(added)
    }

    /// Adds one that was recorded, or that cannot be taken apart.
    fn absorb(&mut self, mut recording: Recording) -> Result<Added, MergeError> {
        let sources = recording.sources();
        let shared = sources.iter().filter(|source| self.sources.contains_key(&source.id)).count();
        if shared == sources.len() {
            return Ok(Added { known: true, ..Added::default() });
        }
        if shared > 0 {
            return Err(MergeError::Overlap { of: sources.len(), shared });
        }
        if recording.origin.sources.is_empty() {
            for sample in &mut recording.samples {
                sample.recording.clone_from(&recording.origin.id);
            }
        }
        self.add_reachable(&mut recording);
        self.keep_part(&recording);
        self.sources.extend(sources.into_iter().map(|source| (source.id.clone(), source)));
        let mut added = Added { count: recording.total(), ..Added::default() };
        for program in recording.programs.drain(..) {
            add_program(&mut self.programs, program);
        }
        let source = (rank(&recording.target), first_id(&recording.origin).to_owned());
        match &mut self.sum {
            None => {
                added.calls = recording.iter().map(|(abi, number, _)| (abi, number)).collect();
                self.source = source;
                self.sum = Some(recording);
            }
            Some(sum) => {
                let first = source < self.source;
                if first {
                    self.source = source;
                }
                add(sum, recording, first, &mut added.calls);
            }
        }
        Ok(added)
    }

    fn add_reachable(&mut self, recording: &mut Recording) {
        for (path, reachable) in std::mem::take(&mut recording.reachable) {
            self.reachable.entry(path).or_default().extend(reachable);
        }
    }

    fn keep_part(&mut self, recording: &Recording) {
        let few = self.sources.len() < PARTS;
        let recorded = recording.origin.sources.is_empty();
        match &mut self.parts {
            Some(parts) if few && recorded => {
                parts.insert(recording.origin.id.clone(), recording.clone());
            }
            parts => *parts = None,
        }
    }

    /// The merged recording. A single one comes out as it went in.
    ///
    /// # Errors
    ///
    /// [`MergeError::Nothing`].
    pub fn finish(self) -> Result<Recording, MergeError> {
        let Self { sum, programs, reachable, sources, parts, .. } = self;
        let mut sum = sum.ok_or(MergeError::Nothing)?;
        let mut parts: Vec<_> = parts.unwrap_or_default().into_values().collect();
        if sources.len() == 1
            && let Some(mut only) = parts.pop()
        {
            only.samples.iter_mut().for_each(|sample| sample.recording.clear());
            only.reachable = reachable;
            return Ok(only);
        }
        parts.iter_mut().for_each(|part| part.samples.clear());
        let id = id_of_all(sources.keys());
        sum.origin = Origin { id, sources: sources.into_values().collect(), parts };
        sum.tool = Tool::this();
        sum.programs = programs.into_values().collect();
        sum.reachable = reachable;
        sum.samples.sort();
        for call in sum.calls.values_mut().flat_map(BTreeMap::values_mut) {
            settle_phases(call);
        }
        Ok(sum)
    }
}

/// What was merged into a recording, each with its samples.
fn taken_apart(recording: Recording) -> Vec<Recording> {
    let Recording { origin, samples, .. } = recording;
    let mut parts = origin.parts;
    for part in &mut parts {
        let own = samples.iter().filter(|sample| sample.recording == part.origin.id);
        part.samples = own.cloned().collect();
    }
    parts
}

fn id_of_all<'a>(ids: impl Iterator<Item = &'a String>) -> String {
    let lines: String = ids.flat_map(|id| [id, "\n"]).collect();
    sha256(lines.as_bytes())
}

/// Adds `more` to `sum`, whose target it has if it is the first, and to `new` the calls that `sum` did not have.
fn add(sum: &mut Recording, more: Recording, first: bool, new: &mut BTreeSet<(Abi, u32)>) {
    let Recording { host, target, started, finished, completeness, calls, .. } = more;
    sum.host.kernel = united(&sum.host.kernel, &host.kernel);
    sum.host.arch = united(&sum.host.arch, &host.arch);
    add_target(&mut sum.target, target, first);
    sum.started = sum.started.min(started);
    sum.finished = sum.finished.max(finished);
    sum.completeness = both(sum.completeness, completeness);
    sum.caveats = Caveat::united(std::mem::take(&mut sum.caveats), more.caveats);
    for (abi, calls) in calls {
        let of_abi = sum.calls.entry(abi).or_default();
        for (number, call) in calls {
            if !of_abi.contains_key(&number) {
                new.insert((abi, number));
            }
            add_call(of_abi.entry(number).or_default(), call);
        }
    }
    for (refusal, count) in more.refused {
        add_count(sum.refused.entry(refusal).or_default(), count);
    }
    sum.samples.extend(more.samples);
}

/// The smallest id of those that went into it.
fn first_id(origin: &Origin) -> &str {
    origin.sources.first().map_or(&origin.id, |source| &source.id)
}

/// A container says more than a command.
fn rank(target: &Target) -> u8 {
    match target.kind {
        TargetKind::Container(_) => 0,
        TargetKind::Command => 1,
        TargetKind::Processes => 2,
    }
}

fn add_target(sum: &mut Target, more: Target, first: bool) {
    let start = sum.start.max(more.start);
    let both = match (&sum.kind, &more.kind) {
        (TargetKind::Container(one), TargetKind::Container(other)) => Some(Container {
            runtime: united(&one.runtime, &other.runtime),
            runtime_version: united(&one.runtime_version, &other.runtime_version),
            profile: united(&one.profile, &other.profile),
            no_new_privs: one.no_new_privs && other.no_new_privs,
            bounding_set: [one.bounding_set, other.bounding_set]
                .into_iter()
                .flatten()
                .reduce(|a, b| a | b),
            filtered: one.filtered && other.filtered,
            unconfirmed: one.unconfirmed || other.unconfirmed,
            // The weaker one; none is weaker still.
            origin: one.origin.min(other.origin),
            ..if first { (**other).clone() } else { (**one).clone() }
        }),
        _ => None,
    };
    if first {
        *sum = more;
    }
    sum.start = start;
    if let Some(container) = both {
        sum.kind = TargetKind::Container(Box::new(container));
    }
}

/// The words of two lists, each once.
fn united(one: &str, other: &str) -> String {
    if one == other {
        return one.to_owned();
    }
    let words: BTreeSet<&str> =
        one.split(", ").chain(other.split(", ")).filter(|word| !word.is_empty()).collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

fn both(one: Completeness, other: Completeness) -> Completeness {
    let (one, other) = (one.losses(), other.losses());
    Completeness::from(Losses {
        calls: one.calls.saturating_add(other.calls),
        programs: one.programs.saturating_add(other.programs),
        missed: one.missed.saturating_add(other.missed),
        tasks: one.tasks.saturating_add(other.tasks),
        starts: one.starts.saturating_add(other.starts),
        unread: one.unread.saturating_add(other.unread),
        partial: one.partial.saturating_add(other.partial),
    })
}

/// The same path may be another file on another machine: then the smaller of the two stands for both.
fn add_program(programs: &mut BTreeMap<String, Program>, program: Program) {
    let number = |program: &Program| (program.device.clone(), program.inode);
    match programs.get_mut(&program.path) {
        Some(known) if number(&program) < number(known) => *known = program,
        Some(_) => {}
        None => {
            programs.insert(program.path.clone(), program);
        }
    }
}

fn add_count(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// Adds a call to one that was made before, or to one that was never made.
fn add_call(sum: &mut Call, more: Call) {
    let known = std::mem::take(&mut sum.arguments);
    sum.arguments = if sum.count == 0 {
        more.arguments
    } else {
        united_arguments((known, sum.count), (more.arguments, more.count))
    };
    sum.first_seen =
        if sum.count == 0 { more.first_seen } else { sum.first_seen.min(more.first_seen) };
    add_count(&mut sum.count, more.count);
    add_counts(&mut sum.programs, more.programs);
    add_counts(&mut sum.phases, more.phases);
}

fn add_counts<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        add_count(sums.entry(key).or_default(), count);
    }
}

/// A command has no phases. A call that was made by a command and by a container's runtime is not the
/// runtime's alone, which is what phases of a part of the calls would say.
fn settle_phases(call: &mut Call) {
    fn settle(phases: &mut BTreeMap<Phase, u64>, count: u64) {
        let known = phases.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if known < count {
            phases.clear();
        }
    }
    settle(&mut call.phases, call.count);
    for used in call.arguments.iter_mut().flat_map(|arguments| arguments.values.values_mut()) {
        settle(&mut used.phases, used.count);
    }
}

impl Start {
    /// The weaker of the two: what is missing from one of them is missing from both together, as far as
    /// anybody can say.
    fn max(self, other: Self) -> Self {
        let weakness = |start| match start {
            Self::Filter => 0,
            Self::Exec => 1,
            Self::Attached => 2,
        };
        if weakness(other) > weakness(self) { other } else { self }
    }
}

#[cfg(test)]
mod tests;
