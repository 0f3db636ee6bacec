//! `strait verify`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;

use super::containers;
use super::exceptions;
use super::exit::{self, Failure, Outcome};
use super::format::{Format, formats};
use super::given::only_once;
use super::given::{self, Given};
use super::run::{RunArgs, not_run, run, saved, signals};
use super::{Ui, read_text, shown, ui};
use strait_generator::outcome::ContainerRecording;
use strait_generator::policy::Policy;
use strait_generator::policy::baseline::{KernelVersion, release};
use strait_generator::profile::Workload;
use strait_generator::verify::{
    Conclusion, Expectation, Looked, Report, json, keep_verified, under, under_filter,
};
use strait_recorder::backend::Backend;
use strait_recorder::enforce::{self, NoNewPrivs, Proven, Unenforceable, prove};
use strait_recorder::host;
use strait_recorder::output::Output;
use strait_recorder::record::{
    ContainersRequest, Filter, Notice, Only, Signals, Writer, may_filter_without_no_new_privs,
    run_containers,
};

/// What the report may look like.
const FORMATS: [(Format, &str); 2] =
    [(Format::Text, "One line for each call"), (Format::Json, "strait.verify/v1")];

/// Run a command under a profile and report each refused call
///
/// Installs the profile as a container runtime would, right before COMMAND is executed, and reports every
/// call that it refused, with arguments, errno, program and count. The report goes to standard error or to a
/// file, so the output of COMMAND stays as it is.
///
/// Everything from COMMAND on belongs to the command: put the options of `strait verify` before it. A `--` in
/// between is optional.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait verify app.json ./run-tests.sh
  sudo strait verify app.json --containers -- \\
      docker run --rm --security-opt seccomp=app.json app
  sudo strait verify app.json --containers --inject -- ./integration-tests.sh
  sudo strait verify app.json --format json -o report.json -- nginx -t
  sudo strait verify app.json --allow-file reviewed.json -- ./run-tests.sh

