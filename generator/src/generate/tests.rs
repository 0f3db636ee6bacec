use std::collections::BTreeMap;

use proptest::prelude::*;

mod arguments;
mod families;
mod machines;
mod nonsense;
mod startup;

use super::*;
use crate::policy::baseline::Treatment;
use crate::policy::{Args, Policy};
use crate::profile::{self, lint};
use crate::recording::example::recording;
use crate::recording::{Call, Losses, Start, TargetKind};

fn named(abi: Abi, names: &[&str]) -> Recording {
    let calls: Vec<_> = names.iter().map(|name| (abi, abi.syscall_number(name).unwrap())).collect();
    recording(&calls)
}

/// Without families, so that nothing is added but what a test is about.
fn exact() -> Options {
    Options { generalize: Generalize::Exact, ..Options::default() }
}

fn made_of(recordings: &[Recording]) -> Generated {
    generate(recordings, &exact()).unwrap()
}

fn policy(profile: &Profile) -> Policy {
    profile.policy(crate::machine::Machine::X86_64).unwrap()
}

fn first(value: u64) -> Args {
    [value, 0, 0, 0, 0, 0]
}

fn evaluate(generated: &Generated, abi: Abi, name: &str, args: &Args) -> Action {
    let number = abi.syscall_number(name).unwrap();
    policy(&generated.profile).evaluate(abi, number, args)
}

const SAMPLE: [&str; 10] = [
    "execve",
    "openat",
    "read",
    "socket",
    "connect",
    "clone3",
    "mount",
    "wait4",
    "io_uring_setup",
    "uselib",
];

fn sample() -> Recording {
    let mut recording = named(Abi::X86_64, &SAMPLE);
    let unknown = recording.calls[&Abi::X86_64].values().next().unwrap().clone();
    recording.calls.get_mut(&Abi::X86_64).unwrap().insert(999, unknown);
    recording
}

#[test]
fn the_profile_reads_like_this() {
    let generated = made_of(&[sample()]);
    insta::assert_snapshot!(profile::print(&generated.profile).unwrap());
}

#[test]
fn a_terminal_obeys_no_name_in_the_summary() {
    let mut recording = named(Abi::X86_64, &["execve"]);
    recording.target.name = "\x1b[2Japp".to_owned();
    recording.completeness = Completeness::Incomplete(Losses { calls: 1, ..Losses::default() });
    let options = Options { allow_incomplete: true, ..exact() };
    let text = generate(&[recording.clone()], &options).unwrap().summary.text().to_string();
    let error = generate(&[recording], &exact()).unwrap_err().to_string();
    for text in [text, error] {
        assert!(!text.contains('\x1b') && text.contains("app"), "{text}");
    }
}

#[test]
fn the_summary_reads_like_this() {
    insta::assert_snapshot!(made_of(&[sample()]).summary.text().to_string());
}

#[test]
fn its_own_lint_has_nothing_against_it() {
    for refuse_with in [RefuseWith::Enosys, RefuseWith::Eperm] {
        let options = Options { refuse_with, ..exact() };
        let recording = named(Abi::X86_64, &["execve", "socket", "clone", "personality"]);
        let generated = generate(&[recording], &options).unwrap();
        assert_eq!(lint(&generated.profile), []);
    }
}

#[test]
fn waiting_for_children_that_is_refused_says_that_there_are_none() {
    let seen = [named(Abi::X86_64, &["read"])];
    let wait4 = |options: &Options| {
        evaluate(&generate(&seen, options).unwrap(), Abi::X86_64, "wait4", &[0; 6])
    };
    assert_eq!(wait4(&exact()), Action::Errno("ECHILD".parse().unwrap()));
    let eperm = Options { refuse_with: RefuseWith::Eperm, ..exact() };
    assert_eq!(wait4(&eperm), Action::Errno(Errno::EPERM));
}

