//! The list of targets: a row for each, which is in the target's own file.

use std::fmt;

use super::row::{Kind, Row};
use super::{
    compose, configmap, crio, engines, helm, kustomize, nomad, oci_artifact, seccompiler, spo,
    systemd,
};
use crate::choice::Choice;

/// All targets, in the order in which they are listed.
const TARGETS: [&Row; 12] = [
    &spo::TARGET,
    &configmap::TARGET,
    &kustomize::TARGET,
    &helm::TARGET,
    &compose::TARGET,
    &engines::DOCKER,
    &engines::PODMAN,
    &systemd::TARGET,
    &nomad::TARGET,
    &crio::TARGET,
    &oci_artifact::TARGET,
    &seccompiler::TARGET,
];

/// Where a profile can be used.
#[derive(Clone, Copy)]
pub struct Target(&'static Row);

impl Target {
    pub(super) const fn row(self) -> &'static Row {
        self.0
    }

    /// What its files are.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.0.kind
    }

    /// Whether what it is given names calls that a machine has, and not the profile as it is.
    #[must_use]
    pub const fn depends_on_machine(self) -> bool {
        self.0.depends_on_machine
    }

    /// Whether it can bind a profile to an init container.
    #[must_use]
    pub const fn has_init(self) -> bool {
        self.0.has_init
    }
}

impl Choice for Target {
    fn all() -> Vec<Self> {
        TARGETS.map(Self).to_vec()
    }

    fn name(self) -> &'static str {
        self.0.name
    }

    fn help(self) -> &'static str {
        self.0.help
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Target {}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name)
    }
}
