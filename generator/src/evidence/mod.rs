//! The evidence of a profile, in a file beside it: which program made each call, how often, and in which
//! test first. A profile itself has room for none of that.
//!
//! [`Evidence`] is the model; [`v1`] is how it is written to a file.

pub mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::abi::Abi;
use crate::policy::Args;
use crate::policy::argument::ArgumentRule;
use crate::profile::Profile;
use crate::recording::{ArgumentUse, Phase, Recording, Sample, Source};

pub use v1::ReadError;

/// How many samples are listed for a call. One that is made in more is of no test in particular.
pub const SAMPLES: usize = 10;

/// What recordings say about the calls of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Evidence {
    /// The SHA-256 of the profile that was made of them, as Strait prints it; `None` if none was.
    pub profile: Option<String>,
    /// The recordings, by id.
    pub recordings: Vec<Source>,
    /// Calls by ABI and number.
    pub calls: BTreeMap<Abi, BTreeMap<u32, Seen>>,
    /// Why the profile allows calls that were not made, by name.
    pub added: BTreeMap<String, Added>,
}

/// Why a profile allows a call that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// What added it: `always`, `start-up`, `stand-in`, `reachable`, or `family: NAME`.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
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
    /// The values of its arguments, where they were kept.
    pub values: Vec<Value>,
}

/// A combination of values of a call's arguments, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Arguments that stand for it; 0 for those that were not kept.
    pub args: Args,
    /// How often.
    pub count: u64,
    /// How often by each program, by path.
    pub programs: BTreeMap<String, u64>,
    /// The sample in which it was seen first: the one that was going on then.
    pub first: Option<First>,
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
    pub fn from_recording(recording: &Recording) -> Self {
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
        for (abi, number, call) in recording.iter() {
            let seen = calls.get_mut(&abi).and_then(|of_abi| of_abi.get_mut(&number));
            if let (Some(seen), Some(arguments)) = (seen, &call.arguments) {
                let values = arguments.values.iter();
                seen.values = values
                    .filter_map(|(values, used)| value(recording, abi, number, values, used))
                    .collect();
            }
        }
        Self { profile: None, recordings: recording.sources(), calls, added: BTreeMap::new() }
    }

    /// The same, as that of a profile.
    pub fn for_profile(mut self, profile: &Profile) -> Self {
        self.profile = v1::fingerprint(profile);
        self
    }

    /// The same, with why the profile allows what was not made.
    pub fn with_added(mut self, added: BTreeMap<String, Added>) -> Self {
        self.added = added;
        self
    }

    /// Whether it is that of this profile, and not of another one or of one that was changed since.
    #[must_use]
    pub fn is_of(&self, profile: &Profile) -> bool {
        self.profile.is_some() && self.profile == v1::fingerprint(profile)
    }

    /// Who made a call, if anybody did.
    #[must_use]
    pub fn seen(&self, abi: Abi, number: u32) -> Option<&Seen> {
        self.calls.get(&abi)?.get(&number)
    }

    /// The name of a recording's target, by its id.
    #[must_use]
    pub fn recording(&self, id: &str) -> Option<&Source> {
        self.recordings.iter().find(|source| source.id == id)
    }
}

fn value(
    recording: &Recording,
    abi: Abi,
    number: u32,
    values: &[u64],
    used: &ArgumentUse,
) -> Option<Value> {
    let rule = ArgumentRule::for_call(abi.syscall_name(number)?)?;
    Some(Value {
        args: rule.example(values),
        count: used.count,
        programs: used.programs.clone(),
        first: first_of_value(recording, abi, number, values),
    })
}

/// Samples do not know arguments, but when these values were first seen is known, and so which sample was
/// going on then.
fn first_of_value(recording: &Recording, abi: Abi, number: u32, values: &[u64]) -> Option<First> {
    let parts = match recording.origin.parts.as_slice() {
        [] if recording.origin.sources.is_empty() => std::slice::from_ref(recording),
        parts => parts,
    };
    let seen = |part: &Recording| {
        let call = part.calls.get(&abi)?.get(&number)?;
        Some(call.arguments.as_ref()?.values.get(values)?.first_seen)
    };
    let first = parts.iter().filter_map(|part| Some((part, seen(part)?)));
    let nanoseconds = |part: &Recording, seen: Duration| {
        part.started.as_nanosecond() + i128::try_from(seen.as_nanos()).unwrap_or(i128::MAX / 2)
    };
    let (part, seen) = first.min_by_key(|(part, seen)| nanoseconds(part, *seen))?;
    let of_part = |sample: &&Sample| {
        sample.recording == part.origin.id
            || (sample.recording.is_empty() && std::ptr::eq(part, recording))
    };
    let samples = recording.samples.iter().filter(of_part);
    let going_on = samples.filter(|sample| sample.finished >= seen && sample.has(abi, number));
    let sample = going_on.min_by_key(|sample| (sample.finished, &sample.name))?;
    Some(First {
        sample: sample.name.clone(),
        recording: part.origin.id.clone(),
        finished: sample.finished,
    })
}

impl Seen {
    /// The same, of only those calls whose values are wanted; `None` if values were kept and none is.
    pub fn only(&self, wanted: impl Fn(&Args) -> bool) -> Option<Self> {
        if self.values.is_empty() {
            return Some(self.clone());
        }
        let values: Vec<Value> =
            self.values.iter().filter(|value| wanted(&value.args)).cloned().collect();
        let mut programs: BTreeMap<String, u64> = BTreeMap::new();
        for (program, count) in values.iter().flat_map(|value| &value.programs) {
            let sum = programs.entry(program.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        let firsts = values.iter().filter_map(|value| value.first.clone());
        Some(Self {
            count: values.iter().fold(0, |sum, value| sum.saturating_add(value.count)),
            first_seen: self.first_seen,
            programs,
            phases: BTreeMap::new(),
            first: firsts.min_by_key(|first| (first.finished, first.sample.clone())),
            samples: BTreeSet::new(),
            more_samples: 0,
            values,
        })
        .filter(|seen| seen.count > 0)
    }

    /// Whether it was made in so many tests that none of them is of note.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.more_samples > 0
    }

    /// The program that made it most often, and how many others did.
    #[must_use]
    pub fn foremost(&self) -> Option<(&str, usize)> {
        let most =
            self.programs.iter().max_by_key(|(path, count)| (**count, std::cmp::Reverse(*path)));
        most.map(|(path, _)| (path.as_str(), self.programs.len() - 1))
    }
}

/// Where the evidence of a profile is: `app.evidence.json`, for `app.json`.
#[must_use]
pub fn beside(profile: &Path) -> PathBuf {
    let name = profile.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    profile.with_file_name(format!("{stem}.evidence.json"))
}

#[cfg(test)]
mod tests;
