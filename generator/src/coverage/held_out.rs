//! What would have become of each test under a profile that was made without it.
//!
//! That is what a gate wants to know of the next test, asked of those that there are: each is left out in turn, a profile
//! is made of the rest, and it is looked at whether it refuses what only this test has.

use std::collections::{BTreeMap, BTreeSet};

use super::estimate::{FEWEST, Interval};
use super::incidence::{Pair, pairs_of};
use crate::decode;
use crate::generate::{GenerateError, Options, generate};
use crate::policy::argument::ArgumentRule;
use crate::policy::baseline::Resolved;
use crate::policy::{Action, Policy, Width};
use crate::recording::Recording;

/// Most tests that have something of their own, for which a profile is made each.
const MOST: usize = 256;

/// A test that would have been refused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// Its name.
    pub test: String,
    /// What it would have been refused, as people write it.
    pub refused: Vec<String>,
}

/// The tests that the profile of the others refuses something.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossCheck {
    /// How many tests were left out, each in turn.
    pub tests: usize,
    /// Those that would have been refused something.
    pub refused: Vec<HeldOut>,
    /// The share of other tests that are refused something, by estimate: Wilson's interval of 95 %.
    pub share: Interval,
}

/// Leaves out each test of a recording. `None` if there are too few, or too many that have something of their own.
pub(super) fn cross_check(
    recording: &Recording,
    baseline: &Resolved<'_>,
    options: &Options,
) -> Result<Option<CrossCheck>, GenerateError> {
    let tests = recording.samples.len();
    if tests < FEWEST {
        return Ok(None);
    }
    let own = own_pairs(recording);
    if own.len() > MOST {
        return Ok(None);
    }
    let mut refused = Vec::new();
    for (nth, pairs) in own {
        let rest = without(recording, &pairs);
        if rest.is_empty() {
            continue;
        }
        let made = generate(&[rest], options)?;
        let policy = made.profile.policy(baseline_machines(baseline))?;
        let mut calls: Vec<String> =
            pairs.iter().filter(|pair| is_refused(pair, &policy, baseline)).map(written).collect();
        calls.dedup();
        if let (false, Some(sample)) = (calls.is_empty(), recording.samples.get(nth)) {
            refused.push(HeldOut { test: sample.name.clone(), refused: calls });
        }
    }
    let share = wilson(refused.len(), tests);
    Ok(Some(CrossCheck { tests, refused, share }))
}

fn baseline_machines(baseline: &Resolved<'_>) -> crate::machine::Machines {
    baseline.context().abis.iter().map(|abi| abi.machine()).collect()
}

/// For each test that has some, the pairs that were made nowhere else.
fn own_pairs(recording: &Recording) -> BTreeMap<usize, BTreeSet<Pair>> {
    let mut only: BTreeMap<Pair, Option<usize>> = BTreeMap::new();
    for (nth, sample) in recording.samples.iter().enumerate() {
        for pair in pairs_of(sample) {
            only.entry(pair).and_modify(|test| *test = None).or_insert(Some(nth));
        }
    }
    let mut own: BTreeMap<usize, BTreeSet<Pair>> = BTreeMap::new();
    for (pair, test) in only {
        let Some(nth) = test else { continue };
        let (abi, number, values) = &pair;
        // Calls are counted in samples, so that it is known whether there are others; with these values they are not.
        let in_it = recording.samples.get(nth).map_or(0, |sample| sample.count(*abi, *number));
        let all = recording.calls.get(abi).and_then(|calls| calls.get(number));
        if !values.is_empty() || all.is_some_and(|call| call.count <= in_it) {
            own.entry(nth).or_default().insert(pair);
        }
    }
    own
}

/// A recording without these pairs.
fn without(recording: &Recording, pairs: &BTreeSet<Pair>) -> Recording {
    let mut rest = recording.clone();
    rest.samples.clear();
    rest.origin.parts.clear();
    for (abi, number, values) in pairs {
        let Some(calls) = rest.calls.get_mut(abi) else { continue };
        let kept = calls.get_mut(number).and_then(|call| call.arguments.as_mut());
        let is_left = match kept.filter(|_| !values.is_empty()) {
            Some(arguments) => {
                arguments.values.remove(values);
                !arguments.values.is_empty() || arguments.overflow > 0
            }
            None => false,
        };
        if !is_left {
            calls.remove(number);
        }
    }
    rest
}

