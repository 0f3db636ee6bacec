//! A process without any privilege that scans the programs of a recording.
//!
//! It is started before the command, so that nothing is forked once others' code runs. It becomes the user of `sudo`, or
//! `nobody`, gives up all capabilities, and is under limits and a filter of its own (`profiles/own/scanner.json`): it can
//! read what that user can read, and answer. What it is asked, paths, is what recorded processes have chosen; what it
//! reads, theirs too. So whatever it says is only believed to be what it is for: a list of calls. It is waited for no
//! longer than a bound.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout};

use super::messages::{self, Asked, HEAD, LONGEST, Question};
use super::{Memory, Root, Scanner};
use crate::output::sudo_user;
use crate::record::aside::{self, Side, fork_aside};
use crate::record::privilege::{self, Own};
use strait_generator::recording::{Recording, v1};
use strait_generator::scan::Reachable;

/// How long the process may take for a question: all programs of the machine that are in a recording, or one program of
/// a container.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How much longer the process lives if it has not answered then.
const GRACE: Duration = Duration::from_secs(2);

/// How long if the user waits for the end.
const HASTE: Duration = Duration::from_millis(500);

/// Memory: the largest file that is read, what is made of it, and room.
const MEMORY: u64 = 3 << 30;

/// Of how many containers it is remembered which files were read.
const REMEMBERED: usize = 8;

/// The user `nobody`, on every distribution of Linux.
const NOBODY: u32 = 65534;

/// By which it is known in lists of processes.
const NAME: &std::ffi::CStr = c"strait-scanner";

/// Of what a process scans the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Of this machine, all at once at the end.
    Machine,
    /// Of containers, one by one while these live.
    Containers,
}

impl Work {
    /// Processor time, in seconds, for programs that are made to take long.
    const fn seconds(self) -> u64 {
        match self {
            Self::Machine => 30,
            Self::Containers => 60,
        }
    }
}

/// Starts such a process. To be called before there are threads, with all privileges.
pub(super) fn start(work: Work) -> io::Result<UnixStream> {
    let (socket, other) = UnixStream::pair()?;
    // SAFETY: there is one thread, so the child is a process like any other.
    match unsafe { fork_aside() }? {
        Side::Aside => {
            drop(socket);
            let code = i32::from(serve(other, work).is_err());
            // SAFETY: ends the process, without the exit handlers of the recorder.
            unsafe { libc::_exit(code) }
        }
        Side::Recorder => Ok(socket),
    }
}

/// The process, as the recorder has it.
#[derive(Debug)]
pub struct Helper {
    socket: UnixStream,
    /// The folder in which the command begins.
    folder: Option<String>,
}

impl Helper {
    /// Starts it. To be called before there are threads, with all privileges.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn start() -> io::Result<Self> {
        let socket = start(Work::Machine)?;
        let folder = std::env::current_dir().ok();
        let folder = folder.and_then(|folder| folder.into_os_string().into_string().ok());
        Ok(Self { socket, folder })
    }

    /// Puts into a recording what its programs can call. Where that cannot be found out the recording says why. With
    /// `soon`, it is not waited for long.
    pub fn fill(self, recording: &mut Recording, soon: bool) {
        let asked: Vec<Asked> = recording
            .programs
            .iter()
            // `(other)` is no file.
            .filter(|program| !program.device.is_empty())
            .map(|program| Asked {
                path: program.path.clone(),
                folder: self.folder.clone().filter(|_| !program.path.starts_with('/')),
                inode: program.inode,
            })
            .collect();
        let answer = self.ask(&asked, if soon { HASTE } else { PATIENCE });
        let (mut found, why) = match answer {
            Ok(found) => (found, String::new()),
            Err(error) => (BTreeMap::new(), format!("it was not scanned: {error}")),
        };
        for Asked { path, .. } in asked {
            let reachable = found.remove(&path);
            let reachable = reachable.unwrap_or_else(|| Reachable::unknown(why.clone()));
            recording.reachable.insert(path, reachable);
        }
    }

    fn ask(
        mut self,
        asked: &[Asked],
        patience: Duration,
    ) -> io::Result<BTreeMap<String, Reachable>> {
        let question = Question { root: None, programs: asked.to_vec() };
        let answer = self.exchange(&serde_json::to_vec(&question)?, patience);
        let bytes = answer.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                io::Error::other(format!("it took longer than {patience:?}"))
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => {
                io::Error::other("the process that scans has ended")
            }
            _ => error,
        })?;
        Ok(v1::parse_reachable(&bytes)?)
    }

    fn exchange(&mut self, question: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        let end = Instant::now() + patience;
        self.socket.set_write_timeout(Some(patience))?;
        messages::send(&mut self.socket, question)?;
        read(&mut self.socket, |socket| {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))
        })
    }
}

