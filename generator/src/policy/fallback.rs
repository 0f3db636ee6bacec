//! What software does instead when a call answers ENOSYS.

use std::sync::LazyLock;

use serde::Deserialize;

use super::data::{embedded, words};
use super::{Action, Args, Errno, Policy};
use crate::abi::Abi;

static FAMILIES: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::FALLBACKS));

#[derive(Deserialize)]
struct File {
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    calls: String,
    to: String,
    #[serde(default)]
    errors: String,
}

/// The calls that software makes instead of this one, the likeliest first.
pub fn fallbacks(name: &str) -> impl Iterator<Item = &'static str> {
    FAMILIES
        .families
        .iter()
        .filter(move |family| words(&family.calls).any(|call| call == name))
        .flat_map(|family| words(&family.to))
}

/// Whether software makes another call if this one fails so.
fn falls_back_at(name: &str, errno: Errno) -> bool {
    let family =
        FAMILIES.families.iter().find(|family| words(&family.calls).any(|call| call == name));
    errno == Errno::ENOSYS
        || family.is_some_and(|family| words(&family.errors).any(|name| name.parse() == Ok(errno)))
}

/// A call that did not go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The ABI it was made through.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// Its arguments.
    pub args: Args,
    /// The error that it returned, if it was one.
    pub errno: Option<Errno>,
}

/// Whether a refusal is a fault of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// By design: the profile answers an error, nearly always ENOSYS, at which software makes one of these calls
    /// instead, which it allows.
    Fallback(Vec<&'static str>),
    /// The workload was kept from something.
    Refused,
}

/// Says whether a refused call is a fallback by design.
#[must_use]
pub fn classify(policy: &Policy, refusal: &Refusal) -> RefusalKind {
    let name = refusal.abi.syscall_name(refusal.number);
    let by_design = refusal.errno.is_some_and(|errno| {
        name.is_some_and(|name| falls_back_at(name, errno))
            && policy.evaluate(refusal.abi, refusal.number, &refusal.args) == Action::Errno(errno)
    });
    let targets: Vec<&str> = match name {
        Some(name) if by_design => fallbacks(name)
            .filter(|target| {
                let number = refusal.abi.syscall_number(target);
                number.is_some_and(|number| policy.may_allow(refusal.abi, number))
            })
            .collect(),
        _ => Vec::new(),
    };
    if targets.is_empty() { RefusalKind::Refused } else { RefusalKind::Fallback(targets) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Clause;

    fn refusal(name: &str, errno: Option<Errno>) -> Refusal {
        Refusal {
            abi: Abi::X86_64,
            number: Abi::X86_64.syscall_number(name).unwrap(),
            args: [0; 6],
            errno,
        }
    }

    fn policy(allowed: &str) -> Policy {
        let mut policy = Policy::new(Action::Errno(Errno::ENOSYS), [Abi::X86_64]);
        policy.add(allowed, Action::Allow, Clause::ALWAYS).unwrap();
        policy
    }

    #[test]
    fn clone3_is_a_fallback_where_clone_is_allowed() {
        let refused = refusal("clone3", Some(Errno::ENOSYS));
        assert_eq!(classify(&policy("clone"), &refused), RefusalKind::Fallback(vec!["clone"]));
        assert_eq!(classify(&policy("read"), &refused), RefusalKind::Refused);
    }

    #[test]
    fn another_error_is_no_fallback() {
        let refused = refusal("clone3", Some(Errno::EPERM));
        assert_eq!(classify(&policy("clone"), &refused), RefusalKind::Refused);
        let killed = refusal("clone3", None);
        assert_eq!(classify(&policy("clone"), &killed), RefusalKind::Refused);
    }

    #[test]
    fn a_ring_is_done_without_at_the_error_of_the_baseline() {
        let mut policy = policy("epoll_wait");
        let ring = refusal("io_uring_setup", Some(Errno::EPERM));
        assert_eq!(classify(&policy, &ring), RefusalKind::Refused);
        policy.add("io_uring_setup", Action::Errno(Errno::EPERM), Clause::ALWAYS).unwrap();
        assert_eq!(classify(&policy, &ring), RefusalKind::Fallback(vec!["epoll_wait"]));
    }

    #[test]
    fn a_call_without_fallback_is_refused() {
        let refused = refusal("mount", Some(Errno::ENOSYS));
        assert_eq!(classify(&policy("clone"), &refused), RefusalKind::Refused);
    }

    #[test]
    fn every_name_of_the_families_is_a_call() {
        for family in &FAMILIES.families {
            for name in words(&family.calls).chain(words(&family.to)) {
                let known = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
                assert!(known, "{name}");
            }
        }
    }
}
