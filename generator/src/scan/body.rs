//! Functions: where they begin and end, and where a value in them comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::object::{Code, Object};
use super::step::{Flow, Place, Source, Step, Target};
use super::{arm64, x86};
use crate::abi::Abi;

/// How many instructions of a function are read; interpreters have functions of some 50 000.
const LONGEST: usize = 200_000;

/// How many instructions are read of a file, those that are read again included.
const MOST: usize = 200_000_000;

/// How many places are looked at for one value.
const PLACES: usize = 20_000;

/// How many constants a value may have; a table of numbers has more.
const CONSTANTS: usize = 64;

/// How many jumps by tables are followed in a function.
const HIDDEN: usize = 256;

/// How many bytes before an instruction are read where it is not known at which the function begins.
const WINDOW: u64 = 96;

/// A function's instructions.
pub(super) struct Body {
    /// Where it begins.
    pub start: u64,
    /// Whether that is known, and not only a guess.
    pub is_known: bool,
    /// Whether it has no other function in it, which nothing says.
    is_whole: bool,
    pub steps: Vec<Step>,
    /// From where each instruction is jumped to, by index.
    jumps: BTreeMap<usize, Vec<usize>>,
    /// Jumps that lead to where a table says, as of a `switch`.
    hidden: Vec<usize>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub constants: BTreeSet<u64>,
    /// Where it is when the function begins.
    pub parameters: BTreeSet<Place>,
    /// Whether it may have a value that was not found.
    pub is_unknown: bool,
}

impl Body {
    fn new(start: u64, is_known: bool, is_whole: bool, steps: Vec<Step>) -> Self {
        let is_hidden = |step: &Step| matches!(step.flow, Flow::Jump(Target::Unknown));
        let hidden = steps.iter().enumerate().filter(|(_, step)| is_hidden(step));
        let hidden = hidden.map(|(index, _)| index).take(HIDDEN).collect();
        let mut body = Self { start, is_known, is_whole, steps, jumps: BTreeMap::new(), hidden };
        let edges = body.steps.iter().enumerate().filter_map(|(from, step)| match step.flow {
            Flow::Jump(Target::Address(to)) | Flow::Branch(to) => Some((body.index(to)?, from)),
            _ => None,
        });
        let edges: Vec<_> = edges.collect();
        for (to, from) in edges {
            body.jumps.entry(to).or_default().push(from);
        }
        body
    }

    /// Which instruction begins at this address; `None` if none does.
    pub fn index(&self, address: u64) -> Option<usize> {
        self.steps.binary_search_by_key(&address, |step| step.address).ok()
    }

    /// Where the value comes from that is at `place` before the instruction of this index.
    pub fn origin(&self, index: usize, place: Place) -> Origin {
        let mut origin = Origin::default();
        let mut seen = BTreeSet::new();
        let mut open = vec![(index, place)];
        while let Some((at, place)) = open.pop() {
            if !seen.insert((at, place)) {
                continue;
            }
            if seen.len() > PLACES || origin.constants.len() > CONSTANTS {
                origin.is_unknown = true;
                break;
            }
            if at == 0 {
                if self.is_known {
                    origin.parameters.insert(place);
                } else {
                    origin.is_unknown = true;
                }
            }
            let falls = at.checked_sub(1).filter(|before| self.falls_through(*before));
            let mut before: Vec<usize> = self.jumps.get(&at).cloned().unwrap_or_default();
            before.extend(falls);
            if before.is_empty() && at > 0 {
                // Only a jump by a table leads here, or nothing does.
                before.clone_from(&self.hidden);
                origin.is_unknown |= !self.is_known || !self.is_whole;
            }
            for from in before {
                let step = &self.steps[from];
                let is_taken = from + 1 != at;
                if self.is_zero(from, is_taken, place) {
                    origin.constants.insert(0);
                    continue;
                }
                let is_call = matches!(step.flow, Flow::Call(_));
                for source in step.before(place).into_iter().flatten() {
                    match source {
                        // Nothing is expected to survive a call in a register that calls may change: this
                        // call does not return. But a result may be used.
                        Source::Unknown if is_call && place != Place::Register(0) => {}
                        Source::Unknown => origin.is_unknown = true,
                        Source::Constant(value) => {
                            origin.constants.insert(value);
                        }
                        Source::Place(place) => open.push((from, place)),
                        Source::Insert { register, bits, mask } => {
                            self.insert(from, (register, bits, mask), &mut origin);
                        }
                    }
                }
            }
        }
        origin
    }

    /// Whether a place is zero after a branch that was taken, or not, since that is what it asked for.
    fn is_zero(&self, from: usize, is_taken: bool, place: Place) -> bool {
        let tested = from.checked_sub(1).and_then(|before| self.steps[before].tests);
        let (Some(register), Place::Register(held)) = (tested, place) else { return false };
        self.steps[from].when_zero == Some(is_taken) && register == held
    }

    /// Whether the flow goes on from this instruction to the next one. What fills the space after a jump is not
    /// executed.
    fn falls_through(&self, mut at: usize) -> bool {
        let first = at;
        loop {
            let step = &self.steps[at];
            if matches!(step.flow, Flow::Jump(_) | Flow::Stop) {
                return false;
            }
            if !step.is_padding || self.jumps.contains_key(&at) || first - at > 32 {
                return true;
            }
            match at.checked_sub(1) {
                Some(before) => at = before,
                None => return true,
            }
        }
    }

