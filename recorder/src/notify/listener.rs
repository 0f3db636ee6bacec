//! The descriptor on which the kernel asks about calls (`seccomp_unotify(2)`): making it, handing it over, and what
//! can be done with it.
//!
//! The child that makes the listener is under its filter from that moment on: each call that it makes waits for an
//! answer from a supervisor that does not have the listener yet. So it hands the listener over without a call. It
//! shares its table of descriptors with the supervisor until it executes the command (`CLONE_FILES`), so the
//! supervisor has the same descriptor by the same number; and the number goes through shared memory. The kernel
//! gives the table of a program that is executed its own copy, without the listener, which is closed on exec.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::filter::PROGRAM;
use crate::enforce::NoNewPrivs;
use crate::record::launch::Mailbox;

/// Answer at once on the CPU of the task that waits: since Linux 6.6 (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`).
const SYNC_WAKE_UP: libc::c_ulong = 1;

/// How much room a notification has. Today's have 80 bytes (`SECCOMP_GET_NOTIF_SIZES`).
const ROOM: usize = 4096;

/// In the child: puts itself under the filter and hands the listener over. Only makes system calls.
///
/// # Errors
///
/// The kernel's error.
pub fn install(mailbox: &Mailbox, no_new_privs: NoNewPrivs) -> nix::Result<()> {
    if no_new_privs == NoNewPrivs::Set {
        nix::sys::prctl::set_no_new_privs()?;
    }
    // A filter makes a program slower that the kernel need not protect from itself.
    let wanted = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // Since Linux 5.19: a signal does not interrupt a call that the supervisor has been told of.
    let listener = match filter(wanted | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => filter(wanted)?,
        made => made?,
    };
    mailbox.hand_over(listener);
    Ok(())
}

fn filter(flags: libc::c_ulong) -> nix::Result<RawFd> {
    const LENGTH: u16 = PROGRAM.len() as u16;
    static FILTER: [libc::sock_filter; LENGTH as usize] = PROGRAM;
    let program = libc::sock_fprog { len: LENGTH, filter: FILTER.as_ptr().cast_mut() };
    // SAFETY: `program` points to as many instructions as it says, which the kernel copies.
    let listener = Errno::result(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })?;
    RawFd::try_from(listener).map_err(|_| Errno::EBADF)
}

/// How many bytes the kernel's notifications have. Fails where there are none.
pub fn size() -> nix::Result<usize> {
    let mut sizes = std::mem::MaybeUninit::<libc::seccomp_notif_sizes>::zeroed();
    let operation = libc::SECCOMP_GET_NOTIF_SIZES;
    // SAFETY: the call fills in the structure, of which zeros are a value.
    let sizes = unsafe {
        Errno::result(libc::syscall(libc::SYS_seccomp, operation, 0, sizes.as_mut_ptr()))?;
        sizes.assume_init()
    };
    let size = usize::from(sizes.seccomp_notif).max(size_of::<libc::seccomp_notif>());
    if size <= ROOM { Ok(size) } else { Err(Errno::E2BIG) }
}

/// Where the kernel writes a notification: memory that this process shares with those that it forks afterwards, so
/// that one of them can answer what this one was told and has not answered.
#[derive(Debug)]
pub struct Inbox {
    page: *mut u8,
    size: usize,
}

// SAFETY: it owns its page in this process; another process reads it when this one has ended.
unsafe impl Send for Inbox {}

