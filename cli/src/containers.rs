//! `strait record --containers`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;

use super::exit::{self, Failure, Outcome};
use super::record::RecordArgs;
use super::run::{not_run, saved, signals};
use super::{Ui, record};
use strait_generator::outcome::{ContainerRecording, Nothing, Remark, Status};
use strait_generator::recording::{TargetKind, v1};
use strait_generator::untrusted::Json;
use strait_recorder::record::engine::unambiguous;
use strait_recorder::record::{ContainersRequest, Notice, Only, Signals, Writer, run_containers};
use strait_recorder::scan::Helpers;

/// Runs `strait record --containers`.
pub fn main(args: &RecordArgs, ui: &Ui) -> Outcome {
    record::check(args)?;
    let command = (!args.command.is_empty()).then(|| args.command.clone());
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("."));
    if folder.as_os_str() == "-" {
        let error = anyhow!(
            "-o - is standard output, and recordings of containers go into a folder. Name it: -o DIR"
        );
        return Err(Failure::new(exit::USAGE, error));
    }
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
    let written = folder.write(&outcome.recordings, ui);
    for note in &outcome.notes {
        ui.note(note);
    }
    say(outcome.about_origins(args.all || !args.only.is_empty()), ui);
    written?;
    // What was recorded is a file for each container, and so is not mixed.
    check_only(&args.only, &outcome.recordings)?;
    let code = outcome.status.map_or(exit::DONE, Status::code);
    if outcome.recordings.iter().any(|one| one.file.is_some()) {
        return Ok(ExitCode::from(code));
    }
    let asked: Vec<String> = args.only.iter().map(|only| format!("--only {only}")).collect();
    let (nothing, remarks) = outcome.about_nothing(&asked);
    say(remarks, ui);
    let own = match nothing {
        Nothing::Lost => exit::INCOMPLETE,
        Nothing::NotThese => exit::EMPTY,
        _ => exit::DONE,
    };
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

/// Says what there is to say about the containers of a run.
pub fn say(remarks: Vec<Remark>, ui: &Ui) {
    for remark in remarks {
        match remark {
            Remark::Warning(text) => ui.warn(text),
            Remark::Note(text) => ui.note(text),
        }
    }
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
