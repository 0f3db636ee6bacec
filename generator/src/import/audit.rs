//! Records of the kernel's audit: what filters with SCMP_ACT_LOG and rules of auditctl log.

mod record;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use self::record::{Entry, Kind, Line, Record};
use super::lines::Lines;
use super::notes::Notes;
use super::{About, ImportError, Reader, UNKNOWN, host, program};
use crate::abi::Abi;
use crate::limits::{LOG_CALLS, LOG_PROGRAMS, LOG_VALUES};
use crate::machine::Machine;
use crate::observation::{self, Observation, Observations, Values};
use crate::outcome::{Answer, Refusal};
use crate::policy::argument::ArgumentRule;
use crate::recording::{Losses, Recording, Start, TargetKind, Tracer};
use crate::untrusted::short;

const X32_BIT: u32 = 0x4000_0000;

/// How many events are kept until it is clear that no other record of theirs follows, nor the same one from
/// elsewhere: the journal may have a record from the kernel's log and from the audit.
const EVENTS: usize = 4096;

/// How many lines of a beginning are records.
pub(super) fn likeness(head: &str) -> usize {
    let line = |line: &str| match Entry::parse(line) {
        Some(entry) => usize::from(entry.line().is_some_and(|line| is_record(&line))),
        None => usize::from(is_record(line)),
    };
    let found = head.lines().map(line).sum::<usize>();
    found.max(usize::from(is_journal(head)))
}

fn is_record(line: &str) -> bool {
    !matches!(record::parse(line), Line::Foreign)
}

/// Whether a text begins with an entry of the journal.
pub(super) fn is_journal(head: &str) -> bool {
    head.lines().next().is_some_and(|line| line.starts_with('{') && Entry::parse(line).is_some())
}

/// A number of an event: its time in milliseconds since the epoch, and its serial number.
type Event = (u64, u64);

/// Reads records.
#[derive(Default)]
pub(super) struct Audit {
    /// Events that may have more records, and their order.
    open: HashMap<Event, Seen>,
    order: VecDeque<Event>,
    sums: HashMap<Seen, Sum>,
    /// How many of them have values of arguments.
    with_values: usize,
    programs: BTreeSet<String>,
    losses: Losses,
    /// Milliseconds since the epoch, of the first and the last record.
    span: Option<(u64, u64)>,
    first_program: Option<String>,
}

/// A call that was logged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    path: String,
    abi: Abi,
    number: u32,
    /// How a filter answered it, if it was not made.
    answer: Option<Answer>,
    arguments: Arguments,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Arguments {
    NotTold,
    Lost,
    Kept(Vec<u64>),
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    /// Milliseconds since the epoch.
    first: Option<u64>,
}

impl Audit {
    fn line(&mut self, number: u64, text: &str, notes: &mut Notes) {
        let of_journal;
        let text = match Entry::parse(text) {
            Some(entry) => match entry.line() {
                Some(line) => {
                    of_journal = line;
                    &of_journal
                }
                None => return,
            },
            None => text,
        };
        match record::parse(text) {
            Line::Record(record) => self.record(number, &record, notes),
            Line::Dropped(what) => notes.say(format_args!(
                "the audit dropped records: {} (raise its backlog and rate, auditctl -b and -r)",
                short(what)
            )),
            Line::Other | Line::Foreign => {}
        }
    }