impl Inbox {
    /// For notifications of this [`size`].
    pub fn new(size: usize) -> io::Result<Self> {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, of which nothing else knows.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), ROOM, access, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { page: page.cast(), size })
    }

    /// One more, for notifications of the same size.
    pub fn another(&self) -> io::Result<Self> {
        Self::new(self.size)
    }

    /// Empties it, as the kernel wants it.
    fn clear(&mut self) {
        // SAFETY: within the page.
        unsafe { std::ptr::write_bytes(self.page, 0, self.size) };
    }

    /// The id of the notification that is in it; 0 if it is empty, which is no call's id but by chance: the kernel
    /// counts up from a random 64-bit number.
    pub fn unanswered(&self) -> u64 {
        // SAFETY: the page is aligned, and begins with the id.
        unsafe { std::ptr::read_volatile(self.page.cast()) }
    }

    fn notification(&self) -> libc::seccomp_notif {
        // SAFETY: the page is aligned, has room for the structure, and any bytes are a value of it.
        unsafe { std::ptr::read_volatile(self.page.cast()) }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`, which nothing in this process refers to any more.
        unsafe { libc::munmap(self.page.cast(), ROOM) };
    }
}

/// A call that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// By which it is answered.
    pub id: u64,
    /// Thread id of the task that made it, in this process's pid namespace; 0 if it has none there.
    pub task: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its number, for x32 with the x32 bit.
    pub number: u32,
    /// All its arguments.
    pub args: [u64; 6],
}

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener(Arc<OwnedFd>);

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<OwnedFd> for Listener {
    fn from(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }
}

impl Listener {
    /// What a child has [handed over](Mailbox::hand_over).
    ///
    /// # Safety
    ///
    /// Nothing else in this process owns the descriptor.
    pub unsafe fn handed_over(fd: RawFd) -> Self {
        // SAFETY: the caller says so.
        Self::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Has the kernel go from the task that calls to this process and back without waking another CPU, where it can.
    pub fn stay_on_one_cpu(&self) {
        // SAFETY: the request takes a number.
        let result = unsafe {
            libc::ioctl(self.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP)
        };
        if result != 0 {
            log::debug!("answers wake other CPUs, since this kernel is older than Linux 6.6");
        }
    }

    /// Waits for a call.
    ///
    /// # Errors
    ///
    /// `EINTR` after a signal. `ENOENT` if the task was killed meanwhile, and since Linux 6.11 if no task is left.
    pub fn receive(&self, inbox: &mut Inbox) -> nix::Result<Notification> {
        inbox.clear();
        // SAFETY: the kernel writes a notification, for which there is room.
        Errno::result(unsafe {
            libc::ioctl(self.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, inbox.page)
        })?;
        let libc::seccomp_notif { id, pid, data, .. } = inbox.notification();
        let libc::seccomp_data { nr, arch, args, .. } = data;
        Ok(Notification { id, task: pid, arch, number: nr.cast_unsigned(), args })
    }

    /// Has the call be made.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is not waited for any more, since its task was killed or interrupted; `EINVAL` if the kernel is
    /// too old for this answer.
    pub fn let_through(&self, id: u64) -> nix::Result<()> {
        #[repr(C)]
        struct Response {
            response: libc::seccomp_notif_resp,
            /// Should a later kernel's be longer.
            room: [u64; 8],
        }
        let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        let response = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
        let response = Response { response, room: [0; 8] };
        // SAFETY: the kernel reads the response.
        Errno::result(unsafe {
            libc::ioctl(self.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response)
        })
        .map(drop)
    }

    /// Whether the call still waits: then its task is the one that it was when the notification was received.
    pub fn still_waits(&self, id: u64) -> bool {
        // SAFETY: the kernel reads the id.
        let result = unsafe {
            libc::ioctl(self.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id)
        };
        result == 0
    }

    /// Waits until there is a call, one of these processes has ended, or this time is over; returns whether there is a
    /// call, which then can be [received](Self::receive) without waiting.
    ///
    /// # Errors
    ///
    /// The kernel's error, but for `EINTR`.
    pub fn wait<'a>(
        &self,
        processes: impl Iterator<Item = BorrowedFd<'a>>,
        limit: PollTimeout,
    ) -> nix::Result<bool> {
        let mut fds = vec![PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        fds.extend(processes.map(|process| PollFd::new(process, PollFlags::POLLIN)));
        match poll(&mut fds, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let events = fds.first().and_then(PollFd::revents);
        Ok(events.is_some_and(|events| events.contains(PollFlags::POLLIN)))
    }

    /// Whether no task is under the filter any more: since Linux 5.9 the kernel says so.
    pub fn is_unused(&self) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}
