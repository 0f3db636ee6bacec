//! What a workload called: the only thing that passes from the recorder to everything after it.
//!
//! [`Recording`] is the model; [`v1`] is how it is written to a file; [`merge`](mod@merge) makes one of many.

mod caveat;
mod container_origin;
mod error;
#[cfg(any(test, feature = "examples"))]
pub mod example;
pub mod image;
pub mod merge;
mod origin;
pub mod target;
mod tracer;
pub mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::abi::Abi;
use crate::scan::Reachable;

pub use caveat::Caveat;
pub use container_origin::ContainerOrigin;
pub use error::ReadError;
pub use origin::{Origin, Sample, Source};
pub use target::TargetId;
pub use tracer::{Tracer, UnknownTracer};

/// The system calls of one run of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What it is told from other recordings by, and what it was merged from.
    pub origin: Origin,
    /// The program that made the recording, and its version.
    pub tool: Tool,
    /// Where it was made.
    pub host: Host,
    /// What was recorded.
    pub target: Target,
    /// When the probe was in place.
    pub started: Timestamp,
    /// When the last of the target's tasks had ended, or recording was stopped.
    pub finished: Timestamp,
    /// Whether everything that was called is in here.
    pub completeness: Completeness,
    /// What it does not show, though nothing was lost.
    pub caveats: BTreeSet<Caveat>,
    /// Executables that made calls, by path, each path once.
    pub programs: Vec<Program>,
    /// What programs can call, by [`Program::path`]; nothing for those that were not scanned.
    pub reachable: BTreeMap<String, Reachable>,
    /// Calls by ABI and number (for x32 without the x32 bit).
    pub calls: BTreeMap<Abi, BTreeMap<u32, Call>>,
    /// Calls that the filter refused that was active while recording, by ABI, number and errno
    /// (`None`: the task was killed). They are not in [`calls`](Self::calls).
    pub refused: BTreeMap<(Abi, u32, Option<u16>), u64>,
    /// What each named part of the run called, such as a test; by recording and in the order of their
    /// ends. They need not cover the whole run.
    pub samples: Vec<Sample>,
}

/// The program that made a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `strait`.
    pub name: String,
    /// Its version, as `1.2.3`.
    pub version: String,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self { name: crate::tool::NAME.to_owned(), version: crate::tool::VERSION.to_owned() }
    }
}

/// The machine on which a recording was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Kernel release, as `uname -r` prints it; empty if it is not known.
    pub kernel: String,
    /// Machine, as `uname -m` prints it; several, with commas, if it was merged from recordings of several.
    pub arch: String,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How the target was told from everything else on the machine.
    pub kind: TargetKind,
    /// Short name: what the recording and the profile are called.
    pub name: String,
    /// Program and arguments: as given on the command line, or of the container's main process where
    /// its engine says so.
    pub command: Vec<String>,
    /// At which moment of the target's life the recording began.
    pub start: Start,
}

/// How a target is told from everything else on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A command and all that it started.
    Command,
    /// A container.
    Container(Box<Container>),
    /// Processes that ran already, and all that they started.
    Processes,
}

/// At which moment of a target's life a recording began, and so whether a profile made of it can
/// start the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When the runtime had installed the seccomp filter: every call that a profile has to allow is
    /// in the recording.
    Filter,
    /// At the first exec, since there was no filter, or (for a command) no runtime: what a runtime
    /// calls between filter and exec is not in it.
    Exec,
    /// Later: the target ran already. Its start is not in the recording.
    Attached,
}

