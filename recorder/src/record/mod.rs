//! Records the system calls of a command and its descendants: the only part of Strait that knows the
//! kernel.
//!
//! - `probe`: the probe in the kernel, and what it has to know about this kernel
//! - `launch`: the command
//! - `session`: waiting for all that can happen
//! - `command`, `containers`, `attach`: what is recorded, and how
//! - `inject`: a profile for containers that have none
//! - `assemble`: from counters to observations
//! - `aside`: processes beside the recorder, such as the one that writes files
//! - `privilege`: what each stage of all this may do
//! - `folder`, `time`: what they share
//! - [`engine`]: what a container is
//!
//! # Example
//!
//! ```no_run
//! use strait_recorder::record::{Request, Signals, run};
//!
//! let request = Request::new(["nginx".into(), "-t".into()]);
//! let signals = Signals::new()?;
//! let outcome = run(request, &signals, &|notice| eprintln!("{notice}"), &|_| ())?;
//! println!("{} calls", outcome.recording.total());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod engine;

pub(crate) mod aside;
pub(crate) mod assemble;
mod attach;
mod command;
mod containers;
mod folder;
mod inject;
pub(crate) mod launch;
pub(crate) mod privilege;
mod probe;
pub(crate) mod session;
pub(crate) mod time;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;
use thiserror::Error;

use strait_generator::abi::Abi;
use strait_generator::recording::Host;

pub use aside::{Saved, Writer};
pub use attach::{Attach, AttachError, AttachRequest, run as run_attached};
pub use command::run;
pub(crate) use command::{load, name_of};
pub use containers::{ContainersRequest, run as run_containers};
pub use engine::{Only, OnlyError};
#[doc(hidden)]
pub use inject::create as create_requests;
pub use inject::{HOOK, InfraError, InjectError, leave_alone};
pub use launch::{Filter, LaunchError, User, UserError, Without, WithoutError, raise_file_limit};
pub use privilege::{PrivilegeError, may_filter_without_no_new_privs};
#[doc(hidden)]
pub use probe::Btf;
pub use probe::{BtfError, KernelError, MAX_PROGRAMS, ProbeError};
pub use session::Signals;
pub use session::marks::{MarkError, mark};

/// What is to be recorded, and how.
pub struct Request {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Who is to run it; `None`: the caller.
    pub user: Option<User>,
    /// How long to go on with processes that outlive the command; `None`: until they end.
    pub linger: Option<Duration>,
    /// How long the command may take to end after the first signal that asks for it; then the recording ends
    /// without it.
    pub stop_timeout: Duration,
    /// How many executables are to have counters of their own; `None`: as many as fit into 64 MiB.
    pub max_programs: Option<u16>,
    /// A filter to run the command under.
    pub filter: Option<Filter>,
    /// Whether refusals are observed: by ABI and number of a call, a bit for each argument whose value tells one
    /// refusal from another.
    pub watched: Option<Vec<(Abi, u32, u8)>>,
    /// Whether the probe is to say what it does, through [`log`].
    pub verbose: bool,
}

/// How long a command may take to end after a signal, unless told otherwise: so that a recorder has ended, with all
/// that was recorded written, two seconds after the first signal.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(1200);

impl Request {
    /// Records `command` as the caller, with the defaults of the command line.
    pub fn new(command: impl Into<Vec<OsString>>) -> Self {
        Self {
            command: command.into(),
            user: None,
            linger: Some(Duration::from_secs(10)),
            stop_timeout: STOP_TIMEOUT,
            max_programs: None,
            filter: None,
            watched: None,
            verbose: false,
        }
    }
}

/// Something to tell the user while they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The command has ended, and this many of the tasks that it started have not.
    Lingering {
        /// How many.
        tasks: u64,
        /// How long they are waited for.
        limit: Option<Duration>,
    },
    /// This many tasks that ran already are recorded from now on.
    Attached(usize),
    /// The command is recorded by user notification, since the probe cannot be loaded, for this reason.
    WithoutProbe(String),
    /// `strait mark` will not be heard, for this reason.
    NoMarks(String),
    /// A second signal: the command is killed, since the first one did not end it.
    Killing,
    /// The command has not ended this long after the signal: the recording ends without it.
    LeftRunning {
        /// Which one.
        signal: Signal,
        /// How long it had.
        after: Duration,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lingering { tasks: 1, limit } => {
                f.write_str("the command has ended, but 1 task that it started still runs; ")?;
                write_limit(f, *limit)
            }
            Self::Lingering { tasks, limit } => {
                write!(f, "the command has ended, but {tasks} tasks that it started still run; ")?;
                write_limit(f, *limit)
            }
            Self::Attached(1) => {
                f.write_str("attached to 1 task; recording until it ends, Ctrl-C stops")
            }
            Self::Attached(tasks) => {
                write!(f, "attached to {tasks} tasks; recording until they end, Ctrl-C stops")
            }
            Self::WithoutProbe(why) => {
                write!(
                    f,
                    "eBPF cannot be used: {why}; recording by seccomp user notification instead"
                )
            }
            Self::NoMarks(why) => write!(f, "marks cannot be taken: {why}"),
            Self::LeftRunning { signal, after } => write!(
                f,
                "the command is still running {} s after {signal}; the recording ends here. To wait longer for \
                 it, use --stop-timeout",
                after.as_secs_f32()
            ),
            Self::Killing => f.write_str("the command did not end at the first signal; killing it"),
        }
    }
}

fn write_limit(f: &mut fmt::Formatter<'_>, limit: Option<Duration>) -> fmt::Result {
    match limit {
        Some(limit) => write!(f, "recording for up to {} s more (--linger)", limit.as_secs_f32()),
        None => f.write_str("recording until they end; Ctrl-C stops"),
    }
}

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The command could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Capabilities are missing.
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    /// There is nothing to attach to.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// No profile can be given to containers.
    #[error(transparent)]
    Inject(#[from] InjectError),
    /// The kernel cannot be traced.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The probe failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The operating system failed.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Listens for marks, and tells the command where. That fails only where no socket can be made, which is
/// no reason not to record.
pub(crate) fn listen(
    launch: &mut launch::Launch,
    user: Option<&User>,
    notify: &dyn Fn(&Notice),
) -> Option<session::marks::Listener> {
    match session::marks::Listener::new(user) {
        Ok(listener) => {
            launch.set_environment(&[listener.variable()]);
            Some(listener)
        }
        Err(error) => {
            notify(&Notice::NoMarks(error.to_string()));
            None
        }
    }
}

pub(crate) fn host() -> Result<Host, RecordError> {
    let uname = nix::sys::utsname::uname()
        .map_err(|errno| RecordError::System { what: "name the host", source: errno.into() })?;
    Ok(Host {
        kernel: uname.release().to_string_lossy().into_owned(),
        arch: uname.machine().to_string_lossy().into_owned(),
    })
}

/// One thread, so that capabilities, which are a thread's, are given up for good.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, RecordError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RecordError::System { what: "start waiting", source })
}
