//! Records the system calls of a command and its descendants without any privilege, by seccomp user notification.
//!
//! The command runs under a filter that puts each of its calls to this process, which lets it through and counts it.
//!
//! - `filter`: which calls are put to it
//! - `listener`: where it is told of them
//! - `programs`: who makes them
//! - `counters`, `samples`: what is kept of them
//! - `supervise`: the loop
//! - `guard`: keeps the end of a child from ending a call of its parent
//! - `standby`: a process that goes on with it when this one has ended
//! - `session`: waiting for all else that can happen
//!
//! # What it cannot do
//!
//! - The kernel gives a task one supervisor. A workload's own gets `EBUSY`, and where there is one already nothing can
//!   be recorded. A tracer that lets a filter stop a task (`SECCOMP_RET_TRACE`) is not asked.
//! - Without `CAP_SYS_ADMIN` a filter takes `no_new_privs`, so programs with set-user-ID run without their rights.
//! - Only what the command starts is recorded: no process that runs already, and no container that an engine starts.
//! - A signal may interrupt a call before this process has been told of it. Then the call ends with `EINTR`, or is
//!   made anew, as the signal's handler wants it. For the commonest signal, that of a child's end, `guard` has it made
//!   anew in any case.
//!
//! # Platforms
//!
//! Linux 5.9 or later, which tells when the last task has ended.

mod counters;
mod filter;
mod guard;
mod listener;
mod programs;
mod samples;
mod session;
mod standby;
mod supervise;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use thiserror::Error;

use crate::enforce::NoNewPrivs;
use crate::files;
use crate::record::launch::{Held, LastStep, Launch, LaunchError, Running};
use crate::record::privilege::{Loading, Needs};
use crate::record::session::Signals;
use crate::record::time::monotonic;
use crate::record::{
    self, MAX_PROGRAMS, Notice, PrivilegeError, RecordError, Request,
    may_filter_without_no_new_privs,
};
use counters::Counters;
use listener::{Inbox, Listener};
use samples::Samples;
use session::{Session, SessionEvent};
use standby::Standby;
use strait_generator::observation::About;
use strait_generator::outcome::{Outcome, Status};
use strait_generator::recording::{
    Caveat, Host, Program, Recording, Start, Target, TargetKind, Tracer,
};
use supervise::{Shared, Supervisor};

/// How many executables are told apart, unless told otherwise.
const PROGRAMS: u16 = 1024;

/// How often to look for the listener of a child that was released, which takes it microseconds to make.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// Why nothing was recorded.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// The kernel has no user notification, or lacks a part that is needed.
    #[error(
        "cannot record by seccomp user notification: the kernel does not support it ({0}). Use Linux 5.9 or later \
         with CONFIG_SECCOMP_FILTER, or record with --backend ebpf as root"
    )]
    Missing(String),
    /// A filter that this process is under refuses them.
    #[error(
        "cannot record by seccomp user notification: seccomp() is refused here ({0}), as by the seccomp profile of a \
         container. Use a profile that allows seccomp(), as Docker's default does, or record with --backend ebpf \
         as root"
    )]
    Refused(Errno),
    /// There is a supervisor already.
    #[error(
        "cannot record by seccomp user notification: this process has another supervisor already, and the kernel allows \
         one. Run Strait outside of it, or record with --backend ebpf as root"
    )]
    Supervised,
    /// The child did not say what its listener is.
    #[error(
        "cannot record by seccomp user notification: the command ended before it had installed the listener. \
         Run it again"
    )]
    NoListener,
    /// The supervisor failed while the command ran.
    #[error("cannot let the command's calls through: {0}. What was recorded is lost")]
    Supervisor(Errno),
    /// What the other backend has, too.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The operating system failed.
    #[error("cannot {what} for recording by seccomp user notification: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl From<LaunchError> for NotifyError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::LastStep(source) => {
                Self::of_seccomp(Errno::from_raw(source.raw_os_error().unwrap_or_default()))
            }
            other => Self::Record(other.into()),
        }
    }
}

impl From<PrivilegeError> for NotifyError {
    fn from(error: PrivilegeError) -> Self {
        Self::Record(error.into())
    }
}

impl NotifyError {
    /// Why `seccomp()` failed, for making a listener or asking about notifications.
    fn of_seccomp(errno: Errno) -> Self {
        match errno {
            Errno::EBUSY => Self::Supervised,
            Errno::EINVAL => Self::Missing(errno.desc().to_owned()),
            errno => Self::Refused(errno),
        }
    }
}

/// Runs and records a command.
///
/// `flush` is given what there is whenever SIGUSR1 arrives. To be called while this process has one thread.
///
/// # Errors
///
/// [`NotifyError`] if the command was not run, or what it called could not be recorded.
pub fn run(
    mut request: Request,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(&Recording),
) -> Result<Outcome, NotifyError> {
    let launch = Launch::new(&request.command, request.user.clone(), request.filter.take())?;
    run_launch(launch, &request, signals, notify, flush)
}

