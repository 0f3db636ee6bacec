//! Processes that help the recorder and are not its children: what all of them do first.
//!
//! The recorder's only child is its command: scripts that look for it with `pgrep -P`, to signal or to watch it, find
//! nothing else.

mod writer;

use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

pub use writer::{Saved, Writer};

/// Which process this is.
pub enum Side {
    /// The recorder.
    Recorder,
    /// The other one, whose parent is the system's first process or the nearest subreaper.
    Aside,
}

/// Forks a process that is not a child of this one.
///
/// # Errors
///
/// The system's error if one of the two forks fails.
///
/// # Safety
///
/// There is one thread.
pub unsafe fn fork_aside() -> nix::Result<Side> {
    // SAFETY: the caller says so.
    let first = unsafe { fork() }?;
    let ForkResult::Parent { child } = first else {
        // SAFETY: the same.
        let code = match unsafe { fork() } {
            Ok(ForkResult::Child) => return Ok(Side::Aside),
            Ok(ForkResult::Parent { .. }) => 0,
            Err(errno) => errno as i32,
        };
        // SAFETY: ends the process, without the exit handlers of the recorder.
        unsafe { libc::_exit(code) }
    };
    loop {
        return match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(Side::Recorder),
            Ok(WaitStatus::Exited(_, code)) => Err(Errno::from_raw(code)),
            Ok(_) => Err(Errno::ECHILD),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(errno),
        };
    }
}

/// In such a process: takes its name, by which it is known in lists of processes, and outlives the signals that end a
/// recording.
///
/// # Errors
///
/// The system's error.
pub fn begin(name: &CStr) -> nix::Result<()> {
    for ignored in
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1]
    {
        // SAFETY: no handler is installed.
        unsafe { signal(ignored, SigHandler::SigIgn) }?;
    }
    nix::sys::prctl::set_name(name)
}

/// In such a process: closes what the recorder has open, but for standard input, output and error and these. Other
/// processes wait for its pipes and sockets to end.
///
/// # Errors
///
/// The system's error.
pub fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && !kept.contains(number))
        .collect();
    for number in open {
        // SAFETY: nothing in this process uses any of them again, and it ends without dropping their owners. The
        // folder that was read is closed already.
        unsafe { libc::close(number) };
    }
    Ok(())
}
