//! `strait check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::format::{Format, formats};
use super::workload::WorkloadArgs;
use super::{Ui, given, read_text, record, shown, ui};
use strait_generator::abi::Abi;
use strait_generator::check::{self, Assumed, Coverage, Report, json};
use strait_generator::machine::Machines;
use strait_generator::policy::baseline::{Baseline, Context};
use strait_generator::policy::decide::Meaning;
use strait_generator::profile::{OnMachines, Workload, lint};
use strait_recorder::inspect::file;
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 2] =
    [(Format::Text, "For people"), (Format::Json, "strait.check/v1")];

/// Prove that a profile allows no more than a baseline, without running anything
///
/// Compares PROFILE with the baseline for every system call and all values of all arguments. Each call that
/// the profile lets through and the baseline refuses is shown with arguments as an example.
///
/// With --covers, checks that the profile allows everything in a recording.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait check app.json
  strait check app.json --within podman-default --caps NET_BIND_SERVICE,CHOWN
  strait check app.json --covers app.recording.json
  strait check app.json --machine aarch64
  sudo strait inspect 1234 --format json -o live.json
  strait check app.json --within live.json

Exit status: 10 if the profile is wider than the baseline; 12 if it would refuse what was recorded.")]
pub struct CheckArgs {
    /// Profile, or a filter written by `strait inspect`; - is standard input
    profile: PathBuf,
    /// Baseline: docker-default, podman-default, containerd-default, or a file [default: docker-default,
    /// unless --covers is given]
    ///
    /// A file is a profile in plain OCI or in the dialect of Docker or podman, or a filter written by `strait
    /// inspect`.
    #[arg(long, value_name = "BASELINE", help_heading = "What to check")]
    within: Option<String>,
    /// Recordings that the profile has to allow
    #[arg(long, value_name = "RECORDING", num_args = 1.., help_heading = "What to check")]
    covers: Vec<PathBuf>,
    #[command(flatten)]
    workload: WorkloadArgs,
    /// Machines that will load the profile; x86_64 includes i386 and x32 calls
    ///
    /// A profile covers the own calls of each machine, whatever architectures it lists, so it may be within a
    /// baseline on one machine and not on another.
    #[arg(long, value_name = "MACHINE", default_value = "all", value_parser = one_of::<Machines>(), help_heading = "The workload")]
    machine: Machines,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
}

impl CheckArgs {
    fn assumed(&self) -> Result<Assumed, Failure> {
        let Workload { capabilities, kernel } = self.workload.workload()?;
        Ok(Assumed { capabilities, kernel })
    }
}

