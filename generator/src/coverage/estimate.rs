//! How much more there is than was seen: what the pairs that few samples have tell about those that none has.
//!
//! All of it is about *samples of the same kind* and *pairs* of a call and its arguments. With `T` samples, `S` pairs in
//! all of them together, `U` the sum of their frequencies, and `Qk` pairs that exactly `k` samples have:
//!
//! - curve: `S(t) = S − Σ C(T−q, t) / C(T, t)` over the frequencies `q`, the mean over all choices of `t` samples, so
//!   that no order matters (Hurlbert 1971; Colwell, Mao and Chang 2004)
//! - missing mass: of all incidences in another sample, the share of pairs that were not seen, Good–Turing as refined for
//!   samples: `Q1/U · (T−1)Q1 / ((T−1)Q1 + 2Q2)` (Good 1953; Chao and Jost 2012)
//! - new pairs in another sample: `Q1/T` (Good 1953)
//! - all pairs: Chao2, bias-corrected: `S + (T−1)/T · Q1(Q1−1) / (2(Q2+1))` (Chao 1987; Chao and Colwell 2017). Where
//!   very many pairs are very rare that is a lower bound
//!
//! Intervals are of 95 %, log-normal about what is missing (Chao 1987). Pairs come together: a test that connects makes
//! ten new ones at once. Formulas of the variance take them as independent, so that it is taken from a jackknife over
//! samples where that is larger (Efron and Stein 1981), with Student's quantile. `tests` holds the intervals against
//! populations that are known and against a real recording.

use std::collections::BTreeMap;

use super::incidence::{Incidence, Unit};

/// Fewer samples tell nothing.
pub const FEWEST: usize = 5;

/// Most points of the curve.
const POINTS: usize = 24;

/// With 95 % certainty what happened in none of `T` samples has a rate of less than 3/T.
const NEVER_SEEN: f64 = 3.0;

/// A number that is estimated, and where it is with 95 % certainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// It is not less.
    pub low: f64,
    /// It is not more.
    pub high: f64,
}

/// How much there is besides what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// What a sample is.
    pub unit: Unit,
    /// How many there are.
    pub samples: usize,
    /// Pairs of a call and its arguments in all of them together.
    pub seen: usize,
    /// Pairs that only one of them has.
    pub once: usize,
    /// All pairs that there are, seen or not.
    pub total: Interval,
    /// Of the pairs in another sample, the share that was seen, 0 to 1.
    pub coverage: Interval,
    /// Pairs in another sample that were not seen.
    pub new: Interval,
    /// Pairs in so many samples, on average.
    pub curve: Vec<(usize, f64)>,
}

/// Why nothing is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// What a sample is.
    pub unit: Unit,
    /// How many there are.
    pub samples: usize,
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples and pairs are far below 2^52")]
const fn float(count: usize) -> f64 {
    count as f64
}

/// How many pairs one, two and three samples have, and the sum of all frequencies.
#[derive(Clone, Copy)]
struct Counts {
    samples: usize,
    pairs: usize,
    once: usize,
    twice: usize,
    incidences: usize,
}

impl Counts {
    fn of(incidence: &Incidence) -> Self {
        let with = |times| incidence.frequencies.iter().filter(|count| **count == times).count();
        Self {
            samples: incidence.samples.len(),
            pairs: incidence.frequencies.len(),
            once: with(1),
            twice: with(2),
            incidences: incidence.frequencies.iter().sum(),
        }
    }

    /// The same without one of the samples.
    fn without(self, sample: &[usize], frequencies: &[usize]) -> Self {
        let with =
            |times| sample.iter().filter(|pair| frequencies.get(**pair) == Some(&times)).count();
        let (once, twice, thrice) = (with(1), with(2), with(3));
        Self {
            samples: self.samples - 1,
            pairs: self.pairs - once,
            once: self.once - once + twice,
            twice: self.twice - twice + thrice,
            incidences: self.incidences - sample.len(),
        }
    }

    fn new_pairs(self) -> f64 {
        float(self.once) / float(self.samples)
    }

    fn missing_mass(self) -> f64 {
        if self.once == 0 || self.incidences == 0 {
            return 0.0;
        }
        let rare = float(self.samples - 1) * float(self.once);
        float(self.once) / float(self.incidences) * rare / (rare + 2.0 * float(self.twice))
    }

    /// Pairs that were not seen, by Chao2.
    fn unseen(self) -> f64 {
        let (once, twice) = (float(self.once), float(self.twice));
        let shrink = float(self.samples - 1) / float(self.samples);
        shrink * once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0))
    }

    /// The variance of [`unseen`](Self::unseen) if pairs were independent: Chao 1987, as in the appendix of EstimateS
    /// (equations 6 and 7).
    fn variance(self) -> f64 {
        let (once, twice) = (float(self.once), float(self.twice));
        let shrink = float(self.samples - 1) / float(self.samples);
        let square = shrink * shrink;
        if self.twice == 0 {
            let total = float(self.pairs) + self.unseen();
            let less = if total > 0.0 { square * once.powi(4) / (4.0 * total) } else { 0.0 };
            let more = shrink * once * (once - 1.0).max(0.0) / 2.0
                + square * once * (2.0 * once - 1.0).powi(2) / 4.0;
            return (more - less).max(0.0);
        }
        shrink * once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0))
            + square * once * (2.0 * once - 1.0).powi(2) / (4.0 * (twice + 1.0).powi(2))
            + square * once.powi(2) * twice * (once - 1.0).powi(2) / (4.0 * (twice + 1.0).powi(4))
    }
}

