//! `strait record`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::exit::{self, Failure, Outcome};
use super::run::{RunArgs, not_run, run, saved, signals, writer};
use super::{Ui, duration};
use strait_generator::recording::{Completeness, Recording, v1};
use strait_generator::untrusted::Json;
use strait_recorder::backend::Backend;
use strait_recorder::enforce::NoNewPrivs;
use strait_recorder::output::Output;
use strait_recorder::record::engine::file_name;
use strait_recorder::record::{
    Attach, AttachRequest, Notice, Only, Saved, Without, Writer, run_attached,
};
use strait_recorder::scan::Helper;

/// Record the system calls of a command and everything it starts
///
/// Runs COMMAND with your terminal, environment and limits, counts its system calls and those of its
/// descendants in the kernel, and passes its exit status through. That needs root, or CAP_BPF and
/// CAP_PERFMON; COMMAND itself needs neither (see --user). Without them, Strait records COMMAND by seccomp
/// user notification, which needs no privilege (see --backend).
///
/// Everything from COMMAND on belongs to the command: put the options of `strait record` before it. A `--` in
/// between is optional.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sudo strait record ./run-tests.sh
  sudo strait record -o nginx.recording.json -- nginx -g 'daemon off;'
  sudo strait record --user $USER -- cargo test
  sudo strait record --containers -o recordings -- docker compose up
  sudo strait record --container web --for 10m

