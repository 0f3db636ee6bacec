//! Requests to an engine over HTTP, each on a connection of its own, with a bound in bytes on every answer: what
//! listens at the socket decides how much is sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::trusted;

/// How long an engine may take to answer. Podman has been seen to take more than three seconds on a
/// machine that had more to do than it could.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Most bytes of an answer, and of one line of an answer that goes on. A container's inspection holds what is in
/// its configuration, and of that no more is read from a file either (`trusted.rs`).
pub const LARGEST: usize = 4 << 20;

/// Most bytes of the head of an answer, and of what is read ahead of its body. Engines send less than 1 KiB.
/// hyper takes 100 headers at most, and 16 KiB of trailers and of chunk extensions.
const LONGEST_HEAD: usize = 64 << 10;

/// Why an engine did not answer.
#[derive(Debug, Error)]
pub enum Error {
    /// It took too long.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// It sends without end.
    #[error("it sent an answer of more than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It answered that it cannot.
    #[error("it answered with status {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says about that.
        message: String,
    },
    /// Another user has taken the place of the one who answered first.
    #[error("another user now answers there")]
    Replaced,
    /// It cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] io::Error),
    /// It was asked for what has no address.
    #[error(transparent)]
    Address(#[from] hyper::http::Error),
    /// It does not speak HTTP, or has stopped in the middle.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// It answered with something else than it was asked for.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// A socket at which an engine answers.
#[derive(Clone)]
pub struct Socket {
    path: PathBuf,
    /// The user who listened there at the first connection.
    user: Arc<OnceLock<u32>>,
}

impl Socket {
    /// The socket at this path; it is not connected to yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), user: Arc::default() }
    }

    /// Whether it is a trusted user who answers. The kernel has noted who listens; the owner of a file can be that of
    /// another one a moment later.
    pub fn is_trusted(&self) -> bool {
        self.user.get().is_some_and(|user| trusted::is_trusted(*user))
    }

    /// The whole answer to a request for `path`.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        self.request(path).await?.read().await
    }

    /// The answer to a request for `path`, as it comes in.
    pub async fn lines(&self, path: &str) -> Result<Lines, Error> {
        let answer = self.request(path).await?;
        Ok(Lines { answer, line: Vec::new(), rest: Bytes::new() })
    }

    async fn request(&self, path: &str) -> Result<Answer, Error> {
        let stream = UnixStream::connect(&self.path).await?;
        let user = stream.peer_cred()?.uid();
        if *self.user.get_or_init(|| user) != user {
            return Err(Error::Replaced);
        }
        let mut http = http1::Builder::new();
        let (mut sender, connection) =
            http.max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await?;
        let mut serving = JoinSet::new();
        serving.spawn(connection);
        let request = Request::get(path).header(HOST, "localhost").body(Empty::<Bytes>::new())?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let answer = Answer { body, _connection: serving };
        if head.status.is_success() {
            return Ok(answer);
        }
        let body = answer.read().await?;
        let message = match serde_json::from_slice(&body) {
            Ok(Refusal { message }) => message,
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        };
        Err(Error::Refused { status: head.status.as_u16(), message })
    }
}

/// What an engine answers if it cannot do what it was asked for.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// An answer of which the head is there.
struct Answer {
    body: Incoming,
    /// Ends with the answer, however little of it was read.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Answer {
    /// What comes next; `None` after the last.
    async fn more(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are of no use.
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn read(mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(bytes) = self.more().await? {
            append(&mut all, &bytes)?;
        }
        Ok(all)
    }
}

/// The lines of an answer.
pub struct Lines {
    answer: Answer,
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    /// What has come in and has not been looked at.
    rest: Bytes,
}

impl Lines {
    /// The next line, with its end; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                append(&mut self.line, &self.rest.split_to(end + 1))?;
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            append(&mut self.line, &self.rest)?;
            match self.answer.more().await? {
                Some(bytes) => self.rest = bytes,
                None => {
                    self.rest = Bytes::new();
                    let last = std::mem::take(&mut self.line);
                    return Ok(Some(last).filter(|last| !last.is_empty()));
                }
            }
        }
    }
}

fn append(all: &mut Vec<u8>, more: &[u8]) -> Result<(), Error> {
    if all.len() + more.len() > LARGEST {
        return Err(Error::TooLarge);
    }
    all.extend_from_slice(more);
    Ok(())
}

/// A name as a part of an address, in which it can mean nothing else. Names of images have slashes.
pub fn escaped(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte);
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            byte if is_plain(byte) => text.push(byte.into()),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