/// The quantile of 97.5 % of Student's distribution, by its expansion about the normal one (Abramowitz and Stegun
/// 26.7.5).
fn student(freedom: usize) -> f64 {
    let (z, n) = (1.959_964_f64, float(freedom));
    let z3 = z.powi(3);
    let z5 = z.powi(5);
    let z7 = z.powi(7);
    z + (z3 + z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n.powi(3))
}

/// By what factor something may be larger, with this share of its variance.
fn factor(quantile: f64, variance: f64, value: f64) -> f64 {
    (quantile * (variance / (value * value)).ln_1p().sqrt()).exp()
}

/// The variance of a figure by leaving out each sample in turn.
fn jackknife(incidence: &Incidence, counts: Counts, figure: impl Fn(Counts) -> f64) -> f64 {
    let figures: Vec<f64> = incidence
        .samples
        .iter()
        .map(|sample| figure(counts.without(sample, &incidence.frequencies)))
        .collect();
    let count = float(figures.len());
    let mean = figures.iter().sum::<f64>() / count;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    squares * (count - 1.0) / count
}

/// A rate that is 0 or more. `least`: what its upper end is if it was never seen to be more than 0.
fn rate(
    incidence: &Incidence,
    counts: Counts,
    least: f64,
    figure: impl Fn(Counts) -> f64,
) -> Interval {
    let estimate = figure(counts);
    if estimate <= 0.0 {
        return Interval { estimate: 0.0, low: 0.0, high: least };
    }
    let (quantile, variance) = (student(counts.samples - 1), jackknife(incidence, counts, figure));
    let low = (estimate - quantile * variance.sqrt()).max(0.0);
    Interval { estimate, low, high: (estimate * factor(quantile, variance, estimate)).max(least) }
}

/// All pairs. They are counted, so that the ends are whole numbers.
fn total(incidence: &Incidence, counts: Counts) -> Interval {
    let (seen, unseen) = (float(counts.pairs), counts.unseen());
    let by_samples = jackknife(incidence, counts, |counts| float(counts.pairs) + counts.unseen());
    let variance = counts.variance().max(by_samples);
    // With no pair, or a single one, that only one sample has, Chao2 is the number of those that were seen, and its
    // interval is empty; a pair that is missing is then half a pair, or a quarter.
    let least = if counts.once > 0 { 0.5 } else { 0.25 };
    let (unseen_at_least, variance) =
        if unseen > least { (unseen, variance) } else { (least, variance.max(least * least)) };
    let factor = factor(student(counts.samples - 1), variance, unseen_at_least);
    Interval {
        estimate: seen + unseen,
        low: (seen + unseen_at_least / factor).floor(),
        high: (seen + unseen_at_least * factor).ceil(),
    }
}

/// The mean number of pairs in so many of the samples, for some numbers of samples.
fn curve(incidence: &Incidence) -> Vec<(usize, f64)> {
    let samples = incidence.samples.len();
    let step = samples.div_ceil(POINTS).max(1);
    let mut curve = Vec::new();
    // For each frequency, how many pairs have it, and the share of choices that have none of them.
    let mut by_frequency: BTreeMap<usize, (usize, f64)> = BTreeMap::new();
    for frequency in &incidence.frequencies {
        by_frequency.entry(*frequency).or_insert((0, 1.0)).0 += 1;
    }
    for taken in 1..=samples {
        let left = float(samples - taken + 1);
        for (frequency, (_, share)) in &mut by_frequency {
            *share *= (left - float(*frequency)).max(0.0) / left;
        }
        if taken == 1 || taken == samples || taken % step == 0 {
            let seen = by_frequency.values().map(|(pairs, share)| float(*pairs) * (1.0 - share));
            curve.push((taken, seen.sum()));
        }
    }
    curve
}

/// Estimates what is missing.
pub(super) fn estimate(incidence: &Incidence) -> Result<Estimate, TooFew> {
    let counts = Counts::of(incidence);
    if counts.samples < FEWEST || counts.incidences == 0 {
        return Err(TooFew { unit: incidence.unit, samples: counts.samples });
    }
    let (samples, each) = (float(counts.samples), float(counts.incidences) / float(counts.samples));
    let mass = rate(incidence, counts, NEVER_SEEN / samples / each, Counts::missing_mass);
    Ok(Estimate {
        unit: incidence.unit,
        samples: counts.samples,
        seen: counts.pairs,
        once: counts.once,
        total: total(incidence, counts),
        coverage: Interval {
            estimate: 1.0 - mass.estimate,
            low: (1.0 - mass.high).max(0.0),
            high: 1.0 - mass.low,
        },
        new: rate(incidence, counts, NEVER_SEEN / samples, Counts::new_pairs),
        curve: curve(incidence),
    })
}

#[cfg(test)]
mod tests;
