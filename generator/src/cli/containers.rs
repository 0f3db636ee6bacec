//! `strait record --containers`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::exit::{self, Failure, Outcome};
use super::record::{RecordArgs, not_run, plural, saved, signals};
use super::{Ui, record};
use crate::record::engine::unambiguous;
use crate::record::{
    ContainerRecording, ContainersOutcome, ContainersRequest, Notice, Signals, Writer,
    run_containers,
};
use crate::recording::{TargetKind, v1};
use crate::untrusted::Json;

/// Runs `strait record --containers`.
pub fn main(command: Option<Vec<OsString>>, args: &RecordArgs, ui: &Ui) -> Outcome {
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
        refusals: args.refusals.then(Vec::new),
        inject: None,
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let folder = Folder { writer, signals: &signals, written: RefCell::default() };
    let flush = |recordings: Vec<ContainerRecording>| {
        if let Err(Failure { error, .. }) = folder.write(&recordings, ui) {
            ui.error(&error);
        }
    };
    let ContainersOutcome { recordings, notes, status, still_running, .. } =
        run_containers(request, &signals, &notify, &flush).map_err(not_run)?;
    let written = folder.write(&recordings, ui);
    for note in notes {
        ui.note(note);
    }
    written?;
    let chosen = recordings.iter().filter_map(|ContainerRecording { recording, .. }| {
        let TargetKind::Container(container) = &recording.target.kind else { return None };
        Some((&**container, recording.target.name.as_str()))
    });
    // What was recorded is a file for each container, and so is not mixed.
    unambiguous(&args.only, chosen).map_err(|error| Failure::new(exit::USAGE, error))?;
    if still_running > 0 {
        ui.warn(format_args!(
            "{} still running when the recording ended: what they call from now on is not in it",
            plural(still_running, "task")
        ));
    }
    if recordings.is_empty() {
        ui.warn("no container was started");
    }
    Ok(status.map_or(ExitCode::SUCCESS, |status| ExitCode::from(status.code())))
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
                    "{} has not started: its runtime did not come to execute the container's program, \
                     so there is nothing to record",
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
