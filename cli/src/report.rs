//! `strait report`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::exit::{Failure, Outcome};
use super::{Ui, generate, merge, targets};
use strait_generator::recording::Completeness;
use strait_recorder::output::Output;

/// Write a page of HTML about recordings
///
/// What was called and how much less that is than what the Docker default allows, the risky calls first;
/// who made each call, in which tests and with which arguments; which calls only one program or one test
/// makes; and what a profile of it would be. Several recordings are put together as merge does.
///
/// The page is one file that loads nothing and runs no script, so that it can be kept with a build or sent
/// to somebody. The same recordings give the same bytes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait report app.recording.json -o app.html
  strait report shard-*.recording.json -o app.html
  strait report --allow-mixed web.recording.json cron.recording.json > pod.html

An incomplete recording gives a page that says so on top.

Exit status: 3 if nothing was recorded.")]
pub struct ReportArgs {
    /// Recordings made by `strait record`, or folders of them (*.recording.json); - is standard input
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Where the page goes; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Put recordings of different targets on one page too
    #[arg(long)]
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
