//! Signals as something to wait for, with their sender.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::time::Instant;

/// How soon a recorder has ended after the first signal that asks for it, with all that was recorded written.
pub const SOON: Duration = Duration::from_secs(2);

/// What of it is kept for writing.
pub const FOR_WRITING: Duration = Duration::from_millis(1000);

/// Those that end a recording, the one that says that a child has changed, and the one that has what there is
/// written.
const HANDLED: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGCHLD,
    Signal::SIGUSR1,
];

/// Signals, taken out of the way in which they interrupt.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    blocked: SigSet,
    /// The first one that asked for the end, and when.
    stop: Cell<Option<(Signal, Instant)>>,
}

/// A signal that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEvent {
    /// A child has changed its state.
    Child,
    /// What there is is to be written now.
    Flush,
    /// The recording is asked to end. From the terminal the command has got it as well.
    Stop {
        /// Which one.
        signal: Signal,
        /// Whether the terminal sent it, to all of the foreground.
        from_terminal: bool,
    },
}

impl Signals {
    /// Blocks the signals and opens a descriptor for them. One that the caller had blocked or ignored
    /// (`nohup`) is left to it.
    pub fn new() -> io::Result<Self> {
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut before))?;
        let blocked: SigSet = HANDLED
            .into_iter()
            .filter(|signal| !before.contains(*signal) && !is_ignored(*signal))
            .collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
        let fd = SignalFd::with_flags(&blocked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, blocked, stop: Cell::new(None) })
    }

    /// The first signal that asked for the end, and when it came.
    pub fn stopped(&self) -> Option<(Signal, Instant)> {
        self.stop.get()
    }

    /// Whether a signal has asked for the end, now or before. To be used when there is nothing left to pass it on
    /// to: from then on another one ends this process at once.
    pub fn asked_to_stop(&self) -> io::Result<bool> {
        while let Some(arrived) = self.next()? {
            if let SignalEvent::Stop { .. } = arrived {
                break;
            }
        }
        let is_stopped = self.stop.get().is_some();
        if is_stopped {
            self.end_at_the_next()?;
        }
        Ok(is_stopped)
    }

    /// Lets the next signal that asks for the end have its usual effect.
    pub fn end_at_the_next(&self) -> io::Result<()> {
        let mut stops = self.blocked;
        stops.remove(Signal::SIGCHLD);
        stops.remove(Signal::SIGUSR1);
        Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&stops), None)?)
    }

    /// What this process has blocked and its child must unblock.
    pub fn blocked(&self) -> &SigSet {
        &self.blocked
    }

    /// The next signal, if one has arrived.
    pub fn next(&self) -> io::Result<Option<SignalEvent>> {
        let Some(info) = self.fd.read_signal()? else {
            return Ok(None);
        };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| number.try_into().ok());
        Ok(Some(match signal {
            None | Some(Signal::SIGCHLD) => SignalEvent::Child,
            Some(Signal::SIGUSR1) => SignalEvent::Flush,
            Some(signal) => {
                if self.stop.get().is_none() {
                    self.stop.set(Some((signal, Instant::now())));
                }
                SignalEvent::Stop { signal, from_terminal: info.ssi_code == libc::SI_KERNEL }
            }
        }))
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn is_ignored(signal: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: reads the action into a structure of its own type.
    let action = unsafe {
        libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    signal != Signal::SIGCHLD && action.sa_sigaction == libc::SIG_IGN
}
