//! Values of arguments: what was seen, within the baseline, and nothing else.

use super::*;
use crate::policy::decide;
use crate::profile::lint;
use crate::recording::example::{set, with_values};
use crate::recording::{Container, Phase};

const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
const EPERM: Action = Action::Errno(Errno::EPERM);

fn made(recording: Recording, arguments: ArgumentFilters, runtimes: Runtimes) -> Generated {
    let startup = Startup { runtimes, ..Startup::default() };
    generate(&[recording], &Options { arguments, startup, ..exact() }).unwrap()
}

const STANDARD: ArgumentFilters = ArgumentFilters::Seen(Level::Standard);
const STRICT: ArgumentFilters = ArgumentFilters::Seen(Level::Strict);

fn on(generated: &Generated, name: &str, args: [u64; 6]) -> Action {
    evaluate(generated, Abi::X86_64, name, &args)
}

#[test]
fn a_family_that_was_not_seen_is_refused() {
    let recording = with_values(&[("socket", &[&[1, 1, 0], &[2, 1, 6]])]);
    let generated = made(recording, STANDARD, Runtimes::Any);
    assert_eq!(on(&generated, "socket", [2, 0x80801, 6, 0, 0, 0]), Action::Allow);
    assert_eq!(on(&generated, "socket", [2, 1, 0, 0, 0, 0]), ENOSYS);
    assert_eq!(on(&generated, "socket", [16, 3, 0, 0, 0, 0]), ENOSYS);
    assert_eq!(on(&generated, "socket", [38, 5, 0, 0, 0, 0]), EPERM, "as Docker refuses it");
    assert_eq!(lint(&generated.profile), []);
}

#[test]
fn what_the_baseline_refuses_is_left_out_and_reported() {
    let recording =
        with_values(&[("socket", &[&[1, 1, 0], &[38, 5, 0]]), ("clone", &[&[0x1000_0011]])]);
    let generated = made(recording, STANDARD, Runtimes::Recorded);
    assert_eq!(on(&generated, "socket", [38, 5, 0, 0, 0, 0]), EPERM);
    assert_eq!(on(&generated, "socket", [1, 1, 0, 0, 0, 0]), Action::Allow);
    assert_eq!(on(&generated, "clone", [0x1000_0011, 0, 0, 0, 0, 0]), EPERM);
    let text = generated.summary.text().to_string();
    assert!(text.contains("socket(AF_ALG, SOCK_SEQPACKET, 0)"), "{text}");
    assert!(text.contains("clone(SIGCHLD|CLONE_NEWUSER"), "{text}");
}

/// The kernel takes the lower half of it, and the Docker default looks at both.
#[test]
fn a_personality_is_allowed_as_the_baseline_has_it() {
    let recording = with_values(&[("personality", &[&[0], &[0xffff_ffff]])]);
    let generated = made(recording, STANDARD, Runtimes::Any);
    let personality = |value| on(&generated, "personality", [value, 0, 0, 0, 0, 0]);
    assert_eq!([personality(0), personality(0xffff_ffff)], [Action::Allow; 2]);
    assert_eq!(
        [personality(8), personality(1 << 32), personality(u64::MAX)],
        [ENOSYS, EPERM, EPERM]
    );
    assert_eq!(beyond(&generated.profile, Capability::docker_default()), None);
    assert_eq!(lint(&generated.profile), []);
}

