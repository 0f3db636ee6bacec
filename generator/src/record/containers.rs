//! Recording every container that comes to life, a recording each.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use probe_common::phase;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::assemble::{Assembled, assemble, refusals, watch_list};
use super::engine::{
    Description, Engines, FileNames, Identity, Only, Sighting, display_name, identify,
};
use super::inject::Injection;
use super::kernel::{self, Kernel};
use super::launch::Launch;
use super::marks::Marks;
use super::names::Names;
use super::probe::{self, Probe, Snapshot};
use super::session::{Happened, Session};
use super::signals::Signals;
use super::{Notice, RecordError, Refusal, Status, User, host, privilege};
use crate::abi::Abi;
use crate::recording::{Container, Host, Origin, Recording, Start, Target, TargetKind, Tool};

/// How long no container has to come to life before engines are asked: a busy engine takes its time to
/// answer.
const QUIET: Duration = Duration::from_millis(50);

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
    /// Which containers are wanted; all if it is empty.
    pub only: Vec<Only>,
    /// Whether to notice what the containers' filters refuse: by ABI and number of a call, a bit for each
    /// argument whose value tells one refusal from another. Every call of the machine then passes a
    /// second tracepoint.
    pub refusals: Option<Vec<(Abi, u32, u8)>>,
    /// A profile, as JSON, for containers that have none of their own.
    pub inject: Option<String>,
    /// Whether the probe is to say what it does, through [`log`].
    pub verbose: bool,
}

/// One container's recording.
pub struct ContainerRecording {
    /// The name of the file for it, and no two of one outcome have the same; `None` if the container's
    /// program was never executed, so that there is nothing to write.
    pub file: Option<String>,
    /// What was called.
    pub recording: Recording,
    /// What its filter refused, in the order of the first time.
    pub refusals: Vec<Refusal>,
}

/// What came of it.
pub struct ContainersOutcome {
    /// One for each container, in the order in which they began.
    pub recordings: Vec<ContainerRecording>,
    /// Refusals for which there was no room.
    pub refusals_lost: u64,
    /// What should be known: engines that could not be asked, and containers that were left with a
    /// profile of their own.
    pub notes: Vec<String>,
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
    flush: &dyn Fn(Vec<ContainerRecording>),
) -> Result<ContainersOutcome, RecordError> {
    let ContainersRequest {
        command,
        user,
        linger,
        limit,
        max_programs,
        only,
        refusals: watched,
        inject,
        verbose,
    } = request;
    let mut launch =
        command.map(|command| Launch::new(&command, user.clone(), None)).transpose()?;
    privilege::check()?;
    let Kernel { config, namespaces } = kernel::read()?;
    let waits = WAITS.iter().filter_map(|name| Abi::NATIVE.syscall_number(name)).collect();
    let options = probe::Options {
        max_programs,
        refusals: watched.as_deref().map(watch_list),
        verbose,
        containers: Some(probe::Containers { namespaces, waits }),
        adopts: false,
    };
    let probe = Probe::load(config, &options)?;
    let signals = Signals::new(true)
        .map_err(|source| RecordError::System { what: "block signals", source })?;
    let listener = launch.as_mut().and_then(|launch| super::listen(launch, user.as_ref(), notify));
    let injection = inject.map(|profile| Injection::new(&profile)).transpose()?;
    if let (Some(launch), Some(injection)) = (&mut launch, &injection) {
        launch.set_environment(injection.environment());
    }
    let held = launch.map(|launch| launch.fork(signals.blocked())).transpose()?;
    privilege::drop_unneeded()?;

    let runtime = super::runtime()?;
    let mut engines = Engines::new();
    let injected = runtime.block_on(async {
        engines.watch();
        injection.map(Injection::serve).transpose()
    })?;
    let clock = Clock { started: Timestamp::now(), start: super::monotonic() };
    let assembly = Assembly {
        host: host()?,
        native: config.native_abi,
        clock,
        only,
        unnamed: RefCell::default(),
    };
    let running = held.map(super::launch::Held::release).transpose()?;
    let names = Names::default();
    let mut session =
        Session { probe, running, names, notify, linger, until_all_end: false, limit, listener };
    let mut marks = Marks::default();
    let known = RefCell::new(BTreeMap::new());
    let (sightings, seen) = mpsc::unbounded_channel();
    let status = runtime.block_on(async {
        let watching = async {
            let mut handler = |happened: Happened, probe: &Probe, names: &mut Names| {
                match happened {
                    Happened::Container(index) => {
                        let sighting = sighting(&probe.container(index)?);
                        // The other end is there for as long as this one.
                        let _ = sightings.send((index, sighting));
                    }
                    Happened::Flush => {
                        let snapshot = probe.snapshot()?;
                        flush(assembly.recordings(&snapshot, names, &known.borrow(), &marks));
                    }
                    Happened::Mark(name) => {
                        marks.take(name, super::monotonic(), &probe.snapshot()?);
                    }
                }
                Ok(())
            };
            let status = session.wait(signals, &mut handler).await;
            drop(sightings);
            status
        };
        tokio::join!(watching, get_to_know(seen, &mut engines, &known)).0
    })?;
    if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let snapshot = session.probe.snapshot()?;
    drop(session.probe);
    let recordings = assembly.recordings(&snapshot, &mut session.names, &known.borrow(), &marks);
    let mut notes = engines.notes();
    notes.extend(assembly.notes());
    notes.extend(injected.iter().flat_map(|(tally, _)| tally.notes()));
    Ok(ContainersOutcome {
        recordings,
        refusals_lost: snapshot.refusals_lost,
        notes,
        status,
        still_running,
    })
}

