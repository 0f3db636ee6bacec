use super::*;

const SOCKET: u32 = 41;
const EXECVE: u32 = 59;

fn call(task: u32, arch: u32, number: u32, args: [u64; 6]) -> Notification {
    Notification { id: 1, task, arch, number, args }
}

fn counters() -> Counters {
    Counters::new(u32::MAX, 0, 8)
}

/// The program of this process, under which everything is counted here.
fn count(counters: &mut Counters, call: &Notification, now: u64) {
    let caller = counters.caller(call, now, || true).unwrap();
    counters.count(call, caller, now);
}

#[test]
fn a_number_means_what_it_does_in_its_abi() {
    let of = |arch, number| CallNumber::from_notification(&call(1, arch, number, [0; 6]));
    let expected = |abi, number| Some(CallNumber { abi, number });
    assert_eq!(of(X86_64, 39), expected(Abi::X86_64, 39));
    assert_eq!(of(X86_64, 39 | X32_BIT), expected(Abi::X32, 39));
    assert_eq!(of(X86_64, u32::MAX), expected(Abi::X86_64, u32::MAX));
    assert_eq!(of(X86, 20), expected(Abi::X86, 20));
    assert_eq!(of(AARCH64, 172), expected(Abi::Aarch64, 172));
    assert_eq!(of(0x4000_0028, 20), None);
}

#[test]
fn arguments_are_kept_by_their_rule() {
    let mut counters = counters();
    let own = std::process::id();
    let upper = 0xffff_ffff_0000_0002;
    for now in [7, 5] {
        count(&mut counters, &call(own, X86_64, SOCKET, [upper, 1, 6, 9, 9, now]), now);
    }
    let observations = counters.observations(|_| false);
    let socket = &observations.calls()[&Abi::X86_64][&SOCKET];
    assert_eq!((socket.count, socket.first_seen), (2, Duration::from_nanos(7)));
    let kept = &socket.arguments.as_ref().unwrap().values;
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&vec![2, 1, 6]]);
}

#[test]
fn values_and_numbers_without_room_are_counted() {
    let mut counters = counters();
    let own = std::process::id();
    for value in 0..u64::from(VALUES_PER_CALL) + 3 {
        count(&mut counters, &call(own, X86_64, SOCKET, [value, 0, 0, 0, 0, 0]), 1);
    }
    for number in 5000..5000 + UNKNOWN_CALLS as u32 + 2 {
        count(&mut counters, &call(own, X86_64, number, [0; 6]), 1);
    }
    let totals = counters.totals();
    assert_eq!(totals.len(), 1 + UNKNOWN_CALLS);
    assert_eq!(totals.values().sum::<u64>(), u64::from(VALUES_PER_CALL) + 3 + 1024);
    assert_eq!(counters.losses().calls, 2);
}

#[test]
fn of_what_the_child_calls_only_the_execve_counts_and_as_the_commands() {
    let own = std::process::id();
    let mut counters = Counters::new(own, 0, 8);
    count(&mut counters, &call(own, X86_64, 157, [0; 6]), 1);
    assert!(counters.observations(|_| false).is_empty());
    if host::MACHINE.native() != Abi::X86_64 {
        return;
    }
    count(&mut counters, &call(own, X86_64, EXECVE, [0; 6]), 2);
    count(&mut counters, &call(own, X86_64, 12, [0; 6]), 3);
    let observations = counters.observations(|_| false);
    let calls = &observations.calls()[&Abi::X86_64];
    assert_eq!(calls.keys().collect::<Vec<_>>(), [&12, &EXECVE]);
    assert_eq!(calls[&EXECVE].programs, calls[&12].programs);
    assert!(counters.observations(|_| true).is_empty(), "Strait's own calls are left out");
}