#[test]
fn the_levels_differ_in_what_they_look_at() {
    let recording = || {
        with_values(&[
            ("socket", &[&[1, 1, 0]]),
            ("prctl", &[&[15]]),
            ("setsockopt", &[&[1, 2]]),
            ("fcntl", &[&[3]]),
        ])
    };
    let action =
        |arguments, name, args| on(&made(recording(), arguments, Runtimes::Recorded), name, args);
    let netlink = [16, 3, 0, 0, 0, 0];
    let vsock = [40, 1, 0, 0, 0, 0];
    assert_eq!(action(ArgumentFilters::None, "socket", vsock), Action::Allow);
    assert_eq!(action(ArgumentFilters::Baseline, "socket", vsock), EPERM);
    assert_eq!(action(ArgumentFilters::Baseline, "socket", netlink), Action::Allow);
    assert_eq!(action(STANDARD, "socket", netlink), ENOSYS);
    assert_eq!(action(STANDARD, "prctl", [38, 1, 0, 0, 0, 0]), ENOSYS);
    assert_eq!(action(STANDARD, "prctl", [15, 0, 0, 0, 0, 0]), Action::Allow);
    assert_eq!(action(STANDARD, "setsockopt", [3, 1, 25, 0, 0, 0]), Action::Allow);
    assert_eq!(action(STRICT, "setsockopt", [3, 1, 25, 0, 0, 0]), ENOSYS);
    assert_eq!(action(STRICT, "setsockopt", [3, 1, 2, 0, 0, 0]), Action::Allow);
    assert_eq!(action(STRICT, "fcntl", [3, 1024, 0, 0, 0, 0]), ENOSYS);
    let Generated { profile, summary, .. } =
        made(recording(), ArgumentFilters::None, Runtimes::Recorded);
    let wider = beyond(&profile, Capability::docker_default()).unwrap();
    assert!(wider.to_string().starts_with("socket("), "{wider}");
    let text = summary.text().to_string();
    assert!(text.contains("Wider than the Docker default"), "{text}");
}

#[test]
fn a_runtime_can_still_start_it() {
    let recording = with_values(&[("prctl", &[&[15]])]);
    let generated = made(recording, STRICT, Runtimes::Any);
    let prctl = |option| on(&generated, "prctl", [option, 0, 0, 0, 0, 0]);
    assert_eq!([prctl(8), prctl(24), prctl(47), prctl(15)], [Action::Allow; 4]);
    assert_eq!(prctl(38), ENOSYS);
}

#[test]
fn values_of_a_runtime_that_will_not_start_it_are_left_out() {
    let mut recording = named(Abi::X86_64, &["execve", "prctl"]);
    set(&mut recording, "prctl", &[&[47]], &[Phase::Runtime], 0);
    set(&mut recording, "prctl", &[&[15]], &[Phase::Running], 0);
    let container = Container { runtime: "crun".to_owned(), ..Container::default() };
    recording.target.kind = TargetKind::Container(Box::new(container));
    let options = |no_new_privs| Options {
        startup: Startup { runtimes: Runtimes::One(Runtime::Runc), no_new_privs, init: false },
        ..exact()
    };
    let generated = generate(&[recording], &options(true)).unwrap();
    assert_eq!(on(&generated, "prctl", [47, 0, 0, 0, 0, 0]), ENOSYS);
    assert_eq!(on(&generated, "prctl", [15, 0, 0, 0, 0, 0]), Action::Allow);
}

#[test]
fn without_all_values_the_baseline_decides_and_the_summary_says_so() {
    let mut full = with_values(&[("socket", &[&[1, 1, 0]]), ("ioctl", &[&[0x5401]])]);
    set(&mut full, "socket", &[], &[], 7);
    let generated = made(full, STANDARD, Runtimes::Recorded);
    assert_eq!(on(&generated, "socket", [16, 3, 0, 0, 0, 0]), Action::Allow);
    assert_eq!(on(&generated, "socket", [40, 1, 0, 0, 0, 0]), EPERM);
    assert_eq!(on(&generated, "ioctl", [0, 0x5412, 0, 0, 0, 0]), ENOSYS);
    let text = generated.summary.text().to_string();
    assert!(text.contains("more values than a recording has room for: socket"), "{text}");

    let old = named(Abi::X86_64, &["socket", "execve"]);
    let text = made(old, STANDARD, Runtimes::Recorded).summary.text().to_string();
    assert!(text.contains("does not have their values (record again): socket"), "{text}");
}

