//! The main loop while the supervisor counts: waits for the command, its descendants, signals and time limits.

use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{Instant, sleep_until};

use super::NotifyError;
use super::listener::Listener;
use super::supervise::{Shared, Supervisor};
use crate::record::Notice;
use crate::record::launch::Running;
use crate::record::session::marks::{self, Incoming};
use crate::record::session::{SignalEvent, Signals, patience};
use crate::record::session::{next, waiting, watch, watch_for};
use strait_generator::outcome::Status;

/// How often to look whether the supervisor still works, and whether the last task has ended where the kernel does
/// not say so.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What is waited for.
pub struct Session<'a> {
    /// The command.
    pub running: &'a Running,
    /// Where calls come in.
    pub listener: &'a Listener,
    /// What lets them through.
    pub supervisor: &'a Supervisor,
    /// What it has counted.
    pub counters: &'a Shared,
    /// Who is told.
    pub notify: &'a dyn Fn(&Notice),
    /// How long to go on when the command has ended and recorded tasks have not.
    pub linger: Option<Duration>,
    /// How long the command may take to end after the first signal that asks for it.
    pub stop_timeout: Duration,
}

/// Something that is to be done now.
pub enum SessionEvent {
    /// What there is is to be written.
    Flush,
    /// A sample of this name ends.
    Mark(String),
}

impl Session<'_> {
    /// Waits until the command has ended and with it, or soon after it, all that it started. Returns how the command
    /// ended, and whether tasks may still be running.
    pub async fn wait(
        &self,
        signals: &Signals,
        marks: Option<marks::Listener>,
        handler: &mut dyn FnMut(SessionEvent),
    ) -> Result<(Option<Status>, bool), NotifyError> {
        let source = signals;
        let signals = watch(signals.as_fd())?;
        // Of the listener only its end is waited for, which comes whatever one asks for.
        let tasks = watch_for(self.listener.clone(), Interest::PRIORITY)?;
        let mut incoming = marks.map(Incoming::new).transpose().map_err(waiting)?;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        let mut status = None;
        let mut all_ended = false;
        let mut seen_none = 0;
        let mut stops = 0;
        let mut deadline = None;
        let mut lingers = false;
        loop {
            tokio::select! {
                ready = signals.readable() => {
                    let mut ready = ready.map_err(waiting)?;
                    while let Some(arrived) = source.next().map_err(waiting)? {
                        match arrived {
                            SignalEvent::Child => {}
                            SignalEvent::Flush => handler(SessionEvent::Flush),
                            SignalEvent::Stop { signal, from_terminal } => {
                                stops += 1;
                                if status.is_none() {
                                    self.running.stop(stops, signal, from_terminal, self.notify);
                                    let patience = patience(stops, self.stop_timeout);
                                    let end = Instant::now().checked_add(patience);
                                    deadline = [deadline, end].into_iter().flatten().min();
                                }
                            }
                        }
                    }
                    ready.clear_ready();
                    if status.is_none() {
                        status = self.running.reap()?;
                    }
                }
                ready = tasks.ready(Interest::PRIORITY), if !all_ended => {
                    ready.map_err(waiting)?.clear_ready();
                    all_ended = self.listener.is_unused();
                }
                Some(marks::Request { name, answer }) = next(&mut incoming) => {
                    handler(SessionEvent::Mark(name));
                    // The client may have gone away.
                    let _ = answer.send(Ok(()));
                }
                _ = look.tick() => {
                    if self.supervisor.has_ended() && !self.listener.is_unused() {
                        // It says why when it is joined.
                        return Ok((status, true));
                    }
                    // Before Linux 6.11 tasks count until they are waited for, which in a container without an
                    // init never happens.
                    if status.is_some() && !all_ended {
                        let none = self.counters.lock().tasks.still_running() == 0;
                        seen_none = if none { seen_none + 1 } else { 0 };
                        all_ended = seen_none > 1;
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    // A command that was killed just now has ended.
                    let status = if status.is_none() { self.running.reap()? } else { status };
                    if let (None, Some((signal, _))) = (status, source.stopped()) {
                        (self.notify)(&Notice::LeftRunning { signal, after: self.stop_timeout });
                    }
                    return Ok((status, !all_ended));
                }
            }
            if status.is_none() {
                continue;
            }
            all_ended |= self.listener.is_unused();
            if all_ended || stops > 0 || self.linger == Some(Duration::ZERO) {
                return Ok((status, !all_ended));
            }
            if !lingers {
                lingers = true;
                let tasks = self.counters.lock().tasks.still_running().max(1);
                (self.notify)(&Notice::Lingering { tasks, limit: self.linger });
                let end = self.linger.and_then(|linger| Instant::now().checked_add(linger));
                deadline = [deadline, end].into_iter().flatten().min();
            }
        }
    }
}
