//! Which calls were made by one program or in one sample and by no other: those that a profile would lose
//! without it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::abi::Abi;
use crate::recording::Recording;

/// A program or a sample.
pub(super) struct Caller<'a> {
    /// Path of the program, or name of the sample.
    pub name: &'a str,
    /// How many different calls it made.
    pub calls: usize,
    /// How many it made of all of them.
    pub count: u64,
    /// The calls that were made by it alone, by ABI and name.
    pub only: Vec<(Abi, u32)>,
}

/// How often each call was made by each caller.
type Counts<'a> = BTreeMap<&'a str, BTreeMap<(Abi, u32), u64>>;

/// Every program that made a call; those with most calls of their own first.
pub(super) fn programs(recording: &Recording) -> Vec<Caller<'_>> {
    let mut counts = Counts::new();
    for (abi, number, call) in recording.iter() {
        for (path, count) in &call.programs {
            counts.entry(path).or_default().insert((abi, number), *count);
        }
    }
    callers(recording, counts)
}

/// Every name of samples; those with most calls of their own first. A test that was recorded twice has two
/// samples of one name, which count as one.
pub(super) fn samples(recording: &Recording) -> Vec<Caller<'_>> {
    let mut counts = Counts::new();
    for sample in &recording.samples {
        let of_name = counts.entry(sample.name.as_str()).or_default();
        for (abi, number, count) in sample.iter() {
            let sum = of_name.entry((abi, number)).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    callers(recording, counts)
}

fn callers<'a>(recording: &Recording, counts: Counts<'a>) -> Vec<Caller<'a>> {
    let total: BTreeMap<(Abi, u32), u64> =
        recording.iter().map(|(abi, number, call)| ((abi, number), call.count)).collect();
    // What was called outside of all samples is missing from their counts, and so is made by none alone.
    let is_only = |(key, count): &(&(Abi, u32), &u64)| **count > 0 && total.get(key) == Some(count);
    let mut callers: Vec<Caller<'_>> = counts
        .into_iter()
        .map(|(name, calls)| {
            let mut only: Vec<_> = calls.iter().filter(is_only).map(|(key, _)| *key).collect();
            only.sort_by_key(|(abi, number)| (*abi, super::calls::name(*abi, *number)));
            let count = calls.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
            Caller { name, calls: calls.len(), count, only }
        })
        .collect();
    callers.sort_by_key(|caller| (Reverse(caller.only.len()), Reverse(caller.calls), caller.name));
    callers
}
