//! Who starts the workload, and what that adds to a profile and takes from it.

use super::*;
use crate::recording::{Container, Phase};

pub(super) fn startup() -> impl Strategy<Value = Startup> {
    (prop::sample::select(RUNTIMES.to_vec()), any::<bool>(), any::<bool>())
        .prop_map(|(runtimes, no_new_privs, init)| Startup { runtimes, no_new_privs, init })
}

const RUNTIMES: [Runtimes; 5] = [
    Runtimes::Recorded,
    Runtimes::Any,
    Runtimes::One(Runtime::Runc),
    Runtimes::One(Runtime::Crun),
    Runtimes::One(Runtime::Youki),
];

/// A container in which the runtime made some calls and the workload others.
fn container(runtime: &str, by_runtime: &[&str], by_workload: &[&str]) -> Recording {
    let mut recording = named(Abi::X86_64, &[by_runtime, by_workload].concat());
    recording.target.start = Start::Filter;
    recording.target.kind = TargetKind::Container(Box::new(Container {
        runtime: runtime.to_owned(),
        filtered: true,
        ..Container::default()
    }));
    for (number, call) in recording.calls.get_mut(&Abi::X86_64).unwrap() {
        let name = Abi::X86_64.syscall_name(*number).unwrap();
        let parts = [(Phase::Runtime, by_runtime), (Phase::Startup, by_workload)];
        let phases = parts.into_iter().filter(|(_, names)| names.contains(&name));
        call.phases = phases.map(|(phase, _)| (phase, 1)).collect();
    }
    recording
}

fn of(recording: &mut Recording) -> &mut Container {
    match &mut recording.target.kind {
        TargetKind::Container(container) => container,
        other => panic!("{other:?}"),
    }
}

fn started(recordings: &[Recording], runtimes: Runtimes, no_new_privs: bool) -> Generated {
    let startup = Startup { runtimes, no_new_privs, init: false };
    generate(recordings, &Options { startup, ..exact() }).unwrap()
}

fn allows(generated: &Generated, name: &str) -> bool {
    evaluate(generated, Abi::X86_64, name, &first(0)) == Action::Allow
}

/// Under crun, with a call that no runtime is known to make, and one that is refused to everybody.
fn under_crun() -> Recording {
    let by_runtime = ["setresuid", "capset", "execve", "sysinfo", "keyctl"];
    container("crun", &by_runtime, &["execve", "openat", "socket"])
}

#[test]
fn what_only_a_runtime_called_is_no_workload() {
    let failed = container("runc", &["capset", "openat", "exit_group"], &[]);
    let error = generate(&[under_crun(), failed], &exact()).unwrap_err();
    assert!(matches!(error, GenerateError::NotStarted { .. }), "{error}");
    assert!(generate(&[under_crun()], &exact()).is_ok());
}

#[test]
fn the_summary_says_who_starts_it_and_what_that_takes() {
    let mut recording = under_crun();
    of(&mut recording).bounding_set = Some(0xa804_25fb | 1 << 12);
    let keyctl = Abi::X86_64.syscall_number("keyctl").unwrap();
    recording.refused = BTreeMap::from([
        ((Abi::X86_64, keyctl, Some(1)), 3),
        ((Abi::X86_64, 435, Some(38)), 20),
        ((Abi::X86_64, 435, None), 1),
    ]);
    insta::assert_snapshot!(made_of(std::slice::from_ref(&recording)).summary.text().to_string());
    let runc = Runtimes::One(Runtime::Runc);
    insta::assert_snapshot!(started(&[recording], runc, true).summary.text().to_string());
}

#[test]
fn recorded_under_one_runtime_it_starts_under_the_others() {
    let generated = started(&[under_crun()], Runtimes::Any, false);
    for name in ["fchown", "getcwd", "epoll_ctl", "setresuid", "accept4", "sysinfo", "clone"] {
        assert!(allows(&generated, name), "{name}");
    }
    assert!(!allows(&generated, "keyctl"), "never wider than the baseline");
}

