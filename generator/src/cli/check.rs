//! `strait check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::{Ui, capabilities, read_text, record, shown};
use crate::abi::Abi;
use crate::check::{self, Assumed, Report, json};
use crate::inspect::file;
use crate::output::Output;
use crate::policy::Capability;
use crate::policy::baseline::{Baseline, Context, version};
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
            version(text).ok_or_else(|| {
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
    let profile = read(&args.profile, &assumed, Role::Profile, ui)?;
    let within = match &args.within {
        None if !args.covers.is_empty() => None,
        within => {
            let baseline = within.as_deref().unwrap_or("docker-default");
            let (meaning, title) = baseline_of(baseline, &assumed, ui)?;
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
    let text = match args.format {
        Format::Text => report.to_string(),
        Format::Json => json::print(&report)?,
    };
    output.write(text.as_bytes())?;
    Ok(ExitCode::from(match () {
        () if !report.is_within() => exit::WIDER,
        () if !report.is_clean() => exit::REFUSED,
        () => exit::DONE,
    }))
}

/// A baseline that comes with Strait, or one in a file; and what it is called in a sentence.
fn baseline_of(name: &str, assumed: &Assumed, ui: &Ui) -> Result<(Meaning, String), Failure> {
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
        return Ok((read(path, assumed, Role::Baseline, ui)?, shown(path)));
    };
    let context = Context {
        abis: Abi::ALL.into(),
        capabilities: assumed.capabilities.clone(),
        kernel: assumed.kernel,
    };
    Ok((baseline.resolve(&context).meaning()?, baseline.title().to_owned()))
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is checked, and has to be of use.
    Profile,
    /// It is what the other is compared with, whatever it is.
    Baseline,
}

/// What a file means: a profile, in plain OCI or a dialect, or a filter.
fn read(path: &Path, assumed: &Assumed, role: Role, ui: &Ui) -> Result<Meaning, Failure> {
    let cannot_use = || format!("cannot use {}", shown(path));
    let text = read_text(path)?;
    if file::is_one(&text) {
        let inspected = file::parse(&text).with_context(cannot_use)?;
        return inspected.meaning().with_context(cannot_use).map_err(Into::into);
    }
    let context = profile::Context {
        native: Abi::NATIVE,
        capabilities: assumed.capabilities.clone(),
        kernel: assumed.kernel,
    };
    let profile = profile::parse_for(&text, &context).with_context(cannot_use)?;
    if profile::parse(&text).is_err() {
        ui.warn(format_args!(
            "{} is written in the dialect of dockerd and podman, and read as they do; \
             containerd and Kubernetes drop its conditions",
            shown(path)
        ));
    }
    if role == Role::Profile {
        judge(&profile, &shown(path), ui).with_context(cannot_use)?;
    }
    let policy = profile.policy(native(&profile)).with_context(cannot_use)?;
    Ok(Meaning::from(&policy))
}

/// Refuses a profile that no container could start under, or that confines nothing.
fn judge(profile: &Profile, name: &str, ui: &Ui) -> anyhow::Result<()> {
    let findings = lint(profile);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    for warning in &warnings {
        ui.warn(format_args!("{name}: {warning}"));
    }
    if errors.is_empty() { Ok(()) } else { Err(anyhow!("{}", Findings(errors))) }
}

/// The machine that a profile is for: this one, unless it lists only others.
fn native(profile: &Profile) -> Abi {
    let listed: Vec<Abi> = profile.architectures.iter().filter_map(|arch| arch.abi()).collect();
    match listed.first() {
        Some(first) if !listed.contains(&Abi::NATIVE) => {
            if *first == Abi::Aarch64 {
                Abi::Aarch64
            } else {
                Abi::X86_64
            }
        }
        _ => Abi::NATIVE,
    }
}
