//! Proves what a profile allows, against a baseline and recordings, without running anything.
//!
//! [`Report`] is the model; [`json`] is its file format, and it prints itself for people.

mod display;
pub mod json;

use std::collections::BTreeSet;

use crate::abi::{Abi, Existence};
use crate::machine::Machines;
use crate::policy::argument::ArgumentRule;
use crate::policy::baseline::{KernelVersion, release};
use crate::policy::decide::{Certainty, Comparison, Meaning, Witness};
use crate::policy::fallback::fallbacks;
use crate::policy::{Action, Args, Capability, Clause, Errno};
use crate::recording::{Arguments, Call, Completeness, Recording};

/// What was found out about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// Path of the profile, as given.
    pub profile: String,
    /// The machines for which everything here is true.
    pub machines: Machines,
    /// For each of their ABIs that it covers, how many calls with a name it lets through.
    pub allowed: Vec<Count>,
    /// What was assumed about the workload.
    pub assumed: Assumed,
    /// Whether it is within a baseline, if that was asked.
    pub within: Option<Within>,
    /// Whether it covers recordings, one for each that was given.
    pub covers: Vec<Coverage>,
}

/// How many calls of an ABI are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The ABI.
    pub abi: Abi,
    /// Calls with a name that are let through for some arguments at least.
    pub calls: usize,
    /// How many of these only for some arguments.
    pub by_argument: usize,
}

/// What a profile or baseline was resolved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// The bounding set of the workload.
    pub capabilities: BTreeSet<Capability>,
    /// The kernel; `None` for one that has everything that a profile asks for.
    pub kernel: Option<KernelVersion>,
}

/// A comparison with a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Within {
    /// The baseline, as in a sentence.
    pub baseline: String,
    /// How many calls the baseline lets through, for the ABIs of the profile.
    pub allowed: Vec<Count>,
    /// How the baseline differs from the profile: the profile is the first of the two.
    pub comparison: Comparison,
}

impl Within {
    /// The calls that the profile lets through and the baseline does not, one for each number.
    pub fn escapes(&self) -> impl Iterator<Item = &Witness> {
        self.comparison.changes().filter_map(|change| change.narrowed.as_ref())
    }
}

/// What a profile would do with the calls of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Coverage {
    /// Path of the recording, as given.
    pub recording: String,
    /// The ABIs of its calls, as far as the machines of the report have them.
    pub abis: BTreeSet<Abi>,
    /// How many different calls it has of these, by ABI and number.
    pub calls: usize,
    /// Calls that the profile would refuse.
    pub missing: Vec<Missing>,
    /// Calls that it would refuse by design, since software then makes others, which it allows.
    pub fallbacks: Vec<Missing>,
    /// Calls that it allows by argument, and whose arguments are not in the recording, or not all of them, or
    /// not all of their bits.
    pub uncertain: Vec<(Abi, u32)>,
    /// Calls that it would refuse and that no kernel has: they get ENOSYS in any case.
    pub no_such_call: Vec<Missing>,
    /// Whether the recording is whole.
    pub is_complete: bool,
    /// The kernel under which it was recorded, if that is known.
    kernel: Option<KernelVersion>,
}

/// A recorded call that a profile refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its ABI.
    pub abi: Abi,
    /// Its number.
    pub number: u32,
    /// The recorded arguments, 0 for what is not recorded of them; `None` if it is refused with any.
    pub args: Option<Args>,
    /// How often it was made.
    pub count: u64,
    /// What it would get.
    pub action: Action,
    /// What software makes instead, if it is refused by design.
    pub falls_back_to: Vec<&'static str>,
}

/// Counts the calls with a name that are let through.
#[must_use]
pub fn count(meaning: &Meaning, abi: Abi) -> Count {
    let allowed = || abi.syscalls().filter(|(number, _)| meaning.may_allow(abi, *number));
    Count {
        abi,
        calls: allowed().count(),
        by_argument: allowed()
            .filter(|(number, _)| meaning.depends_on_arguments(abi, *number))
            .count(),
    }
}