/// Who a container is, and what is known about it.
type Known = BTreeMap<u32, (Identity, Description)>;

/// Finds out who the containers are that were sighted. What will soon be gone is read at once, for
/// each; their engines are asked one after the other when nothing else comes in. What is no container
/// is left out.
async fn get_to_know(
    mut seen: mpsc::UnboundedReceiver<(u32, Sighting)>,
    engines: &mut Engines,
    known: &RefCell<Known>,
) {
    let mut waiting = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            sighted = seen.recv() => match sighted {
                Some((index, sighting)) => match identify(&sighting) {
                    Some(identity) => {
                        engines.glance(&identity);
                        waiting.push_back((index, identity));
                    }
                    None => log::debug!("{sighting:?} is no container"),
                },
                None => break,
            },
            () = sleep(QUIET), if !waiting.is_empty() => {
                if let Some(next) = waiting.pop_front() {
                    describe(next, engines, known).await;
                }
            }
        }
    }
    for next in waiting {
        describe(next, engines, known).await;
    }
}

async fn describe(
    (index, identity): (u32, Identity),
    engines: &mut Engines,
    known: &RefCell<Known>,
) {
    let description = engines.describe(&identity).await.unwrap_or_default();
    known.borrow_mut().insert(index, (identity, description));
}

fn sighting(container: &probe_common::Container) -> Sighting {
    let cgroups = container.cgroups.iter().map(|name| text(name));
    Sighting {
        pid: container.pid,
        comm: text(&container.comm),
        cgroups: cgroups.filter(|name| !name.is_empty()).collect(),
    }
}

/// Text that ends at the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
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

/// What all recordings have in common.
struct Assembly {
    host: Host,
    native: u32,
    clock: Clock,
    only: Vec<Only>,
    /// Containers that were not chosen, and of which nobody knew name or image.
    unnamed: RefCell<BTreeSet<String>>,
}

impl Assembly {
    /// What people should know about the choice.
    fn notes(&self) -> Vec<String> {
        let unnamed = self.unnamed.borrow();
        let note = |name: &String| {
            format!(
                "nobody knows name or image of the container {name}, so that --only NAME and \
                 image=IMAGE cannot choose it"
            )
        };
        unnamed.iter().map(note).collect()
    }

    fn recordings(
        &self,
        snapshot: &Snapshot,
        names: &mut Names,
        known: &Known,
        marks: &Marks,
    ) -> Vec<ContainerRecording> {
        let finished = Timestamp::now();
        let mut containers: Vec<_> = snapshot.containers.iter().collect();
        containers.sort_by_key(|(_, container)| container.began);
        let mut files = FileNames::default();
        let mut recordings = Vec::new();
        for (index, container) in containers {
            let unknown = || Some((identify(&sighting(container))?, Description::default()));
            let Some((identity, description)) = known.get(index).cloned().or_else(unknown) else {
                continue;
            };
            let name = display_name(&description.container, &identity);
            let described = of_kernel(description.container, &identity, container);
            if !self.only.is_empty()
                && !self.only.iter().any(|only| only.matches(&described, &name))
            {
                if described.name.is_empty() && described.image.is_empty() {
                    self.unnamed.borrow_mut().insert(name);
                }
                continue;
            }
            let own = of_container(snapshot, *index);
            let Assembled { programs, calls } = assemble(&own, names, self.native, container.began);
            let refusals = refusals(&own, names);
            let recording = Recording {
                origin: Origin::default(),
                samples: marks.samples(&own, self.native, container.began),
                tool: Tool::this(),
                host: self.host.clone(),
                target: Target {
                    start: if described.filtered { Start::Filter } else { Start::Exec },
                    kind: TargetKind::Container(Box::new(described)),
                    name: name.clone(),
                    command: description.command,
                },
                started: self.clock.at(container.began),
                finished,
                completeness: snapshot.losses.into(),
                programs,
                calls,
                refused: refused(&refusals),
            };
            let file = (!recording.is_before_start()).then(|| files.next(&name));
            recordings.push(ContainerRecording { file, recording, refusals });
        }
        recordings
    }
}

/// A description with what only the kernel knows.
fn of_kernel(
    described: Container,
    identity: &Identity,
    container: &probe_common::Container,
) -> Container {
    Container {
        id: if described.id.is_empty() { identity.id.clone() } else { described.id.clone() },
        no_new_privs: container.no_new_privs == 1,
        bounding_set: container.bounding_set,
        filtered: container.filtered == 1,
        ..described
    }
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
        arguments: snapshot
            .arguments
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        ..Snapshot::default()
    }
}

/// Refusals as a recording has them. A task that was killed without a trace of its call is left out:
/// there is no number to list it under.
fn refused(refusals: &[Refusal]) -> BTreeMap<(Abi, u32, Option<u16>), u64> {
    let mut refused = BTreeMap::new();
    for refusal in refusals {
        let Some(number) = refusal.number else { continue };
        let errno = refusal.errno.and_then(|errno| u16::try_from(errno).ok());
        *refused.entry((refusal.abi, number, errno)).or_default() += refusal.count;
    }
    refused
}
