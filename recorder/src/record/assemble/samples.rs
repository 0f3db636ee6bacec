//! Samples: the calls between two marks, which are those of one test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use probe_common::ArgumentsKey;

use crate::record::probe::{Snapshot, abi_of_set, values_of};
use strait_generator::abi::Abi;
use strait_generator::observation::Values;
use strait_generator::recording::Sample;

/// The samples of a run.
#[derive(Debug, Default)]
pub struct Marks {
    /// What was counted up to the last mark, by set and number.
    before: HashMap<(u32, u32), u64>,
    /// The same of calls whose arguments are kept, by these.
    before_values: HashMap<ArgumentsKey, u64>,
    taken: Vec<Taken>,
}

#[derive(Debug)]
struct Taken {
    name: String,
    /// Nanoseconds of the probe's clock.
    at: u64,
    calls: Vec<((u32, u32), u64)>,
    /// Calls with the values of their arguments.
    values: Vec<ArgumentsKey>,
}

impl Marks {
    /// Ends a sample: what was counted since the last one is its.
    pub fn take(&mut self, name: String, at: u64, snapshot: &Snapshot) {
        let mut calls = Vec::new();
        for (key, count) in counts(snapshot) {
            let before = self.before.insert(key, count).unwrap_or_default();
            if count > before {
                calls.push((key, count - before));
            }
        }
        let mut values = Vec::new();
        for (key, seen) in &snapshot.arguments {
            let before = self.before_values.insert(*key, seen.count).unwrap_or_default();
            if seen.count > before {
                values.push(*key);
            }
        }
        self.taken.push(Taken { name, at, calls, values });
    }

    /// What each sample has of the sets of a snapshot; samples without any are left out. `native` and
    /// `start` are as for [`assemble`](super::assemble).
    pub fn samples(&self, snapshot: &Snapshot, native: u32, start: u64) -> Vec<Sample> {
        let abis: BTreeMap<u32, Abi> = snapshot
            .sets
            .iter()
            .filter_map(|counts| {
                let abi = u32::from(counts.program.key.abi);
                Some((counts.set, abi_of_set(counts.set, abi, native)?))
            })
            .collect();
        let samples = self.taken.iter().map(|taken| {
            let mut calls: BTreeMap<Abi, BTreeMap<u32, u64>> = BTreeMap::new();
            for ((set, number), count) in &taken.calls {
                if let Some(abi) = abis.get(set) {
                    *calls.entry(*abi).or_default().entry(*number).or_default() += count;
                }
            }
            let mut values: BTreeMap<Abi, BTreeMap<u32, BTreeSet<Vec<u64>>>> = BTreeMap::new();
            for key in &taken.values {
                let Some(abi) = abis.get(&key.set) else { continue };
                if let Values::Kept(kept) = values_of(*abi, key) {
                    let of_abi = values.entry(*abi).or_default();
                    of_abi.entry(key.number).or_default().insert(kept);
                }
            }
            let finished = Duration::from_nanos(taken.at.saturating_sub(start));
            Sample { recording: String::new(), finished, name: taken.name.clone(), calls, values }
        });
        samples.filter(|sample| !sample.calls.is_empty()).collect()
    }

    /// Leaves out what `strait mark` itself has called, which is no part of the workload.
    pub fn without_own_calls(&self, mut snapshot: Snapshot) -> Snapshot {
        if self.taken.is_empty() {
            return snapshot;
        }
        let Ok(own) = std::fs::metadata("/proc/self/exe").map(|file| file.ino()) else {
            return snapshot;
        };
        let mut gone = BTreeSet::new();
        snapshot.sets.retain(|counts| {
            let stays = counts.program.key.inode != own || !is_strait(&counts.program);
            if !stays {
                gone.insert(counts.set);
            }
            stays
        });
        snapshot.unknown.retain(|(key, _)| !gone.contains(&key.set));
        snapshot.refusals.retain(|(key, _)| !gone.contains(&key.set));
        snapshot.arguments.retain(|(key, _)| !gone.contains(&key.set));
        snapshot
    }
}

/// The same inode on another device is another file. Devices cannot be compared (overlayfs and btrfs have
/// other numbers within the kernel), but names can.
fn is_strait(program: &probe_common::Program) -> bool {
    let end = program.filename.iter().position(|byte| *byte == 0);
    let path = program.filename.split_at(end.unwrap_or(program.filename.len())).0;
    let name = Path::new(std::ffi::OsStr::from_bytes(path)).file_name();
    std::env::current_exe().is_ok_and(|own| own.file_name() == name)
}

