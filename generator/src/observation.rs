//! Observations: the one interface from a tracer to a recording.
//!
//! A tracer hands over [`Observation`]s: who called what, with which arguments, how often, and when first.
//! [`Observations`] sums them up, and with what is known [about](About) the run they are a [`Recording`]. What a
//! tracer cannot tell is in the types: [`Values`] for arguments, [`Losses`] and [`Tracer`] for the whole.
//!
//! ```
//! use std::time::Duration;
//! use strait_generator::abi::Abi;
//! use strait_generator::observation::{Observation, Observations, Values};
//! use strait_generator::recording::Program;
//!
//! let shell = Program { path: "/bin/sh".into(), device: "8:1".into(), inode: 12 };
//! let mut observations = Observations::default();
//! observations.add(&Observation {
//!     program: &shell,
//!     abi: Abi::X86_64,
//!     phase: None,
//!     number: 0,
//!     values: Values::NotTold,
//!     count: 3,
//!     first: Duration::from_millis(1),
//! });
//! assert_eq!(observations.calls()[&Abi::X86_64][&0].count, 3);
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::abi::Abi;
use crate::outcome::{Answer, Refusal};
use crate::policy::argument::ArgumentRule;
use crate::recording::{
    Arguments, Call, Caveat, Host, Losses, Origin, Phase, Program, Recording, Sample, Target,
    TargetKind, Tool, Tracer,
};

/// Calls that are alike in everything by which a profile could tell them apart.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The executable that called.
    pub program: &'a Program,
    /// The ABI of the call.
    pub abi: Abi,
    /// In which part of a container's life; `None` for a command, or if the tracer does not know.
    pub phase: Option<Phase>,
    /// The number of the call, for x32 without the x32 bit.
    pub number: u32,
    /// What is known of its arguments.
    pub values: Values,
    /// How often it was called; 1 for a tracer that only knows that it was.
    pub count: u64,
    /// Time from the beginning of the recording to the first of them.
    pub first: Duration,
}

/// What a tracer knows of the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// All six, as they were in the registers.
    Registers([u64; 6]),
    /// Reduced already to what the call's [rule](ArgumentRule) keeps, in its order.
    Kept(Vec<u64>),
    /// They were seen, and there was no room for them; or they could not be read.
    Lost,
    /// The tracer sees no arguments.
    NotTold,
}

/// What is known of a run, besides its calls.
#[derive(Clone, Debug)]
pub struct About {
    /// Where it ran.
    pub host: Host,
    /// What was observed.
    pub target: Target,
    /// When the tracer was in place.
    pub started: Timestamp,
    /// When it stopped.
    pub finished: Timestamp,
    /// What it lost.
    pub losses: Losses,
    /// Tasks that were still running when it stopped.
    pub still_running: u64,
    /// How it observed.
    pub tracer: Tracer,
}

/// Observations, summed up.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    programs: BTreeMap<String, Program>,
    calls: BTreeMap<Abi, BTreeMap<u32, Call>>,
    refused: BTreeMap<(Abi, u32, Option<u16>), u64>,
    samples: Vec<Sample>,
}

impl Observations {
    /// Adds one. The order in which they are added does not matter.
    pub fn add(&mut self, seen: &Observation<'_>) {
        let path = &seen.program.path;
        let call = self.calls.entry(seen.abi).or_default().entry(seen.number).or_default();
        call.first_seen =
            if call.count == 0 { seen.first } else { call.first_seen.min(seen.first) };
        add(&mut call.count, seen.count);
        add(call.programs.entry(path.clone()).or_default(), seen.count);
        if let Some(phase) = seen.phase {
            add(call.phases.entry(phase).or_default(), seen.count);
        }
        if let Some(rule) = seen.abi.syscall_name(seen.number).and_then(ArgumentRule::for_call) {
            add_values(call, rule, seen);
        }
        if !self.programs.contains_key(path) {
            self.programs.insert(path.clone(), seen.program.clone());
        }
    }

    /// Adds calls that a filter refused. A task that was killed without a trace of its call is left out: there is no
    /// number to list it under.
    pub fn refuse(&mut self, refusals: &[Refusal]) {
        for refusal in refusals {
            let Some(number) = refusal.number else { continue };
            let errno = match refusal.answer {
                Answer::Errno(errno) => Some(errno),
                // The file format has no more to say: no error came of it.
                Answer::Success | Answer::Returned => Some(0),
                Answer::Sigsys | Answer::Killed => None,
            };
            add(self.refused.entry((refusal.abi, number, errno)).or_default(), refusal.count);
        }
    }

    /// Adds what a named part of the run called.
    pub fn samples(&mut self, samples: impl IntoIterator<Item = Sample>) {
        self.samples.extend(samples);
    }

