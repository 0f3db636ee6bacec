//! What the Docker default allows, the recordings do not have, and a profile that is made of them refuses or allows.

use std::collections::BTreeSet;

use super::events::{Event, events, families};
use super::knowledge::{ProgramReach, reaching};
use crate::abi::Abi;
use crate::decode;
use crate::diff::{Level, Risk, assess_risk};
use crate::policy::argument::ArgumentRule;
use crate::policy::baseline::{Resolved, Treatment};
use crate::policy::decide::space::Set;
use crate::policy::{Action, Clause, Policy, Width, width};
use crate::recording::Recording;

/// What the default profile does with a call, of what the Docker default allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// It refuses all.
    Closed,
    /// It allows some arguments.
    ByArgument,
    /// It allows all.
    Open,
}

impl Status {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ByArgument => "by-argument",
            Self::Open => "open",
        }
    }
}

/// A call that the tests did not show, or not with all arguments.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// Its ABI.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// What the default profile does with it.
    pub status: Status,
    /// What it exposes, of what is refused; of all of it where nothing is.
    pub risk: Risk,
    /// The programs that are known to be able to make it, each with how that is known. Empty if it is only not known that
    /// none can.
    pub reach: Vec<(String, String)>,
    /// Why the profile does so.
    pub why: String,
    /// When programs make it.
    pub events: Vec<&'static Event>,
    /// Arguments that are refused, of those that events are known to need.
    pub values: Vec<UnseenValues>,
}

impl Unseen {
    /// Its name, or its number if it has none.
    pub fn call(&self) -> String {
        self.abi.syscall_name(self.number).map_or_else(|| self.number.to_string(), str::to_owned)
    }
}

/// Values of the arguments of a call that the tests did not show, and that the default profile refuses.
#[derive(Clone, Debug)]
pub struct UnseenValues {
    /// The values, in the order of what the call's rule keeps.
    pub values: Vec<u64>,
    /// The call as people write it.
    pub decoded: String,
    /// What it exposes.
    pub risk: Risk,
    /// When programs make it; empty for what is listed since it is often asked for.
    pub events: Vec<&'static Event>,
}

/// What is looked at.
pub(super) struct Search<'a> {
    pub recordings: &'a [Recording],
    pub programs: &'a [ProgramReach],
    pub baseline: &'a Resolved<'a>,
    pub profile: &'a Policy,
    /// Why the profile allows what was not recorded, by name of the call.
    pub added: &'a dyn Fn(&str) -> Option<String>,
}

