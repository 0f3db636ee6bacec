//! Finds out what the programs of containers can call, while the containers live.
//!
//! As soon as a program is executed in a container, the folder that is `/` there is opened and handed to a process without
//! privilege, which scans the program beneath it. It is held no longer than that takes: an open folder keeps a file system
//! from ending, which its engine may want to remove.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;

use super::task::{self, Task};
use crate::record::session::Executed;
use crate::scan::{Asked, Helpers, NoAnswer, PATIENCE};
use strait_generator::recording::{Program, Recording};
use strait_generator::scan::Reachable;

/// How many programs may wait, each with an open folder.
const WAITING: usize = 128;

/// How many programs of all containers are scanned.
const MOST: usize = 4096;

/// How many ways to calls are kept for all of them: some 200 MiB.
const MOST_WAYS: usize = 1_000_000;

/// A program of a container: the container's index, the path and the inode.
type Key = (u32, String, u64);

/// A program, and what is `/` for it.
type Next = (Key, OwnedFd);

enum State {
    /// It is to be scanned.
    Waiting,
    /// It has not been scanned, for this reason; at the end it is tried again with this task.
    Missed(String, u32),
    /// It is not tried again.
    Given(String),
    Known(Reachable),
}

/// What is known of the programs of all containers.
#[derive(Default)]
struct Table {
    /// The first task of each container, if it was still there.
    tasks: BTreeMap<u32, Option<Task>>,
    of_sets: BTreeMap<u32, Key>,
    states: BTreeMap<Key, State>,
    /// Containers that are not recorded, or on whose files the scan has got stuck.
    left_out: BTreeMap<u32, &'static str>,
    ways: usize,
}

/// The same, shared by who sees programs begin and who scans them.
#[derive(Clone, Default)]
pub(super) struct Programs(Rc<RefCell<Table>>);

/// Where programs are put that begin.
pub(super) struct Begun {
    programs: Programs,
    queue: mpsc::Sender<Next>,
}

impl Begun {
    /// A program was executed in a container, the first of whose tasks `first` finds.
    pub fn add(&self, executed: &Executed, first: impl FnOnce() -> Option<Task>) {
        let Executed { set, container, pid, program } = executed;
        if program.device.is_empty() {
            return;
        }
        let key: Key = (*container, program.path.clone(), program.inode);
        let mut table = self.programs.0.borrow_mut();
        let first = *table.tasks.entry(*container).or_insert_with(first);
        table.of_sets.insert(*set, key.clone());
        if !matches!(table.states.get(&key), None | Some(State::Missed(..))) {
            return;
        }
        let state = if table.left_out.contains_key(container) {
            return;
        } else if !program.path.starts_with('/') {
            State::Given("it is not known in which folder it was".to_owned())
        } else if table.states.len() >= MOST {
            State::Given(format!("only {MOST} programs of containers are scanned"))
        } else {
            match task::root(first, *pid, program.inode) {
                Ok(root) => match self.queue.try_send((key.clone(), root)) {
                    Ok(()) => State::Waiting,
                    Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                        let reason = "too many others were executed at the same time".to_owned();
                        State::Missed(reason, *pid)
                    }
                },
                Err(error) => State::Missed(error.to_string(), *pid),
            }
        };
        table.states.insert(key, state);
    }
}

impl Programs {
    /// A place for programs that begin, and where they come out of it.
    pub fn begin(&self) -> (Begun, mpsc::Receiver<Next>) {
        let (queue, next) = mpsc::channel(WAITING);
        (Begun { programs: self.clone(), queue }, next)
    }

    /// Scans no program of this container any more.
    pub fn leave_out(&self, container: u32, reason: &'static str) {
        self.0.borrow_mut().left_out.entry(container).or_insert(reason);
    }

    /// Scans programs as they come, and at the end those again that were missed.
    pub async fn scan(&self, mut helpers: Helpers, mut next: mpsc::Receiver<Next>) {
        let mut end = None;
        while let Some((key, root)) = next.recv().await {
            // Once nothing more is recorded somebody waits.
            if next.is_closed() {
                end = end.or_else(|| Some(Instant::now() + PATIENCE));
            }
            if end.is_none_or(|end| Instant::now() < end) {
                self.scan_one(&mut helpers, key, root).await;
            }
        }
        let end = end.unwrap_or_else(|| Instant::now() + PATIENCE);
        for (key, pid) in self.missed() {
            if Instant::now() >= end {
                break;
            }
            let first = self.0.borrow().tasks.get(&key.0).copied().flatten();
            if let Ok(root) = task::root(first, pid, key.2) {
                self.scan_one(&mut helpers, key, root).await;
            }
        }
    }

    fn missed(&self) -> Vec<(Key, u32)> {
        let table = self.0.borrow();
        let missed = table.states.iter().filter_map(|(key, state)| match state {
            State::Missed(_, pid) => Some((key.clone(), *pid)),
            State::Waiting | State::Given(_) | State::Known(_) => None,
        });
        missed.collect()
    }

    async fn scan_one(&self, helpers: &mut Helpers, key: Key, root: OwnedFd) {
        let (container, path, inode) = &key;
        let left_out = self.0.borrow().left_out.get(container).copied();
        let asked = Asked { path: path.clone(), folder: None, inode: *inode };
        let state = match left_out {
            Some(reason) => State::Given(reason.to_owned()),
            None => match helpers.ask(root, *container, &asked, PATIENCE).await {
                Ok(reachable) => State::Known(reachable),
                Err(NoAnswer::NoneLeft) => {
                    State::Given("the processes that scan have ended".to_owned())
                }
                Err(NoAnswer::Lost(reason)) => {
                    self.leave_out(
                        *container,
                        "another program of its container could not be scanned",
                    );
                    State::Given(reason)
                }
            },
        };
        let mut table = self.0.borrow_mut();
        let state = match state {
            State::Known(reachable) => {
                table.ways += reachable.iter().map(|(_, _, ways)| ways.len()).sum::<usize>();
                match table.ways > MOST_WAYS {
                    true => State::Given("there is no room for what it can call".to_owned()),
                    false => State::Known(reachable),
                }
            }
            other => other,
        };
        table.states.insert(key, state);
    }

    /// Puts into a recording what its programs can call, or why that is not known. `sets` are those that its programs
    /// were recorded in.
    pub fn fill(&self, recording: &mut Recording, sets: &[(u32, Program)]) {
        let table = self.0.borrow();
        let mut seen = BTreeSet::new();
        for (set, program) in sets.iter().filter(|(_, program)| !program.device.is_empty()) {
            let key = table.of_sets.get(set);
            if !seen.insert((&program.path, key)) {
                continue;
            }
            let unknown =
                |reason: &str| Reachable::unknown(format!("it was not scanned: {reason}"));
            let found = match key.and_then(|key| table.states.get(key)) {
                Some(State::Known(reachable)) => reachable.clone(),
                Some(State::Waiting) => unknown("the recording ended before"),
                Some(State::Missed(reason, _) | State::Given(reason)) => unknown(reason),
                None => {
                    let reason = key.and_then(|(container, ..)| table.left_out.get(container));
                    unknown(reason.copied().unwrap_or("its execution was not announced"))
                }
            };
            recording.reachable.entry(program.path.clone()).or_default().extend(found);
        }
    }
}