    /// The calls up to now.
    #[must_use]
    pub const fn calls(&self) -> &BTreeMap<Abi, BTreeMap<u32, Call>> {
        &self.calls
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// All of them, as the recording of a run.
    pub fn recording(mut self, about: About) -> Recording {
        for call in self.calls.values_mut().flat_map(BTreeMap::values_mut) {
            let count = call.count;
            if let Some(arguments) = &mut call.arguments {
                let with_values =
                    arguments.values.values().fold(0_u64, |sum, one| sum.saturating_add(one.count));
                arguments.overflow = count.saturating_sub(with_values);
            }
        }
        let programs: Vec<Program> = self.programs.into_values().collect();
        let is_command = !matches!(about.target.kind, TargetKind::Container(_));
        let mut caveats = Caveat::of_calls(&self.calls, &programs, is_command);
        let running = about.still_running;
        caveats.extend((running > 0).then_some(Caveat::StillRunning(running)));
        caveats.extend(about.tracer.blind_to().map(|_| Caveat::TracedBy(about.tracer)));
        Recording {
            origin: Origin::default(),
            tool: Tool::this(),
            host: about.host,
            target: about.target,
            started: about.started,
            finished: about.finished,
            completeness: about.losses.into(),
            caveats,
            programs,
            reachable: BTreeMap::new(),
            calls: self.calls,
            refused: self.refused,
            samples: self.samples,
        }
    }
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

fn add_values(call: &mut Call, rule: &ArgumentRule, seen: &Observation<'_>) {
    let values = match &seen.values {
        Values::NotTold => return,
        Values::Lost => None,
        Values::Kept(values) => Some(values.clone()),
        Values::Registers(args) => Some(rule.reduce(args)),
    };
    let arguments = call.arguments.get_or_insert_with(|| Arguments {
        indexes: rule.indexes().collect(),
        ..Arguments::default()
    });
    let Some(values) = values else { return };
    let one = arguments.values.entry(values).or_default();
    one.first_seen = if one.count == 0 { seen.first } else { one.first_seen.min(seen.first) };
    add(&mut one.count, seen.count);
    add(one.programs.entry(seen.program.path.clone()).or_default(), seen.count);
    if let Some(phase) = seen.phase {
        add(one.phases.entry(phase).or_default(), seen.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::example;

    fn program(path: &str) -> Program {
        Program { path: path.to_owned(), device: "8:1".to_owned(), inode: 1 }
    }

    fn about() -> About {
        let recording = example::recording(&[]);
        About {
            host: recording.host,
            target: recording.target,
            started: recording.started,
            finished: recording.finished,
            losses: Losses::default(),
            still_running: 0,
            tracer: Tracer::Ebpf,
        }
    }

    fn seen(
        program: &Program,
        number: u32,
        values: Values,
        count: u64,
        first: u64,
    ) -> Observation<'_> {
        let first = Duration::from_millis(first);
        Observation { program, abi: Abi::X86_64, phase: None, number, values, count, first }
    }

    #[test]
    fn counts_are_summed_and_the_earliest_time_wins() {
        let (a, b) = (program("/bin/a"), program("/bin/b"));
        let mut observations = Observations::default();
        observations.add(&seen(&a, 1, Values::NotTold, 7, 4));
        observations.add(&seen(&b, 1, Values::NotTold, 2, 3));
        observations.add(&seen(&a, 1, Values::NotTold, 1, 9));
        let recording = observations.recording(about());
        let write = &recording.calls[&Abi::X86_64][&1];
        assert_eq!((write.count, write.first_seen), (10, Duration::from_millis(3)));
        assert_eq!((write.programs["/bin/a"], write.programs["/bin/b"]), (8, 2));
        assert_eq!(recording.programs, [a, b]);
    }

    #[test]
    fn arguments_are_reduced_by_their_rule_and_what_is_unknown_is_an_overflow() {
        let number = Abi::X86_64.syscall_number("socket").unwrap();
        let app = program("/bin/app");
        let mut observations = Observations::default();
        let upper = 0xffff_ffff_0000_0002;
        observations.add(&seen(&app, number, Values::Registers([upper, 1, 6, 7, 8, 9]), 2, 1));
        observations.add(&seen(&app, number, Values::Kept(vec![2, 1, 6]), 1, 0));
        observations.add(&seen(&app, number, Values::Lost, 4, 2));
        observations.add(&seen(&app, number, Values::NotTold, 1, 2));
        let recording = observations.recording(about());
        let socket = recording.calls[&Abi::X86_64][&number].arguments.clone().unwrap();
        assert_eq!(socket.indexes, [0, 1, 2]);
        assert_eq!(socket.values.keys().collect::<Vec<_>>(), [&vec![2, 1, 6]]);
        assert_eq!((socket.values[&vec![2, 1, 6]].count, socket.overflow), (3, 5));
    }

    #[test]
    fn a_tracer_without_arguments_leaves_none() {
        let number = Abi::X86_64.syscall_number("socket").unwrap();
        let app = program("/bin/app");
        let mut observations = Observations::default();
        observations.add(&seen(&app, number, Values::NotTold, 1, 0));
        let recording = observations.recording(about());
        assert_eq!(recording.calls[&Abi::X86_64][&number].arguments, None);
    }
}
