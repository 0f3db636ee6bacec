//! Starts the command: forked and held until the probe is ready, then executed as the caller
//! would have done it, with the caller's terminal, environment, limits and signals.

mod limits;
mod lookup;
mod mailbox;
mod user;
mod without;

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2, setsid};
use thiserror::Error;

use super::privilege::{Loading, Running as RunningStage};
use super::{Notice, RecordError};
use crate::enforce::{self, NoNewPrivs};
use lookup::Missing;
use mailbox::Stage;
use strait_generator::outcome::Status;

pub use limits::raise as raise_file_limit;
pub(crate) use mailbox::Mailbox;
pub use user::{User, UserError};
pub use without::{Without, WithoutError};

/// Why the command was not started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// No such program.
    #[error("cannot run `{0}`: no such program{hint}", hint = path_hint(.0))]
    NotFound(String),
    /// There is one, but it cannot be executed.
    #[error("cannot run `{program}`: {reason}")]
    NotExecutable {
        /// As given.
        program: String,
        /// Why not.
        reason: String,
    },
    /// A zero byte in an argument.
    #[error("argument {0} of the command contains a zero byte, which no program can be given")]
    ZeroByte(usize),
    /// The machine is out of something.
    #[error("cannot {what} for the command: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// What the child was to do last was refused.
    #[error("cannot prepare the command: {0}")]
    LastStep(#[source] io::Error),
    /// The child could not become what was asked for.
    #[error("cannot {what} before running the command: {source}")]
    Setup {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

fn path_hint(program: &str) -> &'static str {
    if program.contains('/') { "" } else { " in any folder of PATH" }
}

/// What is to be run, and how.
pub struct Launch {
    program: CString,
    shown: String,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    user: Option<User>,
    filter: Option<Filter>,
    last_step: Option<LastStep>,
}

/// What the child does right before it executes the command, while it shares its descriptors with the recorder.
#[derive(Clone, Copy)]
pub struct LastStep {
    /// Only makes system calls. What it opens for the recorder it [hands over](Mailbox::hand_over).
    pub run: fn(&Mailbox, NoNewPrivs) -> nix::Result<()>,
    /// Whether it sets `no_new_privs`. Else it needs `CAP_SYS_ADMIN`.
    pub no_new_privs: NoNewPrivs,
}

/// A seccomp filter to be installed right before the command is executed.
pub struct Filter {
    /// The compiled profile.
    pub program: enforce::Program,
    /// Whether to set `no_new_privs` first. Without it the child needs `CAP_SYS_ADMIN`.
    pub no_new_privs: NoNewPrivs,
}

impl Launch {
    /// Finds the program as `execvp` would.
    pub fn new(
        command: &[OsString],
        user: Option<User>,
        filter: Option<Filter>,
    ) -> Result<Self, LaunchError> {
        let name = command.first().map(OsString::as_os_str).unwrap_or_default();
        let program = lookup::find(name).map_err(|missing| match missing {
            Missing::NotFound(program) => LaunchError::NotFound(program),
            Missing::NotExecutable(program, reason) => {
                LaunchError::NotExecutable { program, reason }
            }
        })?;
        let environment = environment(user.as_ref());
        Ok(Self {
            program: CString::new(program.into_os_string().into_vec())
                .map_err(|_| LaunchError::ZeroByte(0))?,
            shown: name.to_string_lossy().into_owned(),
            arguments: command
                .iter()
                .enumerate()
                .map(|(index, argument)| {
                    CString::new(argument.as_bytes()).map_err(|_| LaunchError::ZeroByte(index))
                })
                .collect::<Result<_, _>>()?,
            environment,
            user,
            filter,
            last_step: None,
        })
    }

    /// Has the child do this right before it executes the command.
    pub fn set_last_step(&mut self, step: LastStep) {
        self.last_step = Some(step);
    }

    /// Gives the command other values of these variables than the caller has.
    pub fn set_environment(&mut self, variables: &[(&str, OsString)]) {
        for (name, value) in variables {
            let start = [name.as_bytes(), b"="].concat();
            self.environment.retain(|variable| !variable.as_bytes().starts_with(&start));
            self.environment.extend(CString::new([&start, value.as_bytes()].concat()));
        }
    }

    /// The executable file, as it will be given to `execve`.
    pub fn program(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.program.as_bytes()))
    }

    /// Forks. The child waits until it is released, and ends if the recorder goes away before.
    /// `signals` are those that the recorder has blocked for itself.
    pub fn fork(self, _stage: &Loading, signals: &SigSet) -> Result<Held, LaunchError> {
        let system =
            |what| move |errno: nix::Error| LaunchError::System { what, source: errno.into() };
        let (gate, release) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(system("open a pipe"))?;
        let mailbox =
            Mailbox::new().map_err(|source| LaunchError::System { what: "map memory", source })?;
        let argv = pointers(&self.arguments);
        let envp = pointers(&self.environment);
        let shares_descriptors = self.last_step.is_some();
        let recorder = Pid::this();
        let fork: unsafe fn() -> _ = if shares_descriptors { fork_with_descriptors } else { fork };
        // SAFETY: there is one thread, and the child only makes system calls on what is prepared.
        let forked = unsafe { fork() };
        match forked.map_err(system("fork"))? {
            ForkResult::Parent { child } => {
                let has_own_session = self.has_own_session();
                // If the child has it by the same entry of the table, it stays open until the child has read.
                let gate = shares_descriptors.then_some(gate);
                Ok(Held { child, release, gate, mailbox, shown: self.shown, has_own_session })
            }
            ForkResult::Child => {
                match shares_descriptors {
                    false => drop(release),
                    // It would be closed for the recorder, too.
                    true => std::mem::forget(release),
                }
                self.child(recorder, &gate, &mailbox, signals, &argv, &envp)
            }
        }
    }

    /// Whether the command runs as another user, and so in a session of its own: with the caller's
    /// terminal as its controlling one it could put words into the caller's mouth (`TIOCSTI`, `ioctl_tty(2)`).
    pub fn has_own_session(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.ids().0 != nix::unistd::Uid::current())
    }

    /// In the child. Allocates nothing and never returns.
    fn child(
        &self,
        recorder: Pid,
        gate: &OwnedFd,
        mailbox: &Mailbox,
        signals: &SigSet,
        argv: &[*const libc::c_char],
        envp: &[*const libc::c_char],
    ) -> ! {
        // Who shares the other end of the pipe does not see it closed.
        if self.last_step.is_some() && end_with_recorder(recorder).is_err() {
            // SAFETY: as below.
            unsafe { libc::_exit(127) }
        }
        let mut released = [0_u8; 1];
        // SAFETY: a buffer of one byte.
        let read = unsafe { libc::read(gate.as_raw_fd(), released.as_mut_ptr().cast(), 1) };
        if read == 1 {
            let (stage, errno) = self.become_command(recorder, mailbox, signals, argv, envp);
            mailbox.post(stage, errno);
        }
        // SAFETY: ends the process, without the exit handlers of a process that it is not.
        unsafe { libc::_exit(127) }
    }

    /// Returns only if that failed: at which stage, and why.
    fn become_command(
        &self,
        recorder: Pid,
        mailbox: &Mailbox,
        signals: &SigSet,
        argv: &[*const libc::c_char],
        envp: &[*const libc::c_char],
    ) -> (Stage, i32) {
        let of_filter = self.filter.as_ref().map(|filter| filter.no_new_privs);
        let of_step = self.last_step.map(|step| step.no_new_privs);
        let needs_admin = [of_filter, of_step].contains(&Some(NoNewPrivs::Leave));
        if self.has_own_session()
            && let Err(errno) = setsid()
        {
            return (Stage::User, errno as i32);
        }
        if let Some(user) = &self.user
            && let Err(errno) = user.become_user(needs_admin)
        {
            return (Stage::User, errno as i32);
        }
        limits::give_back();
        // Rust ignores SIGPIPE in every program; commands expect it to end them.
        // SAFETY: sets a default action.
        unsafe { libc::signal(Signal::SIGPIPE as i32, libc::SIG_DFL) };
        if let Err(errno) = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(signals), None) {
            return (Stage::Signals, errno as i32);
        }
        if let Some(filter) = &self.filter
            && let Err(error) = enforce::install(&filter.program, filter.no_new_privs)
        {
            return (Stage::Filter, error.raw_os_error().unwrap_or(libc::EINVAL));
        }
        if let Some(step) = self.last_step
            // A change of the user has ended what the child asked for at its start.
            && let Err(errno) = end_with_recorder(recorder)
                .and_then(|()| (step.run)(mailbox, step.no_new_privs))
                .and_then(|()| outlive_recorder())
        {
            return (Stage::LastStep, errno as i32);
        }
        // SAFETY: all strings and both arrays end in zero.
        unsafe { libc::execve(self.program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        (Stage::Exec, nix::errno::Errno::last_raw())
    }
}

