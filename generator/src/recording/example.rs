//! A recording for tests.
#![expect(clippy::expect_used, reason = "tests give it names that exist")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    ArgumentUse, Arguments, Call, Completeness, Host, Origin, Phase, Program, Recording, Start,
    Target, TargetKind, Tool,
};
use crate::abi::Abi;
use crate::policy::argument::ArgumentRule;

/// A complete recording in which `/usr/bin/app` made each of these calls twice.
#[must_use]
pub fn recording(calls: &[(Abi, u32)]) -> Recording {
    let mut table: BTreeMap<Abi, BTreeMap<u32, Call>> = BTreeMap::new();
    for (abi, number) in calls {
        let call = Call {
            count: 2,
            first_seen: Duration::from_millis(3),
            programs: BTreeMap::from([("/usr/bin/app".to_owned(), 2)]),
            phases: BTreeMap::new(),
            arguments: None,
        };
        table.entry(*abi).or_default().insert(*number, call);
    }
    Recording {
        origin: Origin::default(),
        samples: Vec::new(),
        tool: Tool { name: "strait".to_owned(), version: "0.1.0".to_owned() },
        host: Host { kernel: "6.12.0".to_owned(), arch: "x86_64".to_owned() },
        target: Target {
            kind: TargetKind::Command,
            start: Start::Exec,
            name: "app".to_owned(),
            command: vec!["app".to_owned()],
        },
        started: "2026-01-01T00:00:00Z".parse().expect("a time"),
        finished: "2026-01-01T00:00:09Z".parse().expect("a time"),
        completeness: Completeness::Complete,
        caveats: BTreeSet::new(),
        programs: vec![Program {
            path: "/usr/bin/app".to_owned(),
            device: "8:1".to_owned(),
            inode: 1,
        }],
        reachable: BTreeMap::new(),
        calls: table,
        refused: BTreeMap::new(),
    }
}

/// Notes values of the arguments of a call of x86-64 that is in the recording.
pub fn set(
    recording: &mut Recording,
    name: &str,
    seen: &[&[u64]],
    phases: &[Phase],
    overflow: u64,
) {
    let call = Abi::X86_64
        .syscall_number(name)
        .and_then(|number| recording.calls.get_mut(&Abi::X86_64)?.get_mut(&number))
        .expect("the recording has the call");
    let arguments = call.arguments.get_or_insert_with(|| Arguments {
        indexes: ArgumentRule::for_call(name)
            .expect("its arguments are recorded")
            .indexes()
            .collect(),
        ..Arguments::default()
    });
    arguments.overflow = overflow;
    for values in seen {
        let phases = phases.iter().map(|phase| (*phase, 1)).collect();
        let one = ArgumentUse { count: 1, phases, ..ArgumentUse::default() };
        arguments.values.insert(values.to_vec(), one);
    }
}

/// A recording of calls of x86-64 with these values of their arguments.
#[must_use]
pub fn with_values(calls: &[(&str, &[&[u64]])]) -> Recording {
    let numbers = calls.iter().map(|(name, _)| Abi::X86_64.syscall_number(name).expect("a call"));
    let mut recording = recording(&numbers.map(|number| (Abi::X86_64, number)).collect::<Vec<_>>());
    for (name, combinations) in calls {
        set(&mut recording, name, combinations, &[], 0);
    }
    recording
}
