//! `strait diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::choice::one_of;
use super::exceptions;
use super::exit::{self, Failure, Outcome};
use super::format::{Format, formats};
use super::input::{self, Input};
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::diff::{Diff, FailOn, Side, diff, json, markdown, sarif};
use strait_generator::machine::Machines;
use strait_generator::recording::target::describe;
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 4] = [
    (Format::Text, "For a terminal"),
    (Format::Markdown, "For a comment on a pull request"),
    (Format::Json, "strait.diff/v1"),
    (Format::Sarif, "SARIF 2.1.0, for code scanning"),
];

/// Show what a profile newly allows, and what it no longer allows
///
/// Compares profiles and recordings by meaning, call by call with all arguments, so JSON that says the same
/// in another way is equal. Each change comes with an example call, with the risk of that call, and with the
/// test and program that made it, if the profile has its evidence beside it (NEW.evidence.json) or is a
/// recording.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait diff profiles/app.json new.json
  strait diff old.json new.json --format markdown -o comment.md --fail-on risky
  strait diff app.json app.recording.json --fail-on never
  strait diff old.json new.json --allow-file reviewed.json

A file of exceptions:
  {\"schema\": \"strait.allow/v1\", \"exceptions\": [
    {\"call\": \"socket(AF_NETLINK)\", \"reason\": \"interface names\",
     \"expires\": \"2027-03-31\"}]}

Exit status: 10 if --fail-on applies; 1 if the two cannot be compared.")]
pub struct DiffArgs {
    /// Profile or recording of the release before; - is standard input
    old: PathBuf,
    /// Profile or recording of this release; - is standard input
    new: PathBuf,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Changes that fail, with exit status 10
    #[arg(long, value_name = "WHAT", default_value = "widened", value_parser = one_of::<FailOn>(), help_heading = "What fails")]
    fail_on: FailOn,
    /// Reviewed exceptions: calls that may become wider
    #[arg(long, value_name = "FILE", help_heading = "What fails")]
    allow_file: Option<PathBuf>,
    /// Machines on which to compare profiles: a profile means something else on each
    #[arg(long, value_name = "MACHINE", default_value = "all", value_parser = one_of::<Machines>(), help_heading = "What to compare")]
    machine: Machines,
    /// Evidence of NEW, if it is not beside it
    #[arg(long, value_name = "FILE", help_heading = "What to compare")]
    evidence: Option<PathBuf>,
}

/// Runs `strait diff`.
pub fn main(args: &DiffArgs, ui: &Ui) -> Outcome {
    let output = Output::from(args.output.clone());
    output.check()?;
    let allow_file = args.allow_file.as_deref();
    let inputs: Vec<&Path> =
        [args.old.as_path(), &args.new].into_iter().chain(allow_file).collect();
    super::given::only_once(&inputs)?;
    // A report in the place of the committed profile is never what was meant.
    if inputs.iter().any(|input| input.is_file() && same_file(input, &args.output)) {
        let error =
            anyhow!("the report would overwrite {}, which is compared", shown(&args.output));
        return Err(Failure::new(exit::USAGE, error));
    }
    let exceptions = exceptions::read(allow_file)?;
    let asked = args.machine;
    let (old, _) = input::read(&args.old, asked, ui)?;
    let (new, text) = input::read(&args.new, asked, ui)?;
    let machines = machines(&[(&args.old, &old), (&args.new, &new)], asked)?;
    if let (Input::Recording(one), Input::Recording(other)) = (&old, &new)
        && one.targets() != other.targets()
    {
        let (old, new) = (shown(&args.old), shown(&args.new));
        ui.warn(format_args!(
            "{old} and {new} are recordings of different targets: {}, and {}. Their differences need not be \
             changes of one workload",
            describe(&one.targets()),
            describe(&other.targets())
        ));
    }
    let old = side(&args.old, old, None, machines, ui)?;
    let new = side(&args.new, new, args.evidence.as_deref(), machines, ui)?;
    let today = jiff::Zoned::now().date();
    let compared = diff(&old, &new, &exceptions, today);
    warn(&compared, ui);
    let fail_on = args.fail_on;
    let report = match args.format {
        Format::Markdown => Report::Markdown(markdown::print(&compared, fail_on)),
        Format::Json => Report::json(&json::print(&compared, fail_on)?),
        Format::Sarif => Report::json(&sarif::print(&compared, &text)?),
        _ => Report::Text(compared.text()),
    };
    report.write(&output)?;
    Ok(ExitCode::from(if compared.fails(fail_on) { exit::WIDER } else { exit::DONE }))
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// The machines on which the two can be compared: a recording says nothing of those on which it was not made.
fn machines(inputs: &[(&PathBuf, &Input)], asked: Machines) -> Result<Machines, Failure> {
    let mut recorded = Vec::new();
    for (path, input) in inputs {
        let Input::Recording(recording) = input else { continue };
        let on: Machines = recording.calls.keys().map(|abi| abi.machine()).collect();
        if !on.is_empty() && on.and(asked).is_empty() {
            let error = anyhow!("{} was recorded on {on}, and not on {asked}", shown(path));
            return Err(Failure::new(exit::USAGE, error));
        }
        recorded.extend(on.iter());
    }
    let recorded: Machines = recorded.into_iter().collect();
    Ok(if recorded.is_empty() { asked } else { recorded.and(asked) })
}

fn side(
    path: &Path,
    input: Input,
    evidence: Option<&Path>,
    machines: Machines,
    ui: &Ui,
) -> Result<Side, Failure> {
    let name = shown(path);
    match input {
        Input::Recording(mut recording) => {
            recording.calls.retain(|abi, _| machines.have(*abi));
            if evidence.is_some() {
                ui.warn(format_args!("{name} is a recording: --evidence is not used"));
            }
            if recording.completeness != strait_generator::recording::Completeness::Complete {
                ui.warn(format_args!(
                    "{name} is incomplete: the workload may make calls that are not in it"
                ));
            }
            Ok(Side::recording(name, &recording))
        }
        Input::Profile(profile) => {
            let evidence = input::evidence(path, &profile, evidence, ui)?;
            let context = format!("cannot use {name}");
            Ok(Side::profile(name, &profile.only(machines), evidence).context(context)?)
        }
    }
}

fn warn(diff: &Diff, ui: &Ui) {
    exceptions::warn_of_expired(&diff.expired, ui);
    for exception in &diff.partial {
        ui.warn(format_args!(
            "the exception for `{}` covers only a part of what is newly allowed, so it does not count",
            exception.call
        ));
    }
    exceptions::warn_of_unused(&diff.unused, ui);
}
