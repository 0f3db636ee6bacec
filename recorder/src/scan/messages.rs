//! What the recorder and a process that scans say to each other: bytes with their length before them, and with a question
//! an open folder.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

/// The longest question and answer.
pub(super) const LONGEST: u64 = 64 << 20;

/// Bytes of a length.
pub(super) const HEAD: usize = 8;

/// A program that is to be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Where it was.
    pub path: String,
    /// The folder in which it may have been, if its path is relative: where the command began.
    pub folder: Option<String>,
    /// Its number in its file system.
    pub inode: u64,
}

/// What is to be scanned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// A number that stands for the root which comes with the question, so that a file is read once; `None` for the
    /// machine's.
    pub root: Option<u32>,
    /// Beneath it.
    pub programs: Vec<Asked>,
}

/// The length of a message, as it is sent before it.
pub(super) fn head(bytes: &[u8]) -> [u8; HEAD] {
    (bytes.len() as u64).to_le_bytes()
}

/// The length of what follows.
pub(super) fn length(head: [u8; HEAD], longest: u64) -> io::Result<usize> {
    let length = u64::from_le_bytes(head);
    let fits = usize::try_from(length).ok().filter(|_| length <= longest);
    fits.ok_or_else(|| io::Error::other("the answer is too long"))
}

/// Sends the length of a message, with an open folder.
pub(super) fn send_head(socket: &impl AsRawFd, bytes: &[u8], folder: &OwnedFd) -> io::Result<()> {
    let head = head(bytes);
    let descriptors = [folder.as_raw_fd()];
    let sent = sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&head)],
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    // A socket takes so few bytes at once or not at all.
    if sent == HEAD { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Sends a message.
pub(super) fn send(socket: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    socket.write_all(&head(bytes))?;
    socket.write_all(bytes)
}

/// A message, and the open folder that came with it.
type Message = (Vec<u8>, Option<OwnedFd>);

/// In the process that scans: the next message, and what came with it; `None` if the other end was closed.
pub(super) fn receive(socket: &mut UnixStream) -> io::Result<Option<Message>> {
    let mut head = [0; HEAD];
    let mut space = cmsg_space!([std::os::fd::RawFd; 1]);
    let mut folder = None;
    let count = {
        let mut parts = [IoSliceMut::new(&mut head)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = part {
                for descriptor in descriptors {
                    // SAFETY: the kernel has just made it for this process, and nothing else knows it.
                    folder = Some(unsafe { OwnedFd::from_raw_fd(descriptor) });
                }
            }
        }
        message.bytes
    };
    if count == 0 {
        return Ok(None);
    }
    socket.read_exact(&mut head[count..])?;
    let mut bytes = vec![0; length(head, LONGEST)?];
    socket.read_exact(&mut bytes)?;
    Ok(Some((bytes, folder)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_folder_comes_with_its_message() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let folder = OwnedFd::from(File::open("/etc").unwrap());
        send_head(&one, b"abc", &folder).unwrap();
        one.write_all(b"abc").unwrap();
        send(&mut one, b"").unwrap();
        drop(one);
        let (bytes, came) = receive(&mut other).unwrap().unwrap();
        let place = crate::files::of_descriptor(&came.unwrap()).read_link().unwrap();
        assert_eq!((bytes.as_slice(), place.to_str()), (&b"abc"[..], Some("/etc")));
        let (bytes, came) = receive(&mut other).unwrap().unwrap();
        assert!(bytes.is_empty() && came.is_none());
        assert!(receive(&mut other).unwrap().is_none());
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error() {
        for bytes in [&b"abc"[..], &head(b"abcd"), &(LONGEST + 1).to_le_bytes()] {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            drop(one);
            assert!(receive(&mut other).is_err(), "{bytes:?}");
        }
    }
}