/// Forks a child that has its own memory, and the recorder's table of descriptors until it executes something.
///
/// # Safety
///
/// As for `fork`: with more than one thread the child may only make system calls.
unsafe fn fork_with_descriptors() -> nix::Result<ForkResult> {
    let flags = libc::c_long::from(libc::CLONE_FILES | libc::SIGCHLD);
    // SAFETY: without a stack of its own the child goes on with a copy of this one.
    let child =
        unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    match Errno::result(child)? {
        0 => Ok(ForkResult::Child),
        child => Ok(ForkResult::Parent {
            child: Pid::from_raw(i32::try_from(child).map_err(|_| Errno::EOVERFLOW)?),
        }),
    }
}

/// In the child: it is killed when the recorder ends, or ends itself if that has happened already.
fn end_with_recorder(recorder: Pid) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if Pid::parent() == recorder { Ok(()) } else { Err(Errno::ESRCH) }
}

/// In the child: takes that back.
fn outlive_recorder() -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(None)
}

/// A child that waits.
pub struct Held {
    child: Pid,
    release: OwnedFd,
    gate: Option<OwnedFd>,
    mailbox: Mailbox,
    shown: String,
    has_own_session: bool,
}

/// A child that runs.
pub struct Running {
    /// Its process id, in the recorder's pid namespace.
    pub child: Pid,
    /// Whether it leads a session, so that the terminal sends it no signals.
    pub has_own_session: bool,
    /// Both ends of the pipe by which the child was released, if it has them by this process's table.
    _shared: Option<(OwnedFd, OwnedFd)>,
    mailbox: Mailbox,
    shown: String,
}

