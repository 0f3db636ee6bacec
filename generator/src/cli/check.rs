//! `strait check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::{Ui, capabilities, read_text, record, shown, ui};
use crate::abi::Abi;
use crate::check::{self, Assumed, Report, json};
use crate::inspect::file;
use crate::output::Output;
use crate::policy::Capability;
use crate::policy::baseline::{Baseline, Context, release};
use crate::policy::decide::Meaning;
use crate::profile::{self, Findings, Profile, Severity, lint};

/// Prove that a profile allows no more than it may, without running anything
///
/// Compares PROFILE with a baseline for every system call and all values of all arguments. If the
/// profile lets anything through that the baseline refuses, each such call is shown with arguments for
/// which that is so.
///
/// --covers says whether everything in a recording would be let through.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait check app.json
  strait check app.json --within podman-default --caps NET_BIND_SERVICE,CHOWN
  sudo strait inspect 1234 --format json -o live.json && strait check app.json --within live.json
  strait check app.json --covers app.recording.json

Exit status: 10 if the profile is wider than the baseline, 12 if it would refuse what was recorded.")]
pub struct CheckArgs {
    /// The profile, or a filter written by `strait inspect`; - is standard input
    profile: PathBuf,
    /// What it has to be within: docker-default, podman-default, containerd-default, or a file: a
    /// profile in plain OCI or in the dialect of Docker or podman, or a filter written by
    /// `strait inspect` [default: docker-default, unless --covers is given]
    #[arg(long, value_name = "BASELINE")]
    within: Option<String>,
    /// Recordings of which it has to allow everything
    #[arg(long, value_name = "RECORDING", num_args = 1..)]
    covers: Vec<PathBuf>,
    /// The capabilities that the workload will have: names, ALL or NONE [default: Docker's 14]
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    caps: Vec<String>,
    /// The kernel that it will run on, such as 6.1 [default: one that is new enough for all rules]
    #[arg(long, value_name = "VERSION")]
    kernel: Option<String>,
    /// Where the report goes; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What the report looks like
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// strait.check/v1
    Json,
}

impl CheckArgs {
    fn assumed(&self) -> Result<Assumed, Failure> {
        let kernel = self.kernel.as_deref().map(|text| {
            release(text).ok_or_else(|| {
                let error = anyhow!("`{text}` is no kernel version: write one such as 6.1");
                Failure::new(exit::USAGE, error)
            })
        });
        Ok(Assumed { capabilities: self.capabilities()?, kernel: kernel.transpose()? })
    }

    fn capabilities(&self) -> Result<BTreeSet<Capability>, Failure> {
        if self.caps.is_empty() {
            return Ok(Capability::docker_default());
        }
        let some = self.caps.iter().filter(|name| !name.eq_ignore_ascii_case("none"));
        capabilities(some)
    }
}

/// Runs `strait check`.
pub fn main(args: &CheckArgs, ui: &Ui) -> Outcome {
    let assumed = args.assumed()?;
    let output = Output::from(args.output.clone());
    output.check()?;
    let name = shown(&args.profile);
    let profile = of_profile(&args.profile, &assumed, ui)?;
    let within = match &args.within {
        None if !args.covers.is_empty() => None,
        within => {
            let baseline = within.as_deref().unwrap_or("docker-default");
            let (meaning, title) = baseline_of(baseline, &profile, &assumed, ui)?;
            Some(check::within(&profile, &meaning, &title))
        }
    };
    let covers = args
        .covers
        .iter()
        .map(|path| Ok(check::covers(&profile, &record::read(path)?, &shown(path))))
        .collect::<Result<_, Failure>>()?;
    let report = Report {
        profile: name,
        allowed: profile.abis().map(|abi| check::count(&profile, abi)).collect(),
        assumed,
        within,
        covers,
    };
    let printed = match args.format {
        Format::Text => ui::Report::Text(report.text()),
        Format::Json => ui::Report::json(&json::print(&report)?),
    };
    printed.write(&output)?;
    Ok(ExitCode::from(match () {
        () if !report.is_within() => exit::WIDER,
        () if !report.is_clean() => exit::REFUSED,
        () => exit::DONE,
    }))
}

