//! Processes that scan the programs of containers while these live.
//!
//! What they read is in file systems that others may answer for, and never answer. So there are several, one is asked at
//! a time, and one that does not answer in time is left to itself.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net;
use tokio::time::timeout;

use super::helper::{self, Work};
use super::messages::{self, Asked, HEAD, Question};
use strait_generator::recording::v1;
use strait_generator::scan::Reachable;

/// How many may be lost.
const PROCESSES: usize = 3;

/// The longest answer about one program: of the largest ones it has some 100 KiB.
const LONGEST_ANSWER: u64 = 4 << 20;

/// The processes, as the recorder has them.
#[derive(Debug)]
pub struct Helpers {
    waiting: Vec<UnixStream>,
    asked: Option<net::UnixStream>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// It took too long, or the process ended on it: it is not asked again.
    Lost(String),
    /// There is no process left.
    NoneLeft,
}

impl Helpers {
    /// Starts them. To be called before there are threads, with all privileges.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn start() -> io::Result<Self> {
        let mut waiting = Vec::new();
        for _ in 0..PROCESSES {
            waiting.push(helper::start(Work::Containers)?);
        }
        Ok(Self { waiting, asked: None })
    }

    /// What a program can call beneath a folder, which is let go as soon as the process has it.
    pub(crate) async fn ask(
        &mut self,
        root: OwnedFd,
        number: u32,
        program: &Asked,
        patience: Duration,
    ) -> Result<Reachable, NoAnswer> {
        let Some(socket) = self.next() else { return Err(NoAnswer::NoneLeft) };
        let answer = timeout(patience, exchange(socket, root, number, program)).await;
        match answer {
            Ok(Ok(reachable)) => Ok(reachable),
            Ok(Err(error)) => {
                self.asked = None;
                Err(NoAnswer::Lost(match error.kind() {
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        "the process that scans has ended".to_owned()
                    }
                    _ => error.to_string(),
                }))
            }
            Err(_) => {
                self.asked = None;
                Err(NoAnswer::Lost(format!("it took longer than {patience:?}")))
            }
        }
    }

    fn next(&mut self) -> Option<&mut net::UnixStream> {
        while self.asked.is_none() {
            let socket = self.waiting.pop()?;
            let ready = socket.set_nonblocking(true);
            self.asked = ready.and_then(|()| net::UnixStream::from_std(socket)).ok();
        }
        self.asked.as_mut()
    }
}

async fn exchange(
    socket: &mut net::UnixStream,
    root: OwnedFd,
    number: u32,
    program: &Asked,
) -> io::Result<Reachable> {
    let question = Question { root: Some(number), programs: vec![program.clone()] };
    let question = serde_json::to_vec(&question)?;
    socket.writable().await?;
    messages::send_head(socket, &question, &root)?;
    drop(root);
    socket.write_all(&question).await?;
    let mut head = [0; HEAD];
    socket.read_exact(&mut head).await?;
    let mut answer = vec![0; messages::length(head, LONGEST_ANSWER)?];
    socket.read_exact(&mut answer).await?;
    let mut found = v1::parse_reachable(&answer)?;
    found.remove(&program.path).ok_or_else(|| io::Error::other("the answer is about another one"))
}