#[test]
fn what_docker_refuses_keeps_its_error_and_what_is_new_gets_enosys() {
    let generated = made_of(&[sample()]);
    let action = |name, args: &Args| evaluate(&generated, Abi::X86_64, name, args);
    let (eperm, enosys) = (Action::Errno(Errno::EPERM), Action::Errno(Errno::ENOSYS));
    assert_eq!(action("mount", &first(0)), eperm);
    assert_eq!(action("io_uring_setup", &first(0)), eperm);
    assert_eq!(action("clone3", &first(0)), enosys);
    assert_eq!(action("copy_file_range", &first(0)), enosys);
    assert_eq!(action("socket", &first(2)), Action::Allow);
    assert_eq!(action("socket", &first(38)), eperm);
    assert_eq!(action("socket", &first(40)), eperm);
    assert_eq!(action("clone", &first(0x1200000)), Action::Allow);
    assert_eq!(action("clone", &first(0x1000_0000)), eperm);
    assert_eq!(action("personality", &first(0)), eperm);
    assert_eq!(policy(&generated.profile).evaluate(Abi::X86_64, 999, &first(0)), enosys);
}

#[test]
fn with_sys_admin_clone3_is_allowed_when_it_was_seen() {
    let options = Options { capabilities: Some(Capability::all()), ..exact() };
    let generated = generate(&[sample()], &options).unwrap();
    assert_eq!(evaluate(&generated, Abi::X86_64, "clone3", &first(0)), Action::Allow);
    assert_eq!(evaluate(&generated, Abi::X86_64, "mount", &first(0)), Action::Allow);
}

#[test]
fn clone3_answers_enosys_whatever_the_rest_gets() {
    for refuse_with in [RefuseWith::Eperm, RefuseWith::Log, RefuseWith::Kill] {
        let options = Options { refuse_with, ..exact() };
        let generated = generate(&[sample()], &options).unwrap();
        let action = evaluate(&generated, Abi::X86_64, "clone3", &first(0));
        assert_eq!(action, Action::Errno(Errno::ENOSYS), "{refuse_with:?}");
        let text = profile::print(&generated.profile).unwrap();
        assert_eq!(profile::parse(&text).unwrap(), generated.profile);
    }
}

#[test]
fn i386_sockets_get_no_rule_that_libseccomp_refuses() {
    let names = ["execve", "socket", "socketcall"];
    let generated = made_of(&[named(Abi::X86_64, &["execve"]), named(Abi::X86, &names)]);
    assert!(!lint::has_errors(&lint(&generated.profile)));
    let text = generated.summary.text().to_string();
    assert!(text.contains("Warning: i386's socketcall is allowed"), "{text}");
}

#[test]
fn only_what_was_seen_is_listed_as_architecture() {
    let generated = made_of(&[named(Abi::X86_64, &["execve"])]);
    let names: Vec<_> = generated.profile.architectures.iter().map(|a| a.name()).collect();
    assert_eq!(names, ["SCMP_ARCH_X86_64"]);
}

#[test]
fn nothing_makes_no_profile() {
    let complaint =
        |recordings: &[Recording]| generate(recordings, &exact()).unwrap_err().to_string();
    assert!(complaint(&[]).contains("no recording"));
    assert!(complaint(&[sample(), recording(&[])]).contains("nothing was recorded in `app`"));
}

#[test]
fn an_incomplete_recording_must_be_asked_for() {
    let mut incomplete = sample();
    incomplete.completeness = Completeness::Incomplete(Losses { tasks: 3, ..Losses::default() });
    let recordings = [incomplete];
    let error = generate(&recordings, &exact()).unwrap_err();
    assert!(matches!(error, GenerateError::Incomplete { .. }));
    assert!(error.to_string().contains("3 times: a task could not be followed"));
    let options = Options { allow_incomplete: true, ..exact() };
    let generated = generate(&recordings, &options).unwrap();
    assert!(generated.summary.text().to_string().contains("made of an incomplete recording"));
}

fn calls() -> impl Strategy<Value = Recording> {
    let abi = prop_oneof![
        4 => Just(Abi::X86_64),
        1 => Just(Abi::X86),
        1 => Just(Abi::X32),
        1 => Just(Abi::Aarch64),
    ];
    prop::collection::vec((abi, 0..470u32), 1..40).prop_map(|calls| recording(&calls))
}

