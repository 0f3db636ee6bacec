//! Running a command, for `record` and `verify` alike.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::{self, Failure};
use super::{Ui, duration, shown};
use strait_generator::outcome;
use strait_generator::recording::Recording;
use strait_recorder::backend::{self, Backend, RunError};
use strait_recorder::output::Output;
use strait_recorder::record::{
    self, LaunchError, MAX_PROGRAMS, Notice, RecordError, Request, Saved, Signals, User, Writer,
};

/// How a command is run.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Run COMMAND as this user: a name, UID or UID:GID
    #[arg(long, value_name = "USER", help_heading = "How to run COMMAND")]
    pub user: Option<String>,
    /// How long to wait for processes that outlive COMMAND: 30s, 5m, 0, or forever [default: 10s; 0 with
    /// --containers]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "When it ends")]
    pub linger: Option<duration::Limit>,
    /// How long COMMAND may take to end after Ctrl-C or SIGTERM before the recording ends without it
    /// [default: Strait ends within two seconds]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "When it ends")]
    pub stop_timeout: Option<duration::Limit>,
    /// How many executables to tell apart; with more, the recording is incomplete [default: as many as fit
    /// into 64 MiB, 64 to 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PROGRAMS)), help_heading = "Limits")]
    pub max_programs: Option<u16>,
}

impl RunArgs {
    /// The request that these arguments make.
    pub fn request(&self, command: &[OsString], ui: &Ui) -> Result<Request, Failure> {
        let mut request = Request::new(command);
        request.user = self.user()?;
        if let Some(linger) = self.linger {
            request.linger = linger.0;
        }
        request.stop_timeout = self.stop_timeout();
        request.max_programs = self.max_programs;
        request.verbose = ui.is_verbose();
        Ok(request)
    }

    /// How long the command may take to end after a signal.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout.map_or(record::STOP_TIMEOUT, |limit| limit.0.unwrap_or(Duration::MAX))
    }

    /// Who is to run the command, if not the caller.
    pub fn user(&self) -> Result<Option<User>, Failure> {
        let find = |user: &String| User::find(user);
        let user = self.user.as_ref().map(find).transpose();
        user.map_err(|error| Failure::new(exit::NOT_RUN, error))
    }
}

/// The exit status of a run that failed.
pub fn not_run(error: impl Into<RunError>) -> Failure {
    let error = error.into();
    let code = match &error {
        RunError::Record(RecordError::Launch(LaunchError::NotFound(_))) => exit::NOT_FOUND,
        RunError::Record(RecordError::Launch(LaunchError::NotExecutable { .. })) => {
            exit::NOT_EXECUTABLE
        }
        _ => exit::NOT_RUN,
    };
    Failure::new(code, error)
}

/// Runs a request, with its notices and errors as the command line has them.
pub fn run(
    backend: Backend,
    request: Request,
    signals: &Signals,
    ui: &Ui,
    flush: &dyn Fn(&Recording),
) -> Result<outcome::Outcome, Failure> {
    let notify = |notice: &Notice| ui.note(notice);
    backend::run(backend, request, signals, &notify, flush).map_err(not_run)
}

/// Starts what writes the output, before anything can change what is there, and then takes signals.
pub fn writer(output: &Output) -> Result<(Writer, Signals), Failure> {
    let writer = Writer::for_output(output).map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    Ok((writer, signals()?))
}

/// Takes signals.
pub fn signals() -> Result<Signals, Failure> {
    Signals::new()
        .context("cannot block signals")
        .map_err(|error| Failure::new(exit::NOT_RUN, error))
}

/// Says where a file is; that it is not where it should be is an error.
pub fn saved(saved: Saved, ui: &Ui) -> Result<(), Failure> {
    match saved {
        Saved::Written { path, .. } if path.as_os_str() == "-" => {}
        Saved::Written { path, moved: false } => {
            ui.say(format_args!("wrote {}", shown(&path)));
        }
        Saved::Written { path, moved: true } => {
            ui.warn(
                "the output folder was moved or replaced meanwhile; its files are where it is now",
            );
            ui.say(format_args!("wrote {}", shown(&path)));
        }
        Saved::Rescued { path, why } => {
            return Err(anyhow!("{why}. It was saved as {} instead", shown(&path))
                .context("cannot write the output")
                .into());
        }
        Saved::Lost { why } => {
            return Err(anyhow!("{why}. It is lost").context("cannot write the output").into());
        }
        Saved::Removed => {}
    }
    Ok(())
}
