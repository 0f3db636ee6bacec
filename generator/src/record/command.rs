//! Recording a command and all that it starts.

use std::path::Path;

use jiff::Timestamp;
use probe_common::KILLED;

use super::assemble::{Assembled, abi_of, assemble, index_of};
use super::kernel::{self, Kernel};
use super::launch::Launch;
use super::names::Names;
use super::probe::{self, Probe, Snapshot};
use super::session::Session;
use super::signals::Signals;
use super::{Notice, Outcome, RecordError, Refusal, Request, Status, host, privilege};
use crate::recording::{Recording, Start, Target, TargetKind, Tool};

/// Runs and records a command.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what it called could not be read. In the first
/// case nothing has been started.
pub fn run(request: Request, notify: &dyn Fn(&Notice)) -> Result<Outcome, RecordError> {
    let Request { command, user, linger, max_programs, filter, looked_at, verbose } = request;
    let refusals = filter.is_some().then(|| {
        let looked_at = looked_at.iter();
        looked_at.map(|(abi, number, bits)| (index_of(*abi), *number, *bits)).collect()
    });
    let launch = Launch::new(&command, user, filter)?;
    privilege::check()?;
    let Kernel { config, .. } = kernel::read()?;
    let options = probe::Options { max_programs, refusals, verbose, containers: None };
    let probe = Probe::load(config, &options)?;
    let signals = Signals::new(false)
        .map_err(|source| RecordError::System { what: "block signals", source })?;
    let name = name_of(launch.program());
    let held = launch.fork(signals.blocked())?;
    privilege::drop_unneeded()?;

    let (started, start) = (Timestamp::now(), super::monotonic());
    let running = Some(held.release()?);
    let names = Names::default();
    let mut session =
        Session { probe, running, names, notify, linger, until_all_end: false, limit: None };
    let status = super::runtime()?
        .block_on(session.wait(signals, &mut |_, _, _| Ok(())))?
        .unwrap_or(Status::Exited(0));
    if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let snapshot = session.probe.snapshot()?;
    drop(session.probe);
    let finished = Timestamp::now();
    let mut names = session.names;
    let Assembled { programs, calls } = assemble(&snapshot, &mut names, config.native_abi, start);
    Ok(Outcome {
        refusals: refused(&snapshot, &mut names),
        refusals_lost: snapshot.refusals_lost,
        recording: Recording {
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

fn refused(snapshot: &Snapshot, names: &mut Names) -> Vec<Refusal> {
    let mut refusals: Vec<_> = snapshot
        .refusals
        .iter()
        .filter_map(|(key, refusal)| {
            let of_set = snapshot.sets.iter().find(|counts| u32::from(counts.set) == key.set)?;
            let abi = abi_of(key.abi)?;
            let killed = key.errno == KILLED;
            let refusal_of_call = Refusal {
                abi,
                number: (!killed || key.number != u32::MAX).then_some(key.number),
                errno: (!killed).then_some(key.errno),
                args: refusal.args,
                program: names.program(of_set.set, &of_set.program).path,
                count: refusal.seen.count,
            };
            Some((refusal.seen.first, refusal_of_call))
        })
        .collect();
    refusals.sort_by(|(first, a), (second, b)| {
        (first, a.number, &a.args).cmp(&(second, b.number, &b.args))
    });
    refusals.into_iter().map(|(_, refusal)| refusal).collect()
}
