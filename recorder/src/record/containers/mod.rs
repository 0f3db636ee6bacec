//! Records every container that is started, each in its own recording.

mod assembly;
mod describe;
mod engine_requests;
mod known;
mod origins;
mod programs;
mod task;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use nix::unistd::Uid;
use tokio::sync::{mpsc, oneshot};

use super::assemble::Marks;
use super::assemble::Names;
use super::engine::{Engines, Only};
use super::inject::Injection;
use super::launch::{Held, Launch};
use super::privilege::{Loading, Needs};
use super::probe::watch_list;
use super::probe::{self, Kernel, Probe};
use super::session::Signals;
use super::session::{Session, SessionEvent, Unwanted};
use super::time::monotonic;
use super::{Notice, RecordError, User, host};
use crate::host;
use crate::output::sudo_user;
use crate::scan::Helpers;
use assembly::{Assembly, Clock, observed_task};
use describe::{Choice, NewContainer, describe_all, until_time_is_short};
use engine_requests::EngineRequests;
use origins::Origins;
use programs::Programs;
use strait_generator::abi::Abi;
use strait_generator::outcome::{ContainerRecording, ContainersOutcome, Status};
use task::Task;

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
    /// How long the command may take to end after the first signal that asks for it.
    pub stop_timeout: Duration,
    /// How many executables are to have counters of their own, over all containers.
    pub max_programs: Option<u16>,
    /// Which containers are wanted; all if it is empty.
    pub only: Vec<Only>,
    /// Whether those are recorded, too, which the command has not started, as far as is known.
    pub all: bool,
    /// Whether to notice what the containers' filters refuse: by ABI and number of a call, a bit for each
    /// argument whose value tells one refusal from another. Every call of the machine then passes a
    /// second tracepoint.
    pub refusals: Option<Vec<(Abi, u32, u8)>>,
    /// A profile, as JSON, for containers that have none of their own.
    pub inject: Option<String>,
    /// What scans the containers' programs; `None`: they are not scanned.
    pub helpers: Option<Helpers>,
    /// Whether the probe is to say what it does, through [`log`].
    pub verbose: bool,
}