#[test]
fn memory_is_writable_and_executable_only_if_it_was() {
    for (seen, expected) in [(0, ENOSYS), (1, Action::Allow)] {
        let recording = with_values(&[("mmap", &[&[0], &[seen]]), ("mprotect", &[&[0]])]);
        let generated = made(recording, STANDARD, Runtimes::Any);
        assert_eq!(on(&generated, "mmap", [0, 4096, 7, 0x22, 0, 0]), expected);
        assert_eq!(on(&generated, "mmap", [0, 4096, 5, 0x22, 0, 0]), Action::Allow);
        assert_eq!(on(&generated, "mprotect", [0, 4096, 7, 0, 0, 0]), ENOSYS);
    }
}

#[test]
fn a_clone_that_stands_in_can_do_what_c_libraries_do_with_it() {
    let recording = with_values(&[("clone", &[&[0x11]])]);
    let clone = |generated: &Generated, flags| on(generated, "clone", [flags, 0, 0, 0, 0, 0]);
    let alone = made(recording, STANDARD, Runtimes::Recorded);
    assert_eq!(clone(&alone, 0x003d_0f00), ENOSYS);
    let mut both = named(Abi::X86_64, &["clone", "clone3"]);
    set(&mut both, "clone", &[&[0x11]], &[], 0);
    let both = made(both, STANDARD, Runtimes::Recorded);
    assert_eq!(clone(&both, 0x003d_0f00), Action::Allow);
    assert_eq!(clone(&both, 0x1000_0000), EPERM);
}

/// A call that a profile allows and the Docker default does not, on any ABI of any machine.
fn beyond(profile: &Profile, capabilities: BTreeSet<Capability>) -> Option<decide::Witness> {
    let policy = profile.policy(crate::machine::Machines::ALL).unwrap();
    let context = Context { abis: policy.abis().collect(), capabilities, kernel: None };
    let baseline = Baseline::docker_default().resolve(&context);
    policy.abis().find_map(|abi| {
        let comparison = decide::compare(&baseline.policy(abi).unwrap(), &policy);
        let mut of_abi = comparison.changes().filter(|change| change.abi == abi);
        of_abi.find_map(|change| change.widened)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Decided, and not sampled.
    #[test]
    fn a_profile_is_within_the_docker_default(
        abis in prop::sample::subsequence(vec![Abi::X86_64, Abi::X86, Abi::X32], 1..=3),
        numbers in prop::collection::btree_set(0..470_u32, 1..40),
        sockets in prop::collection::vec((0..45_u64, 0..6_u64, 0..20_u64), 1..6),
        flags in prop::collection::vec(any::<u32>(), 1..4),
        personalities in prop::collection::vec(
            prop_oneof![Just(0), Just(8), Just(0x20000), Just(0xffff_ffff), any::<u32>()], 1..4
        ),
        arguments in prop::sample::select(vec![ArgumentFilters::Baseline, STANDARD, STRICT]),
        capabilities in prop::sample::select(vec![
            Capability::docker_default(),
            Capability::all(),
            BTreeSet::new(),
        ]),
    ) {
        let calls: Vec<_> = abis.iter().flat_map(|abi| numbers.iter().map(|number| (*abi, *number))).collect();
        let mut recordings = vec![recording(&calls)];
        let sockets: Vec<Vec<u64>> = sockets.iter().map(|(a, b, c)| vec![*a, *b, *c]).collect();
        let one = |values: &[u32]| -> Vec<Vec<u64>> {
            values.iter().map(|value| vec![u64::from(*value)]).collect()
        };
        let (flags, personalities) = (one(&flags), one(&personalities));
        recordings.push(with_values(&[
            ("socket", &sockets.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            ("clone", &flags.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            ("personality", &personalities.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        ]));
        let options = Options {
            arguments,
            capabilities: Some(capabilities.clone()),
            ..exact()
        };
        let profile = generate(&recordings, &options).unwrap().profile;
        let beyond = beyond(&profile, capabilities);
        prop_assert!(beyond.is_none(), "{}", beyond.unwrap());
    }
}
