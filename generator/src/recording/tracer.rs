//! How a recording was made, and what its maker could not see.

use std::fmt;
use std::str::FromStr;

/// What observed the calls of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tracer {
    /// Strait's eBPF probe.
    Ebpf,
    /// Strait, by seccomp user notification.
    Notify,
    /// A log of strace.
    Strace,
    /// The kernel's audit records.
    Audit,
    /// A list of calls: a profile, or what an operator keeps of one.
    List,
}

impl Tracer {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ebpf, Self::Notify, Self::Strace, Self::Audit, Self::List];

    /// The name used in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Notify => "notify",
            Self::Strace => "strace",
            Self::Audit => "audit",
            Self::List => "list",
        }
    }

    /// What it cannot see, a sentence; `None` if it sees all that a profile needs.
    #[must_use]
    pub const fn blind_to(self) -> Option<&'static str> {
        match self {
            Self::Ebpf => None,
            Self::Notify => Some(
                "it was recorded by seccomp user notification: each call takes longer, so what depends on time may \
                 differ; a signal may end any call with EINTR; and a ptrace tracer that seccomp stops for \
                 (SECCOMP_RET_TRACE) is not asked",
            ),
            Self::Strace => Some(
                "it is a log of strace: what strace was told to leave out is not in it, and what ptrace changes about \
                 the program (timing, tracing itself) is",
            ),
            Self::Audit => Some(
                "it is made of audit records: the kernel writes those that its rules and filters ask for, drops some \
                 when there are many, and a record of a filter's has no arguments",
            ),
            Self::List => Some(
                "it is a list of calls: who made them, how often and with which arguments is not known, and its \
                 conditions on arguments are not taken over",
            ),
        }
    }

    /// Whether counts are the number of calls, and not just that there were some.
    #[must_use]
    pub const fn counts(self) -> bool {
        !matches!(self, Self::List)
    }
}

impl fmt::Display for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is that of no tracer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tracer that this release knows")]
pub struct UnknownTracer(String);

impl FromStr for Tracer {
    type Err = UnknownTracer;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|tracer| tracer.name() == name);
        found.ok_or_else(|| UnknownTracer(name.to_owned()))
    }
}
