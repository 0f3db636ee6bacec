//! `strait record --containers`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::exit::{self, Failure, Outcome};
use super::record::{RecordArgs, not_run, plural};
use super::{Ui, record};
use crate::output::Output;
use crate::record::{
    ContainerRecording, ContainersOutcome, ContainersRequest, Notice, run_containers,
};
use crate::recording::v1;

/// Runs `strait record --containers`.
pub fn main(command: Option<Vec<OsString>>, args: &RecordArgs, ui: &Ui) -> Outcome {
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
        .map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    Output::from(folder.join("x.recording.json"))
        .check()
        .map_err(|error| Failure::new(exit::NOT_RUN, error))?;
    let request = ContainersRequest {
        command,
        user: args.run.user()?,
        linger: args.run.linger.map_or(Some(Duration::ZERO), |linger| linger.0),
        limit: args.limit.and_then(|limit| limit.0),
        max_programs: args.run.max_programs,
        only: args.only.clone(),
        refusals: args.refusals.then(Vec::new),
        inject: None,
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let folder = Folder { path: folder, written: RefCell::default() };
    let flush = |recordings: Vec<ContainerRecording>| {
        if let Err(Failure { error, .. }) = folder.write(&recordings, ui) {
            ui.error(&error);
        }
    };
    let ContainersOutcome { recordings, notes, status, still_running, .. } =
        run_containers(request, &notify, &flush).map_err(not_run)?;
    folder.write(&recordings, ui).map_err(|failure| rescued(failure, &recordings, ui))?;
    for note in notes {
        ui.note(note);
    }
    if still_running > 0 {
        ui.warn(format_args!(
            "{} still running when the recording ended: what they call from now on is not in it",
            plural(still_running, "task")
        ));
    }
    if recordings.is_empty() {
        ui.warn("no container came to life");
    }
    Ok(status.map_or(ExitCode::SUCCESS, |status| ExitCode::from(status.code())))
}

/// The run may have taken hours; what it gave must not be lost with the folder.
fn rescued(failure: Failure, recordings: &[ContainerRecording], ui: &Ui) -> Failure {
    let rescue = tempfile::Builder::new().prefix("strait-recordings-").tempdir();
    let saved = rescue.map_err(Failure::from).and_then(|rescue| {
        let folder = Folder { path: rescue.path().to_owned(), written: RefCell::default() };
        folder.write(recordings, ui)?;
        Ok(rescue.keep())
    });
    let context = match saved {
        Ok(folder) => format!("the recordings are in {} instead", folder.display()),
        Err(_) => "the recordings are lost".to_owned(),
    };
    Failure { error: failure.error.context(context), code: failure.code }
}

/// Where recordings go.
struct Folder {
    path: PathBuf,
    /// What was written on demand.
    written: RefCell<BTreeSet<PathBuf>>,
}

impl Folder {
    /// Writes the recordings that there are, over those that were written before.
    fn write(&self, recordings: &[ContainerRecording], ui: &Ui) -> Result<(), Failure> {
        let mut written = BTreeSet::new();
        for ContainerRecording { file, recording, .. } in recordings {
            let Some(file) = file else {
                ui.warn(format_args!(
                    "{} has not started: its runtime did not come to execute the container's program, \
                     so there is nothing to record",
                    recording.target.name
                ));
                continue;
            };
            let path = self.path.join(file);
            Output::from(path.clone()).write(v1::print(recording)?.as_bytes())?;
            record::describe(recording, ui);
            ui.say(format_args!("wrote {}", path.display()));
            written.insert(path);
        }
        // The name of a container may not have been known before.
        for old in self.written.replace(written.clone()).difference(&written) {
            let _ = std::fs::remove_file(old);
        }
        Ok(())
    }
}