impl Held {
    /// Its process id, in the recorder's pid namespace.
    pub fn child(&self) -> Pid {
        self.child
    }

    /// Lets the child run the command.
    pub fn release(self, _stage: &RunningStage) -> Result<Running, LaunchError> {
        let Self { child, release, gate, mailbox, shown, has_own_session } = self;
        nix::unistd::write(&release, b"!")
            .map_err(|errno| LaunchError::System { what: "release", source: errno.into() })?;
        let shared = gate.map(|gate| (gate, release));
        Ok(Running { child, has_own_session, _shared: shared, mailbox, shown })
    }
}

impl Running {
    /// Who gets a signal: all of its session's first process group, as from a terminal, or itself alone.
    pub fn target(&self) -> Pid {
        if self.has_own_session { Pid::from_raw(-self.child.as_raw()) } else { self.child }
    }

    /// What the child has opened for the recorder, if it has by now.
    pub fn handed_over(&self) -> Option<RawFd> {
        self.mailbox.handed_over()
    }

    /// Passes the first signal on, unless the terminal has given it to the command already, and kills
    /// at the second.
    pub fn stop(&self, stops: u32, signal: Signal, from_terminal: bool, notify: &dyn Fn(&Notice)) {
        // The command may just have ended, which is what was wanted.
        let _ = match stops {
            1 if from_terminal && !self.has_own_session => Ok(()),
            1 => kill(self.target(), signal),
            _ => {
                notify(&Notice::Killing);
                kill(self.target(), Signal::SIGKILL)
            }
        };
    }

    /// How the command ended, if it has. To be asked until it has, and then no more.
    pub fn reap(&self) -> Result<Option<Status>, RecordError> {
        let child = self.child;
        // A stop is not taken from the thread that traces it.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ended = waitid(Id::Pid(child), flags).and_then(|peeked| match peeked {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => waitpid(child, None),
            other => Ok(other),
        });
        match ended {
            Ok(WaitStatus::Exited(_, code)) => Ok(Some(Status::Exited(code as u8))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Some(Status::Signaled(signal as u8))),
            Ok(_) => Ok(None),
            Err(errno) => {
                Err(RecordError::System { what: "wait for the command", source: errno.into() })
            }
        }
    }

    /// Once the child has ended: whether that was because the command could not be run.
    pub fn failure(&self) -> Option<LaunchError> {
        let (stage, errno) = self.mailbox.read()?;
        let source = io::Error::from_raw_os_error(errno);
        let program = self.shown.clone();
        Some(match stage {
            Stage::User => LaunchError::Setup { what: "change the user", source },
            Stage::Signals => LaunchError::Setup { what: "unblock signals", source },
            Stage::Filter => LaunchError::Setup { what: "install the filter", source },
            Stage::LastStep => LaunchError::LastStep(source),
            Stage::Exec => LaunchError::NotExecutable {
                program,
                reason: match errno {
                    libc::ENOENT => "its interpreter or dynamic loader does not exist".to_owned(),
                    libc::ENOEXEC => {
                        "it is neither a binary for this machine nor a script with a `#!` line"
                            .to_owned()
                    }
                    libc::ENOSYS => "the profile refuses execve itself".to_owned(),
                    _ => source.to_string(),
                },
            },
        })
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

fn environment(user: Option<&User>) -> Vec<CString> {
    let of_user = user.map(User::environment).unwrap_or_default();
    let inherited = std::env::vars_os()
        .filter(|(name, _)| !of_user.iter().any(|(of_user, _)| OsStr::new(of_user) == name));
    inherited
        .chain(of_user.iter().map(|(name, value)| (OsString::from(name), value.clone())))
        .filter_map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
        .collect()
}
