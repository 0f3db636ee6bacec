//! Counts of system calls, and the comparison of two observers' counts.

use std::collections::BTreeMap;
use std::path::Path;

use strait::abi::Abi;
use strait::recording::{Completeness, Recording, v1};

/// How often each call was made, by ABI and number (for x32 without the x32 bit).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(pub BTreeMap<(Abi, u32), u64>);

/// A difference between strace and the recorder that has a reason.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    /// The call, by name; by number if it has none; `*` for every one.
    pub call: &'static str,
    /// What may differ.
    pub what: Differs,
    /// Why it does, and why that is no loss.
    pub why: &'static str,
}

/// What may differ between two runs of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Both observers see the call, not equally often.
    Count,
    /// One of them may not see it at all.
    Presence,
}

/// Both see `call`, but how often depends on `why`.
pub const fn count_varies(call: &'static str, why: &'static str) -> Explained {
    Explained { call, what: Differs::Count, why }
}

/// Both see the same calls, but how often each of them depends on `why`.
pub const fn every_count_varies(why: &'static str) -> Explained {
    count_varies("*", why)
}

/// Whether `call` happens at all depends on `why`.
pub const fn may_be_absent(call: &'static str, why: &'static str) -> Explained {
    Explained { call, what: Differs::Presence, why }
}

impl Calls {
    /// The calls of a recording.
    pub fn of(recording: &Recording) -> Self {
        Self(recording.iter().map(|(abi, number, call)| ((abi, number), call.count)).collect())
    }

    /// How often the call with this name was made.
    pub fn count(&self, abi: Abi, name: &str) -> u64 {
        let number = abi
            .syscall_number(name)
            .or_else(|| name.parse().ok())
            .unwrap_or_else(|| panic!("{abi} has no call {name}"));
        self.0.get(&(abi, number)).copied().unwrap_or_default()
    }

    /// Counts one more call.
    pub fn add(&mut self, abi: Abi, number: u32) {
        *self.0.entry((abi, number)).or_default() += 1;
    }

    /// Every difference that `explained` does not name, one line each.
    pub fn unexplained(&self, recorded: &Self, explained: &[Explained]) -> Vec<String> {
        let mut keys: Vec<_> = self.0.keys().chain(recorded.0.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .filter_map(|key| {
                let (abi, number) = *key;
                let name =
                    abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned);
                let [traced, recorded] =
                    [self, recorded].map(|calls| calls.0.get(key).copied().unwrap_or_default());
                let excused = explained
                    .iter()
                    .filter(|reason| [name.as_str(), "*"].contains(&reason.call))
                    .any(|reason| reason.what == Differs::Presence || traced.min(recorded) > 0);
                (traced != recorded && !excused)
                    .then(|| format!("{abi} {name}: strace {traced}, strait {recorded}"))
            })
            .collect()
    }
}

/// Reads a recording.
pub fn read_recording(path: &Path) -> Recording {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("no recording at {}: {error}", path.display()));
    v1::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a recording of which nothing may have been lost.
pub fn read_complete_recording(path: &Path) -> Recording {
    let recording = read_recording(path);
    assert_eq!(recording.completeness, Completeness::Complete);
    for (abi, number, call) in recording.iter() {
        let by_program: u64 = call.programs.values().sum();
        assert_eq!(call.count, by_program, "{abi} {number}: sum over programs");
    }
    recording
}

#[cfg(test)]
mod tests {
    use super::*;

    const GETPID: (Abi, u32) = (Abi::X86_64, 39);

    fn calls(count: u64) -> Calls {
        Calls([(GETPID, count)].into())
    }

    #[test]
    fn equal_counts_are_no_difference() {
        assert!(calls(2).unexplained(&calls(2), &[]).is_empty());
    }

    #[test]
    fn a_difference_without_a_reason_is_named() {
        assert_eq!(calls(2).unexplained(&calls(3), &[]), ["x86_64 getpid: strace 2, strait 3"]);
    }

    #[test]
    fn a_varying_count_does_not_excuse_absence() {
        let reason = [count_varies("getpid", "test")];
        assert!(calls(2).unexplained(&calls(3), &reason).is_empty());
        assert_eq!(
            calls(2).unexplained(&Calls::default(), &reason),
            ["x86_64 getpid: strace 2, strait 0"]
        );
        assert!(
            calls(2).unexplained(&Calls::default(), &[may_be_absent("getpid", "test")]).is_empty()
        );
    }
}
