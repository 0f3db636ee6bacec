//! The tasks of a log: what each runs, what it is in, and who made it.

use std::collections::{BTreeSet, HashMap};

use super::call::{Pending, child, command, count, executed, give_up, is_zero, makes_a_task};
use super::line::Mode;
use super::split::{End, Split, split};
use super::tally::{ArgumentValues, Name, NodeId, Seen, Tally};
use crate::limits::{LOG_CALLS, LOG_LINE_BYTES};
use crate::policy::argument::ArgumentRule;

/// For how many bytes of calls that have not returned there is room.
const PENDING_BYTES: usize = 16 * LOG_LINE_BYTES;

/// On how many lines a call may be. strace writes it on two.
const LINES: u8 = 8;

/// Stands for the pid of the only task of a log that does not tell it.
const ONLY: u32 = 0;

/// A task.
#[derive(Debug)]
struct Task {
    node: NodeId,
    /// The node with which it began, as long as it is not known who made it.
    start: Option<NodeId>,
    mode: Option<Mode>,
    pending: Option<Pending>,
    has_ended: bool,
    /// Whether the call that made it has returned.
    is_made: bool,
    /// Whether its first call was to execute a program; `None` before it.
    began: Option<bool>,
}

/// The tasks of one log, or of several that are of one run.
#[derive(Debug, Default)]
pub struct Tasks {
    tasks: HashMap<u32, Task>,
    /// Those that were seen, and have not ended.
    alive: BTreeSet<u32>,
    /// Those in a call that makes a task.
    makers: BTreeSet<u32>,
    /// How many bytes of calls are kept that have not returned.
    pending_bytes: usize,
    /// The task without a pid in front of its lines.
    only: Option<u32>,
    /// The mode of the task that was handled last, if the log has said one: what a new one begins with (strace 6.1
    /// `src/strace.c`, `alloctcb`).
    last: Option<Mode>,
    /// Whether the first call was to execute a program; `None` before it.
    pub begins: Option<bool>,
    /// Whether a task began with that.
    pub any_begins: bool,
    /// What was executed first by a task that began with that: path and arguments.
    pub command: Option<Vec<String>>,
}

/// How much of a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// All of it.
    Whole,
    /// The name of the call, but not all of its arguments, or not its result.
    Cut,
}

impl Tasks {
    /// Begins the file of one task (`-ff`), or one in which only one task is.
    pub fn file_of(&mut self, pid: Option<u32>) {
        self.only = pid;
        self.last = None;
    }

    /// The task that a line is about, which is the other half of the call `resumes`, if it is one.
    pub fn task(&mut self, pid: Option<u32>, resumes: Option<&str>, tally: &mut Tally) -> u32 {
        let pid = pid.unwrap_or_else(|| self.without_pid());
        if self.alive.contains(&pid) {
            return pid;
        }
        if self.is_announced(pid) {
            self.alive.insert(pid);
            return pid;
        }
        if self.is_the_only(pid, resumes)
            && let Some(only) = self.tasks.remove(&ONLY)
        {
            self.alive.remove(&ONLY);
            self.alive.insert(pid);
            if self.makers.remove(&ONLY) {
                self.makers.insert(pid);
            }
            self.tasks.insert(pid, only);
            return pid;
        }
        if self.tasks.len() >= LOG_CALLS {
            return pid;
        }
        let start = tally.start();
        let maker = self.only_maker();
        let (node, start, began) = match maker {
            Some(node) => (node, None, Some(false)),
            None => (start, Some(start), None),
        };
        let mode = self.last;
        let (has_ended, is_made) = (false, false);
        let task = Task { node, start, mode, pending: None, has_ended, is_made, began };
        self.tasks.insert(pid, task);
        self.alive.insert(pid);
        pid
    }

    /// Whether this is the task that had no pid in front of its lines until there was a second one.
    fn is_the_only(&self, pid: u32, resumes: Option<&str>) -> bool {
        let Some(only) = self.tasks.get(&ONLY) else { return false };
        let is_new = pid != ONLY && self.only.is_none() && !self.tasks.contains_key(&pid);
        let call = only.pending.as_ref().map(|call| call.name.name.as_str());
        is_new && !only.has_ended && (call == resumes || !call.is_some_and(makes_a_task))
    }

