//! Samples: the calls between two marks, which are those of one test.

use std::collections::{BTreeMap, HashMap};

use super::counters::{Counters, OfProgram};
use crate::record::time::monotonic;
use strait_generator::abi::Abi;
use strait_generator::recording::{Program, Sample};

/// The samples of a run.
#[derive(Default)]
pub struct Samples {
    /// What was counted up to the last mark.
    before: HashMap<OfProgram, u64>,
    taken: Vec<(Sample, Vec<(OfProgram, u64)>)>,
}

impl Samples {
    /// Ends a sample: what was counted since the last one is its.
    pub fn take(&mut self, name: String, counters: &Counters) {
        let now = counters.totals();
        let since = |(key, count): (&OfProgram, &u64)| {
            let before = self.before.get(key).copied().unwrap_or_default();
            (*count > before).then(|| (*key, count - before))
        };
        let calls = now.iter().filter_map(since).collect();
        let finished = counters.since_start(monotonic());
        let sample = Sample { recording: String::new(), finished, name, calls: BTreeMap::new() };
        self.taken.push((sample, calls));
        self.before = now;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// All of them, without those that have no calls, and without the calls of executables that `is_own` says are
    /// Strait's.
    pub fn all(&self, counters: &Counters, is_own: impl Fn(&Program) -> bool) -> Vec<Sample> {
        let all = self.taken.iter().map(|(sample, counts)| {
            let mut calls: BTreeMap<Abi, BTreeMap<u32, u64>> = BTreeMap::new();
            for ((program, call), count) in counts {
                if counters.tasks.program(*program).is_some_and(|program| !is_own(program)) {
                    *calls.entry(call.abi).or_default().entry(call.number).or_default() += count;
                }
            }
            Sample { calls, ..sample.clone() }
        });
        all.filter(|sample| !sample.calls.is_empty()).collect()
    }
}
