//! The i386 calls that hide others: `socketcall` and `ipc`.
//!
//! For i386, libseccomp turns a rule for one of the hidden calls into two: one for its direct
//! number, if the kernel has one, and one for the multiplexer with the sub-call's number as
//! argument 0. What the rule said about argument 0 is lost on the second one, since it is in memory
//! there (`abi_rule_add` in libseccomp's `src/arch.c`). Hence a filter on `socket`'s domain does
//! not hold for a program that may use `socketcall`.

use super::clause::{Clause, Predicate};
use crate::abi::Abi;

/// Sub-calls of `socketcall`, from `include/uapi/linux/net.h`.
const SOCKETCALL: [(&str, u64); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];

/// Sub-calls of `ipc`, from `include/uapi/linux/ipc.h`.
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// The multiplexer through which a call can be made too, and the number of its sub-call.
pub(crate) fn multiplexer(abi: Abi, name: &str) -> Option<(&'static str, u64)> {
    if abi != Abi::X86 {
        return None;
    }
    let sub_call = |table: &[(&str, u64)]| {
        table.iter().find(|(call, _)| *call == name).map(|(_, number)| *number)
    };
    sub_call(&SOCKETCALL)
        .map(|number| ("socketcall", number))
        .or_else(|| sub_call(&IPC).map(|number| ("ipc", number)))
}

/// The second rule that libseccomp makes of one for this call: number of the multiplexer and clause.
pub(crate) fn through(abi: Abi, name: &str, clause: Clause) -> Option<(u32, Clause)> {
    let (call, sub_call) = multiplexer(abi, name)?;
    let mut predicates = [None; 6];
    for (index, predicate) in clause.predicates() {
        if let Some(slot) = predicates.get_mut(index) {
            *slot = Some(predicate);
        }
    }
    predicates[0] = Some(Predicate::Equal(sub_call));
    Some((abi.syscall_number(call)?, Clause::new(predicates)))
}
