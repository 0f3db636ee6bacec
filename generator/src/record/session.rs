//! One recording from beginning to end.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use probe_common::{KILLED, event};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::assemble::{Assembled, abi_of, assemble, index_of};
use super::launch::{Launch, Running};
use super::names::Names;
use super::probe::{self, Probe, Snapshot};
use super::signals::{Arrived, Signals};
use super::{Notice, Outcome, RecordError, Refusal, Request, Status, kernel, privilege};
use crate::recording::{Host, Recording, Start, Target, TargetKind, Tool};

/// How often to look whether the last task has ended, should its announcement have been lost.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Runs and records a command.
///
/// # Errors
///
/// [`RecordError`] if the command was not run, or what it called could not be read. In the first
/// case nothing has been started.
pub fn run(request: Request, notify: &dyn Fn(&Notice)) -> Result<Outcome, RecordError> {
    let Request { command, user, linger, max_programs, filter, looked_at, verbose } = request;
    let refusals = filter.is_some().then(|| {
        looked_at.iter().map(|(abi, number, bits)| (index_of(*abi), *number, *bits)).collect()
    });
    let launch = Launch::new(&command, user, filter)?;
    privilege::check()?;
    let config = kernel::config()?;
    let probe = Probe::load(config, &probe::Options { max_programs, refusals, verbose })?;
    let signals =
        Signals::new().map_err(|source| RecordError::System { what: "block signals", source })?;
    let name = name_of(launch.program());
    let held = launch.fork(signals.blocked())?;
    privilege::drop_unneeded()?;

    let (started, start) = (Timestamp::now(), monotonic());
    let running = held.release()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| RecordError::System { what: "start waiting", source })?;
    let mut session = Session { probe, running, names: Names::default(), notify, linger };
    let status = runtime.block_on(session.wait(signals))?;
    if let Some(failure) = session.running.failure() {
        return Err(failure.into());
    }
    let still_running = session.probe.live()?;
    let snapshot = session.probe.snapshot()?;
    drop(session.probe);
    let finished = Timestamp::now();
    let mut names = session.names;
    let Assembled { programs, calls } = assemble(&snapshot, &mut names, config.native_abi, start);
    let uname = nix::sys::utsname::uname()
        .map_err(|errno| RecordError::System { what: "name the host", source: errno.into() })?;
    Ok(Outcome {
        refusals: refused(&snapshot, &mut names),
        refusals_lost: snapshot.refusals_lost,
        recording: Recording {
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            host: Host {
                kernel: uname.release().to_string_lossy().into_owned(),
                arch: uname.machine().to_string_lossy().into_owned(),
            },
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

fn name_of(program: &std::path::Path) -> String {
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Nanoseconds of the clock that the probe uses.
fn monotonic() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills in the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec).unwrap_or_default()
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

fn watch<T: AsFd + AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: what owns its descriptor keeps it open, and the same one, while it lives.
    unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }.map_err(Into::into)
}

struct Session<'a> {
    probe: Probe,
    running: Running,
    names: Names,
    notify: &'a dyn Fn(&Notice),
    linger: Option<Duration>,
}

impl Session<'_> {
    /// Waits until the command has ended and with it, or soon after it, all that it started.
    async fn wait(&mut self, signals: Signals) -> Result<Status, RecordError> {
        let waiting = |source| RecordError::System { what: "wait", source };
        let signals = watch(signals).map_err(waiting)?;
        let events = self.probe.events_fd().try_clone_to_owned().map_err(waiting)?;
        let events = watch(events).map_err(waiting)?;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        let mut status = None;
        let mut stops = 0;
        let mut deadline = None;
        loop {
            tokio::select! {
                ready = signals.readable() => {
                    let mut ready = ready.map_err(waiting)?;
                    while let Some(arrived) = signals.get_ref().next().map_err(waiting)? {
                        if let Arrived::Stop { signal, from_terminal } = arrived {
                            stops += 1;
                            self.stop(stops, signal, from_terminal, status.is_some());
                        }
                    }
                    ready.clear_ready();
                    if status.is_none() {
                        status = self.reap()?;
                    }
                }
                ready = events.readable() => {
                    let mut ready = ready.map_err(waiting)?;
                    self.take_events()?;
                    ready.clear_ready();
                }
                _ = look.tick() => self.probe.flush_log(),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return status.ok_or_else(|| waiting(io::ErrorKind::Other.into()));
                }
            }
            let Some(ended) = status else { continue };
            let tasks = self.probe.live()?;
            if tasks == 0 || stops > 0 || self.linger == Some(Duration::ZERO) {
                self.take_events()?;
                self.probe.flush_log();
                return Ok(ended);
            }
            if deadline.is_none() {
                (self.notify)(&Notice::Lingering { tasks, limit: self.linger });
                deadline = Some(
                    Instant::now() + self.linger.unwrap_or(Duration::from_secs(u32::MAX.into())),
                );
            }
        }
    }

    /// Passes the first signal on, unless the terminal has given it to the command already, and kills
    /// at the second.
    fn stop(&self, stops: u32, signal: Signal, from_terminal: bool, ended: bool) {
        if ended {
            return;
        }
        // The command may just have ended, which is what was wanted.
        let _ = match stops {
            1 if from_terminal => Ok(()),
            1 => kill(self.running.child, signal),
            _ => {
                (self.notify)(&Notice::Killing);
                kill(self.running.child, Signal::SIGKILL)
            }
        };
    }

    fn reap(&self) -> Result<Option<Status>, RecordError> {
        match waitpid(self.running.child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Ok(Some(Status::Exited(code as u8))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Some(Status::Signaled(signal))),
            Ok(_) => Ok(None),
            Err(errno) => {
                Err(RecordError::System { what: "wait for the command", source: errno.into() })
            }
        }
    }

    fn take_events(&mut self) -> Result<(), RecordError> {
        while let Some(event) = self.probe.next_event() {
            if event.kind != event::PROGRAM {
                continue;
            }
            let Ok(set) = u16::try_from(event.set) else {
                continue;
            };
            if let Some(program) = self.probe.program(set)? {
                self.names.resolve(set, &program);
            }
        }
        Ok(())
    }
}
