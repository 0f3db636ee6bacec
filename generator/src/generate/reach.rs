//! What the recorded programs can call, as far as it is known.

use std::collections::BTreeMap;

use super::family::is_shell;
use crate::recording::Recording;

/// The calls that the programs of some recordings can make, by name.
pub(super) struct Reach {
    calls: BTreeMap<&'static str, String>,
    /// Whether each program was looked at, and none starts programs that were not recorded.
    is_known: bool,
}

impl Reach {
    pub fn of(recordings: &[Recording]) -> Self {
        let mut calls = BTreeMap::new();
        let mut is_known = true;
        for recording in recordings {
            for program in &recording.programs {
                let reachable = recording.reachable.get(&program.path);
                is_known &= !is_shell(&program.path)
                    && reachable.is_some_and(|reachable| !reachable.calls.is_empty());
                for (abi, number, ways) in reachable.into_iter().flat_map(|one| one.iter()) {
                    let Some(name) = abi.syscall_name(number) else { continue };
                    let how = ways.first().map(|how| match how.symbol.as_str() {
                        "" => format!("{} in {}", how.kind, how.file),
                        symbol => format!("{} {symbol} in {}", how.kind, how.file),
                    });
                    calls.entry(name).or_insert_with(|| how.unwrap_or_default());
                }
            }
        }
        Self { calls, is_known }
    }

    /// What is known to be within reach.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.calls.keys().copied()
    }

    /// How it is known.
    pub fn how(&self, name: &str) -> String {
        self.calls.get(name).cloned().unwrap_or_default()
    }

    /// Whether a call may be within reach: it is, or it is not known what is.
    pub fn may_have(&self, name: &str) -> bool {
        !self.is_known || self.calls.contains_key(name)
    }
}
