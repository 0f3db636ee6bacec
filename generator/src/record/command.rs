//! Recording a command and all that it starts.

use std::path::Path;

use super::assemble::{Assembled, assemble, refusals, watch_list};
use super::kernel::{self, Kernel};
use super::launch::Launch;
use super::names::Names;
use super::probe::{self, Probe};
use super::samples::Marks;
use super::session::{Happened, Session};
use super::signals::Signals;
use super::{Notice, Outcome, RecordError, Request, Status, host, listen, privilege};
use crate::recording::{Origin, Recording, Start, Target, TargetKind, Tool};
use jiff::Timestamp;

/// Runs and records a command.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what it called could not be read. In the first
/// case nothing has been started.
pub fn run(request: Request, notify: &dyn Fn(&Notice)) -> Result<Outcome, RecordError> {
    let Request { command, user, linger, max_programs, filter, looked_at, verbose } = request;
    let watched = filter.is_some().then(|| watch_list(&looked_at));
    let records = filter.is_none();
    let mut launch = Launch::new(&command, user.clone(), filter)?;
    privilege::check()?;
    let Kernel { config, .. } = kernel::read()?;
    let options =
        probe::Options { max_programs, refusals: watched, verbose, ..probe::Options::default() };
    let probe = Probe::load(config, &options)?;
    let signals = Signals::new(false)
        .map_err(|source| RecordError::System { what: "block signals", source })?;
    let name = name_of(launch.program());
    let listener = if records { listen(&mut launch, user.as_ref(), notify) } else { None };
    let held = launch.fork(signals.blocked())?;
    privilege::drop_unneeded()?;

    let (started, start) = (Timestamp::now(), super::monotonic());
    let running = Some(held.release()?);
    let names = Names::default();
    let mut session = Session {
        probe,
        running,
        names,
        notify,
        linger,
        until_all_end: false,
        limit: None,
        listener,
    };
    let mut marks = Marks::default();
    let mut handler = |happened: Happened, probe: &Probe, _: &mut Names| {
        if let Happened::Mark(name) = happened {
            marks.take(name, super::monotonic(), &probe.snapshot()?);
        }
        Ok(())
    };
    let status = super::runtime()?
        .block_on(session.wait(signals, &mut handler))?
        .unwrap_or(Status::Exited(0));
    if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let snapshot = marks.without_own_calls(session.probe.snapshot()?);
    drop(session.probe);
    let finished = Timestamp::now();
    let mut names = session.names;
    let Assembled { programs, calls } = assemble(&snapshot, &mut names, config.native_abi, start);
    Ok(Outcome {
        refusals: refusals(&snapshot, &mut names),
        refusals_lost: snapshot.refusals_lost,
        recording: Recording {
            origin: Origin::default(),
            samples: marks.samples(&snapshot, config.native_abi, start),
            tool: Tool::this(),
            host: host()?,
            target: Target {
                kind: TargetKind::Command,
                start: Start::Exec,
                name,
                command: command.iter().map(|part| part.to_string_lossy().into_owned()).collect(),
            },
            started,
            finished,
            completeness: snapshot.losses.into(),
            programs,
            calls,
            refused: std::collections::BTreeMap::new(),
        },
        status,
        still_running,
    })
}

fn name_of(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