#[test]
fn for_another_runtime_what_only_the_recorded_one_called_is_left_out() {
    let generated = started(&[under_crun()], Runtimes::One(Runtime::Runc), false);
    assert!(allows(&generated, "fchown"));
    assert!(allows(&generated, "openat"), "the workload's own");
    for name in ["setresuid", "sysinfo"] {
        assert!(!allows(&generated, name), "{name}");
        assert!(generated.summary.runtime_only.contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn what_the_workload_called_too_is_its_own() {
    let other = container("runc", &[], &["execve", "setresuid"]);
    let generated = started(&[under_crun(), other], Runtimes::One(Runtime::Runc), true);
    assert!(allows(&generated, "setresuid"));
    assert_eq!(generated.summary.runtime_only, ["capset", "keyctl", "sysinfo"]);
}

#[test]
fn as_recorded_is_exactly_that() {
    let generated = started(&[under_crun()], Runtimes::Recorded, false);
    for name in ["setresuid", "capset", "sysinfo"] {
        assert!(allows(&generated, name), "{name}");
    }
    assert!(!allows(&generated, "fchown"));
    assert_eq!(generated.summary.startup, Vec::<String>::new());
    let command = named(Abi::X86_64, &["execve"]);
    let generated = started(&[command], Runtimes::Recorded, false);
    assert_eq!(generated.summary.startup, Vec::<String>::new());
}

#[test]
fn no_new_privs_drops_what_the_runtime_did_before_it_gave_up_its_privileges() {
    let generated = started(&[under_crun()], Runtimes::Any, true);
    for name in ["setresuid", "capset", "fchown", "sysinfo"] {
        assert!(!allows(&generated, name), "{name}");
    }
    assert!(allows(&generated, "getdents64"), "runc needs it even so");
    let mut with = under_crun();
    of(&mut with).no_new_privs = true;
    let generated = started(&[with], Runtimes::Any, true);
    assert!(allows(&generated, "sysinfo"), "seen under no_new_privs");
}

#[test]
fn a_command_too_can_be_started_by_a_runtime() {
    let generated = made_of(&[named(Abi::X86_64, &["execve"])]);
    assert!(allows(&generated, "fchown") && allows(&generated, "setresuid"));
}

#[test]
fn an_init_process_is_asked_for() {
    let recording = [named(Abi::X86_64, &["execve"])];
    let made = |init| {
        let startup = Startup { init, ..Startup::default() };
        generate(&recording, &Options { startup, ..exact() }).unwrap()
    };
    assert!(!allows(&made(false), "rt_sigtimedwait"));
    assert!(allows(&made(true), "rt_sigtimedwait"));
    assert!(
        made(true).summary.text().to_string().contains("youki and the init process can start it")
    );
}

#[test]
fn a_container_keeps_the_capabilities_it_was_recorded_with() {
    let mut recording = container("runc", &[], &["execve", "settimeofday", "chroot"]);
    let options = |capabilities| Options { capabilities, ..exact() };
    let made = |recording: &Recording, options: &Options| {
        let generated = generate(std::slice::from_ref(recording), options).unwrap();
        ["settimeofday", "chroot"].map(|name| allows(&generated, name))
    };
    assert_eq!(made(&recording, &options(None)), [false, true], "not known: Docker's default");
    of(&mut recording).bounding_set = Some(1 << 25);
    assert_eq!(made(&recording, &options(None)), [true, false]);
    of(&mut recording).bounding_set = Some(0);
    assert_eq!(made(&recording, &options(None)), [false, false], "all were dropped");
    assert_eq!(made(&recording, &options(Some(Capability::docker_default()))), [false, true]);
}

#[test]
fn a_start_that_was_missed_is_warned_of() {
    let mut attached = under_crun();
    attached.target.start = Start::Attached;
    attached.target.kind = TargetKind::Processes;
    let text = made_of(&[attached]).summary.text().to_string();
    assert!(text.contains("Warning: app ran already when recording began"), "{text}");
    let mut unfiltered = under_crun();
    unfiltered.target.start = Start::Exec;
    let text = made_of(std::slice::from_ref(&unfiltered)).summary.text().to_string();
    assert!(text.contains("Note: app had no filter while recording"), "{text}");
    let recorded = started(&[unfiltered], Runtimes::Recorded, false).summary;
    let text = recorded.text().to_string();
    assert!(text.contains("--runtime recorded adds nothing"), "{text}");
    assert_eq!(made_of(&[named(Abi::X86_64, &["execve"])]).summary.notes, Vec::<String>::new());
}

/// A container whose calls the runtime made, or the workload, or both.
fn containers() -> impl Strategy<Value = Recording> {
    let phases = prop::sample::subsequence(vec![Phase::Runtime, Phase::Running], 1..=2);
    let calls = prop::collection::vec((0..470u32, phases), 1..40);
    let runtime = prop::sample::select(vec!["", "runc", "crun", "youki", "other"]);
    let masks =
        prop::sample::select(vec![None, Some(0), Some(0xa804_25fb), Some(1 << 12), Some(u64::MAX)]);
    (calls, runtime, any::<bool>(), masks).prop_map(|(calls, runtime, no_new_privs, mask)| {
        let mut recording = container(runtime, &[], &["execve"]);
        *of(&mut recording) = Container {
            runtime: runtime.to_owned(),
            no_new_privs,
            bounding_set: mask,
            ..Container::default()
        };
        let table = recording.calls.get_mut(&Abi::X86_64).unwrap();
        // Its program was executed, so that call stays the workload's.
        let started = Abi::X86_64.syscall_number("execve");
        for (number, phases) in calls.into_iter().filter(|(number, _)| Some(*number) != started) {
            let phases = phases.into_iter().map(|phase| (phase, 1)).collect();
            table.insert(number, Call { count: 2, phases, ..Call::default() });
        }
        recording
    })
}

/// What a profile allows, for some arguments at least. (Conditions are the baseline's alone, so
/// names say all.)
fn names(generated: &Generated) -> BTreeSet<String> {
    let entries = generated.profile.entries.iter();
    let allowing = entries.filter(|entry| entry.action == Action::Allow);
    allowing.flat_map(|entry| entry.names.iter().cloned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn more_to_start_under_is_never_less(
        recordings in prop::collection::vec(containers(), 1..4),
        no_new_privs: bool,
    ) {
        let made = |runtimes| names(&started(&recordings, runtimes, no_new_privs));
        let any = made(Runtimes::Any);
        for runtimes in RUNTIMES {
            let one = made(runtimes);
            prop_assert!(one.is_subset(&any), "{:?}: {:?}", runtimes, &one - &any);
        }
    }

    #[test]
    fn no_new_privs_never_allows_more(
        recordings in prop::collection::vec(containers(), 1..4),
        startup in startup(),
    ) {
        let made = |no_new_privs| {
            let startup = Startup { no_new_privs, ..startup };
            names(&generate(&recordings, &Options { startup, ..exact() }).unwrap())
        };
        let (with, without) = (made(true), made(false));
        prop_assert!(with.is_subset(&without), "{:?}", &with - &without);
    }

    #[test]
    fn containers_too_stay_within_the_baseline_and_have_no_order(
        (recordings, shuffled) in prop::collection::vec(containers(), 1..4)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        startup in startup(),
    ) {
        let options = Options { startup, ..exact() };
        let generated = generate(&recordings, &options).unwrap();
        prop_assert_eq!(&generated, &generate(&shuffled, &options).unwrap());
        let baseline = Baseline::docker_default().resolve(&Context {
            abis: BTreeSet::from([Abi::X86_64]),
            capabilities: bounding_sets(&recordings),
            kernel: None,
        });
        for name in names(&generated) {
            let treatment = baseline.treatment(Abi::X86_64, &name);
            prop_assert!(treatment.is_some_and(|t| !t.allowed().is_empty()), "{}", name);
        }
    }

    #[test]
    fn more_containers_never_allow_less(
        less in containers(),
        more in containers(),
        startup in startup(),
    ) {
        let options = Options { startup, ..exact() };
        let narrow = names(&generate(std::slice::from_ref(&less), &options).unwrap());
        let wide = names(&generate(&[less, more], &options).unwrap());
        prop_assert!(narrow.is_subset(&wide), "{:?}", &narrow - &wide);
    }
}