/// A baseline that comes with Strait, or one in a file; and what it is called in a sentence.
fn baseline_of(
    name: &str,
    profile: &Meaning,
    assumed: &Assumed,
    ui: &Ui,
) -> Result<(Meaning, String), Failure> {
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
        return Ok((of_baseline(path, profile, assumed, ui)?, shown(path)));
    };
    let context = Context {
        abis: Abi::ALL.into(),
        capabilities: assumed.capabilities.clone(),
        kernel: assumed.kernel,
    };
    Ok((baseline.resolve(&context).meaning()?, baseline.title().to_owned()))
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

/// What the profile that is checked means. It has to be of use.
fn of_profile(path: &Path, assumed: &Assumed, ui: &Ui) -> Result<Meaning, Failure> {
    let text = match source(path)? {
        Source::Filters(meaning) => return Ok(meaning),
        Source::Profile(text) => text,
    };
    let profile = parse(&text, Abi::NATIVE, assumed).with_context(|| cannot_use(path))?;
    warn_of_dialect(&text, path, ui);
    judge(&profile, &shown(path), ui).with_context(|| cannot_use(path))?;
    meaning(&profile, native(&profile)).with_context(|| cannot_use(path)).map_err(Into::into)
}

/// What a file means as a baseline, whatever it is, on the machines that the profile is for: on each of
/// them it would be read there.
fn of_baseline(
    path: &Path,
    profile: &Meaning,
    assumed: &Assumed,
    ui: &Ui,
) -> Result<Meaning, Failure> {
    let text = match source(path)? {
        Source::Filters(meaning) => return Ok(meaning),
        Source::Profile(text) => text,
    };
    let machines: BTreeSet<Abi> = profile.abis().map(Abi::of_machine).collect();
    let parts = machines.into_iter().map(|machine| {
        let baseline = parse(&text, machine, assumed)?;
        Ok(meaning(&baseline, machine)?.only(|abi| abi.of_machine() == machine))
    });
    let all = parts.collect::<anyhow::Result<Meaning>>().with_context(|| cannot_use(path))?;
    warn_of_dialect(&text, path, ui);
    Ok(all)
}

fn parse(text: &str, machine: Abi, assumed: &Assumed) -> anyhow::Result<Profile> {
    let context = profile::Context {
        native: machine,
        capabilities: assumed.capabilities.clone(),
        kernel: assumed.kernel,
    };
    Ok(profile::parse_for(text, &context)?)
}

fn meaning(profile: &Profile, machine: Abi) -> anyhow::Result<Meaning> {
    Ok(Meaning::from(&profile.policy(machine)?))
}

fn warn_of_dialect(text: &str, path: &Path, ui: &Ui) {
    if profile::parse(text).is_err() {
        ui.warn(format_args!(
            "{} is written in the dialect of dockerd and podman, and read as they do; \
             containerd and Kubernetes drop its conditions",
            shown(path)
        ));
    }
}

/// Refuses a profile that no container could start under, or that confines nothing.
fn judge(profile: &Profile, name: &str, ui: &Ui) -> anyhow::Result<()> {
    let findings = lint(profile);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    for warning in &warnings {
        ui.warn(format_args!("{name}: {warning}"));
    }
    if errors.is_empty() { Ok(()) } else { Err(anyhow::Error::new(Findings(errors))) }
}

/// The machine that a profile is for: this one, unless it lists only others.
fn native(profile: &Profile) -> Abi {
    let mut machines =
        profile.architectures.iter().filter_map(|arch| arch.abi()).map(Abi::of_machine);
    match machines.clone().any(|machine| machine == Abi::NATIVE) {
        true => Abi::NATIVE,
        false => machines.next().unwrap_or(Abi::NATIVE),
    }
}
