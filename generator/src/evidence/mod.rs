//! What is remembered about a profile, in a file beside it: who made each call, how often, and in which
//! test first. A profile itself has room for none of that.
//!
//! [`Evidence`] is the model; [`v1`] is how it is written to a file.

pub mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::abi::Abi;
use crate::profile::Profile;
use crate::recording::{Phase, Recording, Source};

pub use v1::ReadError;

/// How many samples are listed for a call. One that is made in more is of no test in particular.
pub const SAMPLES: usize = 10;

/// What recordings say about the calls of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The SHA-256 of the profile that was made of them, as Strait prints it; `None` if none was.
    pub profile: Option<String>,
    /// The recordings, by id.
    pub recordings: Vec<Source>,
    /// Calls by ABI and number.
    pub calls: BTreeMap<Abi, BTreeMap<u32, Seen>>,
}

/// Who made a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// Time from the beginning of a recording to the first call, the shortest of all.
    pub first_seen: Duration,
    /// How often each program made it, by path.
    pub programs: BTreeMap<String, u64>,
    /// How often in each phase of a container's life.
    pub phases: BTreeMap<Phase, u64>,
    /// The sample in which it was made first, if it was made in one.
    pub first: Option<First>,
    /// The samples in which it was made, by name, of which [`SAMPLES`] are kept.
    pub samples: BTreeSet<String>,
    /// How many more there are.
    pub more_samples: u64,
}

/// The sample in which a call was made first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Its name.
    pub sample: String,
    /// Id of the recording that it is a part of.
    pub recording: String,
    /// Time from that recording's beginning to the end of the sample.
    pub finished: Duration,
}

impl Evidence {
    /// What a recording says.
    pub fn of(recording: &Recording) -> Self {
        let mut calls: BTreeMap<Abi, BTreeMap<u32, Seen>> = BTreeMap::new();
        for (abi, number, call) in recording.iter() {
            let seen = Seen {
                count: call.count,
                first_seen: call.first_seen,
                programs: call.programs.clone(),
                phases: call.phases.clone(),
                ..Seen::default()
            };
            calls.entry(abi).or_default().insert(number, seen);
        }
        for sample in recording.samples_in_order() {
            let id = match sample.recording.as_str() {
                "" => &recording.origin.id,
                id => id,
            };
            let made = sample
                .calls
                .iter()
                .flat_map(|(abi, calls)| calls.keys().map(|number| (*abi, *number)));
            for (abi, number) in made {
                let Some(seen) = calls.get_mut(&abi).and_then(|of_abi| of_abi.get_mut(&number))
                else {
                    continue;
                };
                seen.first.get_or_insert_with(|| First {
                    sample: sample.name.clone(),
                    recording: id.to_owned(),
                    finished: sample.finished,
                });
                if !seen.samples.contains(&sample.name) {
                    if seen.samples.len() < SAMPLES {
                        seen.samples.insert(sample.name.clone());
                    } else {
                        seen.more_samples += 1;
                    }
                }
            }
        }
        Self { profile: None, recordings: recording.sources(), calls }
    }

    /// The same, as that of a profile.
    pub fn for_profile(mut self, profile: &Profile) -> Self {
        self.profile = v1::fingerprint(profile);
        self
    }

    /// Whether it is that of this profile, and not of another one or of one that was changed since.
    pub fn is_of(&self, profile: &Profile) -> bool {
        self.profile.is_some() && self.profile == v1::fingerprint(profile)
    }

    /// Who made a call, if anybody did.
    pub fn seen(&self, abi: Abi, number: u32) -> Option<&Seen> {
        self.calls.get(&abi)?.get(&number)
    }

    /// The name of a recording's target, by its id.
    pub fn recording(&self, id: &str) -> Option<&Source> {
        self.recordings.iter().find(|source| source.id == id)
    }
}

impl Seen {
    /// Whether it was made in so many tests that none of them is of note.
    pub fn is_everywhere(&self) -> bool {
        self.more_samples > 0
    }

    /// The program that made it most often, and how many others did.
    pub fn foremost(&self) -> Option<(&str, usize)> {
        let most =
            self.programs.iter().max_by_key(|(path, count)| (**count, std::cmp::Reverse(*path)));
        most.map(|(path, _)| (path.as_str(), self.programs.len() - 1))
    }
}

/// Where the evidence of a profile is: `app.evidence.json`, for `app.json`.
pub fn beside(profile: &Path) -> PathBuf {
    let name = profile.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    profile.with_file_name(format!("{stem}.evidence.json"))
}

#[cfg(test)]
mod tests;
