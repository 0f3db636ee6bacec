//! Keeps the end of a child from ending a call of its parent with `EINTR`.
//!
//! A call that the supervisor has not been told of yet is ended by any signal that has a handler. If the handler is
//! without `SA_RESTART`, the kernel then lets the call fail with `EINTR`, even a `close` or a `pipe`, which never fail so
//! otherwise, and programs do not expect it. Shells such as dash take SIGCHLD with such a handler, and have a child end
//! with every command.
//!
//! So where a parent has a handler for the end of its children, it is traced (`PTRACE_SEIZE`, which does not stop it)
//! while one of them ends. When the signal is about to be delivered it stops, and if it was in a call that was not let
//! through, the call's result is changed from *restart if the handler wants it* to *restart*. It is let go with the
//! signal. A parent that something else traces already is left alone.
//!
//! On arm64 the kernel has decided about the restart before the stop, so there is no guard there.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::ptrace;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::counters::Counters;
use super::listener::{Listener, Notification};
use super::programs::{self, Tasks};

/// How long a parent may take to get its signal, before the CPU is left to others meanwhile.
const SOON: Duration = Duration::from_millis(1);

/// How long it is waited for. Since the child has ended it may have blocked the signal.
const LONGEST: Duration = Duration::from_millis(50);

/// How often to look for a stop, in milliseconds, when it takes longer.
const TICK_MS: u8 = 1;

/// Parents that are traced.
#[derive(Debug, Default)]
pub struct Guard(Vec<Parent>);

#[derive(Debug)]
struct Parent {
    process: Pid,
    /// Children whose end was let through, by descriptors on which the kernel says that they have ended.
    children: Vec<OwnedFd>,
    /// When the last of them had ended.
    alone_since: Option<Instant>,
    /// Whether it was asked to stop, to be let go.
    interrupted: bool,
}

impl Guard {
    /// Whether nothing is traced.
    pub fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// To be told of each call before it is let through.
    pub fn before(&mut self, call: &Notification, tasks: &Tasks) {
        let guarded = self.child_of(call, tasks);
        if let Some((process, child)) = guarded {
            match self.0.iter_mut().find(|parent| parent.process == process) {
                Some(parent) => {
                    parent.children.push(child);
                    parent.alone_since = None;
                }
                None if ptrace::seize(process, ptrace::Options::empty()).is_ok() => {
                    let children = vec![child];
                    self.0.push(Parent {
                        process,
                        children,
                        alone_since: None,
                        interrupted: false,
                    });
                }
                // It is traced by something else, or is not for this user to trace.
                None => {}
            }
        }
    }

    /// If this call ends a child whose parent has to be guarded: the parent, and the child.
    fn child_of(&self, call: &Notification, tasks: &Tasks) -> Option<(Pid, OwnedFd)> {
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        let process = tasks.leader(call.task)?;
        if !Counters::ends_process(call, call.task == process) {
            return None;
        }
        let parent = programs::parent(process)?;
        // A parent that is not recorded is waited for by no call.
        tasks.leader(parent)?;
        if !programs::handles_end_of_child(parent) {
            return None;
        }
        Some((Pid::from_raw(i32::try_from(parent).ok()?), pidfd(process).ok()?))
    }

    /// Looks after all that are traced.
    pub fn look(&mut self, tasks: &Tasks) {
        self.0.retain_mut(|parent| parent.look(tasks));
    }

    /// Waits until there is a call, which is returned, or it is time to look again.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn wait(&self, listener: &Listener) -> nix::Result<bool> {
        if self.is_idle() {
            return Ok(true);
        }
        let is_soon = |parent: &Parent| parent.alone_since.is_some_and(|at| at.elapsed() < SOON);
        let is_soon = self.0.iter().any(is_soon);
        let limit = if is_soon { PollTimeout::ZERO } else { TICK_MS.into() };
        let children = self.0.iter().flat_map(|parent| &parent.children);
        let has_call = listener.wait(children.map(AsFd::as_fd), limit)?;
        if is_soon && !has_call {
            // The parent may want this CPU.
            std::thread::yield_now();
        }
        Ok(has_call)
    }
}