/// Runs a command, if there is one, and records all containers that are started meanwhile.
///
/// `flush` is given what there is whenever SIGUSR1 arrives.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what was called could not be read.
pub fn run(
    request: ContainersRequest,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(Vec<ContainerRecording>),
) -> Result<ContainersOutcome, RecordError> {
    let ContainersRequest {
        command,
        user,
        linger,
        limit,
        stop_timeout,
        max_programs,
        only,
        all,
        refusals: watched,
        inject,
        helpers,
        verbose,
    } = request;
    let mut launch =
        command.map(|command| Launch::new(&command, user.clone(), None)).transpose()?;
    let stage = Loading::begin()?;
    let Kernel { config, namespaces } = Kernel::read()?;
    let waits =
        WAITS.iter().filter_map(|name| host::MACHINE.native().syscall_number(name)).collect();
    let owners = owners(user.as_ref());
    let follows = launch.is_some();
    let options = probe::Options {
        max_programs,
        refusals: watched.as_deref().map(watch_list),
        verbose,
        containers: Some(probe::Containers { namespaces, waits, owners, follows }),
        adopts: false,
    };
    let probe = Probe::load(&stage, config, &options)?;
    let listener = launch.as_mut().and_then(|launch| super::listen(launch, user.as_ref(), notify));
    let injection = inject.map(|profile| Injection::new(&profile, &only)).transpose()?;
    if let (Some(launch), Some(injection)) = (&mut launch, &injection) {
        launch.set_environment(injection.environment());
    }
    let mut engines = Engines::new();
    let needs = Needs {
        command: launch.is_some(),
        other_users_engine: engines.are_of_other_users(),
        ..Needs::default()
    };
    let host = host()?;
    let held = launch.map(|launch| launch.fork(&stage, signals.blocked())).transpose()?;
    let stage = stage.attached(needs, || probe.live().is_ok())?;

    let runtime = super::runtime()?;
    let injected = runtime.block_on(async {
        engines.watch();
        injection.map(Injection::serve).transpose()
    })?;
    let requests = Rc::<RefCell<EngineRequests>>::default();
    let origins = Origins {
        follows,
        all: all || !only.is_empty(),
        requests: requests.clone(),
        left_out: RefCell::default(),
    };
    let programs = helpers.is_some().then(Programs::default);
    let clock = Clock { started: Timestamp::now(), start: monotonic() };
    let assembly = Assembly {
        host,
        native: config.native_abi,
        clock,
        only,
        knows_old: probe.knows_old(),
        cache: engines.cache(),
        unnamed: RefCell::default(),
        others: Rc::default(),
        origins,
        programs: programs.clone(),
    };
    let stage = stage.running(held.as_ref().map(Held::child));
    let running = held.map(|held| held.release(&stage)).transpose()?;
    let unwanted = Unwanted::default();
    let mut session = Session {
        probe,
        running,
        names: Names::default(),
        notify,
        linger,
        until_all_end: false,
        limit,
        stop_timeout,
        listener,
        unwanted: unwanted.clone(),
    };
    let mut marks = Marks::default();
    let known = RefCell::new(BTreeMap::new());
    let choice = Choice {
        only: assembly.only.clone(),
        unwanted,
        others: assembly.others.clone(),
        programs: programs.clone(),
    };
    let (found, seen) = mpsc::unbounded_channel();
    let (watches, ended) = oneshot::channel();
    let (begun, next) = programs.as_ref().map(Programs::begin).unzip();
    let status = runtime.block_on(async {
        let watching = async {
            let mut handler = |event: SessionEvent, probe: &Probe, names: &mut Names| {
                match event {
                    SessionEvent::Container(index) => {
                        let container = probe.container(index)?;
                        let container = NewContainer {
                            index,
                            parent: container.parent,
                            task: observed_task(&container),
                        };
                        // The other end is there for as long as this one.
                        let _ = found.send(container);
                    }
                    SessionEvent::Executed(executed) => {
                        if let Some(begun) = &begun {
                            let container = probe.container(executed.container)?;
                            begun.add(&executed, || Task::that_began(&container));
                        }
                    }
                    SessionEvent::Flush => {
                        let snapshot = probe.snapshot()?;
                        flush(assembly.recordings(&snapshot, names, &known.borrow(), &marks));
                    }
                    SessionEvent::Request(start) => requests.borrow_mut().handle_request(&start),
                    SessionEvent::Mark(name) => marks.take(name, monotonic(), &probe.snapshot()?),
                }
                Ok(())
            };
            let status = session.wait(signals, &mut handler).await;
            drop((found, watches, begun));
            status
        };
        let scanning = async {
            if let (Some(programs), Some(helpers), Some(next)) = (&programs, helpers, next) {
                programs.scan(helpers, next).await;
            }
        };
        let describing = async {
            tokio::select! {
                biased;
                ((), ()) = async {
                    tokio::join!(describe_all(seen, &mut engines, &known, &choice), scanning)
                } => {}
                () = until_time_is_short(ended, signals) => {}
            }
        };
        tokio::join!(watching, describing).0
    })?;
    let status = status.or_else(|| {
        let (signal, _) = signals.stopped()?;
        session.running.as_ref().map(|_| Status::Signaled(signal as u8))
    });
    if let Some(failure) = session.running.as_ref().and_then(super::launch::Running::failure) {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let strangers = session.probe.strangers()?;
    let snapshot = session.probe.snapshot()?;
    if session.probe.lost_requests()? > 0 {
        requests.borrow_mut().lose();
    }
    drop(session.probe);
    let recordings = assembly.recordings(&snapshot, &mut session.names, &known.borrow(), &marks);
    let mut notes = engines.notes();
    notes.extend(assembly.notes());
    notes.extend((strangers > 0).then(|| {
        "containers of other users were not recorded: only those that root, the user who called sudo, and \
         --user start are"
            .to_owned()
    }));
    notes.extend(injected.iter().flat_map(|(tally, _)| tally.notes()));
    stage.writing()?;
    Ok(ContainersOutcome {
        recordings,
        refusals_lost: snapshot.refusals_lost,
        losses: assembly.losses(&snapshot),
        still_running,
        others: assembly.others(),
        left_out: assembly.origins.left_out.take(),
        notes,
        status,
    })
}

/// The users whose containers are recorded beside root's: the caller of `sudo` and --user. Any other user can make
/// namespaces that look like a container's, as many as he likes.
fn owners(user: Option<&User>) -> Vec<u32> {
    let users = [Some(Uid::effective()), user.map(|user| user.ids().0)];
    let users = users.into_iter().flatten().map(Uid::as_raw).chain(sudo_user());
    let owners: BTreeSet<u32> = users.filter(|uid| *uid != 0).collect();
    owners.into_iter().collect()
}
