//! The recorder's privileges, all of them, and how it gives them up: as stages, each of which is a type that only
//! the one before it can make. What needs the privilege of a stage takes the stage as an argument, so that it cannot
//! be called in another one.
//!
//! | Stage | What is done in it | What is left |
//! |---|---|---|
//! | [`Loading`] | the probe is loaded, the command forked and held back | what the caller had |
//! | [`Attached`] | engines are found | `CAP_SYS_PTRACE`; `CAP_KILL` for passing signals on to the command, and to nothing else; `CAP_BPF` on kernels that want it for reading maps; `CAP_DAC_OVERRIDE` for an engine that a variable names and another user owns |
//! | [`Running`] | the command runs, counters are read, engines are asked | the same, with `no_new_privs` and a filter of Strait's own |
//! | [`Writing`] | recordings are made and handed to the [`writer`](super::writer) | no capability |
//!
//! The writer, a process of its own, has `CAP_CHOWN` if it writes as root, and else nothing.

mod own_filter;
mod status;

use std::collections::HashSet;

use caps::{CapSet, Capability};
use thiserror::Error;

pub use own_filter::{Own, confine};
pub use status::report;

/// Why privileges are not as they have to be.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// Needed capabilities are not effective.
    #[error(
        "Strait lacks {missing} to trace system calls. Run it with sudo, or give it just these: \
         setcap cap_bpf,cap_perfmon+ep $(command -v strait)"
    )]
    Missing {
        /// Their names, joined with "and".
        missing: String,
    },
    /// The kernel did not say, or did not obey.
    #[error("cannot {what} capabilities: {source}")]
    Caps {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: caps::errors::CapsError,
    },
}

/// Loading programs and maps; `CAP_SYS_ADMIN` stands for either (`capabilities(7)`).
const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// What a recording needs while it runs, beside what all need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// There is a command, to which signals are passed on; it may run as any user, or become one.
    pub command: bool,
    /// An engine was named whose socket belongs to another user.
    pub other_users_engine: bool,
    /// Which programs the command's processes are is asked of `/proc` while they run. Without `CAP_SYS_PTRACE` the
    /// kernel tells only who has every capability that they have (`ptrace(2)`, access mode checking), so then none
    /// is given up.
    pub programs: bool,
}

/// Before the probe is in place: all privileges that the caller had.
#[derive(Debug)]
pub struct Loading(());

/// The probe is in place, and the command waits.
#[derive(Debug)]
pub struct Attached(());

/// The command runs.
#[derive(Debug)]
pub struct Running(());

/// Everything has been read out of the kernel.
#[derive(Debug)]
pub struct Writing(());

impl Loading {
    /// Checks for the capabilities without which the kernel takes no probe.
    ///
    /// # Errors
    ///
    /// [`PrivilegeError::Missing`] names those that are missing.
    pub fn begin() -> Result<Self, PrivilegeError> {
        let effective = effective()?;
        let has = |cap: &Capability| {
            effective.contains(&Capability::CAP_SYS_ADMIN) || effective.contains(cap)
        };
        let missing: Vec<_> =
            NEEDED.iter().filter(|cap| !has(cap)).map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Err(PrivilegeError::Missing { missing: missing.join(" and ") });
        }
        report("loading");
        Ok(Self(()))
    }

    /// The same stage without a probe, for which no privilege is needed.
    pub fn without_probe() -> Self {
        report("loading");
        Self(())
    }

    /// Gives up, in this thread, all that is of no use once the probe is in place and the command has been
    /// forked. To be called before any other thread exists. `can_read` tries whether the counters can be read:
    /// before Linux 5.19 that takes `CAP_BPF`.
    ///
    /// # Errors
    ///
    /// [`PrivilegeError::Caps`]: the kernel did not do it.
    pub fn attached(
        self,
        needs: Needs,
        can_read: impl Fn() -> bool,
    ) -> Result<Attached, PrivilegeError> {
        if needs.programs && !has(Capability::CAP_SYS_PTRACE) {
            give_up_inheritance()?;
            report("attached");
            return Ok(Attached(()));
        }
        let wanted = [
            // `/proc/PID/exe`, `/proc/PID/ns` and `/proc/PID/root` of other users' processes.
            (Capability::CAP_SYS_PTRACE, true),
            (Capability::CAP_KILL, needs.command),
            (Capability::CAP_DAC_OVERRIDE, needs.other_users_engine),
        ];
        let kept = wanted.into_iter().filter(|(cap, wanted)| *wanted && has(*cap));
        let mut kept: HashSet<_> = kept.map(|(cap, _)| cap).collect();
        set(CapSet::Effective, &kept)?;
        if !can_read() && has(Capability::CAP_BPF) {
            kept.insert(Capability::CAP_BPF);
            set(CapSet::Effective, &kept)?;
        }
        set(CapSet::Permitted, &kept)?;
        give_up_inheritance()?;
        report("attached");
        Ok(Attached(()))
    }
}

impl Attached {
    /// Puts the recorder under its own filter, and lets no exec give it anything back. `command` is the only
    /// process that may be sent signals from now on.
    pub fn running(self, command: Option<nix::unistd::Pid>) -> Running {
        confine(Own::Recorder { command, supervises: false });
        report("running");
        Running(())
    }

    /// The same for a recorder that is told of each of the command's calls.
    pub fn supervising(self, command: nix::unistd::Pid) -> Running {
        confine(Own::Recorder { command: Some(command), supervises: true });
        report("running");
        Running(())
    }
}

impl Running {
    /// Gives up the rest.
    ///
    /// # Errors
    ///
    /// [`PrivilegeError::Caps`]: the kernel did not do it.
    pub fn writing(self) -> Result<Writing, PrivilegeError> {
        give_up_all_but(&[])?;
        report("writing");
        Ok(Writing(()))
    }
}

/// Gives up, in this thread, all capabilities but these.
///
/// # Errors
///
/// [`PrivilegeError::Caps`]: the kernel did not do it.
pub fn give_up_all_but(kept: &[Capability]) -> Result<(), PrivilegeError> {
    let kept = kept.iter().copied().filter(|cap| has(*cap)).collect();
    set(CapSet::Effective, &kept)?;
    set(CapSet::Permitted, &kept)?;
    give_up_inheritance()
}

/// Whether a filter can be installed without `no_new_privs`.
pub fn may_filter_without_no_new_privs() -> bool {
    effective().is_ok_and(|effective| effective.contains(&Capability::CAP_SYS_ADMIN))
}

fn give_up_inheritance() -> Result<(), PrivilegeError> {
    set(CapSet::Inheritable, &HashSet::new())?;
    set(CapSet::Ambient, &HashSet::new())
}

fn set(which: CapSet, caps: &HashSet<Capability>) -> Result<(), PrivilegeError> {
    caps::set(None, which, caps).map_err(|source| PrivilegeError::Caps { what: "give up", source })
}

fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false)
}

fn effective() -> Result<HashSet<Capability>, PrivilegeError> {
    caps::read(None, CapSet::Effective)
        .map_err(|source| PrivilegeError::Caps { what: "read", source })
}