/// A container, as far as its engine and the kernel tell. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Id, in full: 64 hexadecimal digits for Docker, podman and containerd.
    pub id: String,
    /// Engine that told about it: `docker`, `podman`; empty if none did.
    pub engine: String,
    /// Name, without a leading slash.
    pub name: String,
    /// Image as it was asked for.
    pub image: String,
    /// Digest of the image, as `sha256:…`.
    pub image_digest: String,
    /// Labels: compose project and service, Kubernetes pod, namespace and container.
    pub labels: BTreeMap<String, String>,
    /// OCI runtime: `runc`, `crun`, `youki`.
    pub runtime: String,
    /// Version of the runtime, as `1.1.5`.
    pub runtime_version: String,
    /// Whether the main process has `no_new_privs`.
    pub no_new_privs: bool,
    /// Capability bounding set of the main process, as the kernel's bit mask, if it is known.
    pub bounding_set: Option<u64>,
    /// Whether a seccomp filter was active.
    pub filtered: bool,
    /// The profile that the engine says was used: `default`, `unconfined` or a path.
    pub profile: String,
    /// Whether it only looks like a container: a user other than root made its namespaces, and no engine that was
    /// asked knows it. Nothing that it says about itself is in here.
    pub unconfirmed: bool,
    /// How it was told that the command started it; `None` if there was no command, or a release of Strait did not say.
    pub origin: Option<ContainerOrigin>,
}

/// Part of a container's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The runtime's own calls between filter and exec.
    Runtime,
    /// From the first exec until the container first waits for something.
    Startup,
    /// From then on.
    Running,
    /// Processes that were put into the container later: `docker exec`, health checks.
    Exec,
}

impl Phase {
    /// All of them, in the order of a container's life.
    pub const ALL: [Self; 4] = [Self::Runtime, Self::Startup, Self::Running, Self::Exec];

    /// The name used in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Startup => "startup",
            Self::Running => "running",
            Self::Exec => "exec",
        }
    }

    /// When it is, for people.
    #[must_use]
    pub const fn when(self) -> &'static str {
        match self {
            Self::Runtime => "by the runtime",
            Self::Startup => "during startup",
            Self::Running => "after startup",
            Self::Exec => "by exec",
        }
    }
}

/// Whether a recording holds everything that was called.
///
/// A variant and not a flag, so that nobody reads the calls of an incomplete recording without
/// having met its losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Nothing was lost.
    Complete,
    /// At least one of the counts is not zero.
    Incomplete(Losses),
}

/// What could not be stored. Each count is of its own unit and none is an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Calls whose number is unknown to every table and for which there was no room: in the
    /// recording these calls are missing.
    pub calls: u64,
    /// Times that an executable was started for which there was no room: its calls are in the
    /// recording under the program `(other)`; in a container they are under another program, or
    /// missing.
    pub programs: u64,
    /// Times that the kernel skipped the probe: what was called then is missing.
    pub missed: u64,
    /// Tasks that could not be followed: all that they called is missing.
    pub tasks: u64,
    /// Containers that may have been running before the recording began, since what there was then could not be seen.
    pub starts: u64,
    /// Lines of a log that could not be read: what they say is missing.
    pub unread: u64,
    /// Sources that need not have written down every call, such as audit records: what they left out is missing.
    pub partial: u64,
}

impl Losses {
    /// Whether nothing was lost.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// What was lost, a sentence for each kind, and what to do about it.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let Self { calls, programs, missed, tasks, starts, unread, partial } = *self;
        let times = |count| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        [
            (calls, "a call whose number no kernel table knows had no room and is missing", ""),
            (
                programs,
                "an executable without counters of its own was started; its calls are under \
                 `(other)`, or in a container under another program or missing",
                ". Raise --max-programs",
            ),
            (
                missed,
                "the kernel skipped the probe; what was called then is missing",
                ". Record again",
            ),
            (tasks, "a task could not be followed; its calls are missing", ""),
            (
                starts,
                "a container was recorded that may have been running before, since the recorder could not see \
                 what was",
                ". Run Strait as root in the host's pid namespace (hostPID)",
            ),
            (unread, "a line of the log could not be read; what it says is missing", ""),
            (
                partial,
                "the calls are from a source that does not write down all of them",
                ". Record with Strait for a profile that has to be enough",
            ),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, what, advice)| format!("{}: {what}{advice}", times(count)))
        .collect()
    }
}

