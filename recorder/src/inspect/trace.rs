//! Reads filters from the kernel, by `PTRACE_SECCOMP_GET_FILTER`.
//!
//! The process is stopped while its filters are copied, some hundred microseconds, and goes on as before: it
//! gets no signal, and if Strait dies the kernel lets it go. A call in which it waits is started again by the
//! kernel, as after SIGSTOP and SIGCONT; of some (`epoll_wait`, see signal(7)) it sees EINTR.

use std::io;

use nix::errno::Errno;
use nix::sys::wait::WaitPidFlag;

use super::{InspectError, Inspected};
use crate::enforce::instruction;
use crate::files;
use strait_generator::bpf::Filter;

/// `include/uapi/linux/ptrace.h`
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;

/// Reads the filters of a process (of its thread with that id).
///
/// # Errors
///
/// [`InspectError`] says why it has none, or why they cannot be read.
pub fn read(pid: i32) -> Result<Inspected, InspectError> {
    let status = files::of_proc(&format!("/proc/{pid}/status")).ok_or(InspectError::Gone(pid))?;
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    match field("Seccomp") {
        Some("0") => return Err(InspectError::NoFilter(pid)),
        Some("1") => return Err(InspectError::Strict(pid)),
        _ => {}
    }
    if field("TracerPid").is_some_and(|tracer| tracer != "0") {
        return Err(InspectError::Traced(pid));
    }
    let name = field("Name").unwrap_or_default().to_owned();
    let programs = Stopped::new(pid)?.filters()?;
    let filters = programs
        .into_iter()
        .enumerate()
        .map(|(nth, program)| {
            let instructions = program.into_iter().map(instruction).collect();
            Filter::new(instructions).map_err(|source| InspectError::Filter { pid, nth, source })
        })
        .collect::<Result<Vec<Filter>, InspectError>>()?;
    if filters.is_empty() {
        return Err(InspectError::NoFilter(pid));
    }
    Ok(Inspected { pid, name, filters })
}

fn failed(pid: i32, doing: &'static str, errno: Errno) -> InspectError {
    let source = io::Error::from(errno);
    match errno {
        Errno::ESRCH => InspectError::Gone(pid),
        Errno::EPERM | Errno::EACCES => InspectError::Forbidden { pid, source },
        _ => InspectError::Kernel { pid, doing, source },
    }
}

/// A process that is stopped as long as this lives.
struct Stopped {
    pid: i32,
    /// A signal that it was about to get, and is to get when it goes on.
    pending: usize,
}

impl Stopped {
    fn new(pid: i32) -> Result<Self, InspectError> {
        ptrace(libc::PTRACE_SEIZE, pid, 0, 0)
            .map_err(|errno| failed(pid, "PTRACE_SEIZE", errno))?;
        // From here on dropping it lets the process go.
        let mut stopped = Self { pid, pending: 0 };
        ptrace(libc::PTRACE_INTERRUPT, pid, 0, 0)
            .map_err(|errno| failed(pid, "PTRACE_INTERRUPT", errno))?;
        let mut status = 0;
        let waited = loop {
            // SAFETY: `status` is a place for a status.
            let result = unsafe { libc::waitpid(pid, &raw mut status, WaitPidFlag::__WALL.bits()) };
            match Errno::result(result) {
                Err(Errno::EINTR) => {}
                other => break other,
            }
        };
        waited.map_err(|errno| failed(pid, "waiting for it to stop", errno))?;
        if !libc::WIFSTOPPED(status) {
            return Err(InspectError::Gone(pid));
        }
        // A stop of PTRACE_INTERRUPT says so in the upper bits; any other is the delivery of a signal.
        if status >> 16 == 0 {
            stopped.pending = usize::try_from(libc::WSTOPSIG(status)).unwrap_or(0);
        }
        Ok(stopped)
    }

    fn filters(&self) -> Result<Vec<Vec<libc::sock_filter>>, InspectError> {
        let mut filters = Vec::new();
        loop {
            match self.filter(filters.len()) {
                Ok(filter) => filters.push(filter),
                // No more of them, or none at all.
                Err(Errno::ENOENT | Errno::EINVAL) => return Ok(filters),
                Err(errno) => return Err(failed(self.pid, "PTRACE_SECCOMP_GET_FILTER", errno)),
            }
        }
    }

    /// The filter of this place; the oldest is 0.
    fn filter(&self, nth: usize) -> Result<Vec<libc::sock_filter>, Errno> {
        let length = ptrace(PTRACE_SECCOMP_GET_FILTER, self.pid, nth, 0)?;
        let length = usize::try_from(length).map_err(|_| Errno::EIO)?;
        let mut program = vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; length];
        let address = program.as_mut_ptr() as usize;
        // The process is stopped, so its filter is as long as it was.
        ptrace(PTRACE_SECCOMP_GET_FILTER, self.pid, nth, address)?;
        Ok(program)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It fails if the process is gone, and then there is nothing to let go.
        let _ = ptrace(libc::PTRACE_DETACH, self.pid, 0, self.pending);
    }
}

fn ptrace(
    request: libc::c_uint,
    pid: i32,
    address: usize,
    data: usize,
) -> Result<libc::c_long, Errno> {
    // SAFETY: `data` is 0, the number of a signal or, for PTRACE_SECCOMP_GET_FILTER, the address of
    // an array with room for the whole program; the other requests write nothing.
    Errno::result(unsafe { libc::ptrace(request, pid, address, data) })
}
