//! Policies out of policies.

use super::express::{self, Inexpressible};
use super::meaning::Meaning;
use crate::policy::{Action, Policy};

/// How strict an action is, as the kernel ranks them where several filters decide about a call
/// (`include/uapi/linux/seccomp.h`: the smallest value wins). Of two errors that with the smaller number
/// is taken for the stricter one, so that EPERM, a final no, comes before ENOSYS, on which software falls back.
fn strictness(action: Action) -> (u8, u16) {
    match action {
        Action::Allow => (0, 0),
        Action::Log => (1, 0),
        Action::Trace(message) => (2, u16::MAX - message),
        Action::Errno(errno) => (3, u16::MAX - errno.number()),
        Action::Trap => (4, 0),
        Action::KillThread => (5, 0),
        Action::KillProcess => (6, 0),
    }
}

/// The stricter one.
pub(crate) fn stricter(one: Action, other: Action) -> Action {
    if strictness(one) >= strictness(other) { one } else { other }
}

fn more_lenient(one: Action, other: Action) -> Action {
    if strictness(one) <= strictness(other) { one } else { other }
}

/// The policy that gives every call the more lenient of what two policies give it: it lets through what
/// either does. Of two errors the one with the larger number is more lenient (ENOSYS more than EPERM).
///
/// The rules of the result are those of the two where they mean the same together, else equalities
/// under masks, which libseccomp compiles to what they say ([`exact`](crate::policy::exact)).
///
/// # Errors
///
/// [`Inexpressible`] if no policy does that, since a policy has one default for all ABIs. Nothing is left out
/// instead.
pub fn union(one: &Policy, other: &Policy) -> Result<Policy, Inexpressible> {
    let meaning = Meaning::from(one).combine(&other.into(), more_lenient);
    express::policy(&meaning, &[one, other])
}

/// The policy that gives every call the stricter of what two policies give it, as the kernel does where
/// both are in force: it lets through what both do. Of two errors the one with the smaller number is
/// stricter (EPERM more than ENOSYS).
///
/// # Errors
///
/// As for [`union`].
pub fn intersection(one: &Policy, other: &Policy) -> Result<Policy, Inexpressible> {
    let meaning = Meaning::from(one).combine(&other.into(), stricter);
    express::policy(&meaning, &[one, other])
}
