//! Random policies and profiles, small ones with values that meet each other often.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use strait_generator::abi::Abi;
use strait_generator::policy::{Action, Args, Clause, Errno, Policy, Predicate, Width, width};

const SEED: u64 = 0x5eed;

pub const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
pub const EPERM: Action = Action::Errno(Errno::EPERM);

/// The same cases every time: few enough for a debug build. `cargo xtask test` tries ten thousand in an
/// optimised one (`PROPTEST_CASES`); `PROPTEST_RNG_SEED` makes others.
pub fn cases() -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    // Tests of what libseccomp compiles leave out what it does not.
    let max_global_rejects = given.cases.saturating_mul(8);
    Config { rng_seed, max_global_rejects, failure_persistence: None, ..given }
}

/// Calls that only some ABIs have, that i386 hides behind another, and that take flags.
pub const NAMES: [&str; 5] = ["read", "socket", "clone", "personality", "mmap2"];

/// Numbers as `int`s can come in registers: small, with a sign, with a sign in the upper half, with
/// rubbish in it.
pub fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4u64,
        1 => Just(0x7fff_ffff),
        1 => Just(0x8000_0000),
        1 => Just(0xffff_ffff),
        1 => Just(0x1_0000_0000),
        1 => Just(0x1_0000_0002),
        1 => Just(0xffff_ffff_8000_0000),
        1 => Just(0xffff_ffff_ffff_fffe),
        1 => Just(u64::MAX),
    ]
}

fn mask() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![1, 2, 3, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63, u64::MAX])
}

/// Equalities, some of them under a mask: what Strait writes itself.
pub fn equality() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        value().prop_map(Predicate::Equal),
        (mask(), value()).prop_map(|(mask, value)| Predicate::MaskedEqual { mask, value }),
    ]
}

/// Equalities of a few bits, the sign's and one of the upper half among them: whatever comes of such
/// conditions has few clauses.
pub fn few_bits() -> impl Strategy<Value = Predicate> {
    let bits = prop::sample::subsequence(vec![1, 2, 0x8000_0000, 1 << 32, 1 << 63], 1..3);
    (bits, value())
        .prop_map(|(bits, value)| Predicate::MaskedEqual { mask: bits.iter().sum(), value })
}

/// Every kind of comparison.
pub fn predicate() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        4 => equality(),
        1 => value().prop_map(Predicate::NotEqual),
        1 => value().prop_map(Predicate::Less),
        1 => value().prop_map(Predicate::LessOrEqual),
        1 => value().prop_map(Predicate::GreaterOrEqual),
        1 => value().prop_map(Predicate::Greater),
    ]
}

/// A condition on none to two of the first three arguments.
pub fn clause<P: Strategy<Value = Predicate>>(predicate: P) -> impl Strategy<Value = Clause> {
    prop::collection::vec((0..3usize, predicate), 0..3).prop_map(|predicates| {
        let mut slots = [None; 6];
        for (index, predicate) in predicates {
            slots[index] = Some(predicate);
        }
        Clause::new(slots)
    })
}

/// Rules for one to three calls with up to four clauses each, for one or two ABIs.
pub fn policy<P: Strategy<Value = Predicate>>(
    predicate: fn() -> P,
    actions: &'static [Action],
) -> impl Strategy<Value = Policy> {
    let rule = (
        prop::sample::select(NAMES.as_slice()),
        prop::sample::select(actions),
        prop::collection::vec(clause(predicate()), 1..5),
    );
    let abis = prop::sample::select(vec![
        vec![Abi::X86_64],
        vec![Abi::X86_64],
        vec![Abi::X86],
        vec![Abi::X86_64, Abi::X86],
    ]);
    (prop::collection::vec(rule, 1..4), abis).prop_map(|(rules, abis)| {
        let mut policy = Policy::new(ENOSYS, abis);
        for (name, action, clauses) in rules {
            for clause in clauses {
                // The same condition with another action: the first one stays.
                let _ = policy.add(name, action, clause);
            }
        }
        policy
    })
}

/// Arguments at which a condition of the policies may change its answer, by random picks.
pub fn calls(policies: &[&Policy], picks: &[[u16; 3]]) -> Vec<(Abi, u32, Args)> {
    let mut calls = Vec::new();
    for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
        for number in NAMES.iter().filter_map(|name| abi.syscall_number(name)) {
            let rules = policies.iter().flat_map(|policy| policy.rules(abi, number));
            let clauses = rules.flat_map(|rule| &rule.clauses);
            let edges = clauses.flat_map(Clause::predicates).flat_map(|(_, one)| one.edges());
            let values: Vec<u64> = edges.chain([0, 1, u64::MAX]).collect();
            calls.extend(picks.iter().map(|pick| {
                let mut args = [0; 6];
                for (arg, pick) in args.iter_mut().zip(pick) {
                    *arg = values[usize::from(*pick) % values.len()];
                    if width(abi) == Width::Bits32 {
                        *arg &= 0xffff_ffff;
                    }
                }
                (abi, number, args)
            }));
        }
    }
    calls
}

pub fn picks(count: usize) -> impl Strategy<Value = Vec<[u16; 3]>> {
    prop::collection::vec(any::<[u16; 3]>(), count)
}
