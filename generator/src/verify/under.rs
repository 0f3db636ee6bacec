//! Which filter a container ran under: from the configuration of its runtime, or from the installed filter.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::abi::Abi;
use crate::bpf::{self, Filter};
use crate::machine::Machine;
use crate::policy::Policy;
use crate::policy::decide::{Change, ChangeKind, Comparison, Meaning, Witness, compare};
use crate::profile;

/// The filter of a container beside a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Under {
    /// It lets the same through as the profile.
    Profile,
    /// It lets the same through, and refuses otherwise.
    OtherAnswers(Witness),
    /// It lets through what the profile does not, or the other way round. In the witness the profile comes
    /// first.
    Other(Witness),
}

/// Compares what a runtime was told to install (`linux.seccomp` of an OCI `config.json`) with a policy,
/// on the machine that it is the policy for. `None` if it cannot be understood.
#[must_use]
pub fn under(told: &Value, policy: &Policy, machine: Machine) -> Option<Under> {
    let told = profile::parse(&told.to_string()).ok()?.policy(machine).ok()?;
    Some(of_comparison(&compare(policy, &told), &BTreeSet::new()))
}

/// Compares the filter with which a container began with a policy, on a machine whose libseccomp does not know
/// the calls `lacking`: that such a call is refused says nothing. `None` if no policy can say what it does.
#[must_use]
pub fn under_filter(
    filter: &Filter,
    policy: &Policy,
    lacking: &BTreeSet<(Abi, u32)>,
) -> Option<Under> {
    let done = bpf::meaning(filter).ok()?;
    Some(of_comparison(&Comparison::new(&Meaning::from(policy), &done), lacking))
}

fn of_comparison(comparison: &Comparison, lacking: &BTreeSet<(Abi, u32)>) -> Under {
    let counts = |change: &&Change| {
        change.widened.is_some() || !lacking.contains(&(change.abi, change.number))
    };
    let of_kind = |is: fn(ChangeKind) -> bool| {
        comparison.changes().filter(counts).find(|change| is(change.kind)).and_then(Change::witness)
    };
    let other = of_kind(|kind| kind != ChangeKind::Refusal).copied().map(Under::Other);
    let answers = of_kind(|kind| kind == ChangeKind::Refusal).copied().map(Under::OtherAnswers);
    other.or(answers).unwrap_or(Under::Profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(errno: u16, calls: &[&str]) -> Value {
        json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": errno,
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}],
        })
    }

    fn compared(told: &Value) -> Option<Under> {
        let own = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "syscalls": [
                {"names": ["write"], "action": "SCMP_ACT_ALLOW"},
                {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            ],
        });
        let policy = profile::parse(&own.to_string()).unwrap().policy(Machine::X86_64).unwrap();
        under(told, &policy, Machine::X86_64)
    }

    fn witness(under: Option<Under>) -> String {
        match under {
            Some(Under::Other(witness)) => format!("other: {witness}"),
            Some(Under::OtherAnswers(witness)) => format!("answers: {witness}"),
            under => format!("{under:?}"),
        }
    }

    #[test]
    fn a_filter_is_known_by_what_it_does() {
        assert_eq!(compared(&told(38, &["read", "write"])), Some(Under::Profile));
        let wider = compared(&told(1, &["read", "write", "getpid"]));
        assert_eq!(witness(wider), "other: getpid()");
        let narrower = compared(&told(38, &["read"]));
        assert!(witness(narrower).starts_with("other: write("), "{narrower:?}");
        let answers = compared(&told(1, &["read", "write"]));
        assert!(witness(answers).starts_with("answers: open("), "{answers:?}");
    }

    #[test]
    fn what_cannot_be_read_tells_nothing() {
        assert_eq!(compared(&json!({"defaultAction": "SCMP_ACT_MAYBE"})), None);
    }
}
