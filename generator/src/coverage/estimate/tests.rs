use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

mod plot;

/// A recording of a real run.
#[derive(Deserialize)]
struct Fixture {
    everywhere: Vec<String>,
    pairs: Vec<String>,
    samples: Vec<String>,
}

fn tools() -> Vec<BTreeSet<usize>> {
    let text = include_str!("../../../../tests/fixtures/coverage/tools.json");
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    let everywhere = fixture.pairs.len()..fixture.pairs.len() + fixture.everywhere.len();
    let sample = |text: &String| {
        let own = text.split(' ').filter(|one| !one.is_empty()).map(|one| one.parse().unwrap());
        own.chain(everywhere.clone()).collect()
    };
    fixture.samples.iter().map(sample).collect()
}

fn incidence(samples: &[BTreeSet<usize>]) -> Incidence {
    Incidence::new(Unit::Test, samples.iter().cloned())
}

/// xorshift64*: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() * end as f64) as usize
    }
}

/// How often the intervals hold the truth: for all pairs, for the coverage, for new pairs.
fn rates(
    times: usize,
    probabilities: &[f64],
    mut draw: impl FnMut() -> Vec<BTreeSet<usize>>,
) -> [f64; 3] {
    let all: f64 = probabilities.iter().sum();
    let total = probabilities.iter().filter(|one| **one > 0.0).count() as f64;
    let mut hits = [0; 3];
    for _ in 0..times {
        let samples = draw();
        let seen: BTreeSet<usize> = samples.iter().flatten().copied().collect();
        let missing: f64 = probabilities
            .iter()
            .enumerate()
            .filter(|(pair, _)| !seen.contains(pair))
            .map(|(_, probability)| probability)
            .sum();
        let found = estimate(&incidence(&samples)).unwrap();
        let holds = |interval: Interval, truth| interval.low <= truth && truth <= interval.high;
        let held = [
            holds(found.total, total),
            holds(found.coverage, 1.0 - missing / all),
            holds(found.new, missing),
        ];
        hits.iter_mut().zip(held).for_each(|(hits, held)| *hits += usize::from(held));
    }
    hits.map(|hits| hits as f64 / times as f64)
}

const STATED: f64 = 0.95;
const MOST_OFF: f64 = 0.05;

fn assert_stated(rates: [f64; 3], of: &str) {
    for (rate, what) in rates.into_iter().zip(["all pairs", "coverage", "new pairs"]) {
        assert!((rate - STATED).abs() <= MOST_OFF + 1e-9, "{of}: {what} {rate}");
    }
}

fn frequencies(samples: &[BTreeSet<usize>]) -> Vec<f64> {
    let most = samples.iter().flatten().max().copied().unwrap_or_default();
    let mut counts = vec![0.0; most + 1];
    samples.iter().flatten().for_each(|pair| counts[*pair] += 1.0);
    counts.iter().map(|count| count / samples.len() as f64).collect()
}

/// Sub-samples of a run of 300 tests, as if it were all that there is.
#[test]
fn intervals_hold_the_truth_of_a_real_run_as_often_as_they_say() {
    let all = tools();
    assert!(all.len() >= 200);
    let mut numbers = Numbers(7);
    for size in [10, 20, 50, 100, 200] {
        let draw = || (0..size).map(|_| all[numbers.below(all.len())].clone()).collect();
        let rates = rates(400, &frequencies(&all), draw);
        println!("real, {size} samples: {rates:?}");
        assert_stated(rates, &format!("{size} samples"));
    }
}

/// Populations of 150 pairs of which each is in another share of the samples: some in nearly all, many in few.
#[test]
fn intervals_hold_the_truth_of_populations_that_are_known() {
    let mut numbers = Numbers(11);
    for (name, shape) in [("even", 1.0), ("skewed", 2.0), ("very skewed", 3.0)] {
        let probabilities: Vec<f64> =
            (0..150).map(|_| (0.005 + 0.6 * numbers.next().powf(shape)).min(1.0)).collect();
        for size in [20, 50, 100] {
            let mut draw = || -> Vec<BTreeSet<usize>> {
                let mut sample = || {
                    let made = probabilities.iter().enumerate();
                    made.filter(|(_, one)| numbers.next() < **one).map(|(pair, _)| pair).collect()
                };
                (0..size).map(|_| sample()).collect()
            };
            let rates = rates(300, &probabilities, &mut draw);
            println!("{name}, {size} samples: {rates:?}");
            assert_stated(rates, &format!("{name}, {size} samples"));
        }
    }
}

/// Against the formulas as they stand in the papers, by hand: 4 pairs in one sample, 2 in two, 1 in five, of 5.
#[test]
fn figures_are_those_of_the_formulas() {
    let sets = [vec![0, 4, 5, 6], vec![1, 4, 6], vec![2, 5, 6], vec![3, 6], vec![6]];
    let samples: Vec<BTreeSet<usize>> = sets.map(|set| set.into_iter().collect()).to_vec();
    let found = estimate(&incidence(&samples)).unwrap();
    let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} {other}");
    assert_eq!((found.samples, found.seen, found.once), (5, 7, 4));
    close(found.total.estimate, 7.0 + 0.8 * 4.0 * 3.0 / (2.0 * 3.0));
    close(found.new.estimate, 0.8);
    close(found.coverage.estimate, 1.0 - 4.0 / 13.0 * (16.0 / (16.0 + 4.0)));
    // Of one sample: the mean of their sizes. Of four: without each in turn.
    close(found.curve[0].1, 13.0 / 5.0);
    close(found.curve[3].1, (6.0 + 6.0 + 6.0 + 6.0 + 7.0) / 5.0);
    close(found.curve[4].1, 7.0);
}

#[test]
fn the_order_of_samples_changes_nothing() {
    let mut samples = tools();
    let one = estimate(&incidence(&samples)).unwrap();
    samples.reverse();
    let other = estimate(&incidence(&samples)).unwrap();
    let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
    assert!(close(one.total.high, other.total.high) && close(one.coverage.low, other.coverage.low));
    assert!(one.curve.iter().zip(&other.curve).all(|(a, b)| close(a.1, b.1)));
}

#[test]
fn few_samples_and_empty_ones_give_no_estimate() {
    let one = BTreeSet::from([1]);
    let few = estimate(&incidence(&vec![one.clone(); 4]));
    assert_eq!(few, Err(TooFew { unit: Unit::Test, samples: 4 }));
    assert!(estimate(&incidence(&vec![BTreeSet::new(); 9])).is_err());
    let same = estimate(&incidence(&vec![one; 5])).unwrap();
    assert_eq!((same.coverage.estimate, same.new.estimate, same.total.estimate), (1.0, 0.0, 1.0));
    assert!(same.new.high > 0.5, "five samples say little: {same:?}");
}

/// Nothing is what a division by zero makes, whatever the samples are.
#[test]
fn every_figure_is_a_number() {
    let mut numbers = Numbers(3);
    for round in 0..2000 {
        let (samples, pairs) = (5 + round % 7, 1 + round % 5);
        let sample = |_| (0..pairs).filter(|_| numbers.next() < 0.4).collect();
        let samples: Vec<BTreeSet<usize>> = (0..samples).map(sample).collect();
        let Ok(found) = estimate(&incidence(&samples)) else { continue };
        for Interval { estimate, low, high } in [found.total, found.coverage, found.new] {
            assert!(
                low <= estimate && estimate <= high && low >= 0.0 && high.is_finite(),
                "{found:?}"
            );
        }
        assert!(found.coverage.high <= 1.0);
    }
}
