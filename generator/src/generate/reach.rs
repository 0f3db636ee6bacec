//! What the recorded programs can call, as far as it is known and of use.
//!
//! A program can call what its executable and its libraries can. But most libraries do one thing for it, and could do
//! fifty: with libsystemd, which sends one line to a log, comes all that a manager of services needs. So of the libraries
//! those count that the recording shows in use: by calls that were made, and that the executable does not make itself.

use std::collections::{BTreeMap, BTreeSet};

use super::family::{is_shell, tools};
use crate::abi::Abi;
use crate::recording::{Program, Recording};
use crate::scan::{How, Reachable};

/// The calls that the programs of some recordings can make, by name.
#[derive(Default)]
pub(super) struct Reach {
    /// All, with how that is known.
    calls: BTreeMap<&'static str, String>,
    /// Those of executables, and of libraries in use.
    used: BTreeSet<&'static str>,
    /// Whether a program was not looked at.
    is_unknown: bool,
}

impl Reach {
    pub fn of(recordings: &[Recording]) -> Self {
        let mut reach = Self::default();
        for recording in recordings {
            reach.is_unknown |= recording.programs.is_empty();
            let of_workload = |program: &&Program| !program.is_runtime();
            for program in recording.programs.iter().filter(of_workload) {
                match recording.reachable.get(&program.path) {
                    Some(reachable) if !reachable.calls.is_empty() => {
                        reach.add(program, reachable, &seen_of(recording, program));
                    }
                    Some(_) | None => reach.is_unknown = true,
                }
            }
        }
        reach
    }

    fn add(&mut self, program: &Program, reachable: &Reachable, seen: &BTreeSet<&'static str>) {
        let mut of_files: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
        for (abi, number, ways) in reachable.iter() {
            let Some(name) = abi.syscall_name(number) else { continue };
            for how in ways {
                let file = if how.is_of_library() { how.file.as_str() } else { "" };
                of_files.entry(file).or_default().insert(name);
            }
            let how = ways.first().map(describe);
            self.calls.entry(name).or_insert_with(|| how.unwrap_or_default());
        }
        self.used.extend(in_use(of_files, seen));
        if is_shell(&program.path) {
            self.used.extend(tools());
        }
    }

    /// What is known to be within reach.
    pub fn calls(&self) -> impl Iterator<Item = &'static str> {
        self.calls.keys().copied()
    }

    /// How it is known.
    pub fn how(&self, name: &str) -> String {
        self.calls.get(name).cloned().unwrap_or_default()
    }

    /// Whether a call is to be expected: it is within reach, or it is not known what is.
    pub fn may_have(&self, name: &str) -> bool {
        self.is_unknown || self.used.contains(name)
    }
}

fn describe(how: &How) -> String {
    match how.symbol.as_str() {
        "" => format!("{} in {}", how.kind, how.file),
        symbol => format!("{} {symbol} in {}", how.kind, how.file),
    }
}

/// The calls that a program was seen to make, on all ABIs.
fn seen_of(recording: &Recording, program: &Program) -> BTreeSet<&'static str> {
    let made = recording.iter().filter(|(.., call)| call.programs.contains_key(&program.path));
    made.filter_map(|(abi, number, _): (Abi, u32, _)| abi.syscall_name(number)).collect()
}

/// What the executable (whose name is empty here) can call, and the libraries that explain calls which were seen and
/// which it does not make: the fewest, the one that explains most first.
fn in_use(
    mut of_files: BTreeMap<&str, BTreeSet<&'static str>>,
    seen: &BTreeSet<&'static str>,
) -> BTreeSet<&'static str> {
    let mut used = of_files.remove("").unwrap_or_default();
    loop {
        let left: BTreeSet<&str> = seen.difference(&used).copied().collect();
        let explains = |calls: &BTreeSet<&'static str>| calls.intersection(&left).count();
        let best =
            of_files.iter().map(|(file, calls)| (explains(calls), std::cmp::Reverse(*file))).max();
        match best {
            Some((count, std::cmp::Reverse(file))) if count > 0 => {
                used.extend(of_files.remove(file).unwrap_or_default());
            }
            Some(_) | None => return used,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_count_that_explain_what_was_seen() {
        let files = || {
            BTreeMap::from([
                ("", BTreeSet::from(["read", "openat"])),
                ("/lib/libdb.so", BTreeSet::from(["pwrite64", "fsync", "rename"])),
                ("/lib/libmanager.so", BTreeSet::from(["read", "mount", "timerfd_create"])),
            ])
        };
        let used = in_use(files(), &BTreeSet::from(["read", "pwrite64"]));
        assert_eq!(used, BTreeSet::from(["read", "openat", "pwrite64", "fsync", "rename"]));
        assert_eq!(in_use(files(), &BTreeSet::from(["read"])), BTreeSet::from(["read", "openat"]));
    }
}
