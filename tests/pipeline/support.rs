use std::collections::BTreeMap;
use std::time::Duration;

use strait_generator::abi::Abi;
use strait_generator::recording::{
    Call, Completeness, Host, Origin, Program, Recording, Start, Target, TargetKind, Tool,
};

/// A complete recording in which `/usr/bin/app` made each call once.
pub fn recording(calls: &[(Abi, &str)]) -> Recording {
    let mut table: BTreeMap<Abi, BTreeMap<u32, Call>> = BTreeMap::new();
    for (abi, name) in calls {
        let number = abi.syscall_number(name).unwrap();
        let call = Call {
            count: 1,
            first_seen: Duration::from_millis(1),
            programs: BTreeMap::from([("/usr/bin/app".to_owned(), 1)]),
            phases: BTreeMap::new(),
            arguments: None,
        };
        table.entry(*abi).or_default().insert(number, call);
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
            command: vec!["app".to_owned(), "--serve".to_owned()],
        },
        started: "2026-01-01T00:00:00Z".parse().unwrap(),
        finished: "2026-01-01T00:00:09Z".parse().unwrap(),
        completeness: Completeness::Complete,
        caveats: std::collections::BTreeSet::new(),
        programs: vec![Program {
            path: "/usr/bin/app".to_owned(),
            device: "8:1".to_owned(),
            inode: 7,
        }],
        reachable: BTreeMap::new(),
        calls: table,
        refused: BTreeMap::new(),
    }
}
