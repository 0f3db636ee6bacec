//! Chooses what observes a command: eBPF or user notification.

use std::fmt;

use thiserror::Error;

use crate::notify::{self, NotifyError};
use crate::record::launch::Launch;
use crate::record::{self, Notice, PrivilegeError, RecordError, Request, Signals};
use strait_generator::outcome::Outcome;
use strait_generator::recording::Recording;

/// What observes a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The probe where it can be loaded, else user notification.
    #[default]
    Auto,
    /// The probe.
    Ebpf,
    /// Seccomp user notification.
    Notify,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Ebpf, Self::Notify];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ebpf => "ebpf",
            Self::Notify => "notify",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum RunError {
    /// By the probe, or whatever observes it.
    #[error(transparent)]
    Record(RecordError),
    /// By user notification.
    #[error(transparent)]
    Notify(NotifyError),
    /// By neither.
    #[error("{notify}. With eBPF: {ebpf}")]
    Neither {
        /// Why not by the probe.
        ebpf: Box<RecordError>,
        /// Why not by user notification.
        notify: NotifyError,
    },
}

impl From<RecordError> for RunError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<NotifyError> for RunError {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::Record(error) => Self::Record(error),
            other => Self::Notify(other),
        }
    }
}

/// Runs and records a command, as [`record::run`] and [`notify::run`] do.
///
/// # Errors
///
/// [`RunError`] if the command was not run, or what it called could not be recorded.
pub fn run(
    backend: Backend,
    mut request: Request,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(&Recording),
) -> Result<Outcome, RunError> {
    let launch = Launch::new(&request.command, request.user.clone(), request.filter.take())
        .map_err(RecordError::from)?;
    if backend == Backend::Notify {
        return Ok(notify::run_launch(launch, &request, signals, notify, flush)?);
    }
    let ebpf = match record::load(&mut request) {
        Ok(loaded) => return Ok(loaded.run(launch, request, signals, notify, flush)?),
        Err(error) => error,
    };
    if backend == Backend::Ebpf || !is_about_the_probe(&ebpf) {
        return Err(ebpf.into());
    }
    notify(&Notice::WithoutProbe(reason(&ebpf)));
    notify::run_launch(launch, &request, signals, notify, flush).map_err(|error| match error {
        NotifyError::Missing(_) | NotifyError::Refused(_) | NotifyError::Supervised => {
            RunError::Neither { ebpf: Box::new(ebpf), notify: error }
        }
        other => other.into(),
    })
}

/// Whether another backend may do better.
fn is_about_the_probe(error: &RecordError) -> bool {
    matches!(error, RecordError::Privilege(_) | RecordError::Kernel(_) | RecordError::Probe(_))
}

/// Why the probe is not used, without advice.
fn reason(error: &RecordError) -> String {
    match error {
        RecordError::Privilege(PrivilegeError::Missing { missing }) => {
            format!("Strait lacks {missing}")
        }
        other => other.to_string(),
    }
}
