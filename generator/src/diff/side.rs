//! What is compared: a profile, or what was recorded.

use std::collections::BTreeMap;

use super::Evidence;
use crate::abi::Abi;
use crate::policy::decide::Meaning;
use crate::policy::{Action, Clause, Conflict, Errno, Policy, Rule};
use crate::profile::Profile;
use crate::recording::Recording;

/// What a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A profile.
    Profile,
    /// A recording, taken for a profile that allows what was called and nothing else.
    Recording,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Recording => "recording",
        }
    }
}

/// One of two that are compared.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called in the report.
    pub name: String,
    /// What it means.
    pub policy: Policy,
    /// Who made its calls, if that is known.
    pub evidence: Option<Evidence>,
    kind: Kind,
}

impl Side {
    /// A profile, as it works on a machine whose own ABI is `native`.
    ///
    /// # Errors
    ///
    /// [`Conflict`] if a call has two actions under the same condition.
    pub fn profile(
        name: impl Into<String>,
        profile: &Profile,
        native: Abi,
        evidence: Option<Evidence>,
    ) -> Result<Self, Conflict> {
        let policy = profile.policy(native)?;
        Ok(Self { name: name.into(), policy, evidence, kind: Kind::Profile })
    }

    /// What was recorded.
    pub fn recording(name: impl Into<String>, recording: &Recording) -> Self {
        Self {
            name: name.into(),
            policy: called(recording),
            evidence: Some(Evidence::of(recording)),
            kind: Kind::Recording,
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn meaning(&self) -> Meaning {
        Meaning::from(&self.policy)
    }
}

/// The policy that allows what was called, and nothing else.
pub fn called(recording: &Recording) -> Policy {
    let allow = |_: &u32| vec![Rule { action: Action::Allow, clauses: vec![Clause::ALWAYS] }];
    let tables: BTreeMap<Abi, BTreeMap<u32, Vec<Rule>>> = recording
        .calls
        .iter()
        .map(|(abi, calls)| (*abi, calls.keys().map(|number| (*number, allow(number))).collect()))
        .collect();
    Policy::from_tables(Action::Errno(Errno::ENOSYS), tables)
}

/// The ABI that stands for the machine's own, the same on every machine: what the profiles list, if that
/// is one architecture, or this machine's.
pub fn native(profiles: &[&Profile]) -> Abi {
    let listed = |abi: Abi| {
        profiles.iter().any(|profile| {
            profile.architectures.iter().any(|architecture| architecture.abi() == Some(abi))
        })
    };
    let native = [Abi::X86_64, Abi::Aarch64].into_iter().find(|abi| listed(*abi));
    native.unwrap_or(Abi::NATIVE)
}
