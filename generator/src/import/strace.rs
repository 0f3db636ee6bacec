//! Logs and summaries of strace.
//!
//! A call is counted where it begins, whatever comes of it: its other half (`<... read resumed>`) is not counted
//! again, and what the kernel restarts begins again, as it does for a filter. Source: strace(1) and the sources of
//! strace 6.1.

mod call;
mod clock;
mod line;
mod resolve;
mod split;
mod summary;
mod tally;
mod tasks;
mod value;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::clock::Clock;
use self::line::{Event, Line};
use self::summary::Summary;
use self::tally::{ArgumentValues, Name, Seen, Tally};
use self::tasks::{Read, Tasks};
use super::lines::Lines;
use super::notes::Notes;
use super::{About, HEAD, ImportError, Options, Reader, host};
use crate::abi::is_call_somewhere;
use crate::limits::LOG_LINE_BYTES;
use crate::machine::Machine;
use crate::observation;
use crate::recording::{Losses, Recording, Start, Tracer};
use crate::untrusted::short;

/// How many messages may stand in the middle of a line, and how long one of them is at most.
const MESSAGES: usize = 1024;
const LONGEST_MESSAGE: usize = 1024;

/// How many lines of a beginning look like strace's.
pub(super) fn likeness(head: &str) -> usize {
    // The beginning may be that of one long line.
    let may_be_cut = head.len() >= HEAD && head.lines().nth(1).is_none();
    let looks_like_it = |line: &str| {
        let Some(line) = line::parse(line) else { return summary::is_head(line) };
        match line.event {
            // A line of C has a semicolon where strace has the result.
            Event::Call(name, rest) => {
                let is_call = name.starts_with("syscall_0x") || is_call_somewhere(name);
                is_call && (may_be_cut || split::split(rest).end != split::End::Cut)
            }
            Event::Resumed(name, _) => is_call_somewhere(name),
            Event::Mode(_) | Event::Ended | Event::Superseded(_) | Event::NotMade => true,
            Event::Attached(_) => true,
            Event::Other => false,
        }
    };
    head.lines().filter(|line| looks_like_it(line)).count()
}

/// Reads logs.
pub(super) struct Strace {
    machine: Option<Machine>,
    tally: Tally,
    tasks: Tasks,
    clock: Clock,
    summary: Summary,
    /// Files before the one that is being read, and whether they were of one task each (`-ff`).
    files: u64,
    of_tasks: bool,
    /// Whether every log so far has the beginning of what ran.
    begins: bool,
    command: Option<Vec<String>>,
}

impl Strace {
    pub fn new(options: &Options) -> Self {
        Self {
            machine: options.machine,
            tally: Tally::default(),
            tasks: Tasks::default(),
            clock: Clock::default(),
            summary: Summary::default(),
            files: 0,
            of_tasks: true,
            begins: true,
            command: None,
        }
    }

    /// Begins a file. Of `-ff` there is one for each task, named after its pid; other files are logs of their own, in
    /// which the same pid may be another task.
    fn begin(&mut self, file: &str) {
        let pid = file.rsplit_once('.').and_then(|(_, pid)| pid.parse::<u32>().ok());
        let pid = pid.filter(|pid| *pid > 0);
        if self.files > 0 && (pid.is_none() || !self.of_tasks) {
            self.end_log();
        }
        if self.files > 0 {
            self.clock.next_file();
        }
        self.of_tasks &= pid.is_some();
        self.files = self.files.saturating_add(1);
        self.tasks.file_of(pid);
        self.summary.next_file();
    }

    /// Ends a log, of one file or of those of `-ff`.
    fn end_log(&mut self) {
        self.tasks.finish(&mut self.tally);
        let tasks = std::mem::take(&mut self.tasks);
        let begins = if self.of_tasks && self.files > 1 {
            tasks.any_begins
        } else {
            tasks.begins.unwrap_or(true)
        };
        self.begins &= begins;
        if self.command.is_none() {
            self.command = tasks.command;
        }
    }

