use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::policy::{Policy, Predicate};
use crate::recording::{ArgumentUse, example};

const EPERM: Action = Action::Errno(Errno::EPERM);
const ENOSYS: Action = Action::Errno(Errno::ENOSYS);

fn number(name: &str) -> u32 {
    Abi::X86_64.syscall_number(name).unwrap()
}

/// A recording in which `socket` was called once, with the kept values of a UNIX socket.
fn socket(indexes: &[u8], overflow: u64) -> Recording {
    let mut recording = example::recording(&[(Abi::X86_64, number("socket"))]);
    let call = recording.calls.values_mut().flat_map(BTreeMap::values_mut).next().unwrap();
    let used = ArgumentUse {
        count: 1,
        first_seen: Duration::ZERO,
        programs: BTreeMap::new(),
        phases: BTreeMap::new(),
    };
    let values = vec![1; indexes.len()];
    call.arguments = Some(Arguments {
        indexes: indexes.to_vec(),
        values: BTreeMap::from([(values, used)]),
        overflow,
    });
    recording
}

/// A profile that allows `socket` for UNIX sockets.
fn unix() -> Meaning {
    let mut policy = Policy::new(ENOSYS, [Abi::X86_64]);
    let unix = Predicate::MaskedEqual { mask: 0xffff_ffff, value: 1 };
    policy.add("socket", Action::Allow, Clause::on(0, unix).unwrap()).unwrap();
    Meaning::from(&policy)
}

#[test]
fn arguments_for_which_there_was_no_room_are_uncertain() {
    let of = |overflow| {
        covers(&unix(), &socket(&[0, 1, 2], overflow), "r", Machines::ALL).uncertain.len()
    };
    assert_eq!((of(0), of(1)), (0, 1));
}

#[test]
fn values_that_another_release_kept_are_not_taken_for_those_of_this_one() {
    let coverage = covers(&unix(), &socket(&[1, 2], 0), "r", Machines::ALL);
    assert!(coverage.is_whole());
    assert_eq!(coverage.uncertain, [(Abi::X86_64, number("socket"))]);
}

#[test]
fn only_enosys_makes_software_call_something_else() {
    let recording = example::recording(&[(Abi::X86_64, number("clone3"))]);
    let coverage = |default, other: &str| {
        let mut policy = Policy::new(default, [Abi::X86_64]);
        policy.add(other, Action::Allow, Clause::ALWAYS).unwrap();
        covers(&Meaning::from(&policy), &recording, "r", Machines::ALL)
    };
    let fallback = coverage(ENOSYS, "clone");
    assert!(fallback.is_whole());
    assert_eq!(fallback.fallbacks[0].falls_back_to, ["clone"]);
    assert!(!coverage(EPERM, "clone").is_whole());
    assert!(!coverage(ENOSYS, "read").is_whole());
}

#[test]
fn a_call_that_no_kernel_has_is_not_missing_unless_its_task_would_be_killed() {
    let minus_two = (Abi::X32, 0xbfff_fffe);
    for nonsense in [(Abi::X86_64, 600), (Abi::X86_64, u32::MAX), minus_two] {
        let recording = example::recording(&[nonsense]);
        let of = |default, abis: &[Abi]| {
            covers(
                &Meaning::from(&Policy::new(default, abis.iter().copied())),
                &recording,
                "r",
                Machines::ALL,
            )
        };
        let coverage = of(ENOSYS, &[Abi::X86_64, Abi::X32]);
        assert!(coverage.is_whole(), "{nonsense:?}");
        assert_eq!(coverage.no_such_call.len(), 1);
        assert!(of(EPERM, &[Abi::X86_64, Abi::X32]).is_whole(), "{nonsense:?}");
        assert!(!of(Action::KillProcess, &[Abi::X86_64, Abi::X32]).is_whole(), "{nonsense:?}");
    }
    let unlisted = Meaning::from(&Policy::new(ENOSYS, [Abi::X86_64]));
    assert!(!covers(&unlisted, &example::recording(&[minus_two]), "r", Machines::ALL).is_whole());
}

#[test]
fn a_number_that_a_newer_kernel_may_have_is_missing() {
    let mut recording = example::recording(&[(Abi::X86_64, 471)]);
    let is_whole = |recording: &Recording| {
        covers(&Meaning::from(&Policy::new(ENOSYS, [Abi::X86_64])), recording, "r", Machines::ALL)
            .is_whole()
    };
    recording.host.kernel = "6.12.9-amd64".to_owned();
    assert!(is_whole(&recording));
    for newer in ["7.0.1", "a kernel of our own"] {
        recording.host.kernel = newer.to_owned();
        assert!(!is_whole(&recording), "{newer}");
    }
}
