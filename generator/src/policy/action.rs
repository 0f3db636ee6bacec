//! What a filter does with a call.

use std::fmt;

use super::Errno;

/// What a filter does with a call.
///
/// There is no default: the author of a policy decides which action stands where.
/// `SCMP_ACT_NOTIFY` is missing on purpose: it needs a listener, which a file cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The call is made.
    Allow,
    /// The call is made, and the kernel logs it.
    Log,
    /// The call is not made and returns this error.
    Errno(Errno),
    /// A tracer decides; without one the call returns ENOSYS. The number is handed to the tracer.
    Trace(u16),
    /// The call is not made and the thread gets SIGSYS.
    Trap,
    /// The thread is killed.
    KillThread,
    /// The whole process is killed.
    KillProcess,
}

impl Action {
    /// Whether the call reaches the kernel.
    #[must_use]
    pub const fn lets_through(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }

    /// How far a call gets.
    #[must_use]
    pub const fn reach(self) -> Reach {
        match self {
            Self::Allow | Self::Log => Reach::Made,
            Self::Trace(_) => Reach::Traced,
            Self::Errno(_) | Self::Trap | Self::KillThread | Self::KillProcess => Reach::Refused,
        }
    }
}

/// How far a call gets, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It is never made.
    Refused,
    /// It is made if a tracer wants it. Anybody can be the tracer of a child of its own
    /// (`PTRACE_O_TRACESECCOMP`, ptrace(2)), so this does not stop a process that may call ptrace.
    Traced,
    /// It is made.
    Made,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Log => f.write_str("allow and log"),
            Self::Errno(errno) => write!(f, "refuse with {errno}"),
            Self::Trace(_) => f.write_str("ask the tracer"),
            Self::Trap => f.write_str("trap (SIGSYS)"),
            Self::KillThread => f.write_str("kill the thread"),
            Self::KillProcess => f.write_str("kill the process"),
        }
    }
}
