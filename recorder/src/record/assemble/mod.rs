//! From the probe's counters to observations.

mod names;
mod samples;

use std::collections::BTreeMap;
use std::time::Duration;

use probe_common::{SET_FIRST, SET_LAUNCH, Seen, answer};

use super::probe::{Snapshot, abi_of, abi_of_set, phase_of, values_of};
use strait_generator::abi::Abi;
use strait_generator::observation::{Observation, Observations, Values};
use strait_generator::outcome::{Answer, Refusal};
use strait_generator::recording::{Phase, Program};

pub(crate) use names::{Names, OTHER, executable};
pub use samples::Marks;

/// Puts the counters of all sets together. `native` is the ABI index of the machine, and `start` the
/// beginning of the recording, in nanoseconds of `CLOCK_MONOTONIC`.
pub fn assemble(snapshot: &Snapshot, names: &mut Names, native: u32, start: u64) -> Observations {
    // The command's own executable is the first one that was executed, right after the launch.
    let command = snapshot
        .sets
        .iter()
        .filter(|counts| {
            counts.set >= u32::from(SET_FIRST) && u32::from(counts.program.key.abi) == native
        })
        .min_by_key(|counts| counts.set)
        .map(|counts| names.program(counts.set, &counts.program));
    let mut observations = Observations::default();
    let mut add = |(program, abi, phase): &(Program, Abi, Option<Phase>),
                   number: u32,
                   seen: Seen,
                   values: Values| {
        observations.add(&Observation {
            program,
            abi: *abi,
            phase: *phase,
            number,
            values,
            count: seen.count,
            first: Duration::from_nanos(seen.first.saturating_sub(start)),
        });
    };
    let mut of_set = BTreeMap::new();
    for counts in &snapshot.sets {
        let Some(abi) = abi_of_set(counts.set, counts.program.key.abi.into(), native) else {
            continue;
        };
        let program = match (&command, counts.set) {
            (Some(command), set) if set == u32::from(SET_LAUNCH) => command.clone(),
            _ => names.program(counts.set, &counts.program),
        };
        let of = (program, abi, phase_of(counts.program.key.phase));
        for (number, seen) in &counts.calls {
            // Of a call with a rule, these are the ones whose values had no room.
            add(&of, *number, *seen, Values::Lost);
        }
        of_set.insert(counts.set, of);
    }
    for (key, seen) in &snapshot.unknown {
        if let Some(of) = of_set.get(&key.set) {
            add(of, key.number, *seen, Values::Lost);
        }
    }
    for (key, seen) in &snapshot.arguments {
        if let Some(of) = of_set.get(&key.set) {
            add(of, key.number, *seen, values_of(of.1, key));
        }
    }
    observations
}

/// What was refused, in the order of the first time.
pub fn refusals(snapshot: &Snapshot, names: &mut Names) -> Vec<Refusal> {
    let mut refusals: Vec<_> = snapshot
        .refusals
        .iter()
        .filter_map(|(key, refusal)| {
            let of_set = snapshot.sets.iter().find(|counts| counts.set == key.set)?;
            let abi = abi_of(key.abi)?;
            let answer = answer_of(key.errno);
            let is_known = answer != Answer::Killed || key.number != u32::MAX;
            let refusal_of_call = Refusal {
                abi,
                number: is_known.then_some(key.number),
                answer,
                args: refusal.args,
                others: is_known && key.others != 0,
                program: names.program(of_set.set, &of_set.program).path,
                phase: phase_of(of_set.program.key.phase),
                count: refusal.seen.count,
            };
            Some((refusal.seen.first, refusal_of_call))
        })
        .collect();
    refusals.sort_by(|(first, a), (second, b)| {
        (first, a.number, &a.args).cmp(&(second, b.number, &b.args))
    });
    refusals.into_iter().map(|(_, refusal)| refusal).collect()
}

/// The answer that the probe gave as a number.
fn answer_of(number: u32) -> Answer {
    match (number, u16::try_from(number)) {
        (0, _) => Answer::Success,
        (_, Ok(errno)) => Answer::Errno(errno),
        (answer::SIGSYS, _) => Answer::Sigsys,
        (answer::KILLED, _) => Answer::Killed,
        _ => Answer::Returned,
    }
}

#[cfg(test)]
mod tests {
    use probe_common::{PATH_LEN, ProgramKey, SET_OTHER, UnknownKey, abi};

    use super::*;
    use crate::record::probe::SetCounts;

    fn set(set: u16, path: &str, abi: u16, calls: &[(u32, u64, u64)]) -> SetCounts {
        let mut filename = [0; PATH_LEN];
        filename[..path.len()].copy_from_slice(path.as_bytes());
        SetCounts {
            set: u32::from(set),
            program: probe_common::Program {
                key: ProgramKey { inode: u64::MAX, abi, ..ProgramKey::default() },
                pid: u32::MAX,
                ready: u32::from(set >= SET_FIRST),
                filename,
                interp: filename,
            },
            calls: calls
                .iter()
                .map(|(number, count, first)| (*number, Seen { count: *count, first: *first }))
                .collect(),
        }
    }

    #[test]
    fn counts_are_summed_and_the_earliest_time_wins() {
        let snapshot = Snapshot {
            sets: vec![
                set(SET_LAUNCH, "", 0, &[(59, 1, 5_000_000)]),
                set(SET_OTHER, "", 0, &[(1, 7, 9_000_000)]),
                set(SET_FIRST, "/bin/a", 0, &[(1, 2, 8_000_000), (59, 1, 9_000_000)]),
                set(SET_FIRST + 1, "/bin/b", 0, &[(1, 1, 7_000_000)]),
                set(SET_FIRST + 2, "/bin/a", 1, &[(1, 4, 9_000_000)]),
            ],
            unknown: vec![(
                UnknownKey { set: u32::from(SET_FIRST), number: 5000 },
                Seen { count: 3, first: 6_000_000 },
            )],
            ..Snapshot::default()
        };
        let observations = assemble(&snapshot, &mut Names::default(), abi::X86_64, 5_000_000);
        let calls = observations.calls();
        let write = &calls[&Abi::X86_64][&1];
        assert_eq!((write.count, write.first_seen), (10, Duration::from_millis(2)));
        assert_eq!(write.programs["/bin/a"], 2);
        let execve = &calls[&Abi::X86_64][&59];
        // The launch is the command's own, and what has no executable of its own is told apart.
        assert_eq!((execve.count, execve.programs["/bin/a"]), (2, 2));
        assert_eq!(write.programs.keys().collect::<Vec<_>>(), ["(other)", "/bin/a", "/bin/b"]);
        assert_eq!(calls[&Abi::X86_64][&5000].count, 3);
        assert_eq!(calls[&Abi::X86][&1].count, 4);
    }
}