impl Parent {
    /// Returns whether it is still traced.
    fn look(&mut self, tasks: &Tasks) -> bool {
        self.children.retain(|child| !has_ended(child));
        if self.children.is_empty() && self.alone_since.is_none() {
            self.alone_since = Some(Instant::now());
        }
        let signal = match stop(self.process) {
            Ok(Stop::Signal(signal)) => Some(signal),
            // Stopped for all to see, as by SIGTSTP, or since it was asked to.
            Ok(Stop::Other) => None,
            Ok(Stop::None) => return self.stays(),
            Err(_) => return false,
        };
        if signal.is_some() {
            repair(self.process, tasks);
        }
        let number = self.process.as_raw().unsigned_abs();
        let is_done = self.children.is_empty()
            && (signal != Some(libc::SIGCHLD) || !programs::has_end_of_child_pending(number));
        match (signal, is_done) {
            // The kernel keeps a process stopped that is let go while it is.
            (None, _) | (_, true) => {
                go_on(libc::PTRACE_DETACH, self.process, signal);
                false
            }
            (_, false) => go_on(libc::PTRACE_CONT, self.process, signal),
        }
    }

    /// What becomes of one that has not stopped.
    fn stays(&mut self) -> bool {
        if self.has_ended() {
            return false;
        }
        if !self.interrupted && self.alone_since.is_some_and(|since| since.elapsed() > LONGEST) {
            self.interrupted = true;
            return ptrace::interrupt(self.process).is_ok();
        }
        true
    }

    /// Whether it has ended. Its own parent is told only when its tracer knows.
    fn has_ended(&self) -> bool {
        let look = |flags| waitid(Id::Pid(self.process), WaitPidFlag::WNOHANG | flags);
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::__WALL;
        match look(peek) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {
                let number = self.process.as_raw().unsigned_abs();
                // The command is waited for by the main thread.
                if programs::parent(number) != Some(std::process::id()) {
                    let _ = look(WaitPidFlag::WEXITED | WaitPidFlag::__WALL);
                }
                true
            }
            Ok(_) => false,
            Err(_) => true,
        }
    }
}

/// How a traced process has stopped.
enum Stop {
    /// It has not.
    None,
    /// A signal with this number is about to be delivered, which may be one for real-time use.
    Signal(i32),
    Other,
}

fn stop(process: Pid) -> nix::Result<Stop> {
    let mut found = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WSTOPPED | libc::WNOHANG | libc::__WALL;
    let number = process.as_raw().unsigned_abs();
    // SAFETY: the call fills in the structure, of which zeros are a value; of a stop it has these fields.
    let (of, status) = unsafe {
        Errno::result(libc::waitid(libc::P_PID, number, found.as_mut_ptr(), flags))?;
        let found = found.assume_init();
        (found.si_pid(), found.si_status())
    };
    Ok(match (of, status >> 8) {
        (0, _) => Stop::None,
        (_, 0) => Stop::Signal(status & 0x7f),
        _ => Stop::Other,
    })
}

/// Lets a stopped process go on, with this signal; returns whether it does.
fn go_on(request: libc::c_uint, process: Pid, signal: Option<i32>) -> bool {
    let signal = libc::c_long::from(signal.unwrap_or(0));
    // SAFETY: both requests take a number.
    let result = unsafe { libc::ptrace(request, process.as_raw(), 0_usize, signal) };
    result == 0
}

/// If a stopped process is to leave a call that was not let through: has it made anew, whatever the handler wants.
#[cfg(target_arch = "x86_64")]
fn repair(process: Pid, tasks: &Tasks) {
    /// `include/linux/errno.h`.
    const ERESTARTSYS: u64 = 512;
    const ERESTARTNOINTR: u64 = 513;
    let Ok(mut registers) = ptrace::getregs(process) else { return };
    // −1 outside of calls.
    let is_in_call = registers.orig_rax.cast_signed() >= 0;
    if !is_in_call || registers.rax != ERESTARTSYS.wrapping_neg() {
        return;
    }
    let last = tasks.last_call(process.as_raw().unsigned_abs());
    let of_64_bits =
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    let of_32_bits =
        [registers.rbx, registers.rcx, registers.rdx, registers.rsi, registers.rdi, registers.rbp];
    // What is like the last call is taken for it: one that waits ends so without a supervisor, too.
    let is_last = last.is_some_and(|(number, args)| {
        u64::from(number) == registers.orig_rax && (args == of_64_bits || args == of_32_bits)
    });
    if !is_last {
        registers.rax = ERESTARTNOINTR.wrapping_neg();
        let _ = ptrace::setregs(process, registers);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn repair(_process: Pid, _tasks: &Tasks) {}

/// A descriptor on which the kernel says that a process has ended.
fn pidfd(process: u32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
