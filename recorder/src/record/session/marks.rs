//! Marks: the test runner says when a test has ended, and the difference of the counters since the mark
//! before is that test's sample ([`samples`](crate::record::assemble::samples)). The kernel has no part in it.
//!
//! The recorder listens on a socket whose path is in the environment of the command, as [`VARIABLE`].
//! A client writes the name and a newline; the answer is `ok` and a newline once the counters have been
//! read, or a line that says what is wrong.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, chown};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::record::folder::Folder;
use crate::record::launch::User;

/// The environment variable with the path of the socket.
pub const VARIABLE: &str = "STRAIT_MARK";

/// The longest name, in bytes.
const LONGEST: usize = 1024;

/// The most that a client reads of an answer: the socket is whichever the environment names.
const LONGEST_ANSWER: u64 = 4096;

/// How long a client may take to say its name.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many clients are heard at once; the others wait, without taking this process' room for open files.
const CLIENTS: usize = 32;

/// How soon to accept again when there was no room.
const TRY_AGAIN: Duration = Duration::from_millis(20);

const OK: &str = "ok\n";

/// Why a mark was not taken.
#[derive(Debug, Error)]
pub enum MarkError {
    /// Not started by a recorder.
    #[error(
        "nothing is being recorded: {VARIABLE} is not set. Run the command that calls `strait mark` under \
         `strait record -- COMMAND`, or pass --if-recording"
    )]
    NoRecorder,
    /// The recorder has ended, or the socket is another user's.
    #[error(
        "cannot reach the recorder at {path}: {source}. It has ended, or it records another user's command"
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The recorder went away before it answered.
    #[error("the recorder ended before it had taken the mark: {0}")]
    Gone(#[source] io::Error),
    /// The recorder refused.
    #[error("the recorder did not take the mark: {0}")]
    Refused(String),
}

/// Closes a sample of the recording that this process is part of, under this name. Returns when the
/// counters have been read.
///
/// # Errors
///
/// [`MarkError`] if that did not happen.
pub fn mark(name: &str) -> Result<(), MarkError> {
    let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let path = PathBuf::from(path.ok_or(MarkError::NoRecorder)?);
    check(name).map_err(|why| MarkError::Refused(why.to_owned()))?;
    let mut stream =
        UnixStream::connect(&path).map_err(|source| MarkError::Unreachable { path, source })?;
    let mut answer = String::new();
    // If it has closed the socket there may still be an answer that says why.
    let written = stream.write_all(format!("{name}\n").as_bytes());
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).map_err(MarkError::Gone)?;
    match answer.as_str() {
        OK => Ok(()),
        "" => Err(MarkError::Gone(
            written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        )),
        why => Err(MarkError::Refused(why.trim().to_owned())),
    }
}

fn check(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        Err("a sample needs a name")
    } else if name.len() > LONGEST {
        Err("the name has more than 1024 bytes")
    } else if name.chars().any(char::is_control) {
        Err("the name has a control character in it")
    } else {
        Ok(())
    }
}

/// The socket on which marks come in, which only the command's user, and root, may use.
#[derive(Debug)]
pub struct Listener {
    folder: Folder,
    socket: UnixListener,
    user: Uid,
}

impl Listener {
    /// Listens for marks of this user, or else of the caller.
    pub fn new(user: Option<&User>) -> io::Result<Self> {
        let folder = Folder::new(user.is_some())?;
        let path = folder.path().join("mark");
        let socket = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        if let Some((uid, gid)) = user.map(User::ids) {
            // The folder stays the recorder's: nothing else can be put there under the socket's name.
            chown(&path, Some(uid), Some(gid))?;
        }
        let user = user.map_or_else(Uid::current, |user| user.ids().0);
        Ok(Self { folder, socket, user })
    }

    /// What the command has to be told.
    pub fn variable(&self) -> (&'static str, OsString) {
        (VARIABLE, self.path().into_os_string())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mark")
    }
}