/// Compares a profile with a baseline.
pub fn within(profile: &Meaning, baseline: &Meaning, title: &str) -> Within {
    Within {
        baseline: title.to_owned(),
        allowed: profile.abis().map(|abi| count(baseline, abi)).collect(),
        comparison: Comparison::new(profile, baseline),
    }
}

/// Finds out what a profile would do with the calls of a recording that these machines have.
pub fn covers(
    profile: &Meaning,
    recording: &Recording,
    name: &str,
    machines: Machines,
) -> Coverage {
    let there = || recording.iter().filter(|(abi, ..)| machines.have(*abi));
    let mut coverage = Coverage {
        recording: name.to_owned(),
        abis: there().map(|(abi, ..)| abi).collect(),
        calls: there().count(),
        missing: Vec::new(),
        fallbacks: Vec::new(),
        uncertain: Vec::new(),
        no_such_call: Vec::new(),
        kernel: release(&recording.host.kernel),
        is_complete: recording.completeness == Completeness::Complete,
    };
    for (abi, number, call) in there() {
        coverage.add(profile, abi, number, call);
    }
    coverage
}

impl Coverage {
    /// Whether nothing would be refused that was recorded.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    fn add(&mut self, profile: &Meaning, abi: Abi, number: u32, call: &Call) {
        let Some((rule, arguments)) =
            recorded(abi, number, call).filter(|_| profile.may_allow(abi, number))
        else {
            match profile.lets_through(abi, number, &[Clause::ALWAYS]) {
                Ok(Certainty::Always) => {}
                Ok(Certainty::Sometimes) => self.uncertain.push((abi, number)),
                Err(action) => self.refuse(profile, (abi, number), None, call.count, action),
            }
            return;
        };
        let mut uncertain = arguments.overflow > 0 && profile.depends_on_arguments(abi, number);
        for (values, used) in &arguments.values {
            match profile.lets_through(abi, number, &rule.exactly(values)) {
                Ok(Certainty::Always) => {}
                Ok(Certainty::Sometimes) => uncertain = true,
                Err(action) => {
                    let args = Some(rule.example(values));
                    self.refuse(profile, (abi, number), args, used.count, action);
                }
            }
        }
        if uncertain {
            self.uncertain.push((abi, number));
        }
    }

    fn refuse(
        &mut self,
        profile: &Meaning,
        (abi, number): (Abi, u32),
        args: Option<Args>,
        count: u64,
        action: Action,
    ) {
        let name = abi.syscall_name(number).unwrap_or_default();
        let allowed = |name: &&str| {
            abi.syscall_number(name).is_some_and(|number| profile.may_allow(abi, number))
        };
        let falls_back_to: Vec<&str> = match action {
            Action::Errno(Errno::ENOSYS) => fallbacks(name).filter(allowed).collect(),
            _ => Vec::new(),
        };
        let by_design = !falls_back_to.is_empty();
        let missing = Missing { abi, number, args, count, action, falls_back_to };
        // To be killed or trapped for it is another matter than an error in the place of ENOSYS.
        let with_errno = matches!(action, Action::Errno(_));
        let exists = abi.existence(number, self.kernel) != Existence::None;
        match () {
            () if by_design => self.fallbacks.push(missing),
            () if with_errno && !exists => self.no_such_call.push(missing),
            () => self.missing.push(missing),
        }
    }
}

/// What was kept of a call's arguments, and how it is to be read; `None` if nothing was, or by another
/// release's rule.
fn recorded(abi: Abi, number: u32, call: &Call) -> Option<(&'static ArgumentRule, &Arguments)> {
    let arguments = call.arguments.as_ref()?;
    let rule = ArgumentRule::for_call(abi.syscall_name(number)?)?;
    arguments.indexes.iter().copied().eq(rule.indexes()).then_some((rule, arguments))
}

impl Report {
    /// Whether there is nothing to object to.
    pub fn is_clean(&self) -> bool {
        self.is_within() && self.covers.iter().all(Coverage::is_whole)
    }

    /// Whether the profile is within the baseline, or none was given.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.within.as_ref().is_none_or(|within| within.comparison.is_within())
    }
}

#[cfg(test)]
mod tests;