impl Search<'_> {
    /// Everything that was not seen, the riskiest first.
    pub fn unseen(&self) -> Vec<Unseen> {
        let is_open = self.programs.iter().any(ProgramReach::is_open);
        let mut found = Vec::new();
        for abi in self.baseline.context().abis.iter().copied() {
            for (number, name) in abi.syscalls() {
                let Some(treatment) = self.baseline.treatment(abi, name) else { continue };
                let reach = reaching(self.recordings, abi, number);
                if is_open || !reach.is_empty() {
                    found.extend(self.call(abi, number, name, treatment, reach));
                }
            }
        }
        found.sort_by(|one, other| {
            let key = |one: &Unseen| (std::cmp::Reverse(one.risk.level), one.abi, one.call());
            key(one).cmp(&key(other))
        });
        found
    }

    /// Calls within reach that the Docker default refuses too, by name.
    pub fn outside(&self) -> BTreeSet<&'static str> {
        let reachable = self.recordings.iter().flat_map(|recording| recording.reachable.values());
        let calls = reachable.flat_map(|one| one.iter());
        calls
            .filter(|(abi, ..)| self.baseline.context().abis.contains(abi))
            .filter_map(|(abi, number, _)| {
                let name = abi.syscall_name(number)?;
                let treatment = self.baseline.treatment(abi, name);
                treatment.is_none_or(|treatment| treatment.allowed().is_empty()).then_some(name)
            })
            .collect()
    }

    fn was_seen(&self, abi: Abi, number: u32) -> bool {
        let calls = |recording: &Recording| {
            recording.calls.get(&abi).is_some_and(|calls| calls.contains_key(&number))
        };
        self.recordings.iter().any(calls)
    }

    fn allowed(&self, abi: Abi, number: u32) -> Vec<Clause> {
        let rules = self.profile.rules(abi, number).iter();
        let allowed = rules.filter(|rule| rule.action == Action::Allow);
        allowed.flat_map(|rule| rule.clauses.clone()).collect()
    }

    fn call(
        &self,
        abi: Abi,
        number: u32,
        name: &'static str,
        treatment: &Treatment,
        reach: Vec<(String, String)>,
    ) -> Option<Unseen> {
        let (allowed, allowable) = (self.allowed(abi, number), treatment.allowed());
        if allowable.is_empty() {
            return None;
        }
        let made = Set::any(&allowable, width(abi));
        let refused = match allowed.contains(&Clause::ALWAYS) {
            true => Set::none(),
            false => made.minus(&Set::any(&allowed, width(abi))),
        };
        let status = match () {
            () if refused.is_empty() => Status::Open,
            () if allowed.is_empty() => Status::Closed,
            () => Status::ByArgument,
        };
        if status == Status::Open && self.was_seen(abi, number) {
            return None;
        }
        let risk = assess_risk(abi, number, if status == Status::Open { &made } else { &refused });
        let why = match status {
            Status::Open => (self.added)(name).unwrap_or_else(|| "it was seen through another ABI".to_owned()),
            Status::ByArgument => {
                "it is allowed with the arguments that were seen, and with those that give no further reach".to_owned()
            }
            Status::Closed => closed(name, risk),
        };
        let needing = events().iter().filter(|event| event.needs(name));
        let values = if status == Status::Open {
            Vec::new()
        } else {
            self.values(abi, number, name, treatment)
        };
        // By argument a call is needed by those events whose values are refused.
        let events = match status {
            Status::ByArgument => {
                let refused = |event: &&Event| {
                    values.iter().any(|one| one.events.iter().any(|of| of.name == event.name))
                };
                needing.filter(refused).collect()
            }
            Status::Open | Status::Closed => needing.collect(),
        };
        Some(Unseen { abi, number, status, risk, reach, why, events, values })
    }

    /// Values that the Docker default allows and the profile does not.
    fn values(
        &self,
        abi: Abi,
        number: u32,
        name: &str,
        treatment: &Treatment,
    ) -> Vec<UnseenValues> {
        let Some(rule) = ArgumentRule::for_call(name) else { return Vec::new() };
        let of_events = events().iter().flat_map(|event| event.values(name));
        let known: BTreeSet<&Vec<u64>> = of_events.chain(&rule.notable).collect();
        let bits = if abi.bits() == 64 { Width::Bits64 } else { Width::Bits32 };
        let indexes: BTreeSet<u8> = rule.indexes().collect();
        let refused = known.into_iter().filter_map(|values| {
            let args = rule.example(values);
            let is_allowable = treatment.allowed().iter().any(|clause| clause.holds(&args, bits));
            let is_refused = self.profile.evaluate(abi, number, &args) != Action::Allow;
            (is_allowable && is_refused).then(|| UnseenValues {
                values: values.clone(),
                decoded: decode::abridged(abi, number, &args, &indexes),
                risk: assess_risk(abi, number, &Set::any(&rule.exactly(values), width(abi))),
                events: events()
                    .iter()
                    .filter(|event| event.values(name).any(|one| one == values))
                    .collect(),
            })
        });
        refused.collect()
    }
}

/// Why a call is refused that the Docker default allows.
fn closed(name: &str, risk: Risk) -> String {
    if risk.level > Level::Low {
        return format!(
            "{} risk ({}: {}), so it is allowed only if it was seen",
            risk.level.name(),
            risk.class,
            risk.reason
        );
    }
    let families: Vec<&str> = families(name).collect();
    match families.as_slice() {
        [] => "low risk, but nothing that was seen brings it in".to_owned(),
        [family, ..] => format!(
            "low risk, but it comes with \"{family}\" only, and nothing of that was seen, or the programs are not \
             known to be able to make it"
        ),
    }
}
