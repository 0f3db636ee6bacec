//! What a recording says about what its programs can call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A program of a recording.
pub struct Program {
    /// What it called.
    pub called: BTreeSet<String>,
    /// What it can call, as far as that was found out.
    pub reachable: BTreeSet<String>,
    /// Why that may not be all.
    pub open: Vec<String>,
}

/// All of them, by path.
pub fn programs(recording: &Value) -> BTreeMap<String, Program> {
    let of_program = |program: &Value| {
        let path = program["path"].as_str().unwrap().to_owned();
        let mut called = BTreeSet::new();
        for table in recording["abis"].as_object().unwrap().values() {
            let calls = table["syscalls"].as_object().unwrap().iter();
            let own = calls.filter(|(_, call)| call["programs"].get(&path).is_some());
            called.extend(own.map(|(name, _)| name.clone()));
        }
        let mut reachable = BTreeSet::new();
        let nothing = serde_json::Map::new();
        let calls = program["reachable"]["calls"].as_object().unwrap_or(&nothing);
        let kinds = calls.values().flat_map(|kinds| kinds.as_object().unwrap().values());
        let files = kinds.flat_map(|files| files.as_object().unwrap().values());
        for functions in files.flat_map(|functions| functions.as_object().unwrap().values()) {
            reachable.extend(functions.as_str().unwrap().split(' ').map(str::to_owned));
        }
        let open = program["reachable"]["open"].as_array().cloned().unwrap_or_default();
        let open = open.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect();
        (path, Program { called, reachable, open })
    };
    recording["programs"].as_array().unwrap().iter().map(of_program).collect()
}

/// What a program called that is not known to be reachable. The exec of the command is counted as its own.
pub fn missed(program: &Program) -> BTreeSet<&String> {
    let missed = program.called.difference(&program.reachable);
    missed.filter(|name| *name != "execve").collect()
}
