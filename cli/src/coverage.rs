//! `strait coverage`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::format::{Format, formats};
use super::targets::{self, Group};
use super::{Ui, generate, given, record, ui};
use strait_generator::coverage::{Coverage, CoverageError, json};
use strait_generator::recording::Recording;
use strait_generator::untrusted::{Text, one_line};
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 2] =
    [(Format::Text, "For people"), (Format::Json, "strait.coverage/v1")];

/// Show what the tests did not show, and what to test next
///
/// Lists the calls that the recorded programs can make and never made, by program and risk; whether the profile that
/// `strait generate` makes by default would refuse them, and why; and the test that would show them: a reload, a log
/// rotation, a crash and its recovery, DNS, TLS, IPv6, UNIX sockets, outgoing connections. Where it is not known what
/// the programs can call, Strait says so, and lists what may be missing.
///
/// From the samples of a recording (strait mark) it estimates how much of what another test would call was seen. Figures
/// with an interval are estimates; all others are counted.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait coverage app.recording.json
  strait coverage recordings/ --require 0.99
  strait coverage shard-*.recording.json --format json -o coverage.json

Exit status: 3 if nothing was recorded; 10 if less is covered than --require asks for, or that cannot be estimated.")]
pub struct CoverageArgs {
    /// Recordings, or folders of them (*.recording.json); - is standard input
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Look at recordings of different targets as if they were of one
    #[arg(long, help_heading = "Which recordings")]
    allow_mixed: bool,
    /// Fail if less than this share of what another test calls was seen, by estimate: 0.99
    ///
    /// It is the coverage of the calls with their arguments in another sample of the same kind, estimated from those that
    /// only one or two samples have. With fewer than 5 samples it cannot be estimated, and the check fails.
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "What to check")]
    require: Option<f64>,
    /// Show every event, program and call
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a share from 0 to 1, such as 0.99".to_owned())
}

/// Runs `strait coverage`.
pub fn main(args: &CoverageArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    given::only_once(&args.recordings)?;
    let paths = targets::expand(&args.recordings)?;
    let recordings = paths.into_iter().map(|path| record::read(&path).map(|one| (path, one)));
    let recordings: Vec<(PathBuf, Recording)> = recordings.collect::<Result<_, Failure>>()?;
    let groups = if args.allow_mixed {
        vec![recordings.into_iter().map(|(_, recording)| recording).collect()]
    } else {
        let plain = |group: Group| group.recordings.into_iter().map(|(_, one)| one).collect();
        targets::grouped(recordings).into_iter().map(plain).collect::<Vec<Vec<Recording>>>()
    };
    groups.iter().for_each(|group| targets::note_commands(group, ui));
    let covered = groups.into_iter().map(|group| Coverage::of(group, args.allow_mixed));
    let covered: Vec<Coverage> = covered.collect::<Result<_, _>>().map_err(failure)?;
    let printed = match args.format {
        Format::Json => ui::Report::json(&json::print(&covered, args.require)?),
        _ => {
            let mut text = Text::new();
            for (nth, coverage) in covered.iter().enumerate() {
                if nth > 0 {
                    text.blank();
                }
                text.append(&coverage.text(args.all));
            }
            ui::Report::Text(text)
        }
    };
    printed.write(&output)?;
    if let Output::File(path) = &output {
        ui.say(format_args!("wrote {}", path.display()));
    }
    let Some(required) = args.require else { return Ok(ExitCode::SUCCESS) };
    let short: Vec<&Coverage> = covered.iter().filter(|one| !one.reaches(required)).collect();
    for coverage in &short {
        ui.error(&below(coverage, required));
    }
    Ok(ExitCode::from(if short.is_empty() { exit::DONE } else { exit::WIDER }))
}

/// What is wrong, and what to test.
fn below(coverage: &Coverage, required: f64) -> anyhow::Error {
    let name = one_line(&coverage.target);
    let next = coverage.advice();
    let events: Vec<&str> = next.iter().take(3).map(|one| one.event.name.as_str()).collect();
    let next = match events.is_empty() {
        true => "Run more tests".to_owned(),
        false => format!("Test next: {}", events.join("; ")),
    };
    match &coverage.estimate {
        Ok(estimate) => anyhow!(
            "{name}: an estimated {:.4} of what another {} calls was seen, and --require asks for {required}. {next}",
            estimate.coverage.estimate,
            estimate.unit.name()
        ),
        Err(_) => anyhow!(
            "{name}: --require {required} cannot be decided: there are too few samples for an estimate. Mark the end of \
             each test with `strait mark NAME`"
        ),
    }
}

fn failure(error: CoverageError) -> Failure {
    let code = match &error {
        CoverageError::Generate(error) => generate::code(error),
        CoverageError::Merge(_) => exit::FAILED,
    };
    Failure::new(code, error)
}
