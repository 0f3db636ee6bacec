//! What recordings are told apart by, what was merged into one, and the parts of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Recording;
use crate::abi::Abi;

/// Where a recording comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Tells this recording from all others: the SHA-256 of its content, in hexadecimal digits; of a
    /// merged one, that of the ids it was merged from. Empty until it is written.
    pub id: String,
    /// The recordings that were merged into this one, by id; empty for one that was recorded.
    pub sources: Vec<Source>,
    /// The merged recordings themselves, by id, without their samples, which are among those of the
    /// whole. Empty if there are more than [`PARTS`](super::merge::PARTS) of them.
    pub parts: Vec<Recording>,
}

/// A recording that was merged into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its [`Origin::id`].
    pub id: String,
    /// Name of its target.
    pub name: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

/// A named part of a run, such as a test: what was called from the end of the part before it, or from
/// the beginning, until its own end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// [`Origin::id`] of the recording that it is a part of; empty for the one that it stands in.
    pub recording: String,
    /// Time from that recording's beginning to the end of the sample.
    pub finished: Duration,
    /// What whoever closed it called it.
    pub name: String,
    /// How often each call was made, by ABI and number; calls that were not made are missing.
    pub calls: BTreeMap<Abi, BTreeMap<u32, u64>>,
    /// The values of their arguments with which calls were made, as [`Arguments`](super::Arguments) has them; nothing for
    /// those whose values were not kept.
    pub values: BTreeMap<Abi, BTreeMap<u32, BTreeSet<Vec<u64>>>>,
}

impl Recording {
    /// Itself as a source, or what it was merged from.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        if !self.origin.sources.is_empty() {
            return self.origin.sources.clone();
        }
        vec![Source {
            id: self.origin.id.clone(),
            name: self.target.name.clone(),
            started: self.started,
            finished: self.finished,
        }]
    }

    /// The samples in the order in which they ended, over all recordings that were merged.
    #[must_use]
    pub fn samples_in_order(&self) -> Vec<&Sample> {
        let started: BTreeMap<&str, Timestamp> =
            self.origin.sources.iter().map(|source| (source.id.as_str(), source.started)).collect();
        let ended = |sample: &Sample| {
            let started = started.get(sample.recording.as_str()).unwrap_or(&self.started);
            let finished = i128::try_from(sample.finished.as_nanos()).unwrap_or(i128::MAX);
            started.as_nanosecond().saturating_add(finished)
        };
        let mut samples: Vec<_> =
            self.samples.iter().map(|sample| (ended(sample), sample)).collect();
        samples.sort();
        samples.into_iter().map(|(_, sample)| sample).collect()
    }

    /// The sample in which a call was first made, if it was made in one.
    #[must_use]
    pub fn first_sample(&self, abi: Abi, number: u32) -> Option<&Sample> {
        self.samples_in_order().into_iter().find(|sample| sample.has(abi, number))
    }
}

impl Sample {
    /// How often a call was made in it.
    #[must_use]
    pub fn count(&self, abi: Abi, number: u32) -> u64 {
        self.calls.get(&abi).and_then(|calls| calls.get(&number)).copied().unwrap_or_default()
    }

    /// All calls that were made in it: ABI, number and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Abi, u32, u64)> {
        self.calls
            .iter()
            .flat_map(|(abi, calls)| calls.iter().map(|(number, count)| (*abi, *number, *count)))
    }

    /// Whether a call was made in it.
    #[must_use]
    pub fn has(&self, abi: Abi, number: u32) -> bool {
        self.count(abi, number) > 0
    }
}
