//! The main loop while the probe counts: waits for the command, its descendants, signals and time limits.

pub(crate) mod marks;
mod signals;

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use probe_common::event;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::assemble::Names;
use super::launch::Running;
use super::probe::Probe;
use super::{Notice, RecordError};
use marks::{Incoming, Listener, Request};
use strait_generator::outcome::Status;
use strait_generator::recording::Program;

pub use signals::Signals;
pub(crate) use signals::{FOR_WRITING, SOON, SignalEvent};

/// How often to look whether the last task has ended, should its announcement have been lost.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What is waited for.
pub struct Session<'a> {
    /// What counts.
    pub probe: Probe,
    /// The command, if there is one.
    pub running: Option<Running>,
    /// Executables that were seen.
    pub names: Names,
    /// Who is told.
    pub notify: &'a dyn Fn(&Notice),
    /// How long to go on when the command has ended and recorded tasks have not.
    pub linger: Option<Duration>,
    /// Whether to end, where there is no command, as soon as nothing is recorded any more.
    pub until_all_end: bool,
    /// When to end in any case.
    pub limit: Option<Duration>,
    /// How long the command may take to end after the first signal that asks for it.
    pub stop_timeout: Duration,
    /// Where marks come in, if they may.
    pub listener: Option<Listener>,
    /// Containers that are not recorded, as they become known.
    pub unwanted: Unwanted,
}

/// Containers that are not to take room from others.
#[derive(Clone, Default)]
pub struct Unwanted(Rc<RefCell<Vec<u32>>>);

impl Unwanted {
    /// Adds one, by its index.
    pub fn add(&self, index: u32) {
        self.0.borrow_mut().push(index);
    }

    fn take(&self) -> Vec<u32> {
        self.0.take()
    }
}

/// A program that was executed in a container, for the first time there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The set that counts its calls.
    pub set: u32,
    /// The container's index.
    pub container: u32,
    /// The task, which may have ended.
    pub pid: u32,
    /// Which program.
    pub program: Program,
}

/// Something that only some recordings care for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The container with this index has begun.
    Container(u32),
    /// A program was executed in a container.
    Executed(Executed),
    /// What there is is to be written now.
    Flush,
    /// A sample of this name ends now.
    Mark(String),
    /// The command, or a descendant of it, has sent a request that begins so to a UNIX socket.
    Request(Vec<u8>),
}

/// Who cares.
pub type Handler<'a> = dyn FnMut(SessionEvent, &Probe, &mut Names) -> Result<(), RecordError> + 'a;

pub(crate) fn waiting(source: io::Error) -> RecordError {
    RecordError::System { what: "wait", source }
}

/// The next mark, where marks come in.
pub(crate) async fn next(incoming: &mut Option<Incoming>) -> Option<Request> {
    match incoming {
        Some(incoming) => incoming.next().await,
        None => std::future::pending().await,
    }
}

/// How long a killed command may take to be gone, as on a machine with much to do.
const DEATH: Duration = Duration::from_millis(300);

/// How long to wait for the command after so many signals: it is asked to end by the first, and killed by the second.
pub(crate) fn patience(signals: u32, timeout: Duration) -> Duration {
    if signals == 1 { timeout } else { DEATH }
}

pub(crate) fn watch<T: AsFd + AsRawFd>(owner: T) -> Result<AsyncFd<T>, RecordError> {
    watch_for(owner, Interest::READABLE)
}

pub(crate) fn watch_for<T: AsFd + AsRawFd>(
    owner: T,
    interest: Interest,
) -> Result<AsyncFd<T>, RecordError> {
    // SAFETY: what owns its descriptor keeps it open, and the same one, while it lives.
    unsafe { AsyncFd::register_with_interest(owner, interest) }
        .map_err(|error| waiting(error.into()))
}

