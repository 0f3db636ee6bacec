//! The capabilities that recording needs, and letting go of those it no longer does.

use std::collections::HashSet;

use caps::{CapSet, Capability};
use thiserror::Error;

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

/// What is of use until the end: reading maps (kernels before 5.19 want `CAP_BPF` for that), paths of
/// executables and signals to processes of another user, and writing where the caller could.
const KEPT: [Capability; 7] = [
    Capability::CAP_BPF,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_KILL,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_CHOWN,
    Capability::CAP_FOWNER,
];

/// Checks for the capabilities without which the kernel takes no probe.
pub fn check() -> Result<(), PrivilegeError> {
    let effective = effective()?;
    if effective.contains(&Capability::CAP_SYS_ADMIN) {
        return Ok(());
    }
    let missing: Vec<_> =
        NEEDED.iter().filter(|cap| !effective.contains(cap)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PrivilegeError::Missing { missing: missing.join(" and ") })
}

/// Whether a filter can be installed without `no_new_privs`.
pub fn may_filter_without_no_new_privs() -> bool {
    effective().is_ok_and(|effective| effective.contains(&Capability::CAP_SYS_ADMIN))
}

/// Gives up, in this thread, all that is of no use once the probe is in place and the command has
/// been forked. To be called before any other thread exists.
pub fn drop_unneeded() -> Result<(), PrivilegeError> {
    let kept: HashSet<_> = KEPT.iter().copied().filter(|cap| has(*cap)).collect();
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept)
            .map_err(|source| PrivilegeError::Caps { what: "give up", source })?;
    }
    Ok(())
}

fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false)
}

fn effective() -> Result<HashSet<Capability>, PrivilegeError> {
    caps::read(None, CapSet::Effective)
        .map_err(|source| PrivilegeError::Caps { what: "read", source })
}