    fn record(&mut self, number: u64, record: &Record<'_>, notes: &mut Notes) {
        let seen = match self.seen(record) {
            Ok(seen) => seen,
            Err(why) => return notes.unread(number, why),
        };
        let Some(event) = record.event else { return self.add(None, seen) };
        let time = event.0;
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(time), last.max(time)),
            None => (time, time),
        });
        if let Some(known) = self.open.get_mut(&event)
            && (known.abi, known.number) == (seen.abi, seen.number)
        {
            // Of one event the record of a rule has the arguments, and that of a filter the answer.
            if known.arguments == Arguments::NotTold {
                known.arguments = seen.arguments;
            }
            known.answer = known.answer.or(seen.answer);
            return;
        }
        if let Some(other) = self.open.insert(event, seen) {
            self.add(Some(time), other);
        } else {
            self.order.push_back(event);
        }
        if self.order.len() > EVENTS
            && let Some(oldest) = self.order.pop_front()
            && let Some(seen) = self.open.remove(&oldest)
        {
            self.add(Some(oldest.0), seen);
        }
    }

    /// The call that a record tells of.
    fn seen(&mut self, record: &Record<'_>) -> Result<Seen, String> {
        let named =
            |name: &str| record.field(name).ok_or_else(|| format!("a record without {name}"));
        let arch = named("arch")?;
        let abi = abi(arch).ok_or_else(|| {
            format!("a call of the architecture {}, which Strait does not know", short(arch))
        })?;
        let call = named("syscall")?;
        // `ausearch -i` writes names.
        let number = call.parse().ok().or_else(|| abi.syscall_number(call));
        let number = number.ok_or_else(|| format!("{} is not a call of {abi}", short(call)))?;
        let (abi, number) = match abi {
            Abi::X86_64 if number >> 30 == 1 => (Abi::X32, number & !X32_BIT),
            abi => (abi, number),
        };
        let path = self.program(record.path("exe"));
        Ok(Seen {
            path,
            abi,
            number,
            answer: answer(record),
            arguments: arguments(record, abi, number),
        })
    }

    fn program(&mut self, path: Option<String>) -> String {
        let Some(path) = path else { return UNKNOWN.to_owned() };
        if !self.programs.contains(&path) {
            if self.programs.len() >= LOG_PROGRAMS {
                self.losses.programs = self.losses.programs.saturating_add(1);
                return UNKNOWN.to_owned();
            }
            self.programs.insert(path.clone());
        }
        self.first_program.get_or_insert_with(|| path.clone());
        path
    }

    fn add(&mut self, time: Option<u64>, mut seen: Seen) {
        if !self.sums.contains_key(&seen) {
            if matches!(seen.arguments, Arguments::Kept(_)) {
                if self.with_values >= LOG_VALUES {
                    seen.arguments = Arguments::Lost;
                } else {
                    self.with_values += 1;
                }
            }
            if self.sums.len() >= LOG_CALLS && !self.sums.contains_key(&seen) {
                self.losses.calls = self.losses.calls.saturating_add(1);
                return;
            }
        }
        let sum = self.sums.entry(seen).or_default();
        sum.count = sum.count.saturating_add(1);
        sum.first = match (sum.first, time) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// All calls that were made, and those that were not.
    fn observations(&self, start: u64) -> (Observations, u64) {
        let mut observations = Observations::default();
        let mut refusals = Vec::new();
        for (seen, sum) in &self.sums {
            let Seen { path, abi, number, answer, arguments } = seen;
            match answer {
                None => observations.add(&Observation {
                    program: &program(path),
                    abi: *abi,
                    phase: None,
                    number: *number,
                    values: match arguments {
                        Arguments::NotTold => Values::NotTold,
                        Arguments::Lost => Values::Lost,
                        Arguments::Kept(kept) => Values::Kept(kept.clone()),
                    },
                    count: sum.count,
                    first: Duration::from_millis(sum.first.unwrap_or(start).saturating_sub(start)),
                }),
                Some(answer) => refusals.push(Refusal {
                    abi: *abi,
                    number: Some(*number),
                    answer: *answer,
                    args: [0; 6],
                    others: true,
                    program: path.clone(),
                    phase: None,
                    count: sum.count,
                }),
            }
        }
        observations.refuse(&refusals);
        let refused = refusals.iter().fold(0_u64, |sum, one| sum.saturating_add(one.count));
        (observations, refused)
    }
}

/// The ABI of an architecture token (`AUDIT_ARCH_*` in `include/uapi/linux/audit.h`), or of the name that
/// `ausearch -i` writes for it.
fn abi(arch: &str) -> Option<Abi> {
    match arch {
        "c000003e" | "x86_64" => Some(Abi::X86_64),
        "40000003" | "i386" => Some(Abi::X86),
        "c00000b7" | "aarch64" => Some(Abi::Aarch64),
        _ => None,
    }
}