    /// A constant of which a part is replaced: the part before must be a constant, too.
    fn insert(&self, from: usize, (register, bits, mask): (u8, u64, u64), origin: &mut Origin) {
        let before = from.checked_sub(1).map(|at| self.steps[at].before(Place::Register(register)));
        match before {
            Some([Some(Source::Constant(value)), None]) if !self.jumps.contains_key(&from) => {
                origin.constants.insert(value & !mask | bits);
            }
            _ => origin.is_unknown = true,
        }
    }

    /// Where it ends; `None` if it is empty.
    pub fn end(&self) -> Option<u64> {
        self.steps.last().map(|step| step.next)
    }

    /// Whether the flow runs out of its end into what comes next.
    pub fn falls_out(&self) -> bool {
        let last = self.steps.iter().rev().find(|step| !step.is_padding);
        last.is_some_and(|step| matches!(step.flow, Flow::Next | Flow::Branch(_)))
    }
}

/// Reads functions of a file, each as often as it is asked for, up to a bound for all.
pub(super) struct Reader<'a> {
    pub object: &'a Object<'a>,
    left: usize,
    last: Option<Rc<Body>>,
}

impl<'a> Reader<'a> {
    pub fn new(object: &'a Object<'a>) -> Self {
        Self { object, left: MOST, last: None }
    }

    /// Whether there was more to be read than is read.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// The function that has this instruction; `None` if there is no such instruction.
    pub fn body_at(&mut self, address: u64) -> Option<Rc<Body>> {
        if let Some(last) = &self.last
            && last.index(address).is_some()
        {
            return Some(last.clone());
        }
        let code = self.object.code.iter().find(|code| code.contains(address))?;
        let next = self.object.starts.partition_point(|start| *start <= address);
        let start = next.checked_sub(1).map(|at| self.object.starts[at]);
        let end = self.object.starts.get(next).copied().unwrap_or(u64::MAX).min(code.end());
        // The beginning of the code is always listed, though it may be no function's.
        let known = start.filter(|start| {
            *start > code.address
                || *start == self.object.entry
                || self.object.names.contains_key(start)
        });
        if let Some(start) = known {
            // Most of what looks like an instruction is none, and finding that out is quick.
            if !self.has_instruction(code, start, end, address) {
                return None;
            }
            let body = self.read(code.address, code.bytes, start, end, true)?;
            // Else the bytes are a part of another instruction.
            return body.index(address).is_some().then(|| self.keep(body));
        }
        // Wherever one begins before: the bytes count as an instruction if they may be one.
        let first = address.saturating_sub(WINDOW).max(code.address);
        let end = end.min(address.saturating_add(16));
        for start in first..=address {
            let body = self.read(code.address, code.bytes, start, end, false)?;
            if body.index(address).is_some() {
                return Some(self.keep(body));
            }
        }
        None
    }

    /// Whether an instruction of the function from `start` to `end` begins at this address. Where that is not known
    /// quickly it may.
    fn has_instruction(&mut self, code: &Code<'_>, start: u64, end: u64, address: u64) -> bool {
        let bits = match self.object.abi {
            Abi::X86_64 | Abi::X32 => 64,
            Abi::X86 => 32,
            Abi::Aarch64 | Abi::Riscv64 => return true,
        };
        let Some(bytes) = part(code.address, code.bytes, start, end) else { return true };
        let (has, count) =
            x86::has_instruction(bits, start, bytes, address, LONGEST.min(self.left));
        self.left = self.left.saturating_sub(count);
        has
    }

    fn keep(&mut self, body: Body) -> Rc<Body> {
        let body = Rc::new(body);
        self.last = Some(body.clone());
        body
    }

    /// All instructions of a section; `None` if nothing more is read of this file.
    pub fn steps(&mut self, code: &Code<'_>) -> Option<Vec<Step>> {
        let body = self.read(code.address, code.bytes, code.address, code.end(), true)?;
        Some(body.steps)
    }

    /// `None` if nothing more is read of this file.
    fn read(
        &mut self,
        base: u64,
        bytes: &[u8],
        start: u64,
        end: u64,
        is_known: bool,
    ) -> Option<Body> {
        let bytes = part(base, bytes, start, end)?;
        let most = LONGEST.min(self.left);
        let steps = match self.object.abi {
            Abi::X86_64 | Abi::X32 => x86::decode(64, start, bytes, most),
            Abi::X86 => x86::decode(32, start, bytes, most),
            Abi::Aarch64 => arm64::decode(start, bytes, most),
            Abi::Riscv64 => return None,
        };
        self.left = self.left.saturating_sub(steps.len().max(1));
        (self.left > 0).then(|| Body::new(start, is_known, self.object.are_starts_exact, steps))
    }
}

/// The bytes from one address to another of those that are at `base`.
fn part(base: u64, bytes: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    let from = usize::try_from(start.checked_sub(base)?).ok()?;
    let to = usize::try_from(end.checked_sub(base)?).ok()?.min(bytes.len());
    bytes.get(from..to)
}
