//! A recording for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Call, Completeness, Host, Origin, Program, Recording, Start, Target, TargetKind, Tool,
};
use crate::abi::Abi;

/// A complete recording in which `/usr/bin/app` made each of these calls twice.
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
        calls: table,
        refused: BTreeMap::new(),
    }
}
