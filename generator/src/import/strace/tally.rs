//! How often each call was made, as a log names it: which number that is on which ABI is known at the end.

use std::collections::HashMap;

use super::line::Mode;
use crate::limits::{LOG_CALLS, LOG_PROGRAMS, LOG_VALUES};

/// A program, or the beginning of a task that runs a program which is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

#[derive(Clone, Debug)]
enum Node {
    Program(String),
    /// The beginning of a task; what its parent ran when it made it, once that is known.
    Start(Option<NodeId>),
}

/// A call as the log has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Its name.
    pub name: String,
    /// Its number, if `-n` told it.
    pub number: Option<u32>,
}

/// What is known of arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentValues {
    /// There is no rule for the call.
    Nothing,
    /// The source does not show them.
    NotTold,
    /// They could not be read.
    Lost,
    /// What the rule keeps.
    Values(Vec<u64>),
}

/// Calls that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    node: NodeId,
    /// How the task called; `None` if the log does not say.
    mode: Option<Mode>,
    name: usize,
    kept: ArgumentValues,
}

/// How often, and when first.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// Nanoseconds on the log's line of time, if it has one.
    pub first: Option<u64>,
}

/// Calls, with the program that made them.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    /// Its path; `None` if the log does not tell.
    pub program: Option<&'a str>,
    /// How the task called; `None` if the log does not say.
    pub mode: Option<Mode>,
    /// The call.
    pub name: &'a Name,
    /// Its arguments.
    pub kept: &'a ArgumentValues,
    /// How often.
    pub seen: Seen,
}

/// All calls.
#[derive(Debug)]
pub struct Tally {
    nodes: Vec<Node>,
    programs: HashMap<String, NodeId>,
    names: Vec<Name>,
    ids: HashMap<Name, usize>,
    calls: HashMap<Key, Seen>,
    /// How many of them have values of arguments.
    with_values: usize,
    /// Programs for which there was no room.
    pub programs_lost: u64,
    /// Calls for which there was no room.
    pub calls_lost: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Start(None)],
            programs: HashMap::new(),
            names: Vec::new(),
            ids: HashMap::new(),
            calls: HashMap::new(),
            with_values: 0,
            programs_lost: 0,
            calls_lost: 0,
        }
    }
}

impl Tally {
    /// What stands for a program that is never told.
    pub const UNKNOWN: NodeId = NodeId(0);

    /// The beginning of a task that runs a program which is not known yet.
    pub fn start(&mut self) -> NodeId {
        if self.nodes.len() >= LOG_CALLS {
            return Self::UNKNOWN;
        }
        self.nodes.push(Node::Start(None));
        NodeId(self.nodes.len() - 1)
    }

    /// A program by its path.
    pub fn program(&mut self, path: &str) -> NodeId {
        if let Some(node) = self.programs.get(path) {
            return *node;
        }
        if self.programs.len() >= LOG_PROGRAMS {
            self.programs_lost = self.programs_lost.saturating_add(1);
            return Self::UNKNOWN;
        }
        self.nodes.push(Node::Program(path.to_owned()));
        let node = NodeId(self.nodes.len() - 1);
        self.programs.insert(path.to_owned(), node);
        node
    }

    /// Says what a task runs that has begun as `start`, if that is not known yet.
    pub fn resolve(&mut self, start: NodeId, as_node: NodeId) {
        let end = self.short_cut(as_node);
        if start != Self::UNKNOWN
            && end != start
            && let Some(Node::Start(origin @ None)) = self.nodes.get_mut(start.0)
        {
            *origin = Some(end);
        }
    }

    /// Where a node leads, and the way there made short for the next time.
    fn short_cut(&mut self, mut node: NodeId) -> NodeId {
        let end = self.end(node);
        while let Some(Node::Start(Some(origin))) = self.nodes.get_mut(node.0) {
            node = std::mem::replace(origin, end);
        }
        end
    }

    /// Makes all ways short.
    pub fn finish(&mut self) {
        for node in 0..self.nodes.len() {
            self.short_cut(NodeId(node));
        }
    }

    fn end(&self, mut node: NodeId) -> NodeId {
        while let Some(Node::Start(Some(origin))) = self.nodes.get(node.0) {
            node = *origin;
        }
        node
    }

    /// Counts a call.
    pub fn add(
        &mut self,
        node: NodeId,
        mode: Option<Mode>,
        name: Name,
        kept: ArgumentValues,
        seen: Seen,
    ) {
        let next = self.names.len();
        let id = match self.ids.get(&name) {
            Some(id) => *id,
            None => {
                if next >= LOG_CALLS {
                    self.calls_lost = self.calls_lost.saturating_add(seen.count);
                    return;
                }
                self.names.push(name.clone());
                self.ids.insert(name, next);
                next
            }
        };
        let mut key = Key { node, mode, name: id, kept };
        if !self.calls.contains_key(&key) {
            if matches!(key.kept, ArgumentValues::Values(_)) {
                if self.with_values >= LOG_VALUES {
                    key.kept = ArgumentValues::Lost;
                } else {
                    self.with_values += 1;
                }
            }
            // For each program there is no room, and for all together there is.
            if self.calls.len() >= LOG_CALLS {
                key.node = Self::UNKNOWN;
            }
        }
        let sum = self.calls.entry(key).or_insert(Seen { count: 0, first: None });
        sum.count = sum.count.saturating_add(seen.count);
        sum.first = match (sum.first, seen.first) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// Whether there are no calls.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// All of them, in no order.
    pub fn made(&self) -> impl Iterator<Item = Made<'_>> {
        self.calls.iter().filter_map(|(key, seen)| {
            let program = match self.nodes.get(self.end(key.node).0) {
                Some(Node::Program(path)) => Some(path.as_str()),
                _ => None,
            };
            let name = self.names.get(key.name)?;
            Some(Made { program, mode: key.mode, name, kept: &key.kept, seen: *seen })
        })
    }
}
