//! `strait verify`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::record::{RunArgs, not_run, run};
use super::{Ui, read_text, shown};
use crate::abi::Abi;
use crate::enforce::{self, NoNewPrivs};
use crate::output::Output;
use crate::policy::Policy;
use crate::profile::{self, Findings, Severity, lint};
use crate::record::{
    ContainersRequest, Filter, Notice, may_filter_without_no_new_privs, run_containers,
};
use crate::recording::TargetKind;
use crate::verify::{Report, json};

/// Run a command under a profile and name each refused call
///
/// Installs the profile with the kernel, as a container runtime would, right before COMMAND is
/// executed, and reports every call that it refused: with its arguments, errno, program and count. What
/// COMMAND prints is left alone: the report goes to standard error, or to a file.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait verify app.json -- ./run-tests.sh
  sudo strait verify app.json --containers -- \
    docker run --rm --security-opt seccomp=app.json app
  sudo strait verify app.json --format json -o report.json -- nginx -t

Exit status: 12 if a call was refused, even if the command survived it; else the command's own. A call
that the profile refuses by design, since software then makes another one that is allowed (clone3 and
clone), is a fallback and no refusal. 125 if the profile cannot be used; then nothing is run.")]
pub struct VerifyArgs {
    /// The profile; - is standard input
    profile: PathBuf,
    /// Where the report goes [default: standard error]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the report looks like
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// COMMAND starts containers under the profile: report what is refused in them. COMMAND itself is not
    /// put under the profile
    #[arg(long, conflicts_with = "no_new_privs")]
    containers: bool,
    /// Set no_new_privs before the filter is installed, as for a pod with
    /// allowPrivilegeEscalation: false
    #[arg(long)]
    no_new_privs: bool,
    #[command(flatten)]
    run: RunArgs,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A line for each call
    Text,
    /// strait.verify/v1
    Json,
}

/// Runs `strait verify`.
pub fn main(args: &VerifyArgs, ui: &Ui) -> Outcome {
    let name = shown(&args.profile);
    let (program, policy) = compile(args, &name, ui)
        .map_err(|Failure { error, .. }| Failure::new(exit::NOT_RUN, error))?;
    let output = args.output.clone().map(Output::from);
    if let Some(output) = &output {
        output.check().map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    }
    let report = if args.containers {
        watch_containers(args, &name, &policy, ui)?
    } else {
        run_under(args, &name, program, &policy, ui)?
    };
    let text = match args.format {
        Format::Text => report.to_string(),
        Format::Json => json::print(&report)?,
    };
    match &output {
        Some(output) => output.write(text.as_bytes())?,
        None if args.format == Format::Text && report.is_clean() => ui.show(text),
        None => ui.insist(text),
    }
    let code = if report.is_clean() { report.status.code() } else { exit::REFUSED };
    Ok(ExitCode::from(code))
}

/// Runs the command itself under the profile.
fn run_under(
    args: &VerifyArgs,
    name: &str,
    program: enforce::Program,
    policy: &Policy,
    ui: &Ui,
) -> Result<Report, Failure> {
    let mut request = args.run.request(&args.command, ui)?;
    let no_new_privs = args.no_new_privs || !may_filter_without_no_new_privs();
    if no_new_privs && !args.no_new_privs {
        ui.warn("without CAP_SYS_ADMIN a filter needs no_new_privs, so that is set");
    }
    let no_new_privs = if no_new_privs { NoNewPrivs::Set } else { NoNewPrivs::Leave };
    request.filter = Some(Filter { program, no_new_privs });
    request.looked_at = looked_at(policy);
    Ok(Report::new(name, policy, &run(request, ui)?))
}

/// Runs the command, and looks at the containers that it starts.
fn watch_containers(
    args: &VerifyArgs,
    name: &str,
    policy: &Policy,
    ui: &Ui,
) -> Result<Report, Failure> {
    let request = ContainersRequest {
        command: Some(args.command.clone()),
        user: args.run.user()?,
        linger: args.run.linger.map_or(Some(Duration::ZERO), |linger| linger.0),
        limit: None,
        max_programs: args.run.max_programs,
        only: Vec::new(),
        refusals: Some(looked_at(policy)),
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let outcome = run_containers(request, &notify, &|_| ()).map_err(not_run)?;
    if outcome.recordings.is_empty() {
        let error = anyhow!("no container came to life while {:?} ran", args.command);
        return Err(Failure::new(exit::EMPTY, error));
    }
    for container in &outcome.recordings {
        if let TargetKind::Container(described) = &container.recording.target.kind
            && !described.filtered
        {
            let name = &container.recording.target.name;
            ui.warn(format_args!("{name} ran without a filter, so nothing was refused in it"));
        }
    }
    let command = args.command.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    Ok(Report::of_containers(name, policy, command, &outcome))
}

/// Reads the profile, refuses it if it confines nothing or cannot work, and compiles it.
fn compile(args: &VerifyArgs, name: &str, ui: &Ui) -> Result<(enforce::Program, Policy), Failure> {
    let cannot_use = || format!("cannot use {name}");
    let profile = profile::parse(&read_text(&args.profile)?).with_context(cannot_use)?;
    let findings = lint(&profile);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    for warning in &warnings {
        ui.warn(format_args!("{name}: {warning}"));
    }
    if !errors.is_empty() {
        return Err(anyhow!("{}", Findings(errors)).context(cannot_use()).into());
    }
    let policy = profile.policy(Abi::NATIVE).with_context(cannot_use)?;
    let compiled = enforce::compile(&profile).with_context(cannot_use)?;
    if !compiled.unknown.is_empty() {
        // Runtimes leave them out without a word too: they get what the profile does not name.
        log::info!("this libseccomp does not know {}", compiled.unknown.join(" "));
    }
    Ok((compiled.program, policy))
}

/// For each call whose arguments the policy looks at, a bit for each of these.
fn looked_at(policy: &Policy) -> Vec<(Abi, u32, u8)> {
    let mut looked_at = Vec::new();
    for abi in policy.abis() {
        for (number, _) in abi.syscalls() {
            let predicates = policy
                .rules(abi, number)
                .iter()
                .flat_map(|rule| &rule.clauses)
                .flat_map(|clause| clause.predicates());
            let bits = predicates.fold(0, |bits, (index, _)| bits | 1 << index);
            if bits != 0 {
                looked_at.push((abi, number, bits));
            }
        }
    }
    looked_at
}