    /// Whether the call has returned that made this task, and nothing was seen of it yet: until then strace may write
    /// no pid in front of its maker's lines.
    fn is_announced(&self, pid: u32) -> bool {
        self.tasks.get(&pid).is_some_and(|task| task.is_made && !task.has_ended)
    }

    fn without_pid(&self) -> u32 {
        let mut alive = self.alive.iter();
        match (self.only, alive.next(), alive.next()) {
            (Some(only), ..) => only,
            (None, Some(pid), None) => *pid,
            _ => ONLY,
        }
    }

    /// What the only task runs that is in a call that makes one.
    fn only_maker(&self) -> Option<NodeId> {
        let mut makers = self.makers.iter();
        let maker = makers.next().filter(|_| makers.len() == 0)?;
        self.tasks.get(maker).map(|task| task.node)
    }

    /// A task is traced from now on.
    pub fn attached(&mut self, pid: u32, tally: &mut Tally) {
        // The first of a log that begins with this (`-p`) is no child.
        let is_child = self.is_announced(pid) || self.only_maker().is_some();
        if !self.alive.contains(&pid) && is_child {
            self.task(Some(pid), None, tally);
        }
    }

    /// The mode of a task changes.
    pub fn mode(&mut self, pid: u32, mode: Mode) {
        if self.last.is_none() {
            // Until the first message all were as the machine's own.
            for pid in &self.alive {
                if let Some(task) = self.tasks.get_mut(pid) {
                    task.mode.get_or_insert(Mode::Native);
                }
            }
        }
        self.last = Some(mode);
        if let Some(task) = self.tasks.get_mut(&pid) {
            task.mode = Some(mode);
        }
    }

    /// The call that a task is in.
    fn take(&mut self, pid: u32) -> Option<Pending> {
        self.makers.remove(&pid);
        let call = self.tasks.get_mut(&pid)?.pending.take()?;
        self.pending_bytes = self.pending_bytes.saturating_sub(call.text.len());
        Some(call)
    }

    fn put(&mut self, pid: u32, call: Pending) {
        if makes_a_task(&call.name.name) {
            self.makers.insert(pid);
        }
        if let Some(task) = self.tasks.get_mut(&pid) {
            self.pending_bytes = self.pending_bytes.saturating_add(call.text.len());
            task.pending = Some(call);
        }
    }

    /// A call begins.
    pub fn call(
        &mut self,
        pid: u32,
        name: &str,
        number: Option<u32>,
        rest: &str,
        first: Option<u64>,
        tally: &mut Tally,
    ) -> Read {
        self.give_up(pid, tally);
        let Some(task) = self.tasks.get_mut(&pid) else { return Read::Cut };
        if task.mode.is_some() {
            self.last = task.mode;
        }
        let executes = matches!(name, "execve" | "execveat");
        // The launch is strace's own call, and strace a program of the machine's own kind.
        let mode = match (task.mode, self.begins) {
            (None, None) if executes => Some(Mode::Native),
            (mode, _) => mode,
        };
        task.began.get_or_insert(executes);
        self.any_begins |= task.began == Some(true);
        self.begins.get_or_insert(executes);
        let name = Name { name: name.to_owned(), number };
        let (text, lines, is_counted) = (String::new(), 0, false);
        let call = Pending { name, text, mode, node: task.node, first, lines, is_counted };
        self.go_on(pid, call, rest, tally)
    }

    /// The other half of a call.
    pub fn resumed(&mut self, pid: u32, name: &str, rest: &str, tally: &mut Tally) -> Read {
        if let Some(call) = self.take(pid) {
            if call.name.name == name {
                return self.go_on(pid, call, rest, tally);
            }
            give_up(&call, tally);
        }
        // It began before the log did.
        let Some(task) = self.tasks.get_mut(&pid) else { return Read::Cut };
        task.began.get_or_insert(false);
        self.begins.get_or_insert(false);
        let name = Name { name: name.to_owned(), number: None };
        let is_lost = ArgumentRule::for_call(&name.name).is_some();
        let kept = if is_lost { ArgumentValues::Lost } else { ArgumentValues::Nothing };
        tally.add(task.node, task.mode, name, kept, Seen { count: 1, first: None });
        Read::Whole
    }

