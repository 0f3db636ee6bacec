//! The loop that lets calls through and counts them: a thread that does nothing else.
//!
//! Each call costs two requests to the kernel, and a third one to `/proc` where the task is new. A call is counted
//! when it was let through. One that a signal interrupts before that has not been made, and is put to the supervisor
//! again when the kernel restarts it.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::counters::Counters;
use super::guard::Guard;
use super::listener::{Inbox, Listener};
use crate::record::time::monotonic;

/// Interrupts the thread. A process ignores this signal by default, so a handler changes nothing for other senders.
const INTERRUPT: Signal = Signal::SIGURG;

/// How long the thread may take to notice, before it is interrupted again: it may have been between two requests.
const NOTICE: Duration = Duration::from_micros(200);

/// What was called, for both threads.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Counters>>);

impl Shared {
    /// For counters.
    pub fn new(counters: Counters) -> Self {
        Self(Arc::new(Mutex::new(counters)))
    }

    /// The counters: no call is let through while they are held.
    pub fn lock(&self) -> MutexGuard<'_, Counters> {
        // Counters are whole after each step, whatever comes of the next one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread.
pub struct Supervisor {
    thread: JoinHandle<nix::Result<()>>,
    ends: Arc<AtomicBool>,
}

impl Supervisor {
    /// Begins to let calls through.
    ///
    /// # Errors
    ///
    /// The system's error if there is no thread to be had.
    pub fn start(listener: Listener, inbox: Inbox, counters: Shared) -> std::io::Result<Self> {
        let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(INTERRUPT, &action) }?;
        let ends = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("supervisor".to_owned()).spawn({
            let ends = ends.clone();
            move || {
                SigSet::from(INTERRUPT).thread_unblock()?;
                supervise(&listener, inbox, &counters, &ends)
            }
        })?;
        Ok(Self { thread, ends })
    }

    /// Whether it has ended by itself: after the last task, or because it failed.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it, with no call in its hands.
    ///
    /// # Errors
    ///
    /// Why it has ended by itself, if it failed.
    pub fn end(self) -> nix::Result<()> {
        self.ends.store(true, Ordering::Release);
        while !self.thread.is_finished() {
            // SAFETY: the thread has not been joined, so its handle is valid.
            unsafe { libc::pthread_kill(self.thread.as_pthread_t(), INTERRUPT as i32) };
            std::thread::sleep(NOTICE);
        }
        self.thread.join().unwrap_or(Err(Errno::EFAULT))
    }
}

extern "C" fn ignore(_: libc::c_int) {}

fn supervise(
    listener: &Listener,
    mut inbox: Inbox,
    counters: &Shared,
    ends: &AtomicBool,
) -> nix::Result<()> {
    let mut guard = Guard::default();
    while !ends.load(Ordering::Acquire) {
        if !guard.is_idle() {
            guard.look(&counters.lock().tasks);
            if !guard.wait(listener)? {
                continue;
            }
        }
        let call = match listener.receive(&mut inbox) {
            Ok(call) => call,
            Err(Errno::EINTR) => continue,
            Err(Errno::ENOENT) if listener.is_unused() => return Ok(()),
            // Its task was killed or interrupted.
            Err(Errno::ENOENT) => continue,
            Err(errno) => return Err(errno),
        };
        let mut counters = counters.lock();
        let now = monotonic();
        let caller = counters.caller(&call, now, || listener.still_waits(call.id));
        guard.before(&call, &counters.tasks);
        match (listener.let_through(call.id), caller) {
            (Ok(()), Some(caller)) => counters.count(&call, caller, now),
            // It was killed or interrupted just now.
            (Ok(()), None) | (Err(Errno::ENOENT), _) => {}
            (Err(errno), _) => return Err(errno),
        }
    }
    Ok(())
}
