//! `strait record --containers`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
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
        verbose: ui.is_verbose(),
    };
    let notify = |notice: &Notice| ui.note(notice);
    let flush = |recordings: Vec<ContainerRecording>| {
        if let Err(Failure { error, .. }) = write(&recordings, &folder, ui) {
            ui.error(&error);
        }
    };
    let ContainersOutcome { recordings, notes, status, still_running, .. } =
        run_containers(request, &notify, &flush).map_err(not_run)?;
    write(&recordings, &folder, ui)?;
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

fn write(recordings: &[ContainerRecording], folder: &Path, ui: &Ui) -> Result<(), Failure> {
    for ContainerRecording { file, recording, .. } in recordings {
        let path = folder.join(file);
        Output::from(path.clone()).write(v1::print(recording)?.as_bytes())?;
        record::describe(recording, ui);
        ui.say(format_args!("wrote {}", path.display()));
    }
    Ok(())
}