    fn line(&mut self, number: u64, text: &str, notes: &mut Notes) {
        let Some(Line { pid, time, number: of_call, event }) = line::parse(text) else {
            if !self.summary.read(text) {
                let what = "not a line of strace";
                notes.unread(number, format_args!("{what}: {}", short(text)));
            }
            return;
        };
        let tally = &mut self.tally;
        let first = time.and_then(|time| self.clock.at(time));
        let resumes = match &event {
            Event::Resumed(name, _) => Some(*name),
            _ => None,
        };
        match event {
            Event::Other => return,
            Event::Attached(pid) => return self.tasks.attached(pid, tally),
            _ => {}
        }
        let pid = self.tasks.task(pid, resumes, tally);
        let read = match event {
            Event::Call(name, rest) => self.tasks.call(pid, name, of_call, rest, first, tally),
            Event::Resumed(name, rest) => self.tasks.resumed(pid, name, rest, tally),
            Event::Mode(mode) => {
                self.tasks.mode(pid, mode);
                Read::Whole
            }
            Event::Ended => {
                self.tasks.ended(pid, tally);
                Read::Whole
            }
            Event::Superseded(by) => {
                self.tasks.superseded(pid, by, tally);
                Read::Whole
            }
            Event::NotMade | Event::Other | Event::Attached(_) => Read::Whole,
        };
        if read == Read::Cut {
            let what = "cut off, or mixed with other output (strace -o FILE keeps them apart)";
            notes.unread(number, format_args!("{what}: {}", short(text)));
        }
    }
}

impl Reader for Strace {
    fn read(&mut self, mut lines: Lines<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        let name = notes.file.clone();
        self.begin(&name);
        // With `-f` and no `-o`: `clone(flags=SIGCHLDstrace: Process 7 attached`. What stands before the message is
        // what the task did that had no company until then.
        let (mut held, mut messages) = (String::new(), Vec::new());
        let mut last = 0;
        loop {
            let next = lines.next().map_err(|stop| ImportError::stopped(&name, stop))?;
            let Some(next) = next else { break };
            last = next.number;
            let Some(text) = next.text else {
                notes.unread(last, "longer than a line may be");
                continue;
            };
            if let Some((before, message)) = line::interrupted(&text)
                && held.len() <= LOG_LINE_BYTES
                && messages.len() < MESSAGES
            {
                held.push_str(before);
                messages.push(message.to_owned());
            } else if held.is_empty() {
                self.line(last, &text, notes);
            } else if line::message(&text).is_some() && messages.len() < MESSAGES {
                messages.extend((text.len() <= LONGEST_MESSAGE).then(|| text.into_owned()));
            } else {
                held.push_str(&text);
                self.line(last, &std::mem::take(&mut held), notes);
                for message in messages.drain(..) {
                    self.line(last, &message, notes);
                }
            }
        }
        if !held.is_empty() {
            self.line(last, &held, notes);
        }
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        about: &About<'_>,
        notes: &mut Notes,
    ) -> Result<Recording, ImportError> {
        self.end_log();
        if self.tally.is_empty() {
            // With -C the calls of the table are those of the log.
            for ((mode, name), count) in std::mem::take(&mut self.summary.calls) {
                let name = Name { name, number: None };
                let seen = Seen { count, first: None };
                self.tally.add(Tally::UNKNOWN, mode, name, ArgumentValues::NotTold, seen);
            }
        }
        self.tally.finish();
        let (origin, length) = match self.clock.span {
            Some((first, last)) => (first, last.saturating_sub(first)),
            None => (0, 0),
        };
        let machine = resolve::machine(&self.tally, self.machine, about)?;
        let observations = resolve::observations(&self.tally, machine, origin, notes);
        let started = match self.clock.is_absolute() {
            true => Timestamp::from_nanosecond(i128::from(origin)).unwrap_or(Timestamp::UNIX_EPOCH),
            false => Timestamp::UNIX_EPOCH,
        };
        let length = SignedDuration::try_from(Duration::from_nanos(length)).unwrap_or_default();
        let command = self.command.unwrap_or_default();
        let found = command.first().and_then(|path| path.rsplit('/').next());
        let start = if self.begins { Start::Exec } else { Start::Attached };
        let mut target = about.target(found, start);
        target.command = command;
        Ok(observations.recording(observation::About {
            host: host(machine.into()),
            target,
            started,
            finished: started.checked_add(length).unwrap_or(started),
            losses: Losses {
                calls: self.tally.calls_lost,
                programs: self.tally.programs_lost,
                ..Losses::default()
            },
            still_running: 0,
            tracer: Tracer::Strace,
        }))
    }
}

#[cfg(test)]
mod tests;
