//! A process that lets calls through when the recorder has ended, for tasks that live longer than their recording.
//!
//! A task under a filter that asks stays under it, and without a supervisor each of its calls fails with `ENOSYS`, even
//! the one by which it ends. So the standby has the listener as well, and takes over as soon as the recorder lets go
//! of its socket or is killed, with the call that the recorder may have been told of and not have answered. It records
//! nothing, has no privilege, and ends with the last task.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv,
    recvmsg, send, sendmsg, socketpair,
};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::listener::{Inbox, Listener};
use crate::record::aside::{self, Side, fork_aside};
use crate::record::privilege::{self, Own};

/// By which it is known in lists of processes.
const NAME: &std::ffi::CStr = c"strait-standby";

/// The other process, which takes over when this value is dropped.
#[derive(Debug)]
pub struct Standby(OwnedFd);

impl Standby {
    /// Starts it. To be called before there are threads, and before anything is put into the inbox.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn start(inbox: &Inbox) -> io::Result<Self> {
        let (socket, other) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: there is one thread, so the child is a process like any other.
        match unsafe { fork_aside() }? {
            Side::Aside => {
                let code = i32::from(stand_by(&other, inbox).is_err());
                // SAFETY: ends the process, without the exit handlers of the recorder.
                unsafe { libc::_exit(code) }
            }
            Side::Recorder => {
                drop(other);
                let mut ready = [0_u8; 1];
                match recv(socket.as_raw_fd(), &mut ready, MsgFlags::empty())? {
                    0 => Err(io::Error::other("the standby process has ended")),
                    _ => Ok(Self(socket)),
                }
            }
        }
    }

    /// Gives it the listener.
    ///
    /// # Errors
    ///
    /// The system's error if it has ended.
    pub fn give(&self, listener: &Listener) -> io::Result<()> {
        let fds = [listener.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(b"l")], &rights, flags, None)?;
        Ok(())
    }
}

/// In the standby.
fn stand_by(socket: &OwnedFd, inbox: &Inbox) -> io::Result<()> {
    aside::begin(NAME)?;
    // A kill of the recorder's process group must not reach what the survivors need.
    setsid()?;
    leave_only(socket.as_raw_fd())?;
    privilege::give_up_all_but(&[]).map_err(io::Error::other)?;
    // Nor may the user's other processes take the listener out of it.
    nix::sys::prctl::set_dumpable(false)?;
    let mut own_inbox = inbox.another()?;
    privilege::confine(Own::Standby);
    send(socket.as_raw_fd(), b"\0", MsgFlags::MSG_NOSIGNAL)?;
    let Some(listener) = receive(socket)? else { return Ok(()) };
    // Nothing else is sent: what comes is the end.
    while recv_end(socket)? {}
    // If the recorder has answered it, the kernel knows nothing of it any more.
    let _ = listener.let_through(inbox.unanswered());
    Ok(let_all_through(&listener, &mut own_inbox)?)
}

/// Closes all that the recorder has open: other processes wait for its pipes and sockets to end.
fn leave_only(socket: RawFd) -> io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    drop(null);
    aside::close_all_but(&[socket])
}

/// The listener; `None` if the recorder has ended without one.
fn receive(socket: &OwnedFd) -> io::Result<Option<Listener>> {
    let mut bytes = [0_u8; 1];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut listener = None;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            // SAFETY: the kernel has just made these descriptors for this process.
            let mut fds = fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
            listener = fds.next().map(Listener::from);
        }
    }
    Ok(listener)
}

/// Whether the recorder may still be there.
fn recv_end(socket: &OwnedFd) -> io::Result<bool> {
    let mut bytes = [0_u8; 1];
    match nix::unistd::read(socket, &mut bytes) {
        Ok(0) | Err(Errno::ECONNRESET) => Ok(false),
        Ok(_) | Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

fn let_all_through(listener: &Listener, inbox: &mut Inbox) -> nix::Result<()> {
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let events = fds.first().and_then(PollFd::revents).unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLIN) {
            match listener.receive(inbox) {
                Ok(call) => match listener.let_through(call.id) {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno),
                },
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        } else if !events.is_empty() {
            // No task is left.
            return Ok(());
        }
    }
}
