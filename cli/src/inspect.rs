//! `strait inspect`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::Ui;
use super::exit::Outcome;
use super::format::{Format, formats};
use super::ui::Report;
use strait_generator::profile;
use strait_recorder::host;
use strait_recorder::inspect::{self, file};
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 3] = [
    (Format::Text, "For people"),
    (Format::Json, "strait.filter/v1: the filters themselves, as `check --within` takes them"),
    (Format::Profile, "A profile in plain OCI that lets the same through"),
];

/// Show the seccomp policy of a running process
///
/// Reads all seccomp filters of the process from the kernel and works out what they do together, for every
/// call and all arguments. The process is stopped for less than a millisecond.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait inspect $(docker inspect -f '{{.State.Pid}}' web)
  sudo strait inspect 1234 --format profile -o as-it-is.json
  sudo strait inspect 1234 --format json -o live.json
  strait check app.json --within live.json

The kernel shows filters only to a process with CAP_SYS_ADMIN that is not under a filter itself.")]
pub struct InspectArgs {
    /// Process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    /// Format of the output
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Write it here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
}

/// Runs `strait inspect`.
pub fn main(args: &InspectArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    let inspected = inspect::read(args.pid)?;
    let report = match args.format {
        Format::Json => Report::json(&file::print(&inspected)?),
        Format::Profile => {
            let meaning = inspected.meaning()?;
            let (profile, refusals) = profile::from_meaning(&meaning, host::MACHINE).context(
                "no profile does what these filters do; --format json keeps them as they are",
            )?;
            if let Some(witness) = refusals.first().and_then(|change| change.witness()) {
                ui.warn(format_args!(
                    "the profile lets the same through, but answers otherwise to {} refused calls, \
                     such as {witness}: {}, and from the process's filters: {}",
                    refusals.len(),
                    witness.after,
                    witness.before
                ));
            }
            Report::json(&profile::print(&profile).context("cannot write the profile as JSON")?)
        }
        _ => Report::Text(inspected.text(&inspected.meaning()?)),
    };
    report.write(&output)?;
    Ok(ExitCode::SUCCESS)
}