    fn go_on(&mut self, pid: u32, mut call: Pending, rest: &str, tally: &mut Tally) -> Read {
        let joined;
        let text = if call.text.is_empty() {
            rest
        } else {
            joined = format!("{}{rest}", call.text);
            &joined
        };
        let Split { args, end } = split(text);
        match end {
            End::Unfinished(so_far) if call.lines < LINES => {
                call.lines += 1;
                if self.pending_bytes.saturating_add(so_far.len()) > PENDING_BYTES {
                    count(&call, &args, tally);
                    call.is_counted = true;
                    call.text.clear();
                } else {
                    call.text = so_far.to_owned();
                }
                self.put(pid, call);
                Read::Whole
            }
            End::Result(result) => {
                count(&call, &args, tally);
                self.returned(pid, &call, &args, result, tally);
                Read::Whole
            }
            End::Cut | End::Unfinished(_) => {
                count(&call, &args, tally);
                Read::Cut
            }
        }
    }

    /// Counts a call that a task was in and will not return from.
    fn give_up(&mut self, pid: u32, tally: &mut Tally) {
        if let Some(call) = self.take(pid) {
            give_up(&call, tally);
        }
    }

    /// What follows from a call's result.
    fn returned(
        &mut self,
        pid: u32,
        call: &Pending,
        args: &[&str],
        result: &str,
        tally: &mut Tally,
    ) {
        let name = call.name.name.as_str();
        if makes_a_task(name)
            && let Some(child) = child(result)
        {
            self.made(child, call.node, tally);
        }
        if matches!(name, "execve" | "execveat") && is_zero(result) {
            let path = executed(name, args).filter(|_| !call.is_counted);
            let node = match &path {
                Some(path) => tally.program(path),
                None => tally.start(),
            };
            let Some(task) = self.tasks.get_mut(&pid) else { return };
            // The launch counts as the program's own, as it does when Strait records.
            if task.began == Some(true)
                && let Some(start) = task.start.take()
            {
                tally.resolve(start, node);
                if let Some(path) = path
                    && self.command.is_none()
                {
                    self.command = Some(command(path, args));
                }
            }
            task.node = node;
        }
    }

    /// A task with this pid was made by one that ran this.
    fn made(&mut self, pid: u32, by: NodeId, tally: &mut Tally) {
        let is_full = self.tasks.len() >= LOG_CALLS;
        match self.tasks.get_mut(&pid) {
            // It has run before the call that made it returned.
            Some(task) if !task.is_made => {
                task.is_made = true;
                if let Some(start) = task.start.take() {
                    tally.resolve(start, by);
                }
                if task.has_ended {
                    self.tasks.remove(&pid);
                }
            }
            Some(task) if !task.has_ended => {}
            _ if is_full => {}
            _ => {
                let (mode, began, pending) = (self.last, Some(false), None);
                let (start, has_ended, is_made) = (None, false, true);
                let task = Task { node: by, start, mode, pending, has_ended, is_made, began };
                self.tasks.insert(pid, task);
            }
        }
    }

    /// A task has ended.
    pub fn ended(&mut self, pid: u32, tally: &mut Tally) {
        self.give_up(pid, tally);
        self.alive.remove(&pid);
        match self.tasks.get_mut(&pid) {
            // The call that made it may return later.
            Some(task) if !task.is_made => task.has_ended = true,
            _ => drop(self.tasks.remove(&pid)),
        }
    }

    /// Another task executes a program, and goes on under this pid.
    pub fn superseded(&mut self, pid: u32, by: u32, tally: &mut Tally) {
        self.give_up(pid, tally);
        if let Some(call) = self.take(by) {
            self.put(pid, call);
        }
        if by != pid {
            self.ended(by, tally);
        }
    }

    /// Ends the log.
    pub fn finish(&mut self, tally: &mut Tally) {
        for pid in std::mem::take(&mut self.alive) {
            self.give_up(pid, tally);
        }
    }
}
