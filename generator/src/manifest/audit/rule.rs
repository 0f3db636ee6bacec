//! What `strait audit` looks for.

use std::fmt;

use crate::sarif;

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An annotation that Kubernetes ignores.
    DeprecatedAnnotation,
    /// A privileged container runs without any profile.
    Privileged,
    /// The profile is switched off.
    Unconfined,
    /// No profile is asked for.
    NoProfile,
    /// The name of a profile cannot be found by a node.
    ProfileName,
    /// The process may gain privileges.
    PrivilegeEscalation,
    /// It may run as root.
    RunAsRoot,
    /// It may write to its root file system.
    WritableRoot,
    /// It keeps capabilities that it may not need.
    Capabilities,
    /// It shares a namespace with the host.
    HostNamespace,
    /// It may write to the host's files.
    WritableHostPath,
    /// It gets credentials of the cluster.
    ServiceAccountToken,
    /// It is a Windows pod.
    Windows,
    /// An object that may make pods of which nothing is known.
    NotUnderstood,
    /// A file that is no manifest yet, or none at all.
    NotLookedAt,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Less safe than it could be.
    Warning,
    /// A profile has no effect.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::DeprecatedAnnotation,
        Self::Privileged,
        Self::Unconfined,
        Self::NoProfile,
        Self::ProfileName,
        Self::PrivilegeEscalation,
        Self::RunAsRoot,
        Self::WritableRoot,
        Self::Capabilities,
        Self::HostNamespace,
        Self::WritableHostPath,
        Self::ServiceAccountToken,
        Self::Windows,
        Self::NotUnderstood,
        Self::NotLookedAt,
    ];

    /// Its name in reports. Never changes.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::DeprecatedAnnotation => "deprecated-annotation",
            Self::Privileged => "privileged",
            Self::Unconfined => "unconfined",
            Self::NoProfile => "no-profile",
            Self::ProfileName => "profile-name",
            Self::PrivilegeEscalation => "privilege-escalation",
            Self::RunAsRoot => "run-as-root",
            Self::WritableRoot => "writable-root",
            Self::Capabilities => "capabilities",
            Self::HostNamespace => "host-namespace",
            Self::WritableHostPath => "writable-host-path",
            Self::ServiceAccountToken => "service-account-token",
            Self::Windows => "windows",
            Self::NotUnderstood => "not-understood",
            Self::NotLookedAt => "not-looked-at",
        }
    }

    /// What it is about, in a sentence.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::DeprecatedAnnotation => "Seccomp annotations are ignored since Kubernetes 1.27",
            Self::Privileged => "A privileged container runs without any seccomp profile",
            Self::Unconfined => "Seccomp is switched off",
            Self::NoProfile => "No seccomp profile is asked for",
            Self::ProfileName => "A node cannot find a profile of this name",
            Self::PrivilegeEscalation => "The process may gain privileges that its parent lacks",
            Self::RunAsRoot => "The container may run as root",
            Self::WritableRoot => "The container may write to its root file system",
            Self::Capabilities => "The container keeps capabilities",
            Self::HostNamespace => "The pod shares a namespace with the host",
            Self::WritableHostPath => "The container may write to the host's files",
            Self::ServiceAccountToken => "The pod gets credentials of the cluster",
            Self::Windows => "Windows knows no seccomp",
            Self::NotUnderstood => "The object may start pods that the audit does not see",
            Self::NotLookedAt => "The file was skipped",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::DeprecatedAnnotation => {
                "Ask for the profile in securityContext.seccompProfile instead of an annotation."
            }
            Self::Privileged => {
                "Leave out securityContext.privileged, and add the capabilities that are needed."
            }
            Self::Unconfined | Self::NoProfile => {
                "Ask for a profile of type Localhost (`strait apply`), or for RuntimeDefault."
            }
            Self::ProfileName => {
                "Name the file relative to the kubelet's folder of seccomp profiles, without ../ in it."
            }
            Self::PrivilegeEscalation => "Set securityContext.allowPrivilegeEscalation to false.",
            Self::RunAsRoot => {
                "Set securityContext.runAsNonRoot to true, and runAsUser if the image has root."
            }
            Self::WritableRoot => {
                "Set securityContext.readOnlyRootFilesystem to true, and mount an emptyDir where it writes."
            }
            Self::Capabilities => "Drop ALL capabilities, and add those that are needed.",
            Self::HostNamespace => "Leave out hostNetwork, hostPID and hostIPC.",
            Self::WritableHostPath => "Mount the host's files with readOnly: true, or not at all.",
            Self::ServiceAccountToken => {
                "Set automountServiceAccountToken to false if it does not talk to the API server."
            }
            Self::Windows => "Nothing can be done: no profile applies to it.",
            Self::NotUnderstood => {
                "Audit the pods that it makes (rendered, or from the cluster), or accept it with --ignore-unknown."
            }
            Self::NotLookedAt => "Render the template, or correct the file.",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Privileged | Self::Unconfined | Self::ProfileName => Severity::Error,
            Self::DeprecatedAnnotation
            | Self::NoProfile
            | Self::PrivilegeEscalation
            | Self::RunAsRoot
            | Self::Capabilities
            | Self::HostNamespace
            | Self::WritableHostPath
            | Self::NotUnderstood
            | Self::NotLookedAt => Severity::Warning,
            Self::WritableRoot | Self::ServiceAccountToken | Self::Windows => Severity::Note,
        }
    }

    /// Whether it tells that there may be pods that were not looked at.
    pub(crate) fn is_about_the_unknown(self) -> bool {
        matches!(self, Self::NotUnderstood | Self::NotLookedAt)
    }

    /// Whether it tells that a profile is missing or has no effect.
    pub(crate) fn is_about_seccomp(self) -> bool {
        matches!(
            self,
            Self::DeprecatedAnnotation
                | Self::Privileged
                | Self::Unconfined
                | Self::NoProfile
                | Self::ProfileName
                | Self::PrivilegeEscalation
        )
    }
}

impl From<Severity> for sarif::Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Note => Self::Note,
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
        }
    }
}
