//! The project's table of the Docker default, and the default that the Docker here enforces.

use std::collections::BTreeSet;
use std::process::Command;

use libseccomp::ScmpSyscall;
use serde::Deserialize;
use strait_generator::abi::Abi;
use strait_generator::policy::baseline::{Baseline, Context};
use strait_generator::policy::decide::{ChangeKind, Comparison, Meaning};
use strait_generator::policy::{Action, Capability, Errno};

use crate::support::{filter, output};

#[derive(Deserialize)]
struct History {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    calls: String,
    since: String,
    /// Of which only containers with more than the default capabilities see something.
    #[serde(default)]
    capability: String,
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().expect("a version"));
    (parts.next().expect("a major version"), parts.next().expect("a minor version"))
}

/// As `Docker version 20.10.24+dfsg1, build 5d6db84` has it.
fn docker_version() -> (u32, u32) {
    let said = output(Command::new("dockerd").arg("--version"));
    let number = said.split(' ').nth(2).expect("a version").trim_end_matches(',');
    version(number)
}

/// They are the same function of all calls and arguments, but for what Docker changed since this one.
pub fn is_what_docker_enforces() {
    let text = strait_profiles::baselines::DOCKER_DEFAULT_HISTORY;
    let history: History = serde_json::from_str(text).expect("the history");
    let docker = docker_version();
    let context = Context {
        abis: [Abi::X86_64].into(),
        capabilities: Capability::docker_default(),
        kernel: None,
    };
    let table = Baseline::docker_default().resolve(&context).policy(Abi::X86_64).expect("a policy");
    let live = filter::docker_default();
    let comparison = Comparison::new(&Meaning::from(&table), live);
    let (mut named, mut newer) = (BTreeSet::new(), BTreeSet::new());
    for change in comparison.changes().filter(|change| change.abi == Abi::X86_64) {
        let witness = change.witness().expect("a change has a witness");
        match change.name() {
            Some(name) => named.insert(name),
            None => newer.insert((change.kind, witness.after)),
        };
    }
    // runc answers ENOSYS to what is newer than all that the profile names.
    assert_eq!(newer, [(ChangeKind::Refusal, Action::Errno(Errno::ENOSYS))].into());

    let later = history.changes.iter().filter(|change| version(&change.since) > docker);
    let later = later.filter(|change| change.capability.is_empty());
    let changed = later.flat_map(|change| change.calls.split(' '));
    // Some are of other machines.
    let changed: BTreeSet<&str> =
        changed.filter(|name| Abi::X86_64.syscall_number(name).is_some()).collect();
    // What libseccomp here does not know is not in the filter, whatever Docker asks for.
    let unknown = |name: &&&str| ScmpSyscall::from_name(name).is_err();
    let unexplained: Vec<_> = named.difference(&changed).filter(|name| !unknown(name)).collect();
    assert!(unexplained.is_empty(), "{unexplained:?} differ, and no release explains it");
    let missing: Vec<_> = changed.difference(&named).collect();
    assert!(missing.is_empty(), "{missing:?} should differ from the table in Docker {docker:?}");
}
