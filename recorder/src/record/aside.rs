//! Processes that help the recorder and are not its children.
//!
//! The recorder's child is its command: whoever looks for it (`pgrep -P`), to signal or to watch it, finds nothing else.

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Which process this is.
pub enum Side {
    /// The recorder.
    Recorder,
    /// The other one, whose parent is the system's first process or the nearest subreaper.
    Aside,
}

/// Forks a process that is nobody's child.
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