/// How a filter answered, if the call was not made. Source: `include/uapi/linux/seccomp.h`; the kernel writes the
/// action without its data (`seccomp_log` in `kernel/seccomp.c`), and so not which error it was.
fn answer(record: &Record<'_>) -> Option<Answer> {
    const LOG: u64 = 0x7ffc_0000;
    const ALLOW: u64 = 0x7fff_0000;
    const TRAP: u64 = 0x0003_0000;
    const KILL_PROCESS: u64 = 0x8000_0000;
    const KILL_THREAD: u64 = 0;
    if record.kind == Kind::Syscall {
        return None;
    }
    match record.hexadecimal("code") {
        Some(LOG | ALLOW) => None,
        Some(TRAP) => Some(Answer::Sigsys),
        Some(KILL_PROCESS | KILL_THREAD) => Some(Answer::Killed),
        Some(_) => Some(Answer::Returned),
        // Kernels before 3.7 wrote no code, and only of kills.
        None => record.field("sig").is_some_and(|sig| sig != "0").then_some(Answer::Killed),
    }
}

/// What the rule of a call keeps: a record of a rule has the first four arguments, one of a filter has none.
fn arguments(record: &Record<'_>, abi: Abi, number: u32) -> Arguments {
    let rule = abi.syscall_name(number).and_then(ArgumentRule::for_call);
    let (Kind::Syscall, Some(rule)) = (record.kind, rule) else { return Arguments::NotTold };
    let mut args = [0; 6];
    for index in rule.indexes().map(usize::from) {
        let value = ["a0", "a1", "a2", "a3"].get(index).and_then(|name| record.hexadecimal(name));
        match (args.get_mut(index), value) {
            (Some(slot), Some(value)) => *slot = value,
            _ => return Arguments::Lost,
        }
    }
    Arguments::Kept(rule.reduce(&args))
}

impl Reader for Audit {
    fn read(&mut self, mut lines: Lines<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        let name = notes.file.clone();
        loop {
            let line = lines.next().map_err(|stop| ImportError::stopped(&name, stop))?;
            let Some(line) = line else { return Ok(()) };
            match line.text {
                Some(text) => self.line(line.number, &text, notes),
                None => notes.unread(line.number, "longer than a line may be"),
            }
        }
    }

    fn finish(
        mut self: Box<Self>,
        about: &About<'_>,
        notes: &mut Notes,
    ) -> Result<Recording, ImportError> {
        for event in std::mem::take(&mut self.order) {
            if let Some(seen) = self.open.remove(&event) {
                self.add(Some(event.0), seen);
            }
        }
        let machines: BTreeSet<Machine> = self.sums.keys().map(|seen| seen.abi.machine()).collect();
        if machines.len() > 1 {
            return Err(ImportError::Machines { name: about.all.to_owned() });
        }
        let (start, end) = self.span.unwrap_or_default();
        let (observations, refused) = self.observations(start);
        if refused > 0 {
            notes.say(format_args!(
                "{refused} of the calls were refused by a filter, not made: they are in the recording as refused, \
                 and no profile is made of them"
            ));
        }
        let at = |time: u64| {
            let time = i64::try_from(time).ok();
            time.and_then(|time| Timestamp::from_millisecond(time).ok()).unwrap_or_default()
        };
        let found = self.first_program.as_deref().and_then(|path| path.rsplit('/').next());
        let mut target = about.target(found, Start::Attached);
        target.kind = TargetKind::Processes;
        Ok(observations.recording(observation::About {
            host: host(machines.into_iter().collect()),
            target,
            started: at(start),
            finished: at(end),
            losses: Losses { partial: 1, ..self.losses },
            still_running: 0,
            tracer: Tracer::Audit,
        }))
    }
}

#[cfg(test)]
mod tests;
