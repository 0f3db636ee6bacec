//! What a policy says is what its compiled filter does.

use std::collections::BTreeMap;

use libseccomp::{ScmpArch, ScmpSyscall};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use strait_generator::abi::Abi;
use strait_generator::bpf::{Call, Filter, action};
use strait_generator::generate::{Options, RefuseWith, generate};
use strait_generator::machine::{Machine, Machines};
use strait_generator::policy::baseline::{Baseline, Context};
use strait_generator::policy::exact::is_exact;
use strait_generator::policy::{Action, Args, Capability, Clause, Errno, Policy, Predicate};
use strait_generator::profile::{Arg, Entry, Profile};
use strait_generator::recording::example::recording;

/// The verdict of a program about a call.
pub(super) fn run(filter: &Filter, abi: Abi, number: u32, args: &Args) -> Action {
    let verdict = filter.run(&Call::new(abi, number, *args));
    action(verdict).unwrap()
}

/// Calls of every kind: everywhere, on one ABI only, with x32 numbers of their own, hidden behind
/// `socketcall` and `ipc`, the multiplexers themselves, unknown.
const NAMES: [&str; 18] = [
    "read",
    "write",
    "openat",
    "clone",
    "ioctl",
    "readv",
    "mmap2",
    "arch_prctl",
    "socket",
    "connect",
    "accept4",
    "sendmmsg",
    "semop",
    "shmat",
    "socketcall",
    "ipc",
    "personality",
    "no_such_call",
];

fn predicate() -> impl Strategy<Value = Predicate> {
    let value = || {
        prop_oneof![
            0..6u64,
            Just(0xffff_ffff),
            Just(0x1_0000_0000),
            Just(0x1_0000_0002),
            Just(u64::MAX),
            any::<u64>(),
        ]
    };
    let mask = prop_oneof![Just(0xffff_ffffu64), 1..16u64, Just(0xff_0000_0000), Just(u64::MAX)];
    prop_oneof![
        value().prop_map(Predicate::NotEqual),
        value().prop_map(Predicate::Less),
        value().prop_map(Predicate::LessOrEqual),
        value().prop_map(Predicate::Equal),
        value().prop_map(Predicate::GreaterOrEqual),
        value().prop_map(Predicate::Greater),
        (mask, value()).prop_map(|(mask, value)| Predicate::MaskedEqual { mask, value }),
    ]
}

fn args() -> impl Strategy<Value = Vec<Arg>> {
    let arg = (0..4usize, predicate()).prop_map(|(index, predicate)| Arg { index, predicate });
    prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(arg, 1..3)]
}

/// One action besides the default: where conditions with two actions overlap, their order is
/// libseccomp's own.
///
/// Every profile has one unconditional rule for a call of all ABIs: without one, and with x32 and
/// a name that no ABI has, libseccomp 2.5.4 makes a filter that never loads the call's number and
/// so refuses everything.
pub(super) fn profile() -> impl Strategy<Value = Profile> {
    let names = prop::collection::btree_set(prop::sample::select(NAMES.as_slice()), 1..4);
    let entry = (names, args()).prop_map(|(names, args)| Entry {
        names: names.into_iter().map(str::to_owned).collect(),
        action: Action::Allow,
        args,
    });
    let abis = prop::sample::subsequence(Abi::ALL.to_vec(), 0..=4);
    (prop::collection::vec(entry, 1..6), abis).prop_map(|(mut entries, abis)| {
        entries.insert(0, allow("exit_group", Vec::new()));
        Profile {
            default: Action::Errno(Errno::ENOSYS),
            architectures: abis.into_iter().map(Into::into).collect(),
            entries,
        }
    })
}

/// Values at which a condition of the profile may change its answer.
fn edges(profile: &Profile) -> Vec<u64> {
    let predicates = profile.entries.iter().flat_map(|entry| &entry.args);
    let mut values: Vec<u64> = predicates.flat_map(|arg| arg.predicate.edges()).collect();
    values.extend([0, 1, u64::MAX]);
    values
}

fn scmp(abi: Abi) -> ScmpArch {
    strait_generator::profile::Architecture::from(abi).name().parse().unwrap()
}

/// Calls that libseccomp numbers as Strait's own table does.
pub(super) fn numbers(abi: Abi, names: &[&str]) -> BTreeMap<u32, String> {
    let x32_bit = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
    names
        .iter()
        .filter_map(|name| {
            let number = abi.syscall_number(name)?;
            let theirs = ScmpSyscall::from_name_by_arch(name, scmp(abi)).ok()?;
            (theirs.as_raw_syscall() == i32::try_from(number | x32_bit).unwrap())
                .then(|| (number, (*name).to_owned()))
        })
        .collect()
}

