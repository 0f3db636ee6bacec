//! Records a command and everything that it starts.

use std::path::Path;

use super::assemble::Marks;
use super::assemble::Names;
use super::assemble::{assemble, refusals};
use super::launch::Launch;
use super::privilege::{Loading, Needs};
use super::probe::watch_list;
use super::probe::{self, Kernel, Probe, Snapshot};
use super::session::Signals;
use super::session::{Session, SessionEvent, Unwanted};
use super::time::monotonic;
use super::{Notice, RecordError, Request, host, listen};
use jiff::Timestamp;
use strait_generator::observation::About;
use strait_generator::outcome::{Outcome, Status};
use strait_generator::recording::{Host, Recording, Start, Target, TargetKind, Tracer};

/// Runs and records a command.
///
/// `flush` is given what there is whenever SIGUSR1 arrives.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what it called could not be read. In the first
/// case nothing has been started.
pub fn run(
    mut request: Request,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(&Recording),
) -> Result<Outcome, RecordError> {
    let launch = Launch::new(&request.command, request.user.clone(), request.filter.take())?;
    load(&mut request)?.run(launch, request, signals, notify, flush)
}

/// The probe, in place before anything was started.
pub(crate) struct Loaded {
    stage: Loading,
    probe: Probe,
    native: u32,
    records: bool,
}

/// Loads the probe for a request, whose `watched` it takes.
///
/// # Errors
///
/// [`RecordError`] if that cannot be done here. Nothing has been started.
pub(crate) fn load(request: &mut Request) -> Result<Loaded, RecordError> {
    let watched = request.watched.take();
    let records = watched.is_none();
    let stage = Loading::begin()?;
    let Kernel { config, .. } = Kernel::read()?;
    let options = probe::Options {
        max_programs: request.max_programs,
        refusals: watched.map(|looked_at| watch_list(&looked_at)),
        verbose: request.verbose,
        ..probe::Options::default()
    };
    let probe = Probe::load(&stage, config, &options)?;
    Ok(Loaded { stage, probe, native: config.native_abi, records })
}

impl Loaded {
    /// Runs and records the command.
    pub(crate) fn run(
        self,
        mut launch: Launch,
        request: Request,
        signals: &Signals,
        notify: &dyn Fn(&Notice),
        flush: &dyn Fn(&Recording),
    ) -> Result<Outcome, RecordError> {
        let Self { stage, probe, native, records } = self;
        let Request { command, user, linger, stop_timeout, .. } = request;
        let name = name_of(launch.program());
        let names = Names::of_command(launch.program());
        let listener = if records { listen(&mut launch, user.as_ref(), notify) } else { None };
        let needs = Needs { command: true, ..Needs::default() };
        let host = host()?;
        let held = launch.fork(&stage, signals.blocked())?;
        let stage = stage.attached(needs, || probe.live().is_ok())?;

        let assembly = Assembly {
            host,
            name,
            command: command.iter().map(|part| part.to_string_lossy().into_owned()).collect(),
            native,
            started: Timestamp::now(),
            start: monotonic(),
        };
        let runtime = super::runtime()?;
        let stage = stage.running(Some(held.child()));
        let running = Some(held.release(&stage)?);
        let mut session = Session {
            probe,
            running,
            names,
            notify,
            linger,
            until_all_end: false,
            limit: None,
            stop_timeout,
            listener,
            unwanted: Unwanted::default(),
        };
        let mut marks = Marks::default();
        let mut handler = |event: SessionEvent, probe: &Probe, names: &mut Names| {
            match event {
                SessionEvent::Mark(name) => marks.take(name, monotonic(), &probe.snapshot()?),
                SessionEvent::Flush => {
                    let snapshot = marks.without_own_calls(probe.snapshot()?);
                    flush(&assembly.recording(&snapshot, names, &marks, probe.live()?));
                }
                SessionEvent::Container(_)
                | SessionEvent::Executed(_)
                | SessionEvent::Request(_) => {}
            }
            Ok(())
        };
        let ended = runtime.block_on(session.wait(signals, &mut handler))?;
        let status = ended.unwrap_or_else(|| match signals.stopped() {
            Some((signal, _)) => Status::Signaled(signal as u8),
            None => Status::Exited(0),
        });
        if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
            return Err(failure.into());
        }
        let still_running = session.probe.live()?;
        let snapshot = marks.without_own_calls(session.probe.snapshot()?);
        drop(session.probe);
        let mut names = session.names;
        let outcome = Outcome {
            refusals: refusals(&snapshot, &mut names),
            refusals_lost: snapshot.refusals_lost,
            recording: assembly.recording(&snapshot, &mut names, &marks, still_running),
            status,
            still_running,
        };
        stage.writing()?;
        Ok(outcome)
    }
}

/// What is known before the command runs.
struct Assembly {
    host: Host,
    name: String,
    command: Vec<String>,
    native: u32,
    started: Timestamp,
    start: u64,
}

impl Assembly {
    fn recording(
        &self,
        snapshot: &Snapshot,
        names: &mut Names,
        marks: &Marks,
        running: u64,
    ) -> Recording {
        let mut observations = assemble(snapshot, names, self.native, self.start);
        observations.samples(marks.samples(snapshot, self.native, self.start));
        observations.recording(About {
            host: self.host.clone(),
            target: Target {
                kind: TargetKind::Command,
                start: Start::Exec,
                name: self.name.clone(),
                command: self.command.clone(),
            },
            started: self.started,
            finished: Timestamp::now(),
            losses: snapshot.losses,
            still_running: running,
            tracer: Tracer::Ebpf,
        })
    }
}

pub(crate) fn name_of(program: &Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
