//! What is known of what the recorded programs can call.

use std::collections::{BTreeMap, BTreeSet};

use super::events::is_shell;
use crate::abi::Abi;
use crate::recording::Recording;

/// How much is known of what a program can call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    All,
    /// Some of it, for these reasons; there may be more.
    Some(BTreeSet<String>),
    /// Nothing: it was not scanned.
    Nothing,
}

/// A program that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramReach {
    /// Its path.
    pub path: String,
    /// How much is known of it.
    pub known: Known,
    /// How many calls it is known to be able to make.
    pub calls: usize,
    /// Whether it can start programs that were not recorded.
    pub starts_others: bool,
}

impl ProgramReach {
    /// Whether more may be called, by itself or by what it starts, than is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.starts_others || self.known != Known::All
    }
}

/// What starts another program.
const EXECUTES: [&str; 2] = ["execve", "execveat"];

/// All programs of some recordings, by path.
pub(super) fn programs(recordings: &[Recording]) -> Vec<ProgramReach> {
    let mut having: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
    for recording in recordings {
        for program in recording.programs.iter().filter(|program| !program.is_runtime()) {
            having.entry(&program.path).or_default().push(recording);
        }
    }
    having.into_iter().map(|(path, recordings)| of_program(&recordings, path)).collect()
}

/// What is known of a program that is in each of these recordings.
fn of_program(having: &[&Recording], path: &str) -> ProgramReach {
    let scans: Vec<_> =
        having.iter().filter_map(|recording| recording.reachable.get(path)).collect();
    let calls: BTreeSet<(Abi, u32)> =
        scans.iter().flat_map(|scan| scan.iter()).map(|(abi, number, _)| (abi, number)).collect();
    let reasons: BTreeSet<String> = scans.iter().flat_map(|scan| scan.open.clone()).collect();
    // Another recording may be of another file of this name.
    let known =
        match () {
            () if calls.is_empty() => Known::Nothing,
            () if scans.len() < having.len() => Known::Some(BTreeSet::from([
                "it was scanned in some of the recordings only".to_owned(),
            ])),
            () if reasons.is_empty() => Known::All,
            () => Known::Some(reasons),
        };
    let is_exec = |(abi, number): &(Abi, u32)| {
        abi.syscall_name(*number).is_some_and(|name| EXECUTES.contains(&name))
    };
    let starts_others = is_shell(path) || calls.iter().any(is_exec);
    ProgramReach { path: path.to_owned(), known, calls: calls.len(), starts_others }
}

/// The programs that are known to be able to make a call, each with how that is known.
pub(super) fn reaching(recordings: &[Recording], abi: Abi, number: u32) -> Vec<(String, String)> {
    let mut found = BTreeMap::new();
    for (path, reachable) in recordings.iter().flat_map(|recording| &recording.reachable) {
        let ways = reachable.calls.get(&abi).and_then(|calls| calls.get(&number));
        let Some(how) = ways.and_then(BTreeSet::first) else { continue };
        let symbol = if how.symbol.is_empty() { String::new() } else { format!(" {}", how.symbol) };
        let how = format!("{}{symbol} in {}", how.kind, how.file);
        found.entry(path.clone()).or_insert(how);
    }
    found.into_iter().collect()
}
