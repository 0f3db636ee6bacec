//! `strait report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::{Failure, Outcome};
use super::{Ui, generate, merge, targets};
use strait_generator::recording::Completeness;
use strait_recorder::output::Output;

/// Write an HTML page about recordings
///
/// Shows which calls were made and how many fewer that is than the Docker default allows, risky calls first;
/// which program made each call, in which tests and with which arguments; which calls only one program or one
/// test makes; and what a profile would be. Several recordings are merged first.
///
/// The page is one file that loads nothing and runs no script, so it can be kept with a build. The same
/// recordings give the same bytes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait report app.recording.json -o app.html
  strait report shard-*.recording.json -o app.html
  strait report --allow-mixed web.recording.json cron.recording.json > pod.html

The page of an incomplete recording says so at the top.

Exit status: 3 if nothing was recorded.")]
pub struct ReportArgs {
    /// Recordings, or folders of them (*.recording.json); - is standard input
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Write the page here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Put recordings of different targets on one page
    #[arg(long, help_heading = "Which recordings")]
    allow_mixed: bool,
}

/// Runs `strait report`.
pub fn main(args: &ReportArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    let recording = merge::read(&args.recordings, args.allow_mixed)?;
    targets::note_commands([&recording], ui);
    if let Completeness::Incomplete(losses) = recording.completeness {
        for loss in losses.describe() {
            ui.warn(format_args!("incomplete: {loss}"));
        }
    }
    let page = strait_generator::report::page(&recording)
        .map_err(|error| Failure::new(generate::code(&error), error))?;
    super::ui::Report::Other(page).write(&output)?;
    if let Output::File(path) = &output {
        ui.say(format_args!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
