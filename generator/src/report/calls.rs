//! What is known of each call.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::abi::Abi;
use crate::diff::{Level, Risk, called};
use crate::evidence::{Evidence, Seen};
use crate::explain::risk_as_called;
use crate::policy::argument::ArgumentRule;
use crate::policy::decide::Meaning;
use crate::policy::decide::space::Set;
use crate::recording::Recording;

/// A call that was made.
pub(super) struct Called<'a> {
    pub abi: Abi,
    /// Without the x32 bit.
    pub number: u32,
    pub seen: &'a Seen,
    pub risk: Risk,
    /// The sample in which it was made last, if it was made in one.
    pub last: Option<&'a str>,
    /// Indexes of the arguments whose values were kept, 0 to 5; `None` if they were not.
    pub kept: Option<BTreeSet<u8>>,
    /// How many of the calls had values for which there was no room.
    pub overflow: u64,
}

impl Called<'_> {
    /// Its name, or its number if it has none.
    pub fn name(&self) -> String {
        name(self.abi, self.number)
    }
}

pub(super) fn name(abi: Abi, number: u32) -> String {
    abi.syscall_name(number).map_or_else(|| format!("number {number}"), str::to_owned)
}

/// Calls of the same risk.
pub(super) struct Danger<'a> {
    pub risk: Risk,
    /// By name.
    pub calls: Vec<&'a Called<'a>>,
}

/// All calls, by ABI, the most frequent ones first.
pub(super) fn collect<'a>(recording: &'a Recording, evidence: &'a Evidence) -> Vec<Called<'a>> {
    let policy = Meaning::from(&called(recording));
    let last = last_samples(recording);
    let mut calls: Vec<_> = recording
        .iter()
        .filter_map(|(abi, number, call)| {
            let arguments = call.arguments.as_ref();
            let rule = abi.syscall_name(number).and_then(ArgumentRule::for_call);
            Some(Called {
                abi,
                number,
                seen: evidence.seen(abi, number)?,
                risk: risk_as_called(&policy, abi, number, Set::all()),
                last: last.get(&(abi, number)).copied(),
                kept: arguments.and(rule).map(|rule| rule.indexes().collect()),
                overflow: arguments.map_or(0, |arguments| arguments.overflow),
            })
        })
        .collect();
    calls.sort_by_key(|call| (call.abi, Reverse(call.seen.count), call.name()));
    calls
}

fn last_samples(recording: &Recording) -> BTreeMap<(Abi, u32), &str> {
    let samples = recording.samples_in_order().into_iter();
    let calls = samples.flat_map(|sample| {
        sample.iter().map(|(abi, number, _)| ((abi, number), sample.name.as_str()))
    });
    // Of entries with the same key the last one stays.
    calls.collect()
}

/// What there is to think about, the worst first. Calls of low risk are left out.
pub(super) fn dangers<'a>(calls: &'a [Called<'a>]) -> Vec<Danger<'a>> {
    let mut dangers: Vec<Danger<'_>> = Vec::new();
    for call in calls.iter().filter(|call| call.risk.level > Level::Low) {
        match dangers.iter_mut().find(|danger| danger.risk == call.risk) {
            Some(danger) => danger.calls.push(call),
            None => dangers.push(Danger { risk: call.risk, calls: vec![call] }),
        }
    }
    for danger in &mut dangers {
        danger.calls.sort_by_key(|call| (call.name(), call.abi));
    }
    // A call of no class has no source; that is said last.
    dangers.sort_by_key(|Danger { risk, .. }| {
        (Reverse(risk.level), risk.source.is_empty(), risk.class, risk.reason)
    });
    dangers
}
