//! Which privileges the recorder has at each stage of a run, as it says itself of the process as it is.

use std::collections::BTreeMap;

use super::with_sudo;
use crate::support::attacker::Attacker;
use crate::support::{scratch, strait};

/// A line `strait: debug: stage NAME: uid U fsuid F caps [a b] no_new_privs B seccomp S threads T fds [kind, …]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stage {
    uid: u32,
    fsuid: u32,
    capabilities: Vec<String>,
    no_new_privs: u32,
    seccomp: u32,
    threads: u32,
    descriptors: Vec<String>,
}

/// Before the recording, while it runs, when it is written, and the process that writes files.
const STAGES: [&str; 5] = ["loading", "attached", "running", "writing", "writer"];

/// With which a recorder could be made to do harm when it needs them no more.
const DANGEROUS: [&str; 9] = [
    "cap_sys_admin",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_chown",
    "cap_fowner",
    "cap_setuid",
    "cap_setgid",
    "cap_sys_module",
    "cap_perfmon",
];

fn parse(line: &str) -> Option<(String, Stage)> {
    let (name, rest) = line.split_once("stage ")?.1.split_once(": ")?;
    let after = |key: &str| rest.split_once(&format!("{key} ")).map(|(_, value)| value);
    let number = |key: &str| after(key)?.split_whitespace().next()?.parse().ok();
    let list = |key: &str| {
        let (inside, _) = after(key)?.strip_prefix('[')?.split_once(']')?;
        let parts = inside.split([' ', ',']).filter(|part| !part.is_empty());
        Some(parts.map(str::to_owned).collect::<Vec<_>>())
    };
    let stage = Stage {
        uid: rest.strip_prefix("uid ")?.split_whitespace().next()?.parse().ok()?,
        fsuid: number("fsuid")?,
        capabilities: list("caps")?,
        no_new_privs: number("no_new_privs")?,
        seccomp: number("seccomp")?,
        threads: number("threads")?,
        descriptors: list("fds")?,
    };
    Some((name.to_owned(), stage))
}

/// The stages of a run, with these arguments between `strait -v` and the command.
fn stages(args: &[&str], attacker: &Attacker) -> BTreeMap<String, Stage> {
    let dir = scratch();
    attacker.own(dir.path());
    let profile = dir.path().join("p.json");
    std::fs::write(&profile, crate::support::profiles::base().to_string()).unwrap();
    let run = strait()
        .arg("-v")
        .args(args.iter().copied())
        .args(["--", "/bin/echo", "hello"])
        .in_dir(dir.path());
    let outcome = with_sudo(run, attacker).run();
    let lines = outcome.stderr.lines().filter(|line| line.starts_with("strait: debug: stage "));
    let stages: BTreeMap<_, _> = lines
        .map(|line| parse(line).unwrap_or_else(|| panic!("a line is not understood: {line}")))
        .collect();
    for name in STAGES {
        assert!(stages.contains_key(name), "{args:?} has no stage {name}:\n{}", outcome.stderr);
    }
    stages
}

fn assert_harmless(stages: &BTreeMap<String, Stage>, what: &[&str]) {
    let at = |name: &str| &stages[name];
    for name in ["running", "writing"] {
        let kept: Vec<_> = at(name)
            .capabilities
            .iter()
            .filter(|capability| DANGEROUS.contains(&capability.as_str()))
            .collect();
        assert!(kept.is_empty(), "{what:?}, {name}: {kept:?}");
        assert_eq!((at(name).no_new_privs, at(name).seccomp), (1, 2), "{what:?}, {name}");
    }
    assert!(at("writing").capabilities.is_empty(), "{what:?}: {:?}", at("writing"));
    // A filter is the thread's that installs it.
    assert_eq!(at("writer").threads, 1, "{what:?}");
    let of_writer = &at("writer").capabilities;
    assert!(of_writer.iter().all(|one| one == "cap_chown"), "{what:?}: {of_writer:?}");
}

#[test]
fn a_line_about_a_stage_is_understood() {
    let line = "strait: debug: stage running: uid 0 fsuid 1000 caps [cap_bpf cap_kill] no_new_privs 1 \
                seccomp 2 threads 3 fds [pipe, bpf-map]";
    let (name, stage) = parse(line).unwrap();
    assert_eq!(name, "running");
    assert_eq!((stage.uid, stage.fsuid, stage.no_new_privs, stage.seccomp), (0, 1000, 1, 2));
    assert_eq!(stage.threads, 3);
    assert_eq!(stage.capabilities, ["cap_bpf", "cap_kill"]);
    assert_eq!(stage.descriptors, ["pipe", "bpf-map"]);
    assert_eq!(parse("strait: debug: stage writing: uid 0 fsuid 0 caps []"), None);
}

#[test]
fn the_recorder_keeps_no_privilege_that_could_do_harm() {
    let attacker = Attacker::new();
    let uid = attacker.uid().to_string();
    for args in [
        &["record", "-o", "r.json"][..],
        &["record", "-o", "r.json", "--user", &uid],
        &["record", "--backend", "notify", "-o", "r.json"],
        &["record", "--backend", "notify", "-o", "r.json", "--user", &uid],
        &["record", "--containers", "-o", "out"],
    ] {
        assert_harmless(&stages(args, &attacker), args);
    }
}

#[test]
fn the_verifier_keeps_no_privilege_that_could_do_harm() {
    let attacker = Attacker::new();
    let args = ["verify", "p.json", "-o", "report.json"];
    assert_harmless(&stages(&args, &attacker), &args);
}
