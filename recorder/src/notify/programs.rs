//! Finds the executable that makes a call.
//!
//! The kernel says which task called, and `/proc` says what that task runs. A task that waits for an answer runs
//! nothing else meanwhile, and its number is not given to another one: so what `/proc` says is true if the call still
//! waits after it was read. It is read at a task's first call and after each `execve`, and remembered. A task can end
//! without a call, and its number be given to another one; so a memory is believed for a second and then held against
//! the time at which the task was started. A number is only given again after all others were, which takes longer.
//!
//! A path is what the recorded code likes. It is kept and printed escaped, and never opened.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::files;
use crate::record::assemble::{OTHER, executable};
use strait_generator::recording::Program;

/// The name under which stand the calls of tasks whose executable the kernel does not tell.
const UNKNOWN: &str = "(unknown)";

/// How long a task is believed to be the same, in nanoseconds.
const BELIEVED: u64 = 1_000_000_000;

/// How many tasks are remembered before those are looked for that have ended.
const MANY: usize = 1024;

/// Tasks and their executables.
pub struct Tasks {
    tasks: HashMap<u32, Task>,
    /// An executable's number is its place.
    programs: Vec<Program>,
    numbers: HashMap<Program, u32>,
    most: usize,
    sweep_at: usize,
    /// How often there was no room for an executable.
    pub lost: u64,
}

#[derive(Clone, Debug)]
struct Task {
    program: u32,
    /// The first thread of its process, whose number it takes if it executes something.
    leader: u32,
    /// When it was started, in ticks since the machine's start.
    started: u64,
    /// When it was last known to be the same, in nanoseconds of `CLOCK_MONOTONIC`.
    checked: u64,
    /// What it may execute right now.
    executing: Executing,
    /// The last call that was let through: its number, with the x32 bit, and its arguments.
    last: Option<(u32, [u64; 6])>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Executing {
    No,
    /// This task has called `execve`.
    Itself,
    /// That thread of its process has, and takes this task's number if that succeeds.
    Thread(u32),
}

impl Tasks {
    /// None yet. At most `most` executables are told apart.
    pub fn new(most: usize) -> Self {
        let mut tasks = Self {
            tasks: HashMap::new(),
            programs: Vec::new(),
            numbers: HashMap::new(),
            most: most + 2,
            sweep_at: MANY,
            lost: 0,
        };
        for name in [UNKNOWN, OTHER] {
            tasks.number(without_file(name));
        }
        tasks
    }

    /// An executable, by its number.
    pub fn program(&self, number: u32) -> Option<&Program> {
        self.programs.get(number as usize)
    }

    /// The executable that this task runs at the moment, in nanoseconds of `CLOCK_MONOTONIC`; `None` if it does not
    /// wait for an answer any more, which `waits` tells.
    pub fn program_of(&mut self, task: u32, now: u64, waits: impl FnOnce() -> bool) -> Option<u32> {
        if let Some(known) = self.tasks.get_mut(&task)
            && known.executing == Executing::No
        {
            if now.saturating_sub(known.checked) < BELIEVED {
                return Some(known.program);
            }
            if stat(task).is_some_and(|(_, started)| started == known.started) {
                known.checked = now;
                return Some(known.program);
            }
        }
        self.look_up(task, now, waits)
    }

    fn look_up(&mut self, task: u32, now: u64, waits: impl FnOnce() -> bool) -> Option<u32> {
        let before = self.tasks.get(&task).map(|known| (known.executing, known.leader));
        // If that thread has become this one, it is not there any more; and if it was about to, what this task
        // runs is to be asked again.
        let executing = match before {
            Some((Executing::Thread(thread), _)) if exists(thread) => Executing::Thread(thread),
            _ => Executing::No,
        };
        let program = running(task).unwrap_or_else(|| without_file(UNKNOWN));
        let leader = leader(task).unwrap_or(task);
        let started = stat(task).map_or(0, |(_, started)| started);
        if !waits() {
            return None;
        }
        if let Some((Executing::Itself, leader)) = before
            && let Some(leader) = self.tasks.get_mut(&leader)
            && leader.executing == Executing::Thread(task)
        {
            // Here it is, so it has executed nothing.
            leader.executing = Executing::No;
        }
        let program = self.number(program);
        self.sweep();
        self.tasks
            .insert(task, Task { program, leader, started, checked: now, executing, last: None });
        Some(program)
    }

