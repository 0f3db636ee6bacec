//! What a profile in a dialect says in plain OCI, for one machine or for all of them.

use std::collections::BTreeSet;

use super::dialect::Context;
use super::lint::lint_at;
use super::print::print_with;
use super::{Finding, Profile};
use crate::machine::Machine;
use crate::policy::Capability;
use crate::policy::baseline::KernelVersion;

/// A profile as engines read it, in plain OCI.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What it says.
    pub profile: Profile,
    /// What not all engines take, or not for what it seems to be.
    pub notes: Vec<Finding>,
    /// Flags of seccomp(2) for the filter.
    pub flags: Vec<String>,
    /// Whether it is in a dialect, so that not every engine reads it so.
    pub is_dialect: bool,
    /// Whether something in it has to be written otherwise, or left out, for all engines to take it.
    pub is_rewritten: bool,
    /// How many rules the file has.
    pub rules: usize,
    /// Which of them the entries are.
    pub(super) places: Vec<usize>,
}

impl Resolved {
    /// Whether the file itself is what every engine can be given.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.is_dialect && !self.is_rewritten
    }

    /// Everything there is to say about what it says, with the places of the file.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        lint_at(&self.profile, &self.places)
    }

    /// It in plain OCI, as [`print`](super::print()) writes it, with its flags.
    ///
    /// # Errors
    ///
    /// None in practice: every field of the model can be written as JSON.
    pub fn print(&self) -> Result<String, serde_json::Error> {
        print_with(&self.profile, &self.flags)
    }
}

/// What a dialect is resolved for besides the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its bounding set.
    pub capabilities: BTreeSet<Capability>,
    /// The kernel; `None` for one that is newer than any that a profile asks for.
    pub kernel: Option<KernelVersion>,
}

impl Default for Workload {
    /// Docker's default capabilities, on a new kernel.
    fn default() -> Self {
        Self { capabilities: Capability::docker_default(), kernel: None }
    }
}

impl Workload {
    /// The same on a machine.
    #[must_use]
    pub fn on(&self, machine: Machine) -> Context {
        Context { machine, capabilities: self.capabilities.clone(), kernel: self.kernel }
    }
}