/// Whether libseccomp is known to compile the rules of a call to what they say. In 32 bits a large
/// constant is another one, so there only what is exact with any constant counts.
pub(super) fn is_dependable(policy: &Policy, abi: Abi, number: u32) -> bool {
    let rules = policy.rules(abi, number);
    let clauses: Vec<Clause> = rules.iter().flat_map(|rule| rule.clauses.clone()).collect();
    let mut predicates = clauses.iter().flat_map(Clause::predicates);
    let equalities = predicates.all(|(_, predicate)| {
        matches!(predicate, Predicate::Equal(_) | Predicate::MaskedEqual { .. })
    });
    clauses.len() == 1 || equalities || (abi == Abi::X86_64 && is_exact(&clauses))
}

/// The same cases every time.
fn pinned() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(0x5eed);
    ProptestConfig { cases: 256, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Registers as they can be: a 32-bit program has no upper halves.
pub(super) fn possible(abi: Abi, args: Args) -> Args {
    if abi == Abi::X86 { args.map(|arg| arg & 0xffff_ffff) } else { args }
}

proptest! {
    #![proptest_config(pinned())]

    /// Whatever architectures the profile lists, libseccomp says what it means on a machine.
    #[test]
    fn a_compiled_filter_does_what_the_policy_says(
        profile in profile(),
        machine in prop::sample::select(Machine::ALL.as_slice()),
        picks in prop::collection::vec(prop::array::uniform6(0..997usize), 24),
    ) {
        let policy = profile.policy(machine).unwrap();
        prop_assume!(is_dependable_everywhere(&profile));
        let compiled = compile_for(&profile, machine).unwrap();
        let filter = compiled.program.filter().unwrap();
        let values = edges(&profile);
        for abi in machine.abis().iter().copied() {
            for (number, name) in numbers(abi, &NAMES) {
                for pick in &picks {
                    let args = possible(abi, pick.map(|index| values[index % values.len()]));
                    let meant = policy.evaluate(abi, number, &args);
                    let done = run(&filter, abi, number, &args);
                    prop_assert_eq!(meant, done, "{} {} {:x?}", abi, name, args);
                }
            }
        }
    }
}

/// Whether it is so on every ABI: what is not dependable spoils calls that are, and can keep libseccomp busy for
/// ever.
fn is_dependable_everywhere(profile: &Profile) -> bool {
    // With all architectures, since libseccomp compiles those of other machines too.
    let mut all = profile.clone();
    all.architectures = Abi::ALL.map(Into::into).to_vec();
    let policy = all.policy(Machines::ALL).unwrap();
    Abi::ALL
        .into_iter()
        .all(|abi| abi.syscalls().all(|(number, _)| is_dependable(&policy, abi, number)))
}

/// Entries that compare for equality: what Strait makes, and what libseccomp compiles to what it says.
fn equalities() -> impl Strategy<Value = Profile> {
    profile().prop_map(|mut profile| {
        for arg in profile.entries.iter_mut().flat_map(|entry| &mut entry.args) {
            arg.predicate = match arg.predicate {
                Predicate::NotEqual(value)
                | Predicate::Less(value)
                | Predicate::LessOrEqual(value) => Predicate::Equal(value),
                Predicate::Greater(value) | Predicate::GreaterOrEqual(value) => {
                    Predicate::MaskedEqual { mask: 0xffff_ffff, value }
                }
                equality => equality,
            };
        }
        profile
    })
}

proptest! {
    #![proptest_config(pinned())]

    #[test]
    fn a_compiled_filter_means_what_the_policy_does(profile in equalities()) {
        for machine in Machine::ALL {
            let compiled = compile_for(&profile, machine).unwrap();
            let policy = profile.policy(machine).unwrap();
            if let Err(error) = faithful(&compiled, &policy, machine) {
                return Err(TestCaseError::fail(error.to_string()));
            }
        }
    }
}

#[test]
fn a_filter_that_does_something_else_is_found_out() {
    let on = |predicate| vec![Arg { index: 0, predicate }];
    // libseccomp 2.5 refuses 1 here, which the first entry allows.
    let profile = profile_of(vec![
        allow("read", on(Predicate::Less(1))),
        allow("read", on(Predicate::LessOrEqual(0x1_0000_0000))),
    ]);
    let compiled = compile(&profile).unwrap();
    let error = faithful(&compiled, &profile.policy(Machine::X86_64).unwrap(), Machine::X86_64)
        .unwrap_err();
    assert!(error.to_string().contains("read("), "{error}");
}

#[test]
fn a_refusal_that_libseccomp_does_not_know_is_missed_and_a_permission_is_not() {
    let unknown = |(_, name): &(u32, &str)| !super::compile::is_known(Abi::X32, name);
    // Of each release some: the table here is newer.
    let (_, name) = Abi::X32.syscalls().find(unknown).expect("a call that is too new");
    let proved = |default, action| {
        let mut profile = profile_of(vec![allow("exit_group", Vec::new())]);
        profile.architectures = vec![Abi::X32.into()];
        profile.default = default;
        profile.entries.push(Entry { names: vec![name.to_owned()], action, args: Vec::new() });
        prove(&profile).is_ok()
    };
    let refuse = Action::Errno(Errno::EPERM);
    assert!(proved(refuse, Action::Allow), "{name}");
    assert!(!proved(Action::Allow, refuse), "{name}");
}

#[test]
fn the_docker_default_does_what_its_table_says() {
    let baseline = Baseline::docker_default().resolve(&Context {
        abis: [Abi::X86_64].into(),
        capabilities: Capability::docker_default(),
        kernel: None,
    });
    let policy = baseline.policy(Abi::X86_64).unwrap();
    let entries = Abi::X86_64.syscalls().flat_map(|(number, name)| {
        policy.rules(Abi::X86_64, number).iter().flat_map(move |rule| {
            rule.clauses.iter().map(move |clause| Entry {
                names: vec![name.to_owned()],
                action: rule.action,
                args: clause
                    .predicates()
                    .map(|(index, predicate)| Arg { index, predicate })
                    .collect(),
            })
        })
    });
    let profile = Profile {
        default: policy.default_action(),
        architectures: vec![Abi::X86_64.into()],
        entries: entries.collect(),
    };
    let compiled = compile(&profile).unwrap();
    let filter = compiled.program.filter().unwrap();
    let names: Vec<&str> = Abi::X86_64.syscalls().map(|(_, name)| name).collect();
    let known = numbers(Abi::X86_64, &names);
    assert!(known.len() > 330, "{}", known.len());
    for (number, name) in known {
        for value in edges(&profile) {
            let args = [value, 0, 0, 0, 0, 0];
            let meant = policy.evaluate(Abi::X86_64, number, &args);
            assert_eq!(meant, run(&filter, Abi::X86_64, number, &args), "{name}");
        }
    }
}

pub(super) fn allow(name: &str, args: Vec<Arg>) -> Entry {
    Entry { names: vec![name.to_owned()], action: Action::Allow, args }
}

pub(super) fn profile_of(entries: Vec<Entry>) -> Profile {
    Profile {
        default: Action::Errno(Errno::ENOSYS),
        architectures: vec![Abi::X86_64.into()],
        entries,
    }
}

#[test]
fn names_that_libseccomp_does_not_know_are_reported() {
    let compiled =
        compile(&profile_of(vec![allow("read", Vec::new()), allow("nonsense", Vec::new())]));
    assert_eq!(compiled.unwrap().unknown, ["nonsense"]);
}

#[test]
fn a_rule_that_libseccomp_refuses_is_named() {
    // Bits outside of the mask make no other condition.
    let on = |value| vec![Arg { index: 0, predicate: Predicate::MaskedEqual { mask: 15, value } }];
    let mut contrary = allow("read", on(15));
    contrary.action = Action::Errno(Errno::EPERM);
    let profile = profile_of(vec![allow("read", on(31)), contrary]);
    let error = compile(&profile).unwrap_err().to_string();
    assert!(error.contains("`read` in syscalls[1]"), "{error}");
    assert!(profile.policy(Machine::X86_64).is_err());
}

#[test]
fn through_socketcall_two_conditions_become_one() {
    let on = |value| vec![Arg { index: 0, predicate: Predicate::Equal(value) }];
    let mut refused = allow("socket", on(38));
    refused.action = Action::Errno(Errno::EPERM);
    let mut profile = profile_of(vec![allow("socket", on(1)), refused]);
    assert!(compile(&profile).is_ok());
    profile.architectures.push(Abi::X86.into());
    assert!(compile(&profile).is_err());
    assert!(strait_generator::profile::lint::has_errors(&strait_generator::profile::lint(
        &profile
    )));
}

#[test]
fn an_always_true_clause_is_an_unconditional_rule() {
    assert_eq!(allow("read", Vec::new()).clauses(), [Clause::ALWAYS]);
}

/// The baseline's three conditions and everything that is refused around them.
#[test]
fn the_conditions_of_the_baseline_are_enforced_exactly() {
    let baseline = Baseline::docker_default().resolve(&Context {
        abis: [Abi::X86_64].into(),
        capabilities: Capability::docker_default(),
        kernel: None,
    });
    for name in ["socket", "clone", "personality"] {
        let treatment = baseline.treatment(Abi::X86_64, name).unwrap();
        let rules = [
            (Action::Allow, treatment.allowed()),
            (Action::Errno(Errno::EPERM), treatment.refused()),
        ];
        let entries = rules.into_iter().flat_map(|(action, clauses)| {
            clauses.into_iter().map(move |clause| Entry {
                names: vec![name.to_owned()],
                action,
                args: clause
                    .predicates()
                    .map(|(index, predicate)| Arg { index, predicate })
                    .collect(),
            })
        });
        let profile = profile_of(entries.collect());
        let compiled = compile(&profile).unwrap();
        let filter = compiled.program.filter().unwrap();
        let policy = profile.policy(Machine::X86_64).unwrap();
        let number = Abi::X86_64.syscall_number(name).unwrap();
        let bits = (0..64).map(|shift| 1u64 << shift);
        for value in edges(&profile).into_iter().chain(bits.clone()).chain(bits.map(|bit| !bit)) {
            let args = [value, 0, 0, 0, 0, 0];
            let meant = policy.evaluate(Abi::X86_64, number, &args);
            assert_eq!(meant, run(&filter, Abi::X86_64, number, &args), "{name} {value:#x}");
        }
    }
}

/// A profile as `generate` makes it: many names, the baseline's conditions, two errors.
fn generated(abis: &[Abi], refuse_with: RefuseWith) -> Profile {
    let names = ["execve", "socket", "personality", "vfork", "connect", "semop", "mount"];
    let calls = abis
        .iter()
        .flat_map(|abi| names.iter().filter_map(|name| Some((*abi, abi.syscall_number(name)?))));
    let recording = recording(&calls.collect::<Vec<_>>());
    let options = Options { refuse_with, ..Options::default() };
    generate(&[recording], &options).unwrap().profile
}

#[test]
fn a_generated_profile_is_enforced_exactly() {
    let choices = [RefuseWith::Enosys, RefuseWith::Eperm, RefuseWith::Log, RefuseWith::Kill];
    for (abis, refuse_with) in
        [&Abi::ALL[..1], &Abi::ALL[..2], &Abi::ALL[..3], &Abi::ALL[3..], &Abi::ALL[..]]
            .into_iter()
            .flat_map(|abis| choices.map(|refuse_with| (abis, refuse_with)))
    {
        let profile = generated(abis, refuse_with);
        let filters = Machine::ALL.map(|machine| {
            let compiled = compile_for(&profile, machine).unwrap();
            (machine, compiled.program.filter().unwrap())
        });
        let policy = profile.policy(Machines::ALL).unwrap();
        let values = edges(&profile);
        for (abi, filter) in filters
            .iter()
            .flat_map(|(machine, filter)| machine.abis().iter().map(move |abi| (*abi, filter)))
        {
            let names: Vec<&str> = abi.syscalls().map(|(_, name)| name).collect();
            for (number, name) in numbers(abi, &names) {
                for value in &values {
                    let args = possible(abi, [*value, 0, 0, 0, 0, 0]);
                    let meant = policy.evaluate(abi, number, &args);
                    let done = run(filter, abi, number, &args);
                    assert_eq!(meant, done, "{abi} {name} {value:#x} {refuse_with:?}");
                }
            }
        }
    }
}

/// What is read back from the kernel is known by what it does.
#[test]
fn a_filter_in_the_kernel_is_known_by_what_it_does() {
    use std::collections::BTreeSet;
    use strait_generator::verify::{Under, under_filter};

    let of = |calls: &[&str]| profile_of(calls.iter().map(|name| allow(name, vec![])).collect());
    let filter = |calls: &[&str]| {
        compile_for(&of(calls), Machine::X86_64).unwrap().program.filter().unwrap()
    };
    let own = of(&["read", "write"]).policy(Machine::X86_64).unwrap();
    let under = |calls: &[&str], lacking: &BTreeSet<(Abi, u32)>| match under_filter(
        &filter(calls),
        &own,
        lacking,
    ) {
        Some(Under::Other(witness)) => format!("other: {witness}"),
        under => format!("{under:?}"),
    };
    assert_eq!(under(&["write", "read"], &BTreeSet::new()), "Some(Profile)");
    assert!(under(&["read"], &BTreeSet::new()).starts_with("other: write("));
    // What libseccomp does not know it refuses, whatever the profile says.
    let native = Machine::X86_64.native();
    let lacking = BTreeSet::from([(native, native.syscall_number("write").unwrap())]);
    assert_eq!(under(&["read"], &lacking), "Some(Profile)");
    assert!(under(&["read", "write", "getpid"], &lacking).starts_with("other: getpid("));
}