/// Reads an answer; `wait` is called before each part.
fn read(
    socket: &mut UnixStream,
    wait: impl Fn(&UnixStream) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut head = [0; HEAD];
    wait(socket)?;
    socket.read_exact(&mut head)?;
    let length = messages::length(head, LONGEST)?;
    let mut bytes = Vec::new();
    let mut part = vec![0; 64 << 10];
    while bytes.len() < length {
        wait(socket)?;
        let most = (length - bytes.len()).min(part.len());
        match socket.read(&mut part[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
    Ok(bytes)
}

/// In the process: gives up all that it does not need, and answers until it is asked nothing more.
fn serve(mut socket: UnixStream, work: Work) -> io::Result<()> {
    aside::begin(NAME)?;
    let root = match work {
        Work::Machine => Some(Root::new(Path::new("/"))?),
        Work::Containers => None,
    };
    let kept: Vec<_> = [Some(socket.as_raw_fd()), root.as_ref().map(Root::descriptor)]
        .into_iter()
        .flatten()
        .collect();
    aside::close_all_but(&kept)?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    become_nobody()?;
    privilege::give_up_all_but(&[]).map_err(io::Error::other)?;
    nix::sys::prctl::set_dumpable(false)?;
    for (resource, most) in [
        (Resource::RLIMIT_CPU, work.seconds()),
        (Resource::RLIMIT_AS, MEMORY),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, 64),
    ] {
        setrlimit(resource, most, most)?;
    }
    privilege::confine(Own::Scanner);
    privilege::report("scanner");
    // Making the filter has written to a file in memory.
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    dup2_stderr(&null)?;
    drop(null);
    let mut machine = root.map(Scanner::new);
    let mut memories = Memories::default();
    // Until it is asked, the end of the socket ends it.
    while let Some((question, folder)) = messages::receive(&mut socket)? {
        end_in(PATIENCE + GRACE)?;
        let Question { root, programs } = serde_json::from_slice(&question)?;
        let found = match (root, folder, &mut machine) {
            (Some(number), Some(folder), _) => {
                let memory = memories.take(number);
                let mut scanner = Scanner::remembering(Root::of(folder)?, memory);
                let found = scan(&mut scanner, programs);
                // Its file system can be removed as soon as nothing in it is open.
                memories.keep(number, scanner.into_memory());
                found
            }
            (None, None, Some(machine)) => scan(machine, programs),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        messages::send(&mut socket, &v1::print_reachable(&found)?)?;
        end_in(Duration::ZERO)?;
    }
    Ok(())
}

fn scan(scanner: &mut Scanner, programs: Vec<Asked>) -> BTreeMap<String, Reachable> {
    let one = |Asked { path, folder, inode }: Asked| {
        // It ended before its path could be found out. Of a file elsewhere the number is another one.
        let is_relative = !path.starts_with('/');
        let place = if is_relative {
            folder.map(|in_it| format!("{in_it}/{path}"))
        } else {
            Some(path.clone())
        };
        let scanned = place.map(|path| scanner.program(&path, Some(inode)));
        let reachable = match scanned {
            Some(Ok(program)) => program.reachable,
            Some(Err(error)) if !is_relative => {
                Reachable::unknown(format!("it was not scanned: {error}"))
            }
            _ => Reachable::unknown("it was not scanned: it is not known in which folder it was"),
        };
        (path, reachable)
    };
    programs.into_iter().map(one).collect()
}

/// What is known of containers' files, the last ones at the end. Each container has its own: a file is told from others by
/// numbers of its file system, which another container's may have later.
#[derive(Default)]
struct Memories(VecDeque<(u32, Memory)>);

impl Memories {
    fn take(&mut self, number: u32) -> Memory {
        let known = self.0.iter().position(|(of, _)| *of == number);
        known.and_then(|at| self.0.remove(at)).map(|(_, memory)| memory).unwrap_or_default()
    }

    fn keep(&mut self, number: u32, memory: Memory) {
        self.0.push_back((number, memory));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }
}

/// Has this process end when the recorder no longer waits for it; zero lets it live. What it reads may be in a file system
/// that a user answers for, and never answers.
fn end_in(patience: Duration) -> io::Result<()> {
    // SAFETY: the default is installed, and no handler.
    unsafe { signal(Signal::SIGALRM, SigHandler::SigDfl) }?;
    let zero = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let patience = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    let timer = libc::itimerval {
        it_interval: zero,
        it_value: libc::timeval { tv_sec: patience, tv_usec: 0 },
    };
    // SAFETY: the structure lives as long as the call, and the old value is not asked for.
    let result =
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    nix::errno::Errno::result(result)?;
    Ok(())
}

/// Becomes the user of `sudo`, or the user `nobody`, where the recorder is root.
fn become_nobody() -> io::Result<()> {
    if Uid::effective().is_root() {
        let (uid, gid) = match sudo_user() {
            Some(uid) => {
                let user = nix::unistd::User::from_uid(Uid::from_raw(uid))?;
                (uid, user.map_or(NOBODY, |user| user.gid.as_raw()))
            }
            None => (NOBODY, NOBODY),
        };
        let (uid, gid) = (Uid::from_raw(uid), nix::unistd::Gid::from_raw(gid));
        nix::unistd::setgroups(&[])?;
        nix::unistd::setresgid(gid, gid, gid)?;
        nix::unistd::setresuid(uid, uid, uid)?;
    }
    Ok(())
}
