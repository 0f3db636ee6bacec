//! Recording every container that comes to life, a recording each.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use probe_common::{KILLED, phase};

use super::assemble::{Assembled, abi_of, assemble};
use super::kernel::{self, Kernel};
use super::launch::Launch;
use super::names::Names;
use super::probe::{self, Probe, Snapshot};
use super::session::{Happened, Session};
use super::signals::Signals;
use super::{Notice, RecordError, Status, User, host, privilege};
use crate::abi::Abi;
use crate::recording::{Container, Host, Recording, Start, Target, TargetKind, Tool};

/// Calls by which a program waits for something to happen: the first of them says that a container is
/// up. Reading from a socket, a terminal or a pipe is not among them, since files are read so too.
const WAITS: [&str; 17] = [
    "accept",
    "accept4",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "io_getevents",
    "nanosleep",
    "clock_nanosleep",
    "pause",
    "poll",
    "ppoll",
    "pselect6",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "select",
    "wait4",
    "waitid",
];

/// What is to be recorded, and how.
pub struct ContainersRequest {
    /// While this command runs; `None`: until a signal or the limit.
    pub command: Option<Vec<OsString>>,
    /// Who is to run it; `None`: the caller.
    pub user: Option<User>,
    /// How long to go on with containers that outlive the command; `None`: until they end.
    pub linger: Option<Duration>,
    /// When to end in any case.
    pub limit: Option<Duration>,
    /// How many executables are to have counters of their own, over all containers.
    pub max_programs: Option<u16>,
    /// Whether the probe is to say what it does, through [`log`].
    pub verbose: bool,
}

/// What came of it.
pub struct ContainersOutcome {
    /// One for each container, in the order in which they began.
    pub recordings: Vec<Recording>,
    /// How the command ended, if there was one.
    pub status: Option<Status>,
    /// Tasks that still ran when the recording ended.
    pub still_running: u64,
}

/// Runs a command, if there is one, and records all containers that come to life.
///
/// `flush` is given what there is whenever SIGUSR1 arrives.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what was called could not be read.
pub fn run(
    request: ContainersRequest,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(Vec<Recording>),
) -> Result<ContainersOutcome, RecordError> {
    let ContainersRequest { command, user, linger, limit, max_programs, verbose } = request;
    let launch = command.map(|command| Launch::new(&command, user, None)).transpose()?;
    privilege::check()?;
    let Kernel { config, namespaces } = kernel::read()?;
    let waits = WAITS.iter().filter_map(|name| Abi::NATIVE.syscall_number(name)).collect();
    let options = probe::Options {
        max_programs,
        refusals: Some(Vec::new()),
        verbose,
        containers: Some(probe::Containers { namespaces, waits }),
    };
    let probe = Probe::load(config, &options)?;
    let signals = Signals::new(true)
        .map_err(|source| RecordError::System { what: "block signals", source })?;
    let held = launch.map(|launch| launch.fork(signals.blocked())).transpose()?;
    privilege::drop_unneeded()?;

    let clock = Clock { started: Timestamp::now(), start: super::monotonic() };
    let host = host()?;
    let running = held.map(super::launch::Held::release).transpose()?;
    let names = Names::default();
    let mut session =
        Session { probe, running, names, notify, linger, until_all_end: false, limit };
    let mut handler = |happened: Happened, probe: &Probe, names: &mut Names| {
        if happened == Happened::Flush {
            let snapshot = probe.snapshot()?;
            flush(recordings(&snapshot, names, &host, config.native_abi, clock));
        }
        Ok(())
    };
    let status = super::runtime()?.block_on(session.wait(signals, &mut handler))?;
    if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let snapshot = session.probe.snapshot()?;
    drop(session.probe);
    let mut names = session.names;
    let recordings = recordings(&snapshot, &mut names, &host, config.native_abi, clock);
    Ok(ContainersOutcome { recordings, status, still_running })
}

/// One moment, on both clocks.
#[derive(Clone, Copy)]
struct Clock {
    started: Timestamp,
    start: u64,
}

impl Clock {
    fn at(self, monotonic: u64) -> Timestamp {
        let since = monotonic.saturating_sub(self.start);
        self.started + SignedDuration::from_nanos(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

fn recordings(
    snapshot: &Snapshot,
    names: &mut Names,
    host: &Host,
    native: u32,
    clock: Clock,
) -> Vec<Recording> {
    let finished = Timestamp::now();
    let mut containers: Vec<_> = snapshot.containers.iter().collect();
    containers.sort_by_key(|(_, container)| container.began);
    containers
        .into_iter()
        .map(|(index, container)| {
            let own = of_container(snapshot, *index);
            let Assembled { programs, calls } = assemble(&own, names, native, container.began);
            Recording {
                tool: Tool::this(),
                host: host.clone(),
                target: Target {
                    kind: TargetKind::Container(Box::new(Container {
                        no_new_privs: container.no_new_privs == 1,
                        bounding_set: container.bounding_set,
                        filtered: container.filtered == 1,
                        ..Container::default()
                    })),
                    start: if container.filtered == 1 { Start::Filter } else { Start::Exec },
                    name: index.to_string(),
                    command: Vec::new(),
                },
                started: clock.at(container.began),
                finished,
                completeness: snapshot.losses.into(),
                programs,
                calls,
                refused: refused(&own),
            }
        })
        .collect()
}

/// What belongs to a container and to those that were made in it. What ran in it before its filter was
/// a hook of the runtime, unless there never was a filter.
fn of_container(snapshot: &Snapshot, index: u32) -> Snapshot {
    let mut family = BTreeSet::from([index]);
    // An inner container has a larger index than the outer one.
    for (inner, container) in &snapshot.containers {
        if family.contains(&container.parent) {
            family.insert(*inner);
        }
    }
    let filtered: BTreeSet<u32> = snapshot
        .containers
        .iter()
        .filter(|(_, container)| container.filtered == 1)
        .map(|(index, _)| *index)
        .collect();
    let sets: Vec<_> = snapshot
        .sets
        .iter()
        .filter(|counts| {
            let key = counts.program.key;
            let hook = key.phase & phase::UNFILTERED != 0 && filtered.contains(&key.container);
            family.contains(&key.container) && !hook
        })
        .cloned()
        .collect();
    let numbers: BTreeSet<u32> = sets.iter().map(|counts| u32::from(counts.set)).collect();
    Snapshot {
        sets,
        unknown: snapshot
            .unknown
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        refusals: snapshot
            .refusals
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        ..Snapshot::default()
    }
}

fn refused(snapshot: &Snapshot) -> BTreeMap<(Abi, u32, Option<u16>), u64> {
    let mut refused = BTreeMap::new();
    for (key, refusal) in &snapshot.refusals {
        let Some(abi) = abi_of(key.abi) else { continue };
        let errno = if key.errno == KILLED { None } else { u16::try_from(key.errno).ok() };
        *refused.entry((abi, key.number, errno)).or_default() += refusal.seen.count;
    }
    refused
}
