//! The kernel's own answers, to calls that do nothing whatever their arguments are.

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use proptest::prelude::*;
use proptest::test_runner::Config;
use strait_generator::abi::Abi;
use strait_generator::diff::{Exceptions, Side, diff};
use strait_generator::policy::decide::Witness;
use strait_generator::policy::exact::is_exact;
use strait_generator::policy::{Action, Args, Clause, Policy};
use strait_generator::profile::{Arg, Entry, OnMachines, Profile};
use strait_recorder::enforce::{NoNewPrivs, Program, compile, install};
use strait_recorder::host;

use crate::arbitrary::{ENOSYS, EPERM, cases, predicate};

/// Calls without parameters.
const NAMES: [&str; 4] = ["getppid", "getuid", "getgid", "gettid"];

/// A call, and the error that it has to give, 0 for none.
type Asked = (u32, Args, i32);

/// What the kernel answers to a call: an error number, or 0.
fn answer(number: u32, args: &Args) -> i32 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: these calls look at no argument and only return a number.
    if unsafe { libc::syscall(number.into(), *a, *b, *c, *d, *e, *f) } >= 0 {
        return 0;
    }
    // SAFETY: points to this thread's errno.
    unsafe { *libc::__errno_location() }
}

/// The place of the first call that a child under the filter is answered otherwise.
fn first_wrong(program: &Program, asked: &[Asked]) -> Option<usize> {
    // SAFETY: the child makes system calls only, allocates nothing and ends with `_exit`.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = match install(program, NoNewPrivs::Set) {
                Ok(()) => {
                    let mut all = asked.iter();
                    let wrong =
                        all.position(|(number, args, errno)| answer(*number, args) != *errno);
                    wrong.map_or(0, |nth| i32::try_from(nth).unwrap_or(0) + 1)
                }
                Err(_) => 125,
            };
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => child,
    };
    match waitpid(child, None).unwrap() {
        WaitStatus::Exited(_, 0) => None,
        WaitStatus::Exited(_, nth) if nth < 125 => usize::try_from(nth - 1).ok(),
        status => panic!("{status:?}"),
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let arg = (0..6usize, predicate()).prop_map(|(index, predicate)| Arg { index, predicate });
    let entry = (prop::sample::select(NAMES.as_slice()), prop::collection::vec(arg, 0..4));
    let entry = entry.prop_map(|(name, args)| Entry {
        names: vec![name.to_owned()],
        action: Action::Allow,
        args,
    });
    prop::collection::vec(entry, 1..5)
}

/// At most one rule for each call, which libseccomp compiles to what it says whatever it compares; and
/// in no time, as it does not where several rules of a call overlap.
fn rules() -> impl Strategy<Value = Vec<Entry>> {
    let action = prop::sample::select(vec![Action::Allow, ENOSYS, EPERM]);
    // Boxed, since the whole would be larger than a stack.
    let comparison = || prop::option::of((0..3usize, predicate())).boxed();
    let rule = (action, comparison(), comparison());
    prop::array::uniform4(prop::option::of(rule)).prop_map(|rules| {
        let named = NAMES.into_iter().zip(rules).filter_map(|(name, rule)| Some((name, rule?)));
        named
            .map(|(name, (action, low, high))| {
                // No argument is compared twice.
                let high = high.map(|(index, predicate)| (index + 3, predicate));
                let args = [low, high].into_iter().flatten();
                let args = args.map(|(index, predicate)| Arg { index, predicate }).collect();
                Entry { names: vec![name.to_owned()], action, args }
            })
            .collect()
    })
}

/// What the child needs to end.
fn ends() -> Entry {
    Entry { names: vec!["exit_group".to_owned()], action: Action::Allow, args: Vec::new() }
}

fn clauses(policy: &Policy, abi: Abi, number: u32) -> Vec<Clause> {
    policy.rules(abi, number).iter().flat_map(|rule| rule.clauses.clone()).collect()
}

/// What a call gives under an action: an error number, or 0.
fn errno(action: Action) -> i32 {
    match action {
        Action::Errno(errno) => errno.number().into(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_kernel_answers_sampled_calls_as_the_policy_does(
        mut entries in entries(),
        default in prop::sample::select(vec![ENOSYS, EPERM]),
        picks in prop::collection::vec(any::<[u16; 6]>(), 16),
    ) {
        let abi: Abi = host::MACHINE.native();
        entries.push(ends());
        let profile = Profile { default, architectures: vec![abi.into()], entries };
        let policy = profile.policy(host::MACHINE).unwrap();
        let numbers = NAMES.map(|name| abi.syscall_number(name).unwrap());
        // What libseccomp does not compile to what it says may never be compiled at all.
        prop_assume!(numbers.iter().all(|number| is_exact(&clauses(&policy, abi, *number))));
        let program = compile(&profile).unwrap().program;
        let mut asked: Vec<Asked> = Vec::new();
        for number in numbers {
            let all = clauses(&policy, abi, number);
            let edges = all.iter().flat_map(Clause::predicates).flat_map(|(_, one)| one.edges());
            let values: Vec<u64> = edges.chain([0, u64::MAX]).collect();
            for pick in &picks {
                let args = pick.map(|nth| values[usize::from(nth) % values.len()]);
                asked.push((number, args, errno(policy.evaluate(abi, number, &args))));
            }
        }
        let wrong = first_wrong(&program, &asked).map(|nth| asked[nth]);
        prop_assert_eq!(wrong, None, "{:x?}", wrong);
    }
}

proptest! {
    // A diff looks at every call of the ABI, so a few of them are a long time.
    #![proptest_config(Config { cases: cases().cases / 8, ..cases() })]

    /// What `strait diff` shows as an example happens so, before and after.
    #[test]
    fn the_kernel_answers_the_witnesses_of_a_diff_as_it_says(
        entries in prop::array::uniform2(rules()),
        defaults in prop::sample::select(vec![[ENOSYS, EPERM], [ENOSYS, ENOSYS]]),
    ) {
        let abi: Abi = host::MACHINE.native();
        let numbers = NAMES.map(|name| abi.syscall_number(name).unwrap());
        let [old, new] = [0, 1].map(|nth| {
            let mut entries = entries[nth].clone();
            entries.push(ends());
            Profile { default: defaults[nth], architectures: vec![abi.into()], entries }
        });
        let side = |name, profile: &Profile| {
            let profile = OnMachines::same(profile, host::MACHINE);
            Side::profile(name, &profile, None).unwrap()
        };
        let today = "2026-11-23".parse().unwrap();
        let diff = diff(&side("old", &old), &side("new", &new), &Exceptions::default(), today);
        let shown = diff.changes.iter().map(|change| change.witness);
        let witnesses: Vec<_> =
            shown.filter(|one| one.abi == abi && numbers.contains(&one.number)).collect();
        prop_assume!(!witnesses.is_empty());
        let ask = |answer: fn(&Witness) -> Action| -> Vec<Asked> {
            witnesses.iter().map(|one| (one.number, one.args, errno(answer(one)))).collect()
        };
        for (profile, asked) in [(&old, ask(|one| one.before)), (&new, ask(|one| one.after))] {
            let program = compile(profile).unwrap().program;
            let wrong = first_wrong(&program, &asked).map(|nth| asked[nth]);
            prop_assert_eq!(wrong, None, "{:x?}", wrong);
        }
    }
}
