//! Counts calls. A call like an earlier one costs a lookup in a table, and no memory.

use std::collections::HashMap;
use std::time::Duration;

use probe_common::{KEPT_ARGUMENTS, NUMBERS, VALUES_PER_CALL, X32_BIT};

use super::filter::{AARCH64, X86, X86_64};
use super::listener::Notification;
use super::programs::Tasks;
use crate::host;
use strait_generator::abi::Abi;
use strait_generator::observation::{Observation, Observations, Values};
use strait_generator::policy::argument::ArgumentRule;
use strait_generator::recording::{Losses, Program};

/// Calls whose number no table has that there is room for, over all executables.
const UNKNOWN_CALLS: usize = 1024;

/// A call as a recording has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallNumber {
    pub abi: Abi,
    /// Without the x32 bit.
    pub number: u32,
}

impl CallNumber {
    /// `None` for an ABI that Strait does not know, such as 32-bit ARM.
    fn from_notification(call: &Notification) -> Option<Self> {
        let abi = match call.arch {
            // −1 has the bit, and is no x32 call.
            X86_64 if call.number & X32_BIT != 0 && call.number != u32::MAX => Abi::X32,
            X86_64 => Abi::X86_64,
            X86 => Abi::X86,
            AARCH64 => Abi::Aarch64,
            _ => return None,
        };
        let number = if abi == Abi::X32 { call.number & !X32_BIT } else { call.number };
        Some(Self { abi, number })
    }

    fn is(self, names: &[&str]) -> bool {
        self.abi.syscall_name(self.number).is_some_and(|name| names.contains(&name))
    }
}

/// An executable, by its number, and a call that it made.
pub type OfProgram = (u32, CallNumber);

/// Calls that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    program: u32,
    call: CallNumber,
    /// What the call's rule keeps of its arguments; `None` if it has none, or there was no room.
    values: Option<[u64; KEPT_ARGUMENTS]>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    count: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    first: u64,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The child that is to execute the command.
    Launch,
    /// An executable, by its number.
    Program(u32),
}

/// How far the child is that is to execute the command.
#[derive(Clone, Copy, Debug)]
enum Launch {
    /// It has not called `execve`.
    Waits {
        child: u32,
    },
    /// It has, and that is to be counted as a call of what it executes.
    Executes {
        child: u32,
        key: Key,
        first: u64,
    },
    Done,
}

/// What was called up to now.
pub struct Counters {
    pub tasks: Tasks,
    calls: HashMap<Key, Seen>,
    /// How many different values are kept of a program's call.
    different: HashMap<OfProgram, u32>,
    unknown: usize,
    losses: Losses,
    rules: Rules,
    launch: Launch,
    /// When the recording began, in nanoseconds of `CLOCK_MONOTONIC`.
    start: u64,
}

impl Counters {
    /// Nothing was called by the command that this child is to execute.
    pub fn new(child: u32, start: u64, most_programs: usize) -> Self {
        Self {
            tasks: Tasks::new(most_programs),
            calls: HashMap::new(),
            different: HashMap::new(),
            unknown: 0,
            losses: Losses::default(),
            rules: Rules::new(),
            launch: Launch::Waits { child },
            start,
        }
    }

    /// Who makes this call; `None` if its task does not wait for an answer any more.
    pub fn caller(
        &mut self,
        call: &Notification,
        now: u64,
        waits: impl FnOnce() -> bool,
    ) -> Option<Caller> {
        match self.launch {
            Launch::Waits { child } if child == call.task => Some(Caller::Launch),
            _ => self.tasks.program_of(call.task, now, waits).map(Caller::Program),
        }
    }

    /// Counts a call that was let through.
    pub fn count(&mut self, notification: &Notification, caller: Caller, now: u64) {
        let Some(call) = CallNumber::from_notification(notification) else {
            self.losses.calls += 1;
            return;
        };
        let values = self.rules.reduce(call, &notification.args);
        match caller {
            Caller::Launch => {
                let child = notification.task;
                if call.abi == host::MACHINE.native() && call.is(&["execve"]) {
                    let key = Key { program: 0, call, values };
                    self.launch = Launch::Executes { child, key, first: now };
                }
            }
            Caller::Program(program) => {
                if let Launch::Executes { child, key, first } = self.launch
                    && child == notification.task
                {
                    self.add(Key { program, ..key }, first);
                    self.launch = Launch::Done;
                }
                self.add(Key { program, call, values }, now);
                let Notification { task, number, args, .. } = *notification;
                self.tasks.calls(task, number, args);
                if call.is(&["execve", "execveat"]) {
                    self.tasks.executes(notification.task);
                } else if call.is(&["exit", "exit_group"]) {
                    self.tasks.ends(notification.task);
                }
            }
        }
    }

