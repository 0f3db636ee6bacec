//! Which calls each function of a library leads to, by the calls and jumps within it.
//!
//! What is called through a pointer in data is not seen, unless the code itself takes the function's address.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Reader;
use super::elf;
use super::error::ScanError;
use super::object::Object;
use super::sites::{self, Sites};
use super::step::{Flow, Step, Target};
use crate::abi::Abi;

/// The functions of a file, and what leads to what.
#[derive(Debug)]
pub struct Graph {
    /// The ABI of its machine's and its own.
    pub abi: Abi,
    functions: Vec<Function>,
    exports: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct Function {
    calls: Vec<(Abi, u32)>,
    leads_to: Vec<usize>,
    imports: Vec<String>,
    is_unknown: bool,
}

/// What a function leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// System calls, by ABI and number.
    pub calls: BTreeSet<(Abi, u32)>,
    /// Functions of other files.
    pub imports: BTreeSet<String>,
    /// Whether there are calls whose number was not found.
    pub is_unknown: bool,
}

impl Graph {
    /// Reads all functions of a file.
    ///
    /// # Errors
    ///
    /// [`ScanError`] says why it cannot be read.
    pub fn read(bytes: &[u8]) -> Result<Self, ScanError> {
        let object = elf::parse(bytes)?;
        let mut reader = Reader::new(&object);
        let sites = sites::find(&mut reader, sites::SYSCALL);
        Ok(Builder::new(&object).build(&mut reader, &sites))
    }

    /// The names of all functions that other files may call.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        self.exports.keys().map(String::as_str)
    }

    /// What these functions lead to; names that the file does not export are passed over.
    pub fn reach<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Reach {
        let mut reach = Reach::default();
        let mut seen = vec![false; self.functions.len()];
        let mut open: Vec<usize> =
            names.into_iter().filter_map(|name| self.exports.get(name).copied()).collect();
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            let function = &self.functions[index];
            reach.calls.extend(function.calls.iter().copied());
            reach.imports.extend(function.imports.iter().cloned());
            reach.is_unknown |= function.is_unknown;
            open.extend(function.leads_to.iter().copied());
        }
        reach
    }
}

struct Builder<'a> {
    object: &'a Object<'a>,
    /// Which imported function each stub jumps to.
    stubs: BTreeMap<u64, &'a str>,
}

impl<'a> Builder<'a> {
    fn new(object: &'a Object<'a>) -> Self {
        Self { object, stubs: BTreeMap::new() }
    }

    fn build(mut self, reader: &mut Reader<'_>, sites: &Sites) -> Graph {
        let object = self.object;
        self.find_stubs(reader);
        let mut functions: Vec<Function> = Vec::with_capacity(object.starts.len());
        for start in &object.starts {
            let mut function = Function::default();
            if let Some(body) = reader.body_at(*start) {
                for step in &body.steps {
                    self.follow(step, *start, &mut function);
                }
                let next = self.index(*start).map(|index| index + 1);
                if body.falls_out()
                    && let Some(next) = next.filter(|next| *next < object.starts.len())
                {
                    function.leads_to.push(next);
                }
            }
            function.leads_to.sort_unstable();
            function.leads_to.dedup();
            function.imports.sort_unstable();
            function.imports.dedup();
            functions.push(function);
        }
        for (call, starts) in &sites.calls {
            for index in starts.iter().filter_map(|start| self.index(*start)) {
                functions[index].calls.push(*call);
            }
        }
        for index in sites.unknown.iter().filter_map(|start| self.index(*start)) {
            functions[index].is_unknown = true;
        }
        let exports = object
            .exports
            .iter()
            .filter_map(|(name, address)| Some((name.clone(), self.index(*address)?)));
        Graph { abi: object.abi, exports: exports.collect(), functions }
    }

    /// The function that has this address.
    fn index(&self, address: u64) -> Option<usize> {
        if !self.object.code.iter().any(|code| code.contains(address)) {
            return None;
        }
        self.object.starts.partition_point(|start| *start <= address).checked_sub(1)
    }

    fn find_stubs(&mut self, reader: &mut Reader<'_>) {
        let stubs = self.object.code.iter().filter(|code| code.is_stubs);
        for code in stubs {
            let Some(steps) = reader.steps(code) else { continue };
            for (at, step) in steps.iter().enumerate() {
                let Flow::Jump(Target::Slot(slot)) = step.flow else { continue };
                let Some(name) = self.object.slots.get(&slot) else { continue };
                // It begins up to three instructions before: a mark for indirect jumps, or the load of the slot.
                let longest = if self.object.abi == Abi::Aarch64 { 4 } else { 1 };
                for before in 0..=longest.min(at) {
                    let first = &steps[at - before];
                    let is_part = before == 0 || !matches!(first.flow, Flow::Jump(_));
                    if !is_part {
                        break;
                    }
                    self.stubs.entry(first.address).or_insert(name);
                }
            }
        }
    }

    fn follow(&self, step: &Step, start: u64, function: &mut Function) {
        let target = match step.flow {
            Flow::Jump(target) | Flow::Call(target) => target,
            Flow::Branch(to) => Target::Address(to),
            Flow::Next | Flow::Stop => Target::Unknown,
        };
        match target {
            Target::Address(to) => self.lead(to, start, function),
            Target::Slot(slot) => {
                if let Some(name) = self.object.slots.get(&slot) {
                    self.import(name, function);
                }
            }
            Target::Unknown => {}
        }
        // A function of which the address is taken may be called.
        if let Some(to) = step.takes
            && self.object.starts.binary_search(&to).is_ok()
        {
            self.lead(to, start, function);
        }
    }

    fn lead(&self, to: u64, start: u64, function: &mut Function) {
        if let Some(name) = self.stubs.get(&to) {
            self.import(name, function);
        } else if let Some(index) = self.index(to)
            && self.object.starts[index] != start
        {
            function.leads_to.push(index);
        }
    }

    /// Functions of its own that a file calls by name, so that others can put theirs in their place, are not left out.
    fn import(&self, name: &str, function: &mut Function) {
        match self.object.exports.get(name).and_then(|address| self.index(*address)) {
            Some(index) => function.leads_to.push(index),
            None => function.imports.push(name.to_owned()),
        }
    }
}
