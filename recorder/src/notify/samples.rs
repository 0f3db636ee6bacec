//! Samples: the calls between two marks, which are those of one test.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::counters::{Counters, OfProgram};
use crate::record::time::monotonic;
use strait_generator::abi::Abi;
use strait_generator::recording::{Program, Sample};

/// The samples of a run.
#[derive(Default)]
pub struct Samples {
    /// What was counted up to the last mark.
    before: HashMap<OfProgram, u64>,
    /// The same of calls whose arguments are kept, by these.
    before_values: HashMap<(OfProgram, Vec<u64>), u64>,
    taken: Vec<Taken>,
}

struct Taken {
    /// Without its calls.
    sample: Sample,
    calls: Vec<(OfProgram, u64)>,
    values: Vec<(OfProgram, Vec<u64>)>,
}

impl Samples {
    /// Ends a sample: what was counted since the last one is its.
    pub fn take(&mut self, name: String, counters: &Counters) {
        let (now, by_values) = (counters.totals(), counters.totals_by_values());
        let since = |(key, count): (&OfProgram, &u64)| {
            let before = self.before.get(key).copied().unwrap_or_default();
            (*count > before).then(|| (*key, count - before))
        };
        let calls = now.iter().filter_map(since).collect();
        let finished = counters.since_start(monotonic());
        let is_new = |(key, count): &(&(OfProgram, Vec<u64>), &u64)| {
            **count > self.before_values.get(*key).copied().unwrap_or_default()
        };
        let values = by_values.iter().filter(is_new).map(|(key, _)| key.clone()).collect();
        let sample = Sample {
            recording: String::new(),
            finished,
            name,
            calls: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        self.taken.push(Taken { sample, calls, values });
        self.before = now;
        self.before_values = by_values;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// All of them, without those that have no calls, and without the calls of executables that `is_own` says are
    /// Strait's.
    pub fn all(&self, counters: &Counters, is_own: impl Fn(&Program) -> bool) -> Vec<Sample> {
        let is_kept = |program| counters.tasks.program(program).is_some_and(|one| !is_own(one));
        let all = self.taken.iter().map(|taken| {
            let mut calls: BTreeMap<Abi, BTreeMap<u32, u64>> = BTreeMap::new();
            for ((program, call), count) in &taken.calls {
                if is_kept(*program) {
                    *calls.entry(call.abi).or_default().entry(call.number).or_default() += count;
                }
            }
            let mut values: BTreeMap<Abi, BTreeMap<u32, BTreeSet<Vec<u64>>>> = BTreeMap::new();
            for ((program, call), kept) in &taken.values {
                if is_kept(*program) {
                    let of_abi = values.entry(call.abi).or_default();
                    of_abi.entry(call.number).or_default().insert(kept.clone());
                }
            }
            Sample { calls, values, ..taken.sample.clone() }
        });
        all.filter(|sample| !sample.calls.is_empty()).collect()
    }
}