A file of exceptions, as for `strait diff`:
  {\"schema\": \"strait.allow/v1\", \"exceptions\": [
    {\"call\": \"socket(AF_NETLINK)\", \"reason\": \"interface names\",
     \"expires\": \"2027-03-31\"}]}

Listed, but not counted as refused: calls that the profile refuses by design because software falls back to \
an allowed one (clone3 to clone), calls that --allow-file accepts, calls that the profile allows and a \
filter of the program refuses, calls that Linux does not have, and calls that the container runtime tries \
and the Docker default refuses as well.

Exit status: that of COMMAND if nothing was refused; 3 if no container ran under the profile; 4 if refusals \
may have been missed, or if the filter of a container is not known; 12 if the profile refused a call, even \
if COMMAND succeeded; 125 if the profile cannot be used and nothing was run.")]
pub struct VerifyArgs {
    /// Profile; - is standard input
    profile: PathBuf,
    /// Write the report here [default: standard error]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Verify the containers that COMMAND starts under the profile
    ///
    /// COMMAND itself does not run under the profile.
    #[arg(long, conflicts_with = "no_new_privs", help_heading = "What to verify")]
    containers: bool,
    /// Verify only these containers: NAME, NAMESPACE/POD/CONTAINER, PROJECT/SERVICE, image=IMAGE or
    /// label=KEY[=VALUE]
    #[arg(long, value_name = "WHICH", requires = "containers", help_heading = "What to verify")]
    only: Vec<Only>,
    /// Verify containers that COMMAND did not start, too
    #[arg(long, requires = "containers", conflicts_with = "only", help_heading = "What to verify")]
    all: bool,
    /// Give the profile to containers that have none of their own
    ///
    /// Reaches the containers that COMMAND creates with Docker or podman, through DOCKER_HOST, CONTAINER_HOST
    /// and CONTAINERS_CONF.
    #[arg(long, requires = "containers", conflicts_with = "user", help_heading = "What to verify")]
    inject: bool,
    /// Reviewed exceptions: calls that may be refused
    #[arg(long, value_name = "FILE", help_heading = "What fails")]
    allow_file: Option<PathBuf>,
    /// Set no_new_privs first, as for a pod with allowPrivilegeEscalation: false
    #[arg(long, help_heading = "How to run COMMAND")]
    no_new_privs: bool,
    #[command(flatten)]
    run: RunArgs,
    /// Program and arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// Runs `strait verify`.
pub fn main(args: &VerifyArgs, ui: &Ui) -> Outcome {
    let name = shown(&args.profile);
    let not_run = |Failure { error, code }| match code {
        exit::FAILED => Failure::new(exit::NOT_RUN, error),
        code => Failure::new(code, error),
    };
    let inputs: Vec<_> = [&args.profile].into_iter().chain(&args.allow_file).collect();
    only_once(&inputs)?;
    let Compiled { text, program, policy } = compile(args, &name, ui).map_err(not_run)?;
    let exceptions = exceptions::read(args.allow_file.as_deref()).map_err(not_run)?;
    let today = jiff::Zoned::now().date();
    let expired = exceptions.iter().filter(|exception| exception.has_expired(today));
    exceptions::warn_of_expired(expired, ui);
    let expectation =
        Expectation::new(&policy, enforce::lacking(policy.abis()), kernel(), &exceptions, today);
    let output = args.output.clone().map(Output::from);
    let writer = output.as_ref().map(Writer::for_output).transpose();
    let writer = writer.map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    let signals = signals()?;
    let report = if args.containers {
        let inject = args.inject.then_some(text);
        watch_containers(args, &name, inject, (&policy, &expectation), &signals, ui)?
    } else {
        run_under(args, &name, program, &expectation, &signals, ui)?
    };
    exceptions::warn_of_unused(&report.unused, ui);
    let printed = match args.format {
        Format::Json => ui::Report::json(&json::print(&report)?),
        _ => ui::Report::Text(report.text()),
    };
    let conclusion = report.conclusion();
    match (&output, &writer, &printed) {
        (Some(output), Some(writer), _) => {
            let text = printed.text_for(output);
            saved(writer.write(None, text.as_bytes(), Some(&signals))?, ui)?;
        }
        (_, _, ui::Report::Text(text)) if conclusion == Conclusion::Clean => ui.show(text),
        _ => ui.insist(&printed),
    }
    Ok(ExitCode::from(match conclusion {
        Conclusion::Clean => report.status.code(),
        Conclusion::Incomplete => exit::INCOMPLETE,
        Conclusion::Refused => exit::REFUSED,
    }))
}

/// The version of the running kernel.
fn kernel() -> Option<KernelVersion> {
    release(&host::release()?)
}

/// Runs the command itself under the profile.
fn run_under(
    args: &VerifyArgs,
    name: &str,
    program: enforce::Program,
    expectation: &Expectation<'_>,
    signals: &Signals,
    ui: &Ui,
) -> Result<Report, Failure> {
    let mut request = args.run.request(&args.command, ui)?;
    let no_new_privs = args.no_new_privs || !may_filter_without_no_new_privs();
    if no_new_privs && !args.no_new_privs {
        ui.warn("without CAP_SYS_ADMIN a filter needs no_new_privs, so Strait sets it");
    }
    let no_new_privs = if no_new_privs { NoNewPrivs::Set } else { NoNewPrivs::Leave };
    request.filter = Some(Filter { program, no_new_privs });
    request.watched = Some(expectation.looked_at());
    Ok(Report::new(name, expectation, &run(Backend::Ebpf, request, signals, ui, &|_| ())?))
}

/// Runs the command, and looks at the containers that it starts.
fn watch_containers(
    args: &VerifyArgs,
    name: &str,
    inject: Option<String>,
    (policy, expectation): (&Policy, &Expectation<'_>),
    signals: &Signals,
    ui: &Ui,
) -> Result<Report, Failure> {
    let is_injected = inject.is_some();
    let request = ContainersRequest {
        command: Some(args.command.clone()),
        user: args.run.user()?,
        linger: args.run.linger.map_or(Some(Duration::ZERO), |linger| linger.0),
        limit: None,
        stop_timeout: args.run.stop_timeout(),
        max_programs: args.run.max_programs,
        only: args.only.clone(),
        all: args.all,
        refusals: Some(expectation.looked_at()),
        inject,
        helpers: None,
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let mut outcome = run_containers(request, signals, &notify, &|_| ()).map_err(not_run)?;
    for note in &outcome.notes {
        ui.note(note);
    }
    let wants_others = args.all || !args.only.is_empty();
    containers::say(outcome.about_origins(wants_others), ui);
    if outcome.recordings.is_empty() {
        let error = anyhow!("no container was started while {:?} ran", args.command);
        return Err(Failure::new(exit::EMPTY, error));
    }
    containers::check_only(&args.only, &outcome.recordings)?;
    let under = |one: &ContainerRecording| {
        let told = one.seccomp.as_ref().and_then(|told| under(told, policy, host::MACHINE));
        told.or_else(|| {
            let container = &one.recording.target.name;
            log::debug!(
                "{container}: what its runtime was told to install is not known; asking the kernel"
            );
            under_filter(one.filter.as_ref()?, policy, expectation.lacking())
        })
    };
    let Looked { remarks, unknown } =
        keep_verified(&mut outcome.recordings, name, is_injected, under);
    containers::say(remarks, ui);
    if outcome.recordings.is_empty() {
        let error = anyhow!("no container ran under {name}, so nothing was verified");
        return Err(Failure::new(exit::EMPTY, error));
    }
    let command = args.command.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    Ok(Report::of_containers(name, expectation, command, &outcome, unknown))
}

/// A profile in all its forms.
struct Compiled {
    /// As it was read.
    text: String,
    program: enforce::Program,
    policy: Policy,
}

/// Reads the profile, refuses it if it confines nothing or cannot work, and compiles it.
fn compile(args: &VerifyArgs, name: &str, ui: &Ui) -> Result<Compiled, Failure> {
    let cannot_use = || format!("cannot use {name}");
    let text = read_text(&args.profile)?;
    let workload = Workload::default();
    let given = given::parse(&args.profile, text, &workload, host::MACHINE.into(), ui)?;
    given.require_usable(&args.profile, ui)?;
    let Given { profile, text, .. } = given;
    let Proven { policy, compiled } = prove(&profile).map_err(advise).with_context(cannot_use)?;
    if !compiled.unknown.is_empty() {
        // Runtimes leave them out without a word too: they get what the profile does not name.
        log::info!("this libseccomp does not know {}", compiled.unknown.join(" "));
    }
    Ok(Compiled { text, program: compiled.program, policy })
}

/// Adds what can be done about it.
fn advise(error: Unenforceable) -> anyhow::Error {
    match error {
        Unenforceable::Unfaithful(_) => anyhow!(
            "{error}. Write the conditions of this call as equalities (SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ) that \
             do not overlap; if they are, try another release of libseccomp"
        ),
        other => other.into(),
    }
}
