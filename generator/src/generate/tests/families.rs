//! What is allowed besides what was recorded.

use super::*;
use crate::diff::{Level, assess_risk};
use crate::policy::Width;
use crate::policy::decide::space::Set;
use crate::policy::decide::{Meaning, within};
use crate::recording::Program;
use crate::recording::example::with_values;
use crate::scan::{How, Kind, Reachable};

fn reach() -> Options {
    Options { generalize: Generalize::Reach, ..Options::default() }
}

fn allowed(recordings: &[Recording], options: &Options) -> Vec<&'static str> {
    let policy = policy(&generate(recordings, options).unwrap().profile);
    let may = |(number, name): (u32, &'static str)| {
        let rules = policy.rules(Abi::X86_64, number);
        rules.iter().any(|rule| rule.action == Action::Allow).then_some(name)
    };
    Abi::X86_64.syscalls().filter_map(may).collect()
}

/// What `reach` adds to `exact`.
fn added(recording: &Recording) -> Vec<&'static str> {
    let recordings = std::slice::from_ref(recording);
    let exact = allowed(recordings, &exact());
    allowed(recordings, &reach()).into_iter().filter(|name| !exact.contains(name)).collect()
}

/// A program of a recording, and the calls that it can make.
fn can_call(recording: &mut Recording, path: &str, names: &[&str]) {
    let mut reachable = Reachable::default();
    for name in names {
        let how = How { kind: Kind::Import, file: path.to_owned(), symbol: (*name).to_owned() };
        reachable.add(Abi::X86_64, Abi::X86_64.syscall_number(name).unwrap(), how);
    }
    recording.programs = vec![crate::recording::Program {
        path: path.to_owned(),
        device: "0:1".to_owned(),
        inode: 1,
    }];
    recording.reachable.insert(path.to_owned(), reachable);
}

#[test]
fn children_that_can_be_made_are_waited_for() {
    let added = added(&named(Abi::X86_64, &["execve", "clone"]));
    for name in ["wait4", "waitid", "vfork", "kill", "setsid"] {
        assert!(added.contains(&name), "{name}: {added:?}");
    }
}

#[test]
fn files_that_are_written_are_saved_and_renamed() {
    let added = added(&named(Abi::X86_64, &["execve", "openat", "pwrite64"]));
    for name in ["fsync", "ftruncate", "rename", "unlink", "pwritev", "pread64", "stat"] {
        assert!(added.contains(&name), "{name}: {added:?}");
    }
}

#[test]
fn nothing_that_was_not_seen_is_above_low_risk() {
    let recording =
        named(Abi::X86_64, &["execve", "openat", "socket", "connect", "clone", "prctl"]);
    let added = added(&recording);
    for name in ["accept4", "bind", "setxattr", "memfd_create", "io_uring_setup", "ptrace"] {
        assert!(!added.contains(&name), "{name}");
    }
}

#[test]
fn modes_come_without_the_bits_that_lend_rights() {
    let generated = generate(&[named(Abi::X86_64, &["execve", "openat"])], &reach()).unwrap();
    let mode = |mode| evaluate(&generated, Abi::X86_64, "fchmod", &[3, mode, 0, 0, 0, 0]);
    assert_eq!(mode(0o755), Action::Allow);
    assert_ne!(mode(0o4755), Action::Allow);
    let owner = |user| evaluate(&generated, Abi::X86_64, "chown", &[0, user, 0, 0, 0, 0]);
    assert_eq!(owner(0), Action::Allow, "to root");
    assert_ne!(owner(1000), Action::Allow, "to someone else");
    let kind = |mode| evaluate(&generated, Abi::X86_64, "mknodat", &[3, 0, mode, 0, 0, 0]);
    assert_eq!(kind(0o010_644), Action::Allow, "a FIFO");
    assert_ne!(kind(0o020_644), Action::Allow, "a device");
}

#[test]
fn the_other_internet_comes_with_the_one_that_was_seen() {
    let recording = with_values(&[("socket", &[&[2, 1, 6]])]);
    let generated = generate(&[recording], &reach()).unwrap();
    let socket = |values: [u64; 3]| {
        let [domain, kind, protocol] = values;
        evaluate(&generated, Abi::X86_64, "socket", &[domain, kind, protocol, 0, 0, 0])
    };
    assert_eq!(socket([10, 1, 0]), Action::Allow);
    for other in [[2, 2, 17], [2, 3, 1], [16, 3, 0], [17, 3, 0], [40, 1, 0]] {
        assert_ne!(socket(other), Action::Allow, "{other:?}");
    }
}