impl From<Losses> for Completeness {
    fn from(losses: Losses) -> Self {
        if losses.is_zero() { Self::Complete } else { Self::Incomplete(losses) }
    }
}

impl Completeness {
    /// What was lost; all zero if the recording is complete.
    #[must_use]
    pub fn losses(&self) -> Losses {
        match self {
            Self::Complete => Losses::default(),
            Self::Incomplete(losses) => *losses,
        }
    }
}

/// An executable file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Absolute path where it could be found out, else the path by which it was executed.
    pub path: String,
    /// Device number, as `major:minor`; empty for `(other)` and `(runtime)`, which are no files, and where the source of
    /// the recording does not tell.
    pub device: String,
    /// Inode number on that device; 0 where the device is empty.
    pub inode: u64,
}

impl Program {
    /// The path under which stands what a container runtime calls between its filter and the exec, which is no file's.
    pub const RUNTIME: &str = "(runtime)";

    /// Whether it is that, and no program of the workload.
    #[must_use]
    pub fn is_runtime(&self) -> bool {
        self.path == Self::RUNTIME && self.device.is_empty()
    }
}

/// What is known about one system call of one ABI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// How often it was called, whether or not it succeeded.
    pub count: u64,
    /// Time from [`Recording::started`] to the first call.
    pub first_seen: Duration,
    /// How often each program called it, by [`Program::path`]; the counts add up to
    /// [`count`](Self::count).
    pub programs: BTreeMap<String, u64>,
    /// How often in each phase of a container's life; empty for a command.
    pub phases: BTreeMap<Phase, u64>,
    /// The values of its arguments, for a call for which there is a rule
    /// ([`ArgumentRule`](crate::policy::argument::ArgumentRule)); `None` if they were not kept.
    pub arguments: Option<Arguments>,
}

/// The values of some arguments of a call, reduced to what a filter may have to tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Indexes of the arguments that are kept, ascending, 0 to 5.
    pub indexes: Vec<u8>,
    /// Every combination of values that was seen, in the order of [`indexes`](Self::indexes).
    pub values: BTreeMap<Vec<u64>, ArgumentUse>,
    /// How many calls there were whose values had no room.
    pub overflow: u64,
}

/// How often a combination of values was seen. Counts have the meaning they have in [`Call`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArgumentUse {
    /// How often.
    pub count: u64,
    /// Time from [`Recording::started`] to the first time.
    pub first_seen: Duration,
    /// How often by each program.
    pub programs: BTreeMap<String, u64>,
    /// How often in each phase.
    pub phases: BTreeMap<Phase, u64>,
}

impl Recording {
    /// Whether it is of what only looks like a container ([`Container::unconfirmed`]).
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        matches!(&self.target.kind, TargetKind::Container(container) if container.unconfirmed)
    }

    /// Whether not a single call was recorded.
    pub fn is_empty(&self) -> bool {
        self.calls.values().all(BTreeMap::is_empty)
    }

    /// Whether it is of a container whose runtime gave up before it executed the container's program,
    /// or was still at it: nothing in it is the workload's.
    #[must_use]
    pub fn is_before_start(&self) -> bool {
        let by_runtime = |call: &Call| {
            !call.phases.is_empty() && call.phases.keys().all(|phase| *phase == Phase::Runtime)
        };
        matches!(self.target.kind, TargetKind::Container(_))
            && self.iter().all(|(_, _, call)| by_runtime(call))
            && !self.is_empty()
    }

    /// All calls with their ABI and number.
    pub fn iter(&self) -> impl Iterator<Item = (Abi, u32, &Call)> {
        self.calls
            .iter()
            .flat_map(|(abi, calls)| calls.iter().map(|(number, call)| (*abi, *number, call)))
    }

    /// The number of calls that were made.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().fold(0, |sum, (_, _, call)| sum.saturating_add(call.count))
    }
}