/// The same for a command that was found already.
pub(crate) fn run_launch(
    mut launch: Launch,
    request: &Request,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
    flush: &dyn Fn(&Recording),
) -> Result<Outcome, NotifyError> {
    let system = |what| move |source| NotifyError::System { what, source };
    let inbox = Inbox::new(check()?).map_err(system("map memory"))?;
    let stage = Loading::without_probe();
    let marks = record::listen(&mut launch, request.user.as_ref(), notify);
    let no_new_privs =
        if may_filter_without_no_new_privs() { NoNewPrivs::Leave } else { NoNewPrivs::Set };
    launch.set_last_step(LastStep { run: listener::install, no_new_privs });
    let assembly = Assembly {
        host: record::host()?,
        target: Target {
            kind: TargetKind::Command,
            start: Start::Exec,
            name: record::name_of(launch.program()),
            command: request.command.iter().map(|part| part.to_string_lossy().into()).collect(),
        },
        started: Timestamp::now(),
        own: own_executable(),
        no_new_privs,
    };
    let standby = Standby::start(&inbox).map_err(system("start a standby process"))?;
    let held = launch.fork(&stage, signals.blocked())?;
    let needs = Needs { command: true, programs: true, ..Needs::default() };
    let stage = stage.attached(needs, || true)?;
    let stage = stage.supervising(held.child());
    // The command's user may be the recorder's, and may then trace what lets itself be traced.
    nix::sys::prctl::set_dumpable(false).map_err(|errno| system("guard memory")(errno.into()))?;
    let most = usize::from(request.max_programs.unwrap_or(PROGRAMS).min(MAX_PROGRAMS));
    let child = held.child().as_raw().unsigned_abs();
    let counters = Shared::new(Counters::new(child, monotonic(), most));
    let (running, listener) = release(held, &stage)?;
    listener.stay_on_one_cpu();
    standby.give(&listener).map_err(system("hand the listener to a standby process"))?;
    let supervisor = Supervisor::start(listener.clone(), inbox, counters.clone())
        .map_err(system("start a thread"))?;
    let runtime = record::runtime()?;
    let session = Session {
        running: &running,
        listener: &listener,
        supervisor: &supervisor,
        counters: &counters,
        notify,
        linger: request.linger,
        stop_timeout: request.stop_timeout,
    };
    let mut samples = Samples::default();
    let mut handler = |event| match event {
        SessionEvent::Mark(name) => samples.take(name, &counters.lock()),
        SessionEvent::Flush => {
            let counters = counters.lock();
            let running = counters.tasks.still_running();
            let recording = assembly.recording(&counters, &samples, running);
            drop(counters);
            flush(&recording);
        }
    };
    let waited = runtime.block_on(session.wait(signals, marks, &mut handler));
    let ended = supervisor.end();
    if ended == Err(Errno::EINVAL) {
        // The kernel is older than Linux 5.5 and lets no call through, so the command has not made any.
        let _ = kill(running.child, Signal::SIGKILL);
        return Err(NotifyError::Missing("it lets no call through".to_owned()));
    }
    ended.map_err(NotifyError::Supervisor)?;
    let (status, may_run) = waited?;
    let counters = counters.lock();
    let still_running = if may_run { counters.tasks.still_running().max(1) } else { 0 };
    // From here on calls wait for the standby, which sees that this process has let go.
    drop((listener, standby));
    if let Some(failure) = running.failure() {
        return Err(failure.into());
    }
    let status = status.unwrap_or_else(|| match signals.stopped() {
        Some((signal, _)) => Status::Signaled(signal as u8),
        None => Status::Exited(0),
    });
    let recording = assembly.recording(&counters, &samples, still_running);
    stage.writing()?;
    Ok(Outcome { recording, status, refusals: Vec::new(), refusals_lost: 0, still_running })
}

/// Whether there is what is needed: how large notifications are.
fn check() -> Result<usize, NotifyError> {
    let size = listener::size().map_err(NotifyError::of_seccomp)?;
    // Of the same release as the news that the last task has ended.
    let status = files::of_proc("/proc/self/status").unwrap_or_default();
    if !status.contains("\nSeccomp_filters:") {
        return Err(NotifyError::Missing("it is older than Linux 5.9".to_owned()));
    }
    if !programs::is_own_proc() {
        return Err(NotifyError::System {
            what: "look up programs",
            source: io::Error::other("/proc is not mounted, or is that of another pid namespace"),
        });
    }
    Ok(size)
}

/// Lets the child go on, and waits until it has made its listener.
fn release(
    held: Held,
    stage: &crate::record::privilege::Running,
) -> Result<(Running, Listener), NotifyError> {
    let running = held.release(stage)?;
    loop {
        if let Some(fd) = running.handed_over() {
            // SAFETY: the child has just made it in the table that both have, and does not use it.
            return Ok((running, unsafe { Listener::handed_over(fd) }));
        }
        if running.reap()?.is_some() {
            return Err(running.failure().map_or(NotifyError::NoListener, NotifyError::from));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// This program, which the command runs to mark the end of a test.
fn own_executable() -> Option<(String, u64)> {
    let path = std::env::current_exe().ok()?;
    let inode = std::fs::metadata(&path).ok()?.ino();
    Some((path.to_string_lossy().into_owned(), inode))
}

/// What is known before the command runs.
struct Assembly {
    host: Host,
    target: Target,
    started: Timestamp,
    own: Option<(String, u64)>,
    no_new_privs: NoNewPrivs,
}

impl Assembly {
    fn recording(&self, counters: &Counters, samples: &Samples, still_running: u64) -> Recording {
        let is_own = |program: &Program| {
            let is =
                |(path, inode): &(String, u64)| *path == program.path && *inode == program.inode;
            !samples.is_empty() && self.own.as_ref().is_some_and(is)
        };
        let mut observations = counters.observations(is_own);
        observations.samples(samples.all(counters, is_own));
        let mut recording = observations.recording(About {
            host: self.host.clone(),
            target: self.target.clone(),
            started: self.started,
            finished: Timestamp::now(),
            losses: counters.losses(),
            still_running,
            tracer: Tracer::Notify,
        });
        if self.no_new_privs == NoNewPrivs::Set {
            recording.caveats.insert(Caveat::NoNewPrivs);
        }
        // A supervisor that was refused has answered nothing.
        if recording.caveats.remove(&Caveat::Listener) {
            recording.caveats.insert(Caveat::SupervisorRefused);
        }
        recording
    }
}
