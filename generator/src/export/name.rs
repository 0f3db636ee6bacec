//! Names as targets accept them, checked before anything is written.

use std::fmt;
use std::str::FromStr;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// No DNS label.
    #[error(
        "`{0}` is not a valid name in Kubernetes: write 1 to 63 lower-case letters, digits and dashes, with a \
         letter or digit at both ends"
    )]
    Label(String),
    /// No release.
    #[error(
        "`{0}` is not a valid release: write up to 40 lower-case letters, digits, dots and dashes, with a \
         letter or digit at both ends and around each dot, such as 1.27.3-rc1"
    )]
    Release(String),
    /// No image or artifact.
    #[error(
        "`{0}` is not a valid reference to an image: write it as docker does, such as \
         docker.io/library/nginx:1.27"
    )]
    Reference(String),
    /// No workload.
    #[error("`{0}` is not a valid workload: write KIND/NAME, such as statefulset/database, of: {kinds}", kinds = KINDS.map(|(kind, _)| kind).join(", "))]
    Workload(String),
}

fn is_label(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| plain(c) || c == '-')
        && text.starts_with(plain)
        && text.ends_with(plain)
}

/// A DNS label (RFC 1123), which is what Kubernetes accepts as any object's or container's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Label(text.to_owned()))
        }
    }
}

/// A release such as `1.27.3-rc1`, which may be a part of a DNS subdomain (RFC 1123).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release(String);

impl Release {
    /// The release as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Release {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= 40 && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Release(text.to_owned()))
        }
    }
}

/// An image or artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let parts_are_there = text.split('/').all(|part| !part.is_empty() && part != "..");
        if text.len() <= 512
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c))
            && text.chars().all(good)
            && parts_are_there
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Reference(text.to_owned()))
        }
    }
}

/// Kinds with a pod template at `.spec.template`, in lower case and as they are written.
const KINDS: [(&str, &str); 4] = [
    ("deployment", "Deployment"),
    ("statefulset", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("replicaset", "ReplicaSet"),
];

/// A workload of the API group `apps/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadRef {
    /// Its kind, such as `Deployment`.
    pub kind: &'static str,
    /// Its name.
    pub name: Label,
}

impl WorkloadRef {
    /// A Deployment.
    #[must_use]
    pub fn deployment(name: &Label) -> Self {
        Self { kind: "Deployment", name: name.clone() }
    }
}

impl FromStr for WorkloadRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidName::Workload(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(invalid)?;
        let kind = kind.to_ascii_lowercase();
        let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == kind).ok_or_else(invalid)?;
        Ok(Self { kind, name: name.parse().map_err(|_| invalid())? })
    }
}

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
shown!(Label, Release, Reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_dns() {
        for good in ["a", "nginx", "web-1", "0", &"a".repeat(63)] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Nginx", "a.b", "a_b", "../a", "a b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }

    #[test]
    fn releases_may_have_dots() {
        for good in ["1.27", "1.27.3-rc1", "2026-11-23", "v2"] {
            assert!(good.parse::<Release>().is_ok(), "{good}");
        }
        for bad in ["", "1..2", ".1", "1.", "1/2", "V2", "1.-2", "a\nb"] {
            assert!(bad.parse::<Release>().is_err(), "{bad}");
        }
    }

    #[test]
    fn references_hold_nothing_that_a_shell_or_yaml_would_see() {
        for good in ["nginx", "nginx:1.27", "ghcr.io/acme/web@sha256:ab12", "localhost:5000/a/b:c"]
        {
            assert!(good.parse::<Reference>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a;b", "$(x)", "a\"", "-v", "a//b", "a/../b", "nginx:", "a'b"] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn workloads_are_a_kind_and_a_name() {
        let workload: WorkloadRef = "StatefulSet/db".parse().unwrap();
        assert_eq!((workload.kind, workload.name.as_str()), ("StatefulSet", "db"));
        for bad in ["db", "pod/db", "deployment/", "deployment/a/b", "/db"] {
            assert!(bad.parse::<WorkloadRef>().is_err(), "{bad}");
        }
        assert!("x".parse::<WorkloadRef>().unwrap_err().to_string().contains("statefulset"));
    }
}