    fn add(&mut self, key: Key, now: u64) {
        if let Some(seen) = self.calls.get_mut(&key) {
            seen.count = seen.count.saturating_add(1);
            return;
        }
        if key.values.is_some() {
            let different = self.different.entry((key.program, key.call)).or_default();
            if *different >= VALUES_PER_CALL {
                return self.add(Key { values: None, ..key }, now);
            }
            *different += 1;
        }
        if key.call.number as usize >= NUMBERS {
            if self.unknown >= UNKNOWN_CALLS {
                self.losses.calls += 1;
                return;
            }
            self.unknown += 1;
        }
        self.calls.insert(key, Seen { count: 1, first: now });
    }

    /// What could not be stored.
    pub fn losses(&self) -> Losses {
        Losses { programs: self.tasks.lost, ..self.losses }
    }

    /// All that was called, but by executables that `is_own` says are Strait's.
    pub fn observations(&self, is_own: impl Fn(&Program) -> bool) -> Observations {
        let mut observations = Observations::default();
        let launch = match self.launch {
            // Killed before it could call anything.
            Launch::Executes { key, first, .. } => Some((key, Seen { count: 1, first })),
            Launch::Waits { .. } | Launch::Done => None,
        };
        for (key, seen) in self.calls.iter().map(|(key, seen)| (*key, *seen)).chain(launch) {
            let Some(program) = self.tasks.program(key.program).filter(|one| !is_own(one)) else {
                continue;
            };
            let kept = self.rules.kept_values(key.call);
            observations.add(&Observation {
                program,
                abi: key.call.abi,
                phase: None,
                number: key.call.number,
                values: key.values.map_or(Values::Lost, |values| {
                    Values::Kept(values.into_iter().take(kept).collect())
                }),
                count: seen.count,
                first: self.since_start(seen.first),
            });
        }
        observations
    }

    /// Whether a call ends its process, where other threads have ended.
    pub fn ends_process(call: &Notification, is_first_thread: bool) -> bool {
        let names: &[&str] =
            if is_first_thread { &["exit", "exit_group"] } else { &["exit_group"] };
        CallNumber::from_notification(call).is_some_and(|call| call.is(names))
    }

    /// How often each call was made, by executable.
    pub fn totals(&self) -> HashMap<OfProgram, u64> {
        let mut totals = HashMap::new();
        for (key, seen) in &self.calls {
            *totals.entry((key.program, key.call)).or_default() += seen.count;
        }
        totals
    }

    /// The same of calls whose arguments are kept, by these.
    pub fn totals_by_values(&self) -> HashMap<(OfProgram, Vec<u64>), u64> {
        let kept = self.calls.iter().filter_map(|(key, seen)| {
            let values = key.values?.into_iter().take(self.rules.kept_values(key.call)).collect();
            Some((((key.program, key.call), values), seen.count))
        });
        kept.collect()
    }

    /// Time from the beginning of the recording to a moment in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn since_start(&self, moment: u64) -> Duration {
        Duration::from_nanos(moment.saturating_sub(self.start))
    }
}

/// The rules for arguments, by ABI and number.
struct Rules(Vec<Option<&'static ArgumentRule>>);

impl Rules {
    fn new() -> Self {
        let mut rules = vec![None; Abi::ALL.len() * NUMBERS];
        for rule in ArgumentRule::all() {
            for (call, abi) in rule.calls().flat_map(|call| Abi::ALL.map(|abi| (call, abi))) {
                let call = abi.syscall_number(call).map(|number| CallNumber { abi, number });
                if let Some(place) = call.and_then(place)
                    && let Some(slot) = rules.get_mut(place)
                {
                    *slot = Some(rule);
                }
            }
        }
        Self(rules)
    }

    fn for_call(&self, call: CallNumber) -> Option<&'static ArgumentRule> {
        self.0.get(place(call)?).copied().flatten()
    }

    /// How many values are kept of a call.
    fn kept_values(&self, call: CallNumber) -> usize {
        self.for_call(call).map_or(0, |rule| rule.keep.len().min(KEPT_ARGUMENTS))
    }

    /// As [`ArgumentRule::reduce`], in place; zero for what is not kept.
    fn reduce(&self, call: CallNumber, args: &[u64; 6]) -> Option<[u64; KEPT_ARGUMENTS]> {
        let rule = self.for_call(call)?;
        let mut values = [0; KEPT_ARGUMENTS];
        for (value, kept) in values.iter_mut().zip(&rule.keep) {
            *value = kept.reduce(args.get(usize::from(kept.argument)).copied().unwrap_or_default());
        }
        Some(values)
    }
}

fn place(call: CallNumber) -> Option<usize> {
    let abi = Abi::ALL.into_iter().position(|abi| abi == call.abi)?;
    let number = usize::try_from(call.number).ok().filter(|number| *number < NUMBERS)?;
    Some(abi * NUMBERS + number)
}

#[cfg(test)]
mod tests;