    /// This call of a task was let through.
    pub fn calls(&mut self, task: u32, number: u32, args: [u64; 6]) {
        if let Some(known) = self.tasks.get_mut(&task) {
            known.last = Some((number, args));
        }
    }

    /// The number, with the x32 bit, and the arguments of the last call of a task that was let through.
    pub fn last_call(&self, task: u32) -> Option<(u32, [u64; 6])> {
        self.tasks.get(&task)?.last
    }

    /// The task has called `execve`, and is let.
    pub fn executes(&mut self, task: u32) {
        let Some(known) = self.tasks.get_mut(&task) else { return };
        known.executing = Executing::Itself;
        let leader = known.leader;
        if leader != task
            && let Some(leader) = self.tasks.get_mut(&leader)
        {
            leader.executing = Executing::Thread(task);
        }
    }

    /// The task has called `exit` or `exit_group`.
    pub fn ends(&mut self, task: u32) {
        self.tasks.remove(&task);
    }

    /// The first thread of a task's process, if the task has called something.
    pub fn leader(&self, task: u32) -> Option<u32> {
        Some(self.tasks.get(&task)?.leader)
    }

    /// How many of the tasks that have called something have not ended.
    pub fn still_running(&self) -> u64 {
        let runs = |(task, known): &(&u32, &Task)| {
            stat(**task).is_some_and(|(state, started)| {
                started == known.started && !matches!(state, 'Z' | 'X')
            })
        };
        self.tasks.iter().filter(runs).count() as u64
    }

    /// The number of an executable.
    fn number(&mut self, program: Program) -> u32 {
        if let Some(number) = self.numbers.get(&program) {
            return *number;
        }
        let number = self.programs.len();
        if number >= self.most {
            self.lost += 1;
            return self.numbers.get(&without_file(OTHER)).copied().unwrap_or_default();
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.numbers.insert(program.clone(), number);
        self.programs.push(program);
        number
    }

    /// Forgets tasks that have ended, once there are many.
    fn sweep(&mut self) {
        if self.tasks.len() >= self.sweep_at {
            self.tasks.retain(|task, _| exists(*task));
            self.sweep_at = (2 * self.tasks.len()).max(MANY);
        }
    }
}

fn without_file(name: &str) -> Program {
    Program { path: name.to_owned(), device: String::new(), inode: 0 }
}

/// Whether `/proc` is that of this process's pid namespace: otherwise it shows other tasks.
pub fn is_own_proc() -> bool {
    let own = std::fs::read_link("/proc/self").ok();
    own.is_some_and(|own| own == Path::new(&std::process::id().to_string()))
}

fn exists(task: u32) -> bool {
    Path::new(&format!("/proc/{task}")).exists()
}

/// What a task runs; `None` if the kernel does not tell this process.
fn running(task: u32) -> Option<Program> {
    let link = PathBuf::from(format!("/proc/{task}/exe"));
    let path = executable(&link)?;
    let file = files::stat(&link)?;
    Some(Program {
        path: path.to_string_lossy().into_owned(),
        device: format!("{}:{}", file.device.0, file.device.1),
        inode: file.inode,
    })
}

/// The first thread of a task's process.
fn leader(task: u32) -> Option<u32> {
    field(&status(task)?, "Tgid:")?.parse().ok()
}

/// The process that started this one, or has taken it over.
pub fn parent(process: u32) -> Option<u32> {
    field(&status(process)?, "PPid:")?.parse().ok()
}

/// Whether the end of a child calls a handler of this process at once.
pub fn handles_end_of_child(process: u32) -> bool {
    let Some(status) = status(process) else { return false };
    let has = |set| is_end_of_child_in(&status, set);
    has("SigCgt:") && !has("SigBlk:")
}

/// Whether the end of a child waits to be told to this process.
pub fn has_end_of_child_pending(process: u32) -> bool {
    status(process).is_some_and(|status| is_end_of_child_in(&status, "ShdPnd:"))
}

/// Whether a set of signals in `/proc/PID/status` has SIGCHLD.
fn is_end_of_child_in(status: &str, set: &str) -> bool {
    let set = field(status, set).and_then(|set| u64::from_str_radix(set, 16).ok());
    set.is_some_and(|set| set & (1 << (libc::SIGCHLD - 1)) != 0)
}

fn status(task: u32) -> Option<String> {
    files::of_proc(&format!("/proc/{task}/status"))
}

/// A field of it. The task's name is in a line before, in which the kernel escapes line breaks.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim())
}

/// A task's state and when it was started, in ticks since the machine's start: fields 3 and 22 of `proc_pid_stat(5)`.
fn stat(task: u32) -> Option<(char, u64)> {
    let stat = files::of_proc(&format!("/proc/{task}/stat"))?;
    // The second field is a name in parentheses that may hold any.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> u32 {
        std::process::id()
    }