/// All counters by set and number. Calls whose arguments are kept are counted with these.
fn counts(snapshot: &Snapshot) -> HashMap<(u32, u32), u64> {
    let known = snapshot.sets.iter().flat_map(|counts| {
        counts.calls.iter().map(|(number, seen)| ((counts.set, *number), seen.count))
    });
    let unknown = snapshot.unknown.iter().map(|(key, seen)| ((key.set, key.number), seen.count));
    let by_arguments =
        snapshot.arguments.iter().map(|(key, seen)| ((key.set, key.number), seen.count));
    let mut counts = HashMap::new();
    for (key, count) in known.chain(unknown).chain(by_arguments) {
        *counts.entry(key).or_default() += count;
    }
    counts
}

#[cfg(test)]
mod tests {
    use probe_common::{PATH_LEN, Program, ProgramKey, SET_FIRST, Seen};

    use super::*;
    use crate::record::probe::SetCounts;

    fn snapshot(counts: &[(u32, u32, u64)]) -> Snapshot {
        let mut sets: BTreeMap<u32, SetCounts> = BTreeMap::new();
        for (set, number, count) in counts {
            let program = Program {
                key: ProgramKey { abi: (set % 2) as u16, ..ProgramKey::default() },
                pid: 0,
                ready: 1,
                filename: [0; PATH_LEN],
                interp: [0; PATH_LEN],
            };
            let of_set = sets.entry(*set).or_insert_with(|| SetCounts {
                set: *set,
                program,
                calls: Vec::new(),
            });
            of_set.calls.push((*number, Seen { count: *count, first: 1 }));
        }
        Snapshot { sets: sets.into_values().collect(), ..Snapshot::default() }
    }

    #[test]
    fn a_sample_has_what_was_called_since_the_last_mark() {
        let mut marks = Marks::default();
        let (one, other) = (u32::from(SET_FIRST), u32::from(SET_FIRST) + 1);
        marks.take("first".to_owned(), 5_000_000, &snapshot(&[(one, 0, 3), (other, 1, 1)]));
        marks.take("idle".to_owned(), 6_000_000, &snapshot(&[(one, 0, 3), (other, 1, 1)]));
        let last = snapshot(&[(one, 0, 4), (one, 41, 2), (other, 1, 1)]);
        marks.take("second".to_owned(), 9_000_000, &last);
        let samples = marks.samples(&last, 0, 1_000_000);
        let names: Vec<_> = samples.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
        assert_eq!(samples[1].finished, Duration::from_millis(8));
        let counts: Vec<_> = samples[1].calls.values().collect();
        assert_eq!(counts, [&BTreeMap::from([(0, 1), (41, 2)])]);
        let first: u64 = samples[0].calls.values().flat_map(BTreeMap::values).sum();
        assert_eq!(first, 4);
    }

    #[test]
    fn a_sample_has_the_values_with_which_calls_were_made_in_it() {
        let set = u32::from(SET_FIRST);
        let key = |number, values| ArgumentsKey { set, number, values };
        let of = |arguments: &[(ArgumentsKey, u64)]| Snapshot {
            arguments: arguments
                .iter()
                .map(|(key, count)| (*key, Seen { count: *count, first: 1 }))
                .collect(),
            ..snapshot(&[(set, 0, 3)])
        };
        let (one, other) = (key(41, [1, 1, 0]), key(41, [2, 1, 6]));
        let mut marks = Marks::default();
        marks.take("first".to_owned(), 1, &of(&[(one, 1)]));
        let last = of(&[(one, 1), (other, 2)]);
        marks.take("second".to_owned(), 2, &last);
        let samples = marks.samples(&last, 0, 0);
        let values: Vec<_> = samples.iter().map(|sample| &sample.values[&Abi::X86_64]).collect();
        let with = |values: [u64; 3]| BTreeMap::from([(41, BTreeSet::from([values.to_vec()]))]);
        assert_eq!(values, [&with([1, 1, 0]), &with([2, 1, 6])]);
        assert_eq!(samples[1].calls[&Abi::X86_64], BTreeMap::from([(41, 2)]));
    }

    #[test]
    fn sets_of_another_container_are_not_in_its_samples() {
        let mut marks = Marks::default();
        let one = u32::from(SET_FIRST);
        marks.take("t".to_owned(), 1, &snapshot(&[(one, 0, 3), (one + 1, 1, 1)]));
        let samples = marks.samples(&snapshot(&[(one, 0, 3)]), 0, 0);
        let counts: Vec<_> = samples[0].calls.values().flat_map(BTreeMap::values).collect();
        assert_eq!(counts, [&3]);
    }
}
