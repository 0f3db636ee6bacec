//! Which conditions libseccomp compiles to what they say.
//!
//! libseccomp 2.5 merges the rules of a call into one tree of comparisons of 32-bit halves. With
//! several clauses, ordered comparisons among them, branches get shared that should not be: it then
//! refuses what is allowed (`< 1` or `<= 2³²`, for 1), or allows what is refused (`< 2³²-1` or
//! `>= 2³²`, for 2³²-1; `arg0 >= 15` or `arg0 <= 14 and arg1 == 0`, for (0, 15)). The forms below
//! came out exact when compiled filters were run against the policy, over random conditions.
//!
//! This is about one call alone. Two things it cannot rule out, both seen with 2.5.4:
//!
//! - Calls that end in the same comparison share it, although not all of them come to it with the same
//!   argument loaded. So a condition that is not exact can spoil another call; and on i386, where `ipc` and
//!   `socketcall` have conditions for several hidden calls, equalities can be spoilt too: with `semop`,
//!   `socket` and `connect` allowed, and `shmat` and `accept4` if `arg1 == 2`, `shmat` passes with 1.
//! - Ordered comparisons of one call that overlap can keep `seccomp_rule_add` busy forever.
//!
//! Hence the proof about the whole filter, [`faithful`](crate::enforce::faithful).

use super::clause::{Clause, Predicate};
use super::complement::overlap;

fn is_equality(predicate: Predicate) -> bool {
    matches!(predicate, Predicate::Equal(_) | Predicate::MaskedEqual { .. })
}

/// Comparisons that hold always or never, or do so for the lower half alone.
fn is_degenerate(predicate: Predicate) -> bool {
    match predicate {
        Predicate::Less(value) | Predicate::GreaterOrEqual(value) => value == 0,
        Predicate::Greater(value) | Predicate::LessOrEqual(value) => {
            value & 0xffff_ffff == 0xffff_ffff
        }
        Predicate::NotEqual(_) | Predicate::Equal(_) | Predicate::MaskedEqual { .. } => false,
    }
}

/// Whether the constant fits into the lower half, with room for one more.
fn is_small(predicate: Predicate) -> bool {
    match predicate {
        Predicate::NotEqual(value)
        | Predicate::Less(value)
        | Predicate::LessOrEqual(value)
        | Predicate::GreaterOrEqual(value)
        | Predicate::Greater(value) => value < 0xffff_ffff,
        Predicate::Equal(_) | Predicate::MaskedEqual { .. } => true,
    }
}

/// Whether a 64-bit filter does what the clauses of one call say: there is one clause; or all
/// compare for equality only; or each looks at the same one argument, no ordered comparison overlaps
/// with another one, and ordered comparisons are of small constants or there is only one of them.
pub fn is_exact(clauses: &[Clause]) -> bool {
    if clauses.len() <= 1 {
        return true;
    }
    let all: Vec<(usize, Predicate)> = clauses.iter().flat_map(Clause::predicates).collect();
    if all.iter().all(|(_, predicate)| is_equality(*predicate)) {
        return true;
    }
    // Of three ordered comparisons of one argument that hold for some values and not for all, two overlap.
    let ordered = all.iter().filter(|(_, predicate)| !is_equality(*predicate)).count();
    let simple = all.iter().all(|(_, predicate)| !is_degenerate(*predicate));
    if ordered > 2 || !simple {
        return false;
    }
    let one_argument = clauses.iter().all(|clause| clause.predicates().count() == 1)
        && all.iter().all(|(index, _)| Some(index) == all.first().map(|(first, _)| first));
    let apart =
        all.iter().enumerate().filter(|(_, (_, one))| !is_equality(*one)).all(|(nth, (_, one))| {
            let others = all.iter().enumerate().filter(|(other, _)| *other != nth);
            others.map(|(_, (_, other))| other).all(|other| !overlap(*one, *other))
        });
    let small = all.iter().all(|(_, predicate)| is_small(*predicate));
    one_argument && apart && (small || ordered <= 1)
}
