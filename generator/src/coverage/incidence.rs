//! Which pairs of a call and its arguments were made in which samples.

use std::collections::{BTreeMap, BTreeSet};

use crate::abi::Abi;
use crate::recording::{Call, Recording, Sample};

/// A call, and the values of its arguments if these are kept.
pub(super) type Pair = (Abi, u32, Vec<u64>);

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A part of a run that `strait mark` ended: a test.
    Test,
    /// A whole recording, of those that were merged.
    Recording,
}

impl Unit {
    /// What one is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Recording => "recording",
        }
    }
}

/// Samples, each as what was made in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incidence {
    pub unit: Unit,
    /// For each sample the numbers of its pairs, ascending.
    pub samples: Vec<Vec<usize>>,
    /// How many samples have each pair; none is zero.
    pub frequencies: Vec<usize>,
}

impl Incidence {
    /// The samples of a recording; where it has less than two, the recordings that it was merged from.
    pub fn of(recording: &Recording) -> Self {
        if recording.samples.len() < 2 && recording.origin.parts.len() > 1 {
            let parts = recording.origin.parts.iter();
            return Self::new(Unit::Recording, parts.map(of_recording));
        }
        Self::new(Unit::Test, recording.samples.iter().map(pairs_of))
    }

    pub fn new<T: Ord>(unit: Unit, samples: impl Iterator<Item = BTreeSet<T>>) -> Self {
        let mut numbers: BTreeMap<T, usize> = BTreeMap::new();
        let mut frequencies: Vec<usize> = Vec::new();
        let mut number = |pair| {
            let number = *numbers.entry(pair).or_insert(frequencies.len());
            match frequencies.get_mut(number) {
                Some(frequency) => *frequency += 1,
                None => frequencies.push(1),
            }
            number
        };
        let samples = samples
            .map(|pairs| {
                let mut pairs: Vec<usize> = pairs.into_iter().map(&mut number).collect();
                pairs.sort_unstable();
                pairs
            })
            .collect();
        Self { unit, samples, frequencies }
    }
}

/// A call without values counts as one pair.
fn pairs<'a>(
    abi: Abi,
    number: u32,
    values: impl Iterator<Item = &'a Vec<u64>>,
) -> impl Iterator<Item = Pair> {
    let mut values = values.cloned().peekable();
    let none = values.peek().is_none().then(Vec::new);
    values.chain(none).map(move |values| (abi, number, values))
}

/// What was made in a sample.
pub(super) fn pairs_of(sample: &Sample) -> BTreeSet<Pair> {
    let values = |abi, number| sample.values.get(&abi).and_then(|calls| calls.get(&number));
    let of_call = |(abi, number, _)| pairs(abi, number, values(abi, number).into_iter().flatten());
    sample.iter().flat_map(of_call).collect()
}

fn of_recording(recording: &Recording) -> BTreeSet<Pair> {
    let of_call = |(abi, number, call)| {
        let call: &Call = call;
        pairs(abi, number, call.arguments.iter().flat_map(|kept| kept.values.keys()))
    };
    recording.iter().flat_map(of_call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::example::with_values;

    #[test]
    fn a_call_with_other_arguments_is_another_pair() {
        let mut recording = with_values(&[("socket", &[&[1, 1, 0]])]);
        let sample = |values: &[[u64; 3]]| Sample {
            recording: String::new(),
            finished: std::time::Duration::ZERO,
            name: "t".to_owned(),
            calls: BTreeMap::from([(Abi::X86_64, BTreeMap::from([(41, 1), (0, 9)]))]),
            values: BTreeMap::from([(
                Abi::X86_64,
                BTreeMap::from([(41, values.iter().map(|one| one.to_vec()).collect())]),
            )]),
        };
        recording.samples = vec![sample(&[[1, 1, 0]]), sample(&[[1, 1, 0], [2, 1, 6]])];
        let found = Incidence::of(&recording);
        assert_eq!(found.unit, Unit::Test);
        let mut frequencies = found.frequencies.clone();
        frequencies.sort_unstable();
        assert_eq!(frequencies, [1, 2, 2]);
        assert_eq!(found.samples.iter().map(Vec::len).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn recordings_that_were_merged_are_samples_where_there_are_no_others() {
        let mut recording = with_values(&[("socket", &[&[1, 1, 0], &[2, 1, 6]])]);
        recording.origin.parts = vec![
            with_values(&[("socket", &[&[1, 1, 0]])]),
            with_values(&[("socket", &[&[2, 1, 6]])]),
        ];
        let found = Incidence::of(&recording);
        assert_eq!((found.unit, found.frequencies), (Unit::Recording, vec![1, 1]));
    }
}