Exit status: that of COMMAND; 128+N if signal N ended it; 125 if Strait failed before it could run COMMAND; \
126 if COMMAND is not executable; 127 if it was not found.")]
pub struct RecordArgs {
    /// Record every container that COMMAND starts, each into its own file in the folder given with -o
    ///
    /// Works with any engine. COMMAND itself is run, but not recorded. Without COMMAND, Strait records every
    /// container that is started, until Ctrl-C or --for.
    ///
    /// A container belongs to COMMAND if a descendant of COMMAND created it, or asked a container engine to
    /// start it. If there is none, Strait records all containers that start while COMMAND runs.
    #[arg(long, group = "scope", help_heading = "What to record")]
    pub containers: bool,
    /// Attach to a running container, by name, compose service or id, until it ends
    ///
    /// What enters it from outside, as by docker exec and health checks, is not recorded; --containers
    /// records that too.
    #[arg(long, value_name = "NAME|ID", group = "scope", help_heading = "What to record")]
    container: Option<String>,
    /// Attach to a running process and its descendants, until they end
    #[arg(long, value_name = "PID", group = "scope", help_heading = "What to record")]
    pid: Option<u32>,
    /// Attach to all processes of a cgroup, until they end
    #[arg(long, value_name = "PATH", group = "scope", help_heading = "What to record")]
    cgroup: Option<PathBuf>,
    /// Record only these containers: NAME, NAMESPACE/POD/CONTAINER, PROJECT/SERVICE, image=IMAGE or
    /// label=KEY[=VALUE]
    #[arg(long, value_name = "WHICH", requires = "containers", help_heading = "What to record")]
    pub only: Vec<Only>,
    /// Record containers that COMMAND did not start, too
    #[arg(long, requires_all = ["containers", "command"], conflicts_with = "only", help_heading = "What to record")]
    pub all: bool,
    /// Record the calls that filters of containers refuse, too, with their errno
    ///
    /// Every call on the machine then costs about half as much again as recording does.
    #[arg(long, requires = "containers", help_heading = "How to record")]
    pub refusals: bool,
    /// Refuse this to COMMAND, so that its fallback is recorded
    ///
    /// No tracepoint sees what io_uring does: Strait answers the program with ENOSYS, and the program makes
    /// ordinary calls.
    #[arg(long, value_name = "WHAT", conflicts_with = "scope", value_parser = without(), help_heading = "How to record")]
    without: Option<Without>,
    /// Stop recording after this time
    #[arg(long = "for", value_name = "DURATION", requires = "scope", value_parser = duration::parse, help_heading = "When it ends")]
    pub limit: Option<duration::Limit>,
    /// How to observe COMMAND: `ebpf` needs root, `notify` (seccomp user notification) needs no privilege and
    /// costs more for each call, `auto` uses eBPF where it is available
    #[arg(long, value_name = "BACKEND", default_value = "auto", value_parser = backend(), help_heading = "How to record")]
    backend: Backend,
    /// Write the recording here; - is standard output [default: NAME.recording.json in this folder]
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Name of COMMAND in the recording [default: its file name]
    ///
    /// Recordings of commands make one profile together, unless they have different names.
    #[arg(long, value_name = "NAME", conflicts_with = "scope", value_parser = name, help_heading = "Output")]
    name: Option<String>,
    /// Do not scan the recorded programs for the calls that they can make
    ///
    /// Otherwise a process without privilege scans their executables and libraries, those of containers while these
    /// live and others at the end, and `programs[].reachable` of the recording has the result.
    #[arg(long, conflicts_with = "container", help_heading = "How to record")]
    pub no_scan: bool,
    #[command(flatten)]
    pub run: RunArgs,
    /// Program and arguments
    #[arg(trailing_var_arg = true, required_unless_present = "scope", conflicts_with_all = ["container", "pid", "cgroup"], value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What can observe a command.
fn backend() -> impl TypedValueParser<Value = Backend> {
    PossibleValuesParser::new(Backend::ALL.map(Backend::name)).try_map(|chosen| {
        Backend::ALL.into_iter().find(|backend| backend.name() == chosen).ok_or("unknown")
    })
}

/// What a command can be kept from.
fn without() -> impl TypedValueParser<Value = Without> {
    PossibleValuesParser::new(Without::NAMES.map(|(name, _)| name)).try_map(|chosen| {
        let mut known = Without::NAMES.into_iter();
        known.find(|(name, _)| *name == chosen).map(|(_, without)| without).ok_or("unknown")
    })
}

/// Refuses options that do not go together.
pub fn check(args: &RecordArgs) -> Result<(), Failure> {
    if args.backend == Backend::Notify
        && let Some(option) = args.scope()
    {
        return Err(Failure::new(
            exit::USAGE,
            anyhow!(
                "cannot use {option} with --backend notify: user notification works only for a command that \
                 Strait starts, and {option} records what others start. Leave out --backend, and run Strait \
                 as root"
            ),
        ));
    }
    Ok(())
}

/// Runs `strait record` of a command, or of what runs already.
pub fn main(args: &RecordArgs, ui: &Ui) -> Outcome {
    check(args)?;
    if let Some(attach) = args.attach() {
        return attached(attach, args, ui);
    }
    let mut request = args.run.request(&args.command, ui)?;
    if let Some(without) = args.without {
        let filter = without.filter().map_err(|error| Failure::new(exit::NOT_RUN, error))?;
        if filter.no_new_privs == NoNewPrivs::Set {
            ui.warn("without CAP_SYS_ADMIN a filter needs no_new_privs, so Strait sets it");
        }
        request.filter = Some(filter);
    }
    let output = args.output.clone().unwrap_or_else(|| match &args.name {
        Some(name) => file_name(name, 1).into(),
        None => default_output(&args.command),
    });
    let (writer, signals) = writer(&Output::from(output))?;
    let helper = helper(args, ui);
    let write = |recording: &Recording| -> Result<Saved, Failure> {
        let text = match &args.name {
            Some(name) => {
                let mut named = recording.clone();
                named.target.name.clone_from(name);
                v1::print(&named)?
            }
            None => v1::print(recording)?,
        };
        let text = Json::new(&text).to_string();
        Ok(writer.write(None, text.as_bytes(), Some(&signals))?)
    };
    let flush = |recording: &Recording| {
        let written = write(recording).and_then(|place| {
            describe(recording, ui);
            saved(place, ui)
        });
        if let Err(Failure { error, .. }) = written {
            ui.error(&error);
        }
    };
    let mut outcome = run(args.backend, request, &signals, ui, &flush)?;
    if let Some(helper) = helper {
        helper.fill(&mut outcome.recording, signals.stopped().is_some());
    }
    let place = write(&outcome.recording)?;
    describe(&outcome.recording, ui);
    saved(place, ui)?;
    Ok(ExitCode::from(outcome.status.code()))
}

/// Starts what scans programs, unless that is not wanted or cannot be.
fn helper(args: &RecordArgs, ui: &Ui) -> Option<Helper> {
    // Paths of a container's programs lead elsewhere outside of it.
    if args.no_scan || args.container.is_some() {
        return None;
    }
    started(Helper::start(), ui)
}

/// What was started; if it could not be, it is said and done without.
pub fn started<T>(started: std::io::Result<T>, ui: &Ui) -> Option<T> {
    if let Err(error) = &started {
        ui.warn(format_args!("what the programs can call will not be in the recording: {error}"));
    }
    started.ok()
}

/// A name that is also one for a file.
pub fn name(text: &str) -> Result<String, String> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=100).contains(&text.len()) && !text.starts_with(['.', '-']);
    match fits && text.chars().all(safe) {
        true => Ok(text.to_owned()),
        false => Err("write up to 100 letters, digits, dots, dashes and underscores, beginning with a letter, \
                      digit or underscore"
            .to_owned()),
    }
}