fn options() -> impl Strategy<Value = Options> {
    let capabilities = prop_oneof![
        Just(BTreeSet::new()),
        Just(Capability::docker_default()),
        Just(Capability::all()),
    ];
    let refuse_with = prop_oneof![Just(RefuseWith::Enosys), Just(RefuseWith::Eperm)];
    let startup = startup::startup();
    (capabilities, refuse_with, startup).prop_map(|(capabilities, refuse_with, startup)| Options {
        startup,
        capabilities: Some(capabilities),
        refuse_with,
        ..exact()
    })
}

/// Arguments on both sides of every condition of the baseline.
fn samples(treatment: Option<&Treatment>) -> Vec<Args> {
    let predicates = match treatment {
        Some(Treatment::AllowIf { any, .. }) => any.clone(),
        _ => Vec::new(),
    };
    let edges = predicates.iter().flat_map(|predicate| predicate.edges());
    edges.chain([0, 1, u64::MAX]).map(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_recordings_does_not_matter(
        (recordings, shuffled) in prop::collection::vec(calls(), 1..4)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        options in options(),
    ) {
        let one = generate(&recordings, &options).unwrap();
        let other = generate(&shuffled, &options).unwrap();
        prop_assert_eq!(profile::print(&one.profile).unwrap(), profile::print(&other.profile).unwrap());
        prop_assert_eq!(one.summary, other.summary);
    }

    #[test]
    fn more_recordings_never_allow_less(less in calls(), more in calls(), options in options()) {
        let narrow = policy(&generate(std::slice::from_ref(&less), &options).unwrap().profile);
        let wide = policy(&generate(&[less.clone(), more], &options).unwrap().profile);
        for abi in narrow.abis().filter(|abi| less.calls.contains_key(abi)) {
            for (number, name) in abi.syscalls().filter(|(number, _)| narrow.may_allow(abi, *number)) {
                for args in samples(None) {
                    if narrow.evaluate(abi, number, &args) == Action::Allow {
                        prop_assert_eq!(wide.evaluate(abi, number, &args), Action::Allow, "{} {}", abi, name);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_allowed_that_the_baseline_refuses_and_its_refusals_keep_their_error(
        recordings in prop::collection::vec(calls(), 1..3),
        options in options(),
    ) {
        let generated = generate(&recordings, &options).unwrap();
        let abis = super::abis(&recordings);
        let baseline = Baseline::docker_default().resolve(&Context {
            abis: abis.clone(),
            capabilities: options.capabilities.clone().unwrap_or_default(),
            kernel: options.kernel,
        });
        let i386 = abis.contains(&Abi::X86);
        for abi in abis {
            let ours = generated.profile.policy(abi.machine()).unwrap();
            let theirs = baseline.policy(abi).unwrap();
            // x32 has names with two numbers; a profile means the one of its own.
            let own = abi.syscalls().filter(|(number, name)| abi.syscall_number(name) == Some(*number));
            for (number, name) in own {
                for args in samples(baseline.treatment(abi, name)) {
                    let (our, their) = (ours.evaluate(abi, number, &args), theirs.evaluate(abi, number, &args));
                    // With i386 among the architectures a refused domain gets the default error.
                    let socket = i386 && name == "socket";
                    if their == Action::Allow {
                        prop_assert!(our == Action::Allow || matches!(our, Action::Errno(_)));
                    } else if socket {
                        prop_assert!(!our.lets_through(), "{} {} {:?}", abi, name, args);
                    } else {
                        prop_assert_eq!(our, their, "{} {} {:?}", abi, name, args);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_printed_is_read_back(recording in calls(), options in options()) {
        let generated = generate(&[recording], &options).unwrap();
        let text = profile::print(&generated.profile).unwrap();
        prop_assert_eq!(profile::parse(&text).unwrap(), generated.profile);
    }
}