impl Session<'_> {
    /// Waits until the command has ended and with it, or soon after it, all that is recorded; without
    /// a command, until it is stopped. Returns how the command ended.
    pub async fn wait(
        &mut self,
        signals: &Signals,
        handler: &mut Handler<'_>,
    ) -> Result<Option<Status>, RecordError> {
        let source = signals;
        let signals = watch(signals.as_fd())?;
        let events = self.probe.events_fd().try_clone_to_owned().map_err(waiting)?;
        let events = watch(events)?;
        let mut incoming = self.listener.take().map(Incoming::new).transpose().map_err(waiting)?;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        let mut status = None;
        let mut stops = 0;
        let mut deadline = self.limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut lingers = false;
        loop {
            tokio::select! {
                ready = signals.readable() => {
                    let mut ready = ready.map_err(waiting)?;
                    while let Some(arrived) = source.next().map_err(waiting)? {
                        match arrived {
                            SignalEvent::Child => {}
                            SignalEvent::Flush => {
                                handler(SessionEvent::Flush, &self.probe, &mut self.names)?;
                            }
                            SignalEvent::Stop { signal, from_terminal } => {
                                stops += 1;
                                if status.is_none() {
                                    if let Some(running) = &self.running {
                                        running.stop(stops, signal, from_terminal, self.notify);
                                    }
                                    let patience = patience(stops, self.stop_timeout);
                                    let end = Instant::now().checked_add(patience);
                                    deadline = [deadline, end].into_iter().flatten().min();
                                }
                            }
                        }
                    }
                    ready.clear_ready();
                    if status.is_none() {
                        status = self.reap()?;
                    }
                }
                ready = events.readable() => {
                    let mut ready = ready.map_err(waiting)?;
                    self.take_events(handler)?;
                    ready.clear_ready();
                }
                Some(Request { name, answer }) = next(&mut incoming) => {
                    let taken = handler(SessionEvent::Mark(name), &self.probe, &mut self.names);
                    // The client may have gone away.
                    let _ = answer.send(taken.map_err(|error| error.to_string()));
                }
                _ = look.tick() => {
                    self.probe.flush_log();
                    self.take_requests(handler)?;
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    // A command that was killed just now has ended.
                    let status = if status.is_none() { self.reap()? } else { status };
                    if let (None, Some((signal, _)), Some(_)) = (status, source.stopped(), &self.running) {
                        (self.notify)(&Notice::LeftRunning { signal, after: self.stop_timeout });
                    }
                    self.take_events(handler)?;
                    return Ok(status);
                }
            }
            let ended = status.is_some() || self.running.is_none();
            if !ended {
                continue;
            }
            let tasks = self.probe.live()?;
            let done = if self.running.is_some() {
                tasks == 0 || stops > 0 || self.linger == Some(Duration::ZERO)
            } else {
                stops > 0 || (self.until_all_end && tasks == 0)
            };
            if done {
                self.take_events(handler)?;
                self.probe.flush_log();
                return Ok(status);
            }
            if self.running.is_some() && !lingers {
                lingers = true;
                (self.notify)(&Notice::Lingering { tasks, limit: self.linger });
                let end = self.linger.and_then(|linger| Instant::now().checked_add(linger));
                deadline = [deadline, end].into_iter().flatten().min();
            }
        }
    }

    fn reap(&self) -> Result<Option<Status>, RecordError> {
        self.running.as_ref().map_or(Ok(None), Running::reap)
    }

    /// Takes all events. Returns whether the probe asks for room.
    fn drain(&mut self, handler: &mut Handler<'_>) -> Result<bool, RecordError> {
        let mut wants_room = false;
        while let Some(event) = self.probe.next_event() {
            match event.kind {
                event::PROGRAM => {
                    if let Some((set, program)) = self.probe.program(event.set)? {
                        self.names.resolve(set, &program);
                        if program.key.container != 0 {
                            let executed = Executed {
                                set,
                                container: self.probe.container_id(program.key.container),
                                pid: program.pid,
                                program: self.names.program(set, &program),
                            };
                            let event = SessionEvent::Executed(executed);
                            handler(event, &self.probe, &mut self.names)?;
                        }
                    }
                }
                event::CONTAINER => {
                    let index = self.probe.container_id(event.set);
                    handler(SessionEvent::Container(index), &self.probe, &mut self.names)?;
                }
                event::ROOM => wants_room = true,
                _ => {}
            }
        }
        Ok(wants_room)
    }

    fn take_requests(&mut self, handler: &mut Handler<'_>) -> Result<(), RecordError> {
        while let Some(request) = self.probe.next_request() {
            handler(SessionEvent::Request(request), &self.probe, &mut self.names)?;
        }
        Ok(())
    }

    /// Takes all events, and makes room if the probe asks for it.
    fn take_events(&mut self, handler: &mut Handler<'_>) -> Result<(), RecordError> {
        // A container that was asked for has begun after that.
        self.take_requests(handler)?;
        for index in self.unwanted.take() {
            self.probe.ignore(index)?;
        }
        if self.drain(handler)? {
            let ended = self.probe.ended()?;
            if !ended.is_empty() {
                // What they have announced is told before their indexes are other containers'.
                self.drain(handler)?;
                self.probe.give_back(ended)?;
            }
        }
        Ok(())
    }
}