#[test]
fn what_the_program_cannot_call_is_not_added_but_for_spellings() {
    let mut recording = named(Abi::X86_64, &["execve", "openat", "clone", "newfstatat"]);
    can_call(&mut recording, "/usr/bin/app", &["openat", "clone", "rename", "execve"]);
    let of_program = added(&recording);
    assert!(of_program.contains(&"rename") && of_program.contains(&"wait4"), "{of_program:?}");
    assert!(of_program.contains(&"stat"), "another C library calls it: {of_program:?}");
    assert!(!of_program.contains(&"symlink") && !of_program.contains(&"fsync"), "{of_program:?}");
    // What a container's runtime calls before its program is no program's.
    let runtime = Program { path: Program::RUNTIME.to_owned(), device: String::new(), inode: 0 };
    recording.programs.push(runtime);
    assert!(!added(&recording).contains(&"fsync"));
    // A shell starts programs that the recording does not have.
    can_call(&mut recording, "/bin/bash", &["openat", "clone", "rename", "execve"]);
    recording.reachable.retain(|path, _| path == "/bin/bash");
    assert!(added(&recording).contains(&"fsync"));
    // Of a program that was not looked at it is not known.
    recording.reachable.clear();
    assert!(added(&recording).contains(&"fsync"));
}

#[test]
fn what_the_program_can_call_is_added_if_asked_for_and_of_low_risk() {
    let mut recording = named(Abi::X86_64, &["execve", "openat"]);
    can_call(&mut recording, "/usr/bin/app", &["shmget", "semop", "bind", "ptrace", "execve"]);
    let options = Options { generalize: Generalize::Imports, ..Options::default() };
    let allowed = allowed(std::slice::from_ref(&recording), &options);
    assert!(allowed.contains(&"shmget") && allowed.contains(&"semop"), "{allowed:?}");
    assert!(!allowed.contains(&"bind") && !allowed.contains(&"ptrace"), "{allowed:?}");
    let added = generate(&[recording], &options).unwrap().added;
    assert_eq!(added["shmget"].rule, "reachable");
    assert!(added["shmget"].reason.contains("/usr/bin/app"), "{}", added["shmget"].reason);
}

#[test]
fn each_call_that_was_not_seen_has_a_reason() {
    let recording = named(Abi::X86_64, &["execve", "openat", "socket", "vfork"]);
    let Generated { added, .. } = generate(std::slice::from_ref(&recording), &reach()).unwrap();
    for name in allowed(&[recording], &reach()) {
        let seen = ["execve", "openat", "socket", "vfork"].contains(&name);
        assert_eq!(added.contains_key(name), !seen, "{name}");
    }
    assert!(added.values().all(|added| !added.reason.is_empty() && !added.rule.is_empty()));
}

#[test]
fn without_filters_for_arguments_nothing_is_added_that_needs_them() {
    let recording = named(Abi::X86_64, &["execve", "openat"]);
    for arguments in [ArgumentFilters::Baseline, ArgumentFilters::None] {
        let allowed = allowed(std::slice::from_ref(&recording), &Options { arguments, ..reach() });
        assert!(allowed.contains(&"rename") && !allowed.contains(&"fchmod"), "{arguments:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Of any recording: more than `exact`, within the Docker default, and of low risk where it was not seen.
    #[test]
    fn families_add_low_risk_within_the_baseline(
        picked in proptest::collection::btree_set(0..Abi::X86_64.syscalls().count(), 1..30),
    ) {
        let all: Vec<_> = Abi::X86_64.syscalls().collect();
        let names: Vec<&str> = picked.into_iter().map(|nth| all[nth].1).collect();
        let recording = named(Abi::X86_64, &names);
        let (narrow, wide) = (
            generate(std::slice::from_ref(&recording), &exact()).unwrap().profile,
            generate(&[recording], &reach()).unwrap().profile,
        );
        let docker = Baseline::docker_default().resolve(&Context {
            abis: BTreeSet::from([Abi::X86_64]),
            capabilities: Capability::docker_default(),
            kernel: None,
        });
        prop_assert!(within(&policy(&narrow), &policy(&wide)).is_ok());
        for (number, name) in Abi::X86_64.syscalls() {
            let may = |profile| {
                let meaning = Meaning::from(&policy(profile));
                let parts = meaning.decision(Abi::X86_64, number).parts();
                Set::union(parts.into_iter().filter(|(action, _)| *action == Action::Allow).map(|(_, set)| set).collect())
            };
            let (narrow, wide) = (may(&narrow), may(&wide));
            let limit = docker.treatment(Abi::X86_64, name).map(|treatment| treatment.allowed());
            let limit = Set::any(&limit.unwrap_or_default(), Width::Bits64);
            prop_assert!(wide.minus(&limit).is_empty(), "{name}");
            if narrow.is_empty() && !wide.is_empty() {
                let level = assess_risk(Abi::X86_64, number, &wide).level;
                prop_assert_eq!(level, Level::Low, "{}", name);
            }
        }
    }
}
