//! A process that writes files for the recorder, with the rights of the user who runs Strait.
//!
//! It is started before the command, opens the folder then, and can do nothing but write files into it, and into a
//! private folder if that fails. So the recorder itself never opens anything for writing while untrusted code
//! runs, and what the command does to the path of its output leads nowhere. It takes no signals from the
//! terminal, and finishes what it was given if the recorder is killed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use caps::Capability;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv,
    recvmsg, send, sendmsg, socketpair,
};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};
use serde::{Deserialize, Serialize};

use super::{Side, begin, fork_aside};
use crate::output::{Folder, Output, OutputError, Place, Rights, Sync, Written};
use crate::record::privilege::{self, Own};
use crate::record::session::{FOR_WRITING, SOON, Signals};

/// The longest message; a file name has 255 bytes, a path 4096.
const LONGEST: usize = 16 << 10;

/// By which it is known in lists of processes.
const NAME: &std::ffi::CStr = c"strait-writer";

/// How long a file may take at least, if a signal has asked for the end some time ago.
const LEAST: Duration = Duration::from_millis(20);

/// What the recorder asks for, as the first byte of a message; a file's name follows.
const WRITE: u8 = b'w';
const WRITE_SOON: u8 = b's';
const REMOVE: u8 = b'r';

/// Writes files while the command runs, and after it.
#[derive(Debug)]
pub struct Writer(Kind);

#[derive(Debug)]
enum Kind {
    /// No file: it goes to standard output.
    Stdout,
    /// To the other process, by this socket; and what it writes, for messages.
    Process { socket: OwnedFd, path: PathBuf },
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saved {
    /// It is where it should be, or, if its folder was moved, where that is now.
    Written {
        /// The file.
        path: PathBuf,
        /// Whether the folder was moved.
        moved: bool,
    },
    /// It could not be written there, and is in a private folder.
    Rescued {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It could not be written anywhere.
    Lost {
        /// Why.
        why: String,
    },
    /// It was removed.
    Removed,
}

/// What is written.
enum Target {
    File(Place),
    Folder(Folder),
}

impl Writer {
    /// For one file. To be called before there are threads.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if the file cannot be written.
    pub fn for_output(output: &Output) -> Result<Self, OutputError> {
        match output {
            Output::Stdout => Ok(Self(Kind::Stdout)),
            Output::File(path) => start(path, || {
                Place::open(path).and_then(|place| place.check().map(|()| Target::File(place)))
            }),
        }
    }

    /// For files in a folder, which is made if it is not there. To be called before there are threads.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if it cannot be written.
    pub fn for_folder(path: &Path) -> Result<Self, OutputError> {
        start(path, || {
            Folder::make(path).and_then(|folder| folder.check().map(|()| Target::Folder(folder)))
        })
    }

    /// Writes a file: of this name, if this is for a folder. If a signal asks for the end it is not waited for
    /// longer than half a second; the other process goes on.
    ///
    /// # Errors
    ///
    /// [`OutputError`] if standard output cannot be written, or the other process does not answer.
    pub fn write(
        &self,
        name: Option<&str>,
        bytes: &[u8],
        signals: Option<&Signals>,
    ) -> Result<Saved, OutputError> {
        match &self.0 {
            Kind::Stdout => {
                Output::Stdout.write(bytes)?;
                Ok(Saved::Written { path: PathBuf::from("-"), moved: false })
            }
            Kind::Process { socket, path } => {
                let path = name.map_or_else(|| path.clone(), |name| path.join(name));
                ask(socket, name.unwrap_or_default(), Some(bytes), signals)
                    .map_err(|source| OutputError::unwritable(&path, source))
            }
        }
    }

    /// Removes a file that was written before.
    pub fn remove(&self, name: &str) {
        if let Kind::Process { socket, .. } = &self.0 {
            // It may be gone already.
            let _ = ask(socket, name, None, None);
        }
    }
}

fn start(path: &Path, open: impl FnOnce() -> io::Result<Target>) -> Result<Writer, OutputError> {
    let unwritable = |source| OutputError::unwritable(path, source);
    let (socket, other) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| unwritable(errno.into()))?;
    // SAFETY: there is one thread, so the child is a process like any other.
    match unsafe { fork_aside() }.map_err(|errno| unwritable(errno.into()))? {
        Side::Aside => {
            drop(socket);
            let code = match serve(&other, open) {
                Ok(()) => 0,
                Err(error) => {
                    // If the recorder has gone there is no one to tell.
                    let errno = error.raw_os_error().unwrap_or_default();
                    let _ = send(
                        other.as_raw_fd(),
                        format!("{errno} {error}").as_bytes(),
                        MsgFlags::empty(),
                    );
                    1
                }
            };
            // SAFETY: ends the process, without the exit handlers of the recorder.
            unsafe { libc::_exit(code) }
        }
        Side::Recorder => {
            drop(other);
            let answer = receive(&socket).map_err(unwritable)?;
            if answer.is_empty() {
                return Ok(Writer(Kind::Process { socket, path: path.to_owned() }));
            }
            let text = String::from_utf8_lossy(&answer).into_owned();
            let (errno, why) = text.split_once(' ').unwrap_or(("0", &text));
            Err(unwritable(match errno.parse() {
                Ok(0) | Err(_) => io::Error::other(why.to_owned()),
                Ok(errno) => io::Error::from_raw_os_error(errno),
            }))
        }
    }
}

/// In the writer: opens what is to be written, gives up all that it does not need, says that it is ready, and
/// writes what comes until the recorder closes the socket.
fn serve(socket: &OwnedFd, open: impl FnOnce() -> io::Result<Target>) -> io::Result<()> {
    begin(NAME)?;
    let mut target = open()?;
    let rights = match &mut target {
        Target::File(place) => place.keep_rights()?,
        Target::Folder(folder) => folder.keep_rights()?,
    };
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    // For files of other users that are replaced, where root writes.
    let kept: &[Capability] = if rights == Rights::Own { &[Capability::CAP_CHOWN] } else { &[] };
    privilege::give_up_all_but(kept).map_err(io::Error::other)?;
    privilege::confine(Own::Writer);
    privilege::report("writer");
    dup2_stderr(&null)?;
    drop(null);
    send(socket.as_raw_fd(), b"\0", MsgFlags::empty())?;
    let mut rescue = None;
    loop {
        let Some((name, file)) = next(socket)? else { return Ok(()) };
        let (what, name) = name.split_first().ok_or(io::ErrorKind::InvalidData)?;
        let answer = match (*what, file) {
            (WRITE, Some(file)) => save(&target, &mut rescue, name, file, Sync::Disk),
            (WRITE_SOON, Some(file)) => save(&target, &mut rescue, name, file, Sync::Kernel),
            _ => remove(&target, name),
        };
        let answer = serde_json::to_vec(&answer)?;
        send(socket.as_raw_fd(), &answer, MsgFlags::empty())?;
    }
}

/// The next request: what to do with the file of which name, and what is to be in it. `None` when the recorder has ended.
fn next(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, Option<File>)>> {
    let mut name = vec![0; LONGEST];
    let mut parts = [IoSliceMut::new(&mut name)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let length = message.bytes;
    let mut file = None;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            // SAFETY: the kernel has just made these descriptors for this process.
            file = fds.into_iter().map(|fd| unsafe { File::from_raw_fd(fd) }).next();
        }
    }
    if length == 0 {
        return Ok(None);
    }
    name.truncate(length);
    Ok(Some((name, file)))
}