/// Whether the profile refuses what the baseline allows.
fn is_refused((abi, number, values): &Pair, policy: &Policy, baseline: &Resolved<'_>) -> bool {
    let Some(name) = abi.syscall_name(*number) else { return false };
    let Some(treatment) = baseline.treatment(*abi, name) else { return false };
    let args = ArgumentRule::for_call(name)
        .filter(|rule| rule.keep.len() == values.len())
        .map(|rule| rule.example(values));
    let bits = if abi.bits() == 64 { Width::Bits64 } else { Width::Bits32 };
    match args {
        Some(args) => {
            treatment.allowed().iter().any(|clause| clause.holds(&args, bits))
                && policy.evaluate(*abi, *number, &args) != Action::Allow
        }
        None => !treatment.allowed().is_empty() && !policy.may_allow(*abi, *number),
    }
}

fn written((abi, number, values): &Pair) -> String {
    let name = abi.syscall_name(*number);
    let rule = name.and_then(ArgumentRule::for_call).filter(|rule| rule.keep.len() == values.len());
    match (rule, name) {
        (Some(rule), _) => {
            decode::abridged(*abi, *number, &rule.example(values), &rule.indexes().collect())
        }
        (None, Some(name)) => name.to_owned(),
        (None, None) => abi.raw_number(*number),
    }
}

/// The interval of a share of which so many of all were hit (Wilson 1927).
fn wilson(hits: usize, all: usize) -> Interval {
    #[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
    let (hits, all) = (hits as f64, all as f64);
    let z = 1.959_964_f64;
    let estimate = hits / all;
    let scale = 1.0 + z * z / all;
    let middle = (estimate + z * z / (2.0 * all)) / scale;
    let half = z * (estimate * (1.0 - estimate) / all + z * z / (4.0 * all * all)).sqrt() / scale;
    Interval {
        estimate,
        low: (middle - half).max(0.0).min(estimate),
        high: (middle + half).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::policy::baseline::Baseline;
    use crate::recording::Sample;
    use crate::recording::example::with_values;

    /// Ten tests read; one of them makes another call, one a call with other arguments.
    fn tested(name: &str, values: &[&[u64]]) -> Recording {
        let mut recording = with_values(&[("socket", &[&[2, 1, 0]]), ("ioctl", values)]);
        let number = |name| Abi::X86_64.syscall_number(name).unwrap();
        let call = recording.calls[&Abi::X86_64][&number("socket")].clone();
        let call = crate::recording::Call { count: 1, arguments: None, ..call };
        recording.calls.get_mut(&Abi::X86_64).unwrap().insert(number(name), call);
        let sample = |nth: usize| {
            let mut calls = BTreeMap::from([(number("socket"), 1), (number("ioctl"), 1)]);
            if nth == 3 {
                calls.insert(number(name), 1);
            }
            let value = if nth == 7 { values.last() } else { values.first() };
            let values = BTreeMap::from([
                (number("socket"), BTreeSet::from([vec![2, 1, 0]])),
                (number("ioctl"), value.into_iter().map(|one| one.to_vec()).collect()),
            ]);
            Sample {
                recording: String::new(),
                finished: std::time::Duration::from_millis(nth as u64),
                name: format!("t{nth}"),
                calls: BTreeMap::from([(Abi::X86_64, calls)]),
                values: BTreeMap::from([(Abi::X86_64, values)]),
            }
        };
        recording.samples = (0..10).map(sample).collect();
        recording
    }

    fn checked(recording: &Recording) -> CrossCheck {
        let options = Options::default();
        let context = crate::generate::context(std::slice::from_ref(recording), &options);
        let baseline = Baseline::docker_default().resolve(&context);
        cross_check(recording, &baseline, &options).unwrap().unwrap()
    }

    #[test]
    fn a_test_is_refused_what_only_it_has_and_nothing_else_brings_in() {
        let found = checked(&tested("setxattr", &[&[21505], &[21532]]));
        let refused: Vec<(&str, String)> =
            found.refused.iter().map(|one| (one.test.as_str(), one.refused.join(" "))).collect();
        assert_eq!(
            refused,
            [("t3", "setxattr".to_owned()), ("t7", "ioctl(…, TIOCLINUX, …)".to_owned())]
        );
        assert_eq!((found.tests, found.share.estimate), (10, 0.2));
        assert!(found.share.low > 0.05 && found.share.high < 0.52, "{:?}", found.share);
        // rename comes with a file that is opened, and FIONREAD with every program.
        let harmless = checked(&tested("getppid", &[&[21505], &[21531]]));
        assert_eq!(harmless.refused, []);
        assert!(harmless.share.low == 0.0 && harmless.share.high > 0.2);
    }

    #[test]
    fn what_was_also_made_outside_of_tests_is_not_a_tests_own() {
        let mut recording = tested("setxattr", &[&[21505], &[21505]]);
        assert_eq!(checked(&recording).refused.len(), 1);
        let number = Abi::X86_64.syscall_number("setxattr").unwrap();
        recording.calls.get_mut(&Abi::X86_64).unwrap().get_mut(&number).unwrap().count = 2;
        assert_eq!(checked(&recording).refused, []);
    }
}