impl RecordArgs {
    /// The option that chooses something else to record than a command.
    fn scope(&self) -> Option<&'static str> {
        let options = [
            ("--containers", self.containers),
            ("--container", self.container.is_some()),
            ("--pid", self.pid.is_some()),
            ("--cgroup", self.cgroup.is_some()),
        ];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    fn attach(&self) -> Option<Attach> {
        let pid = self.pid.map(Attach::Process);
        pid.or_else(|| self.cgroup.clone().map(Attach::Cgroup))
            .or_else(|| self.container.clone().map(Attach::Container))
    }
}

/// Records what runs already.
fn attached(attach: Attach, args: &RecordArgs, ui: &Ui) -> Outcome {
    // What it is called is known later, but the folder is the one of now.
    let output = args.output.clone().map(Output::from);
    let is_named = output.is_some();
    let writer = match &output {
        Some(output) => Writer::for_output(output),
        None => Writer::for_folder(Path::new("")),
    };
    let writer = writer.map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    let signals = signals()?;
    let request = AttachRequest {
        attach,
        limit: args.limit.and_then(|limit| limit.0),
        max_programs: args.run.max_programs,
        verbose: ui.is_verbose(),
    };
    let is_container = matches!(request.attach, Attach::Container(_));
    let notify = |notice: &Notice| ui.note(notice);
    let helper = helper(args, ui);
    let mut recording = run_attached(request, &signals, &notify).map_err(not_run)?;
    if let Some(helper) = helper {
        helper.fill(&mut recording, signals.stopped().is_some());
    }
    let file = (!is_named).then(|| file_name(&recording.target.name, 1));
    let text = Json::new(&v1::print(&recording)?).to_string();
    let place = writer.write(file.as_deref(), text.as_bytes(), Some(&signals))?;
    describe(&recording, ui);
    if is_container {
        ui.warn(
            "attached to a running container: the recording has neither its start nor what enters it from \
             outside (exec, health checks); --containers records both",
        );
    } else {
        ui.warn("attached to running processes: their start is not in the recording");
    }
    saved(place, ui)?;
    Ok(ExitCode::from(if recording.is_empty() { exit::EMPTY } else { exit::DONE }))
}

/// `NAME.recording.json`, where NAME is the command's file name.
fn default_output(command: &[OsString]) -> PathBuf {
    let name = command.first().map(std::path::Path::new).and_then(std::path::Path::file_name);
    let name = name.unwrap_or_default().to_string_lossy();
    format!("{name}.recording.json").into()
}

/// Says what is in a recording, and what was lost.
pub fn describe(recording: &Recording, ui: &Ui) {
    let Recording { calls, programs, started, finished, .. } = recording;
    let of_abis: Vec<_> =
        calls.iter().map(|(abi, calls)| format!("{} {abi}", calls.len())).collect();
    let seconds = finished.duration_since(*started).as_secs_f64();
    if of_abis.is_empty() {
        ui.say(format_args!("recorded no system call in {seconds:.1} s"));
    } else {
        ui.say(format_args!(
            "recorded {} system calls ({} different: {}) of {} in {seconds:.1} s",
            recording.total(),
            calls.values().map(std::collections::BTreeMap::len).sum::<usize>(),
            of_abis.join(", "),
            plural(programs.len(), "program"),
        ));
    }
    describe_gaps(recording, ui);
}

/// Says what was lost, and what a recording does not show.
pub fn describe_gaps(recording: &Recording, ui: &Ui) {
    if let Completeness::Incomplete(losses) = recording.completeness {
        for line in losses.describe() {
            ui.warn(format_args!("incomplete: {line}"));
        }
    }
    for caveat in &recording.caveats {
        ui.warn(caveat);
    }
}

pub fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Reads a recording from a file, or from standard input for `-`.
pub fn read(path: &std::path::Path) -> Result<Recording, Failure> {
    parse(path, &super::read_text(path)?)
}

/// The same, of a file that was read.
pub fn parse(path: &std::path::Path, text: &str) -> Result<Recording, Failure> {
    Ok(v1::parse(text).with_context(|| format!("cannot use {}", super::shown(path)))?)
}
