//! `strait record`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::{Ui, duration};
use crate::output::Output;
use crate::record::{self, LaunchError, Notice, RecordError, Request, User};
use crate::recording::{Completeness, Recording, v1};

/// Record the system calls of a command and all that it starts
///
/// Runs COMMAND with your terminal, environment and limits, and counts in the kernel what it and every
/// process that it starts calls. Its exit status is passed through. Needs root, or CAP_BPF and
/// CAP_PERFMON; the command itself needs neither (see --user).
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait record -- ./run-tests.sh
  strait record -o nginx.recording.json -- nginx -g 'daemon off;'
  sudo strait record --user $USER -- cargo test

Exit status: the command's own; 128+N if signal N ended it; 125 if Strait failed before it could run
the command, 126 if the command is not executable, 127 if there is no such command.")]
pub struct RecordArgs {
    /// Where the recording goes; - is standard output [default: NAME.recording.json in this folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

/// How a command is run, for `record` and `verify` alike.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Run the command as this user: a name, UID or UID:GID
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// How long to go on with processes that outlive the command: 30s, 5m, 0, or forever
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub linger: duration::Limit,
    /// How many executables to tell apart; beyond it the recording is incomplete
    /// [default: what fits into 64 MiB, 64 to 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32000))]
    pub max_programs: Option<u16>,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

impl RunArgs {
    /// The request that these arguments make.
    pub fn request(&self, ui: &Ui) -> Result<Request, Failure> {
        let mut request = Request::new(self.command.clone());
        if let Some(user) = &self.user {
            request.user =
                Some(User::find(user).map_err(|error| Failure::new(exit::NOT_RUN, error))?);
        }
        request.linger = self.linger.0;
        request.max_programs = self.max_programs;
        request.verbose = ui.is_verbose();
        Ok(request)
    }
}

/// Runs a request, with its notices and errors as the command line has them.
pub fn run(request: Request, ui: &Ui) -> Result<record::Outcome, Failure> {
    let notify = |notice: &Notice| ui.note(notice);
    record::run(request, &notify).map_err(|error| {
        let code = match &error {
            RecordError::Launch(LaunchError::NotFound(_)) => exit::NOT_FOUND,
            RecordError::Launch(LaunchError::NotExecutable { .. }) => exit::NOT_EXECUTABLE,
            _ => exit::NOT_RUN,
        };
        Failure::new(code, error)
    })
}

/// Runs `strait record`.
pub fn main(args: &RecordArgs, ui: &Ui) -> Outcome {
    let request = args.run.request(ui)?;
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.run.command));
    let output = Output::from(output);
    output.check().map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    let outcome = run(request, ui)?;
    let text = v1::print(&outcome.recording)?;
    if let Err(error) = output.write(text.as_bytes()) {
        // The run may have taken hours; what it gave must not be lost with the folder.
        let rescue = std::env::temp_dir().join(default_output(&args.run.command));
        let saved = Output::File(rescue.clone()).write(text.as_bytes());
        let context = match saved {
            Ok(()) => format!("the recording is in {} instead", rescue.display()),
            Err(_) => "the recording is lost".to_owned(),
        };
        return Err(Failure::from(anyhow::Error::from(error).context(context)));
    }
    summarize(&outcome, &output, ui);
    Ok(ExitCode::from(outcome.status.code()))
}

/// `NAME.recording.json`, where NAME is the command's file name.
fn default_output(command: &[OsString]) -> PathBuf {
    let name = command.first().map(std::path::Path::new).and_then(std::path::Path::file_name);
    let name = name.unwrap_or_default().to_string_lossy();
    format!("{name}.recording.json").into()
}

fn summarize(outcome: &record::Outcome, output: &Output, ui: &Ui) {
    let Recording { completeness, calls, programs, started, finished, .. } = &outcome.recording;
    let of_abis: Vec<_> =
        calls.iter().map(|(abi, calls)| format!("{} {abi}", calls.len())).collect();
    ui.say(format_args!(
        "recorded {} system calls ({} different: {}) of {} in {:.1} s",
        outcome.recording.total(),
        calls.values().map(std::collections::BTreeMap::len).sum::<usize>(),
        of_abis.join(", "),
        plural(programs.len(), "program"),
        finished.duration_since(*started).as_secs_f64(),
    ));
    if outcome.still_running > 0 {
        ui.warn(format_args!(
            "{} still running when the recording ended: what they call from now on is not in it",
            plural(outcome.still_running, "task")
        ));
    }
    if let Completeness::Incomplete(losses) = completeness {
        for line in losses.describe() {
            ui.warn(format_args!("incomplete: {line}"));
        }
    }
    if let Output::File(path) = output {
        ui.say(format_args!("wrote {}", path.display()));
    }
}

fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Reads a recording from a file, or from standard input for `-`.
pub fn read(path: &std::path::Path) -> Result<Recording, Failure> {
    let text = super::read_text(path)?;
    Ok(v1::parse(&text).with_context(|| format!("cannot use {}", super::shown(path)))?)
}