/// Runs `strait check`.
pub fn main(args: &CheckArgs, ui: &Ui) -> Outcome {
    let assumed = args.assumed()?;
    let output = Output::from(args.output.clone());
    output.check()?;
    let name = shown(&args.profile);
    let asked = args.machine;
    let (profile, meant) = of_profile(&args.profile, asked, &assumed, ui)?;
    let within = match &args.within {
        None if !args.covers.is_empty() => None,
        within => {
            Some(baseline_of(within.as_deref().unwrap_or("docker-default"), asked, &assumed, ui)?)
        }
    };
    let limits = within.as_ref().map_or(Machines::ALL, |(_, limits, _)| *limits);
    let machines = asked.and(meant).and(limits);
    if machines.is_empty() {
        let error = anyhow!(
            "nothing to compare on {asked}: {name} covers {meant}, and the baseline covers {limits}. Filters \
             of a process cover only the machine on which it runs"
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    let profile = profile.only(|abi| machines.have(abi));
    let within = within.map(|(baseline, _, title)| {
        check::within(&profile, &baseline.only(|abi| machines.have(abi)), &title)
    });
    let covers = args
        .covers
        .iter()
        .map(|path| covered(path, &profile, machines, ui))
        .collect::<Result<_, Failure>>()?;
    let report = Report {
        profile: name,
        machines,
        allowed: profile.abis().map(|abi| check::count(&profile, abi)).collect(),
        assumed,
        within,
        covers,
    };
    let printed = match args.format {
        Format::Json => ui::Report::json(&json::print(&report)?),
        _ => ui::Report::Text(report.text()),
    };
    printed.write(&output)?;
    Ok(ExitCode::from(match () {
        () if !report.is_within() => exit::WIDER,
        () if !report.is_clean() => exit::REFUSED,
        () => exit::DONE,
    }))
}

/// What the profile does with a recording.
fn covered(
    path: &Path,
    profile: &Meaning,
    machines: Machines,
    ui: &Ui,
) -> Result<Coverage, Failure> {
    let (recording, name) = (record::read(path)?, shown(path));
    let of: Machines = recording.iter().map(|(abi, ..)| abi.machine()).collect();
    if !of.is_empty() && of.and(machines).is_empty() {
        let error = anyhow!("{name} was recorded on {of}, and the check is for {machines}");
        return Err(Failure::new(exit::USAGE, error));
    }
    if of.and(machines) != of {
        ui.warn(format_args!("{name} was recorded on {of}: only its calls on {machines} count"));
    }
    Ok(check::covers(profile, &recording, &name, machines))
}

/// A baseline that comes with Strait, or one in a file; the machines that it is about, and what it is called
/// in a sentence.
fn baseline_of(
    name: &str,
    asked: Machines,
    assumed: &Assumed,
    ui: &Ui,
) -> Result<(Meaning, Machines, String), Failure> {
    let Some(baseline) = Baseline::all().into_iter().find(|known| known.name() == name) else {
        let path = Path::new(name);
        if name != "-" && !path.exists() {
            let names: Vec<&str> = Baseline::all().map(Baseline::name).to_vec();
            let error = anyhow!(
                "there is no baseline and no file `{name}`; the baselines are {}",
                names.join(", ")
            );
            return Err(Failure::new(exit::USAGE, error));
        }
        let (meaning, machines) = of_baseline(path, asked, assumed, ui)?;
        return Ok((meaning, machines, shown(path)));
    };
    let context = Context {
        abis: Abi::ALL.into(),
        capabilities: assumed.capabilities.clone(),
        kernel: assumed.kernel,
    };
    Ok((baseline.resolve(&context).meaning()?, Machines::ALL, baseline.title().to_owned()))
}

/// A file that says what may be called.
enum Source {
    /// By filters, read back from the kernel.
    Filters(Meaning),
    /// By a profile, in plain OCI or a dialect.
    Profile(String),
}

fn source(path: &Path) -> Result<Source, Failure> {
    let text = read_text(path)?;
    if !file::is_one(&text) {
        return Ok(Source::Profile(text));
    }
    let meaning = file::parse(&text)
        .map_err(anyhow::Error::from)
        .and_then(|inspected| Ok(inspected.meaning()?))
        .with_context(|| cannot_use(path))?;
    Ok(Source::Filters(meaning))
}

fn cannot_use(path: &Path) -> String {
    format!("cannot use {}", shown(path))
}

/// What the profile that is checked means, and on which machines. It has to be of use.
fn of_profile(
    path: &Path,
    asked: Machines,
    assumed: &Assumed,
    ui: &Ui,
) -> Result<(Meaning, Machines), Failure> {
    let text = match source(path)? {
        Source::Filters(meaning) => return Ok(of_filters(meaning)),
        Source::Profile(text) => text,
    };
    let profile = parse(path, &text, asked, assumed, ui)?;
    match profile.profiles().into_iter().find_map(lint::futile) {
        // It is decided about all the same: it is as wide, or as narrow, as can be.
        Some(finding) => ui.warn(format_args!("{}: {finding}", shown(path))),
        None => {
            given::require_usable_on(&profile, &shown(path), ui)
                .with_context(|| cannot_use(path))?;
        }
    }
    let policy = profile.policy().with_context(|| cannot_use(path))?;
    Ok((Meaning::from(&policy), Machines::ALL))
}

/// What a file means as a baseline, whatever it is, on each of the machines as it would be read there.
fn of_baseline(
    path: &Path,
    asked: Machines,
    assumed: &Assumed,
    ui: &Ui,
) -> Result<(Meaning, Machines), Failure> {
    let text = match source(path)? {
        Source::Filters(meaning) => return Ok(of_filters(meaning)),
        Source::Profile(text) => text,
    };
    let profile = parse(path, &text, asked, assumed, ui)?;
    let policy = profile.policy().with_context(|| cannot_use(path))?;
    Ok((Meaning::from(&policy), Machines::ALL))
}

/// Filters were made on one machine, for its calls: those that they let through. If that is none, nothing
/// tells which machine it was.
fn of_filters(meaning: Meaning) -> (Meaning, Machines) {
    let machines = meaning.machines();
    (meaning, if machines.is_empty() { Machines::ALL } else { machines })
}

fn parse(
    path: &Path,
    text: &str,
    machines: Machines,
    assumed: &Assumed,
    ui: &Ui,
) -> anyhow::Result<OnMachines> {
    let workload = Workload { capabilities: assumed.capabilities.clone(), kernel: assumed.kernel };
    given::on_machines_for(path, text, machines, &workload, ui)
}