    #[test]
    fn a_task_is_what_proc_says_while_it_waits() {
        assert!(is_own_proc());
        let mut tasks = Tasks::new(8);
        let number = tasks.program_of(own(), 1, || true).unwrap();
        let exe = std::env::current_exe().unwrap().canonicalize().unwrap();
        assert_eq!(Path::new(&tasks.program(number).unwrap().path), exe);
        assert_eq!(tasks.program_of(own(), 2, || panic!("it is remembered")), Some(number));
        assert_eq!(tasks.still_running(), 1);
        assert_eq!(Tasks::new(8).program_of(own(), 1, || false), None);
    }

    #[test]
    fn after_an_exec_it_is_asked_again_and_after_a_second_if_it_is_the_same() {
        let mut tasks = Tasks::new(8);
        let number = tasks.program_of(own(), 1, || true);
        tasks.executes(own());
        assert_eq!(tasks.program_of(own(), 2, || false), None);
        assert_eq!(tasks.program_of(own(), 2, || true), number);
        assert_eq!(tasks.program_of(own(), 2 + BELIEVED, || panic!("it was started then")), number);
        tasks.tasks.get_mut(&own()).unwrap().started += 1;
        assert_eq!(tasks.program_of(own(), 3 + 2 * BELIEVED, || false), None);
    }

    #[test]
    fn a_thread_that_executes_something_makes_its_leader_doubtful_until_it_calls_again() {
        let mut tasks = Tasks::new(8);
        let thread = std::thread::spawn(|| {
            std::thread::park();
        });
        let other = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap());
        let other = other.max().unwrap();
        assert_ne!(other, own());
        tasks.program_of(own(), 1, || true);
        tasks.program_of(other, 1, || true);
        tasks.executes(other);
        let executing = |tasks: &Tasks, task| tasks.tasks[&task].executing;
        assert_eq!(executing(&tasks, own()), Executing::Thread(other));
        tasks.program_of(own(), 1, || true);
        assert_eq!(executing(&tasks, own()), Executing::Thread(other), "it is still there");
        tasks.program_of(other, 1, || true);
        assert_eq!(executing(&tasks, own()), Executing::No, "its exec failed");
        thread.thread().unpark();
        thread.join().unwrap();
    }

    #[test]
    fn executables_without_room_are_counted() {
        let mut tasks = Tasks::new(0);
        let number = tasks.program_of(own(), 1, || true).unwrap();
        assert_eq!((tasks.program(number).unwrap().path.as_str(), tasks.lost), (OTHER, 1));
        let gone = tasks.program_of(u32::MAX, 1, || true).unwrap();
        assert_eq!(tasks.program(gone).unwrap().path, UNKNOWN);
    }
}
