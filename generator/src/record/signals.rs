//! Signals as something to wait for, with who sent them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Those that end a recording, and the one that says that a child has changed.
const HANDLED: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD];

/// Signals, taken out of the way in which they interrupt.
pub struct Signals {
    fd: SignalFd,
    blocked: SigSet,
}

/// A signal that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// A child has changed its state.
    Child,
    /// What there is is to be written now.
    Flush,
    /// Somebody wants the recording to end. From the terminal the command has got it as well.
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
    ///
    /// With `flush` SIGUSR1 is one of them.
    pub fn new(flush: bool) -> io::Result<Self> {
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut before))?;
        let blocked: SigSet = HANDLED
            .into_iter()
            .chain(flush.then_some(Signal::SIGUSR1))
            .filter(|signal| !before.contains(*signal) && !is_ignored(*signal))
            .collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
        let fd = SignalFd::with_flags(&blocked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, blocked })
    }

    /// What this process has blocked and its child must unblock.
    pub fn blocked(&self) -> &SigSet {
        &self.blocked
    }

    /// The next signal, if one has arrived.
    pub fn next(&self) -> io::Result<Option<Arrived>> {
        let Some(info) = self.fd.read_signal()? else {
            return Ok(None);
        };
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| number.try_into().ok());
        Ok(Some(match signal {
            None | Some(Signal::SIGCHLD) => Arrived::Child,
            Some(Signal::SIGUSR1) => Arrived::Flush,
            Some(signal) => {
                Arrived::Stop { signal, from_terminal: info.ssi_code == libc::SI_KERNEL }
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
