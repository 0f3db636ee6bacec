//! The two sides of a comparison: profiles or recordings.

use std::collections::{BTreeMap, BTreeSet};

use super::Evidence;
use crate::abi::{Abi, Existence};
use crate::machine::Machines;
use crate::policy::argument::ArgumentRule;
use crate::policy::baseline::release;
use crate::policy::decide::Meaning;
use crate::policy::{Action, Clause, Errno, NoPolicy, Policy, Rule};
use crate::profile::OnMachines;
use crate::recording::{Call, Completeness, Recording};

/// What a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A profile.
    Profile,
    /// A recording, taken for a profile that allows what was called and nothing else.
    Recording,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Recording => "recording",
        }
    }
}

/// One of two that are compared.
#[derive(Clone, Debug)]
#[must_use]
pub struct Side {
    /// What it is called in the report.
    pub name: String,
    /// What it means.
    pub policy: Policy,
    /// Who made its calls, if that is known.
    pub evidence: Option<Evidence>,
    /// Whether calls may be missing from it.
    pub(super) incomplete: bool,
    /// Calls that it allows and that no ABI here has: of other machines, or of newer kernels.
    pub(super) unknown_calls: BTreeSet<String>,
    /// Architectures that it lists and that are no ABI here.
    pub(super) unknown_architectures: BTreeSet<&'static str>,
    kind: Kind,
}

impl Side {
    /// A profile, as it works on its machines.
    ///
    /// # Errors
    ///
    /// [`NoPolicy`] if it makes none.
    pub fn profile(
        name: impl Into<String>,
        profile: &OnMachines,
        evidence: Option<Evidence>,
    ) -> Result<Self, NoPolicy> {
        let profiles = profile.profiles();
        let entries = profiles.iter().flat_map(|profile| &profile.entries);
        let architectures = profiles.iter().flat_map(|profile| &profile.architectures);
        Ok(Self {
            name: name.into(),
            policy: profile.policy()?,
            evidence,
            incomplete: false,
            unknown_calls: entries
                .filter(|entry| entry.action.lets_through())
                .flat_map(|entry| &entry.names)
                .filter(|name| Abi::ALL.iter().all(|abi| abi.syscall_number(name).is_none()))
                .cloned()
                .collect(),
            unknown_architectures: architectures
                .filter(|architecture| architecture.abi().is_none())
                .map(|architecture| architecture.name())
                .collect(),
            kind: Kind::Profile,
        })
    }

    /// What was recorded.
    pub fn recording(name: impl Into<String>, recording: &Recording) -> Self {
        Self {
            name: name.into(),
            policy: called_of(recording, &existing(recording)),
            evidence: Some(Evidence::from_recording(recording)),
            incomplete: recording.completeness != Completeness::Complete,
            unknown_calls: BTreeSet::new(),
            unknown_architectures: BTreeSet::new(),
            kind: Kind::Recording,
        }
    }

    /// The machines that it is about: for a recording, those that made its calls.
    pub fn machines(&self) -> Machines {
        self.policy.abis().map(Abi::machine).collect()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn meaning(&self) -> Meaning {
        Meaning::from(&self.policy)
    }
}

/// The policy that allows what was called, and nothing else.
pub fn called(recording: &Recording) -> Policy {
    called_of(recording, &|_, _| true)
}

/// Whether the kernel has a call that was recorded: one that it has not does nothing to it.
fn existing(recording: &Recording) -> impl Fn(Abi, u32) -> bool {
    let kernel = release(&recording.host.kernel);
    move |abi, number| abi.existence(number, kernel) != Existence::None
}

/// The same, of the calls that count. An ABI without one is not listed.
fn called_of(recording: &Recording, counts: &dyn Fn(Abi, u32) -> bool) -> Policy {
    let allow = |abi: Abi, number: u32, call: &Call| {
        let clauses = clauses(abi, number, call).unwrap_or_else(|| vec![Clause::ALWAYS]);
        vec![Rule { action: Action::Allow, clauses }]
    };
    let tables: BTreeMap<Abi, BTreeMap<u32, Vec<Rule>>> = recording
        .calls
        .iter()
        .map(|(abi, calls)| {
            let rules = calls.iter().filter(|(number, _)| counts(*abi, **number));
            let rules = rules.map(|(number, call)| (*number, allow(*abi, *number, call)));
            (*abi, rules.collect::<BTreeMap<_, _>>())
        })
        .filter(|(_, rules)| !rules.is_empty())
        .collect();
    Policy::from_tables(Action::Errno(Errno::ENOSYS), tables)
}

/// The condition for the arguments that were seen; `None` if they are not all known.
fn clauses(abi: Abi, number: u32, call: &Call) -> Option<Vec<Clause>> {
    let arguments = call.arguments.as_ref().filter(|arguments| arguments.overflow == 0)?;
    let rule = ArgumentRule::for_call(abi.syscall_name(number)?)?;
    if !rule.indexes().eq(arguments.indexes.iter().copied()) {
        return None;
    }
    let seen: BTreeSet<Vec<u64>> = arguments.values.keys().cloned().collect();
    rule.condition(&seen)
}
