//! Counts of system calls, and the comparison of two observers' counts.

use std::collections::BTreeMap;
use std::path::Path;

use strait_generator::abi::Abi;
use strait_generator::recording::{Completeness, Recording, v1};

/// How often each call was made, by ABI and number (for x32 without the x32 bit).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Certainly.
    pub made: BTreeMap<(Abi, u32), u64>,
    /// And perhaps so often besides.
    pub doubtful: BTreeMap<(Abi, u32), u64>,
}

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
    pub fn from_recording(recording: &Recording) -> Self {
        let made = recording.iter().map(|(abi, number, call)| ((abi, number), call.count));
        Self { made: made.collect(), doubtful: BTreeMap::new() }
    }

    /// How often the call with this name was made.
    pub fn count(&self, abi: Abi, name: &str) -> u64 {
        let number = abi
            .syscall_number(name)
            .or_else(|| name.parse().ok())
            .unwrap_or_else(|| panic!("{abi} has no call {name}"));
        self.made.get(&(abi, number)).copied().unwrap_or_default()
    }

    /// Counts one more call.
    pub fn add(&mut self, abi: Abi, number: u32) {
        *self.made.entry((abi, number)).or_default() += 1;
    }

    /// Says of one call that was counted that it may not have been made.
    pub fn doubt(&mut self, call: (Abi, u32)) {
        if let Some(count) = self.made.get_mut(&call) {
            *count -= 1;
            *self.doubtful.entry(call).or_default() += 1;
        }
        self.made.retain(|_, count| *count > 0);
    }

    /// The least and the most that it can have been.
    fn range(&self, call: (Abi, u32)) -> (u64, u64) {
        let [made, doubtful] = [&self.made, &self.doubtful]
            .map(|counts| counts.get(&call).copied().unwrap_or_default());
        (made, made + doubtful)
    }

    /// Every difference that `explained` does not name, one line each.
    pub fn unexplained(&self, recorded: &Self, explained: &[Explained]) -> Vec<String> {
        let all = [&self.made, &self.doubtful, &recorded.made, &recorded.doubtful];
        let mut keys: Vec<_> = all.into_iter().flat_map(BTreeMap::keys).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter()
            .filter_map(|key| {
                let (abi, number) = key;
                let name =
                    abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned);
                let [(traced, most_traced), (recorded, most_recorded)] =
                    [self, recorded].map(|calls| calls.range(key));
                let differ = most_traced < recorded || most_recorded < traced;
                let excused = explained
                    .iter()
                    .filter(|reason| [name.as_str(), "*"].contains(&reason.call))
                    .any(|reason| {
                        reason.what == Differs::Presence || most_traced.min(most_recorded) > 0
                    });
                (differ && !excused)
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
        Calls { made: [(GETPID, count)].into(), ..Calls::default() }
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
    fn a_doubtful_call_may_have_been_made_or_not() {
        let mut traced = calls(2);
        traced.doubt(GETPID);
        for (recorded, is_same) in [(0, false), (1, true), (2, true), (3, false)] {
            assert_eq!(traced.unexplained(&calls(recorded), &[]).is_empty(), is_same, "{recorded}");
            assert_eq!(calls(recorded).unexplained(&traced, &[]).is_empty(), is_same, "{recorded}");
        }
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
