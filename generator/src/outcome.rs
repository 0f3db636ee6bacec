//! The result of a recorded run: recordings, refusals, and how the command ended.

mod containers;

pub use containers::{ContainersOutcome, Nothing, Remark};

use std::fmt;

use serde_json::Value;

use crate::abi::Abi;
use crate::bpf::Filter;
use crate::recording::{Phase, Recording};

/// Names of the signals from 1 on that are not for real-time use (`include/uapi/asm/signal.h` of x86, arm64 and
/// riscv).
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// What came of recording a command.
pub struct Outcome {
    /// What was called.
    pub recording: Recording,
    /// How the command ended.
    pub status: Status,
    /// What the filter refused, in the order of the first time.
    pub refusals: Vec<Refusal>,
    /// Refusals for which there was no room.
    pub refusals_lost: u64,
    /// Tasks that still ran when the recording ended.
    pub still_running: u64,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this status.
    Exited(u8),
    /// By the signal with this number.
    Signaled(u8),
}

impl Status {
    /// As a shell gives it: 128 and the signal's number for a command that a signal ended.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => signal.saturating_add(128),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with {code}"),
            Self::Signaled(signal) => {
                let name = usize::from(*signal).checked_sub(1).and_then(|nth| SIGNALS.get(nth));
                match name {
                    Some(name) => write!(f, "was ended by {name}"),
                    None => write!(f, "was ended by signal {signal}"),
                }
            }
        }
    }
}

/// Calls that did not get past a filter, and were answered in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// ABI of the call.
    pub abi: Abi,
    /// Its number, without the x32 bit; `None` if the task was killed and only that is known.
    pub number: Option<u32>,
    /// How it was answered.
    pub answer: Answer,
    /// Arguments of the first one, as the kernel gave them to the filter.
    pub args: [u64; 6],
    /// Whether these are many calls with different arguments, of which nothing is known but of the first:
    /// more than are kept apart.
    pub others: bool,
    /// Path of the executable that made it.
    pub program: String,
    /// In which part of a container's life; `None` for a command.
    pub phase: Option<Phase>,
    /// How often.
    pub count: u64,
}

/// How a call was answered that did not get past a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// With an error.
    Errno(u16),
    /// With 0, as if it had been made.
    Success,
    /// With a value that is no error: by a supervisor or a tracer.
    Returned,
    /// By SIGSYS, which the task handled.
    Sigsys,
    /// The task was killed.
    Killed,
}

/// One container's recording.
pub struct ContainerRecording {
    /// The name of the file for it, and no two of one outcome have the same; `None` if the container's
    /// program was never executed, so that there is nothing to write.
    pub file: Option<String>,
    /// What was called.
    pub recording: Recording,
    /// The filter that its runtime was told to install, as in an OCI profile, if that could be read in time.
    pub seccomp: Option<Value>,
    /// The filter with which it began, as the kernel has it, if refusals were watched and it could be read.
    pub filter: Option<Filter>,
    /// What its filter refused, in the order of the first time.
    pub refusals: Vec<Refusal>,
}
