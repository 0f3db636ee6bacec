//! `strait record --containers`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::exit::{self, Failure, Outcome};
use super::record::RecordArgs;
use super::run::{not_run, saved, signals};
use super::{Ui, record};
use strait_generator::outcome::{ContainerRecording, ContainersOutcome, Status};
use strait_generator::recording::{ContainerOrigin, Losses, TargetKind, v1};
use strait_generator::untrusted::Json;
use strait_recorder::record::engine::unambiguous;
use strait_recorder::record::{ContainersRequest, Notice, Only, Signals, Writer, run_containers};
use strait_recorder::scan::Helpers;

/// Runs `strait record --containers`.
pub fn main(args: &RecordArgs, ui: &Ui) -> Outcome {
    record::check(args)?;
    let command = (!args.command.is_empty()).then(|| args.command.clone());
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("."));
    let writer = Writer::for_folder(&folder).map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    let signals = signals()?;
    let request = ContainersRequest {
        command,
        user: args.run.user()?,
        linger: args.run.linger.map_or(Some(Duration::ZERO), |linger| linger.0),
        limit: args.limit.and_then(|limit| limit.0),
        stop_timeout: args.run.stop_timeout(),
        max_programs: args.run.max_programs,
        only: args.only.clone(),
        all: args.all,
        refusals: args.refusals.then(Vec::new),
        inject: None,
        helpers: helpers(args, ui),
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let folder = Folder { writer, signals: &signals, written: RefCell::default() };
    let flush = |recordings: Vec<ContainerRecording>| {
        if let Err(Failure { error, .. }) = folder.write(&recordings, ui) {
            ui.error(&error);
        }
    };
    let outcome = run_containers(request, &signals, &notify, &flush).map_err(not_run)?;
    let ContainersOutcome { recordings, notes, status, losses, others, left_out, .. } = outcome;
    let written = folder.write(&recordings, ui);
    for note in notes {
        ui.note(note);
    }
    let wants_others = args.all || !args.only.is_empty();
    explain_origins(&recordings, &left_out, wants_others, ui);
    written?;
    // What was recorded is a file for each container, and so is not mixed.
    check_only(&args.only, &recordings)?;
    let code = status.map_or(exit::DONE, Status::code);
    if recordings.iter().any(|one| one.file.is_some()) {
        return Ok(ExitCode::from(code));
    }
    let own = explain_nothing(recordings.is_empty(), &losses, &args.only, &others, ui);
    Ok(ExitCode::from(if code == exit::DONE { own } else { code }))
}

/// Starts what scans the containers' programs, unless that is not wanted or cannot be.
fn helpers(args: &RecordArgs, ui: &Ui) -> Option<Helpers> {
    let started = (!args.no_scan).then(Helpers::start)?;
    record::started(started, ui)
}

/// Refuses a name that chose containers of different workloads.
pub fn check_only(only: &[Only], recordings: &[ContainerRecording]) -> Result<(), Failure> {
    let chosen = recordings.iter().filter_map(|ContainerRecording { recording, .. }| {
        let TargetKind::Container(container) = &recording.target.kind else { return None };
        Some((&**container, recording.target.name.as_str()))
    });
    unambiguous(only, chosen).map_err(|error| Failure::new(exit::USAGE, error))
}

/// Says which containers were left out, or else which may be of others than the command, unless those were asked
/// for.
pub fn explain_origins(
    recordings: &[ContainerRecording],
    left_out: &BTreeSet<String>,
    wants_others: bool,
    ui: &Ui,
) {
    if !left_out.is_empty() {
        ui.warn(format_args!(
            "left out, because the command does not seem to have started them: {}. Use --all to include them, \
             or --only NAME to choose some",
            list(left_out)
        ));
    }
    let by_time = recordings.iter().map(|one| &one.recording).filter(|recording| {
        matches!(&recording.target.kind, TargetKind::Container(container)
            if container.origin == Some(ContainerOrigin::Time))
    });
    let by_time: BTreeSet<_> = by_time.map(|recording| recording.target.name.clone()).collect();
    if !by_time.is_empty() && !wants_others {
        ui.warn(format_args!(
            "it is not known whether the command started these containers, only that they were started while \
             it ran: {}. Use --only NAME to choose among them",
            list(&by_time)
        ));
    }
}

/// Names, of which there may be many.
fn list(names: &BTreeSet<String>) -> String {
    const MOST: usize = 20;
    let shown: Vec<_> = names.iter().map(|name| format!("`{name}`")).take(MOST).collect();
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Says why there is no recording. Returns the exit status that says the same.
fn explain_nothing(
    none: bool,
    losses: &Losses,
    only: &[Only],
    others: &BTreeSet<String>,
    ui: &Ui,
) -> u8 {
    if none && others.is_empty() {
        ui.warn("no container was started");
    } else if none {
        let asked: Vec<_> = only.iter().map(|only| format!("--only {only}")).collect();
        ui.warn(format_args!(
            "{} matches none of the containers that were started: {}",
            asked.join(" "),
            list(others),
        ));
    }
    if losses.is_zero() {
        // Without a choice all was recorded that there was.
        return if only.is_empty() { exit::DONE } else { exit::EMPTY };
    }
    for line in losses.describe() {
        ui.warn(format_args!("incomplete: {line}"));
    }
    exit::INCOMPLETE
}

/// Where recordings go.
struct Folder<'a> {
    writer: Writer,
    signals: &'a Signals,
    /// What was written on demand.
    written: RefCell<BTreeSet<String>>,
}

impl Folder<'_> {
    /// Writes the recordings that there are, over those that were written before. One that cannot be written
    /// does not keep the others from being; the first error is returned.
    fn write(&self, recordings: &[ContainerRecording], ui: &Ui) -> Result<(), Failure> {
        let mut written = BTreeSet::new();
        let mut result = Ok(());
        for ContainerRecording { file, recording, .. } in recordings {
            let Some(file) = file else {
                ui.warn(format_args!(
                    "{} did not start: its runtime ended before it executed the container's program. There is \
                     nothing to record",
                    recording.target.name
                ));
                continue;
            };
            let text = Json::new(&v1::print(recording)?).to_string();
            let one = self.writer.write(Some(file), text.as_bytes(), Some(self.signals));
            record::describe(recording, ui);
            let one = one.map_err(Failure::from).and_then(|place| saved(place, ui));
            if let Err(failure) = one {
                if result.is_err() {
                    ui.error(&failure.error);
                } else {
                    result = Err(failure);
                }
            }
            written.insert(file.clone());
        }
        // The name of a container may not have been known before.
        for old in self.written.replace(written.clone()).difference(&written) {
            self.writer.remove(old);
        }
        result
    }
}
