//! Pod Security Standards: which level a container reaches, and which fields are in the way of a higher one.
//! The facts are in `profiles/kubernetes/pod-security.json`; [`controls`] compares pods with them.

#[path = "controls.rs"]
mod controls;

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Version;
use crate::manifest::pod::{Container, Pod};
use crate::manifest::tree::{NodeId, Tree};

#[derive(Deserialize)]
pub(super) struct Facts {
    pub oldest: Version,
    pub newest: Version,
    baseline: Baseline,
    restricted: Restricted,
    user_namespaces: UserNamespaces,
}

#[derive(Deserialize)]
struct Baseline {
    capabilities: Vec<Names>,
    sysctls: Vec<Names>,
    selinux_types: Vec<Names>,
    apparmor_types: Vec<Names>,
    seccomp_types: Vec<Names>,
    apparmor_fields_since: Version,
    hosts_refused_since: Version,
}

#[derive(Deserialize)]
struct Restricted {
    capabilities: Vec<Names>,
    volume_types: Vec<Names>,
}

#[derive(Deserialize)]
struct UserNamespaces {
    since: Version,
}

/// What is allowed from a version on.
#[derive(Deserialize)]
struct Names {
    since: Version,
    names: String,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let text = strait_profiles::kubernetes::POD_SECURITY;
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

pub(super) fn facts() -> &'static Facts {
    &FACTS
}

/// A level of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// No restrictions.
    Privileged,
    /// No known way to more privileges.
    Baseline,
    /// Hardened.
    Restricted,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// A field that keeps a container from a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The level that it is kept from.
    pub from: Level,
    /// Where the field is; where it would be put, if it is missing.
    pub node: NodeId,
    /// The field's name below the pod's or container's own, such as `securityContext.privileged`.
    pub field: String,
    /// What the level asks of it.
    pub asks: String,
}

/// The level that is reached with these obstacles.
#[must_use]
pub fn level(obstacles: &[Obstacle]) -> Level {
    match obstacles.iter().map(|obstacle| obstacle.from).min() {
        Some(Level::Baseline | Level::Privileged) => Level::Privileged,
        Some(Level::Restricted) => Level::Baseline,
        None => Level::Restricted,
    }
}

/// What keeps a container of a pod from baseline and restricted, the pod's own fields included, in a cluster of a
/// version.
#[must_use]
pub fn obstacles(tree: &Tree, pod: &Pod, container: &Container, version: Version) -> Vec<Obstacle> {
    controls::obstacles(tree, pod, container, version)
}

#[cfg(test)]
#[path = "standard_tests.rs"]
mod tests;