/// A mark that wants to be taken.
#[derive(Debug)]
pub struct Request {
    /// Name of the sample that ends.
    pub name: String,
    /// Who waits for it to be taken, or to hear why not.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// Marks, as they come in. The socket is gone when this is.
#[derive(Debug)]
pub struct Incoming {
    requests: mpsc::Receiver<Request>,
    _folder: Folder,
}

impl Incoming {
    /// Begins to listen; to be called in a tokio runtime.
    pub fn new(listener: Listener) -> io::Result<Self> {
        let Listener { folder, socket, user } = listener;
        let socket = tokio::net::UnixListener::from_std(socket)?;
        let (sender, requests) = mpsc::channel(1);
        let room = Arc::new(Semaphore::new(CLIENTS));
        tokio::spawn(async move {
            while let Ok(place) = room.clone().acquire_owned().await {
                match socket.accept().await {
                    Ok((stream, _)) => {
                        let sender = sender.clone();
                        tokio::spawn(async move {
                            serve(stream, user, sender).await;
                            drop(place);
                        });
                    }
                    // Too many open files: the client waits, and is heard when there is room again.
                    Err(error) => {
                        log::debug!("a mark is delayed: {error}");
                        sleep(TRY_AGAIN).await;
                    }
                }
            }
        });
        Ok(Self { requests, _folder: folder })
    }

    /// The next one.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.recv().await
    }
}

/// One client, from its name to its answer.
async fn serve(stream: tokio::net::UnixStream, user: Uid, sender: mpsc::Sender<Request>) {
    let answer = match take(&stream, user, &sender).await {
        Ok(()) => OK.to_owned(),
        Err(why) => format!("{why}\n"),
    };
    // A client that has gone away needs no answer.
    let _ = stream.writable().await;
    let _ = stream.try_write(answer.as_bytes());
}

async fn take(
    stream: &tokio::net::UnixStream,
    user: Uid,
    sender: &mpsc::Sender<Request>,
) -> Result<(), String> {
    let peer = stream.peer_cred().map_err(|error| error.to_string())?.uid();
    if peer != 0 && peer != user.as_raw() {
        return Err(format!("user {peer} may not mark what user {user} runs"));
    }
    let name = timeout(PATIENCE, read_line(stream))
        .await
        .map_err(|_| "no name was sent".to_owned())?
        .map_err(|error| error.to_string())?;
    check(&name)?;
    let (answer, taken) = oneshot::channel();
    let ended = || "the recording has ended".to_owned();
    sender.send(Request { name, answer }).await.map_err(|_| ended())?;
    taken.await.map_err(|_| ended())?
}

async fn read_line(stream: &tokio::net::UnixStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 256];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if bytes.contains(&b'\n') || bytes.len() > LONGEST + 1 {
            break;
        }
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("the name is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_one_line_of_text() {
        assert!(check("tests/test_a.py::test[a b]").is_ok());
        for wrong in ["", "  ", "a\nb", "\u{1b}[31m", &"x".repeat(LONGEST + 1)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }

    /// Takes every mark but the ones called `bad`, like a recorder, until the clients have ended.
    async fn recorder(listener: Listener, mut ended: oneshot::Receiver<()>) -> Vec<String> {
        let mut incoming = Incoming::new(listener).unwrap();
        let mut names = Vec::new();
        loop {
            tokio::select! {
                Some(Request { name, answer }) = incoming.next() => {
                    let verdict = if name == "bad" { Err("no room".to_owned()) } else { Ok(()) };
                    let _ = answer.send(verdict);
                    names.push(name);
                }
                _ = &mut ended => return names,
            }
        }
    }

    fn say(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_client_hears_when_its_mark_is_taken_and_why_it_is_not() {
        let listener = Listener::new(None).unwrap();
        let path = listener.path();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let (end, ended) = oneshot::channel();
        let clients = {
            let path = path.clone();
            std::thread::spawn(move || {
                let said = [b"\n".as_slice(), b"\xff\n", b"bad\n", b"one\n"];
                let answers = said.map(|bytes| say(&path, bytes));
                end.send(()).unwrap();
                answers
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(recorder(listener, ended)), ["bad", "one"]);
        assert_eq!(
            clients.join().unwrap(),
            ["a sample needs a name\n", "the name is not UTF-8\n", "no room\n", "ok\n"]
        );
        assert!(!path.exists());
    }
}