/// `rescue` is the private folder, made when it is needed first.
fn save(
    target: &Target,
    rescue: &mut Option<Folder>,
    name: &[u8],
    mut file: File,
    sync: Sync,
) -> Saved {
    let mut bytes = Vec::new();
    if let Err(error) = file.rewind().and_then(|()| file.read_to_end(&mut bytes)) {
        return Saved::Lost { why: error.to_string() };
    }
    let name = OsStr::from_bytes(name);
    let written = match target {
        Target::File(place) => place.write(&bytes, sync),
        Target::Folder(folder) => folder.write(name, &bytes, sync),
    };
    let why = match written {
        Ok(Written { path, moved }) => return Saved::Written { path, moved },
        Err(error) => error.to_string(),
    };
    // The run may have taken hours; what it gave must not be lost with the folder.
    let name = match target {
        Target::File(place) => place.name(),
        Target::Folder(_) => name,
    };
    if rescue.is_none() {
        *rescue = Folder::private(&Rights::Own).ok();
    }
    match rescue.as_ref().map(|folder| folder.write(name, &bytes, sync)) {
        Some(Ok(Written { path, .. })) => Saved::Rescued { path, why },
        Some(Err(_)) | None => Saved::Lost { why },
    }
}

fn remove(target: &Target, name: &[u8]) -> Saved {
    if let Target::Folder(folder) = target {
        // It may be gone already.
        let _ = folder.remove(OsStr::from_bytes(name));
    }
    Saved::Removed
}

/// Hands a file over and waits for the answer. `None` removes it.
fn ask(
    socket: &OwnedFd,
    name: &str,
    bytes: Option<&[u8]>,
    signals: Option<&Signals>,
) -> io::Result<Saved> {
    let file = bytes.map(in_memory).transpose()?;
    let is_hurried = signals.is_some_and(|signals| signals.stopped().is_some());
    let what = match (&file, is_hurried) {
        (Some(_), false) => WRITE,
        (Some(_), true) => WRITE_SOON,
        (None, _) => REMOVE,
    };
    let message = [&[what], name.as_bytes()].concat();
    let fds: Vec<_> = file.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&message)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    wait(socket, signals)?;
    let answer = receive(socket)?;
    serde_json::from_slice(&answer).map_err(io::Error::other)
}

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"recording", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// Waits until there is an answer; not for long if a signal asks for the end.
fn wait(socket: &OwnedFd, signals: Option<&Signals>) -> io::Result<()> {
    let stopped = signals.and_then(Signals::stopped);
    let mut end = stopped.map(|(_, since)| (since + SOON).into_std().max(Instant::now() + LEAST));
    loop {
        let mut fds = vec![PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        if end.is_none() {
            fds.extend(signals.map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
        }
        let timeout = match end {
            None => PollTimeout::NONE,
            Some(end) => {
                let left = Instant::saturating_duration_since(&end, Instant::now());
                PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)
            }
        };
        match poll(&mut fds, timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        if fds.first().and_then(PollFd::any).unwrap_or(false) {
            return Ok(());
        }
        if let Some(signals) = signals
            && signals.asked_to_stop()?
        {
            end = Some(Instant::now() + FOR_WRITING / 2);
        }
    }
}

/// An answer; that of a writer that is ready is empty.
fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; LONGEST];
    let length = loop {
        match recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            received => break received?,
        }
    };
    if length == 0 {
        return Err(io::Error::other("the process that writes files has ended"));
    }
    answer.truncate(length);
    if answer == b"\0" {
        answer.clear();
    }
    Ok(answer)
}
