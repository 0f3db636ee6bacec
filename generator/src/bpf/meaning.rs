//! A filter as a function from calls to actions.
//!
//! The program is followed for all arguments at once. Bits of arguments are unknowns, and each way
//! through the program has the set of arguments that takes it. Ways that meet at a place with the same
//! registers are one again, and places are visited in their order, so the work does not grow with the
//! number of ways. All numbers of calls are followed as one class, which is cut in two where a comparison
//! comes out otherwise for some of them.

use std::collections::BTreeMap;

use super::Filter;
use super::instruction::{Op, Operand, Register};
use super::run::X32;
use super::word::{Answer, Class, Stuck, Unclear, Word, calculate, compare, load};
use crate::abi::Abi;
use crate::policy::decide::space::Set;
use crate::policy::decide::{Decision, LAST_NUMBER, Meaning};
use crate::policy::{Action, Errno, UNLISTED_ABI};

/// How much work is done for one filter.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most classes that the numbers of calls are cut into, for one ABI.
    pub classes: usize,
    /// Most nodes of the diagrams of all ways that are followed for one class.
    pub nodes: usize,
}

impl Default for Bounds {
    /// A call with 512 conditions on three arguments takes 700 000 nodes.
    fn default() -> Self {
        Self { classes: 20_000, nodes: 1 << 22 }
    }
}

/// A place, and what the registers have there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    at: usize,
    accumulator: Word,
    index: Word,
    memory: BTreeMap<usize, Word>,
}

/// What a filter does with every call.
///
/// # Errors
///
/// [`Unclear`] if it decides by something that a policy does not have, such as the address of the call,
/// or calculates with arguments in a way that is not followed.
pub fn meaning(filter: &Filter) -> Result<Meaning, Unclear> {
    meaning_within(filter, Bounds::default())
}

/// As [`meaning()`], with no more work than this.
///
/// # Errors
///
/// As for [`meaning()`].
pub fn meaning_within(filter: &Filter, most: Bounds) -> Result<Meaning, Unclear> {
    let mut tables = BTreeMap::new();
    for abi in Abi::ALL {
        let pieces = pieces(filter, abi, most)?;
        if pieces.values().any(|decision| decision.uniform() != Some(UNLISTED_ABI)) {
            tables.insert(abi, pieces);
        }
    }
    Ok(Meaning::from_pieces(tables))
}

/// What several filters of a task do together, the oldest first: the strictest action is taken, and of
/// equal ones that of the newest filter (`seccomp_run_filters` in `kernel/seccomp.c`).
///
/// # Errors
///
/// As for [`meaning()`]; the number is that of the filter, from 0.
pub fn stacked(filters: &[Filter]) -> Result<Option<Meaning>, (usize, Unclear)> {
    let mut all: Option<Meaning> = None;
    for (nth, filter) in filters.iter().enumerate() {
        let newer = meaning(filter).map_err(|unclear| (nth, unclear))?;
        all = Some(match all {
            None => newer,
            Some(older) => {
                newer.combine(
                    &older,
                    |newer, older| {
                        if rank(older) < rank(newer) { older } else { newer }
                    },
                )
            }
        });
    }
    Ok(all)
}

/// The kernel's order of verdicts: the smallest wins.
fn rank(action: Action) -> u8 {
    match action {
        Action::KillProcess => 0,
        Action::KillThread => 1,
        Action::Trap => 2,
        Action::Errno(_) => 3,
        Action::Trace(_) => 4,
        Action::Log => 5,
        Action::Allow => 6,
    }
}

/// Decisions about the numbers of an ABI, from each key on.
fn pieces(filter: &Filter, abi: Abi, most: Bounds) -> Result<BTreeMap<u32, Decision>, Unclear> {
    let offset = if abi == Abi::X32 { X32 } else { 0 };
    let mut classes = vec![Class { first: offset, last: offset | LAST_NUMBER }];
    let mut pieces = BTreeMap::new();
    let mut count = 0;
    while let Some(class) = classes.pop() {
        count += 1;
        match decide(filter, abi, class, most.nodes) {
            Ok(decision) => {
                pieces.insert(class.first - offset, decision);
            }
            Err(Stuck::Cut(at, _)) if count > most.classes => {
                return Err(Unclear {
                    at,
                    why: "tells calls apart by too many bits of their number",
                });
            }
            Err(Stuck::Cut(_, cut)) => {
                classes.push(Class { first: cut, last: class.last });
                classes.push(Class { first: class.first, last: cut - 1 });
            }
            Err(Stuck::Unclear(unclear)) => return Err(unclear),
        }
    }
    Ok(pieces)
}

fn decide(filter: &Filter, abi: Abi, class: Class, most: usize) -> Result<Decision, Stuck> {
    let zero = Word::Known(0);
    let start = State { at: 0, accumulator: zero, index: zero, memory: BTreeMap::new() };
    // By place: jumps lead forwards, so when a place is the first of these, all ways to it are known.
    let mut ways = BTreeMap::from([(start, Set::all())]);
    let mut verdicts: Vec<(Action, Set)> = Vec::new();
    let mut nodes = 0;
    while let Some((state, arguments)) = ways.pop_first() {
        let at = state.at;
        let many = || Unclear { at, why: "is reached in too many ways" };
        nodes += arguments.size();
        if nodes > most {
            return Err(many().into());
        }
        match follow(filter, abi, class, state)? {
            End::Verdict(action) => verdicts.push((action, arguments)),
            End::Fork(fork) => {
                let Fork { holds, then, otherwise } = *fork;
                for (state, taken) in
                    [(then, arguments.and(&holds)), (otherwise, arguments.minus(&holds))]
                {
                    if !taken.is_empty() {
                        let known = ways.entry(state).or_insert_with(Set::none);
                        *known = known.or_within(&taken, most).ok_or_else(many)?;
                    }
                }
            }
        }
    }
    Ok(Decision::new(verdicts))
}

/// A comparison that comes out otherwise for some arguments.
struct Fork {
    holds: Set,
    then: State,
    otherwise: State,
}

/// Where a way ends.
enum End {
    Verdict(Action),
    Fork(Box<Fork>),
}

/// Follows a way until it ends or forks.
fn follow(filter: &Filter, abi: Abi, class: Class, mut state: State) -> Result<End, Stuck> {
    loop {
        let at = state.at;
        let unclear = |why| Stuck::from(Unclear { at, why });
        let Some(op) = filter.ops.get(at) else {
            return Err(unclear("is behind the end of the filter"));
        };
        state.at += 1;
        let operand = |operand: Operand, state: &State| match operand {
            Operand::Constant(constant) => Word::Known(constant),
            Operand::Index => state.index,
        };
        match *op {
            Op::Load(offset) => state.accumulator = load(abi, class, offset),
            Op::Immediate(Register::Accumulator, constant) => {
                state.accumulator = Word::Known(constant);
            }
            Op::Immediate(Register::Index, constant) => state.index = Word::Known(constant),
            Op::FromMemory(register, place) => {
                let word = state.memory.get(&place).copied().unwrap_or(Word::Known(0));
                match register {
                    Register::Accumulator => state.accumulator = word,
                    Register::Index => state.index = word,
                }
            }
            Op::ToMemory(Register::Accumulator, place) => {
                state.memory.insert(place, state.accumulator);
            }
            Op::ToMemory(Register::Index, place) => {
                state.memory.insert(place, state.index);
            }
            Op::AccumulatorToIndex => state.index = state.accumulator,
            Op::IndexToAccumulator => state.accumulator = state.index,
            Op::Jump(target) => state.at = target,
            Op::Negate => match state.accumulator {
                Word::Known(value) => state.accumulator = Word::Known(value.wrapping_neg()),
                _ => return Err(unclear("calculates with what the call has")),
            },
            Op::Arithmetic(arithmetic, right) => {
                let right = operand(right, &state);
                match calculate(arithmetic, state.accumulator, right, class, at)? {
                    Some(word) => state.accumulator = word,
                    // The kernel ends a filter that divides by zero, with a verdict of 0.
                    None => return Ok(End::Verdict(Action::KillThread)),
                }
            }
            Op::Branch { then, otherwise, .. } if then == otherwise => state.at = then,
            Op::Branch { comparison, operand: right, then, otherwise } => {
                let right = operand(right, &state);
                match compare(comparison, state.accumulator, right, class, at)? {
                    Answer::Known(holds) => state.at = if holds { then } else { otherwise },
                    Answer::For(holds) => {
                        let then = State { at: then, ..state.clone() };
                        let otherwise = State { at: otherwise, ..state };
                        return Ok(End::Fork(Box::new(Fork { holds, then, otherwise })));
                    }
                }
            }
            Op::Return(verdict) => {
                let verdict = match (verdict, state.accumulator) {
                    (Some(verdict), _) | (None, Word::Known(verdict)) => verdict,
                    _ => return Err(unclear("returns what the call has as its verdict")),
                };
                return action(verdict).map(End::Verdict).ok_or_else(|| {
                    unclear("leaves the call to a listener (SECCOMP_RET_USER_NOTIF)")
                });
            }
        }
    }
}

/// The action of a verdict (`SECCOMP_RET_*`, `include/uapi/linux/seccomp.h`); `None` for a listener's.
pub fn action(verdict: u32) -> Option<Action> {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the data")]
    let data = verdict as u16;
    Some(match verdict & 0xffff_0000 {
        0x0000_0000 => Action::KillThread,
        0x0003_0000 => Action::Trap,
        0x0005_0000 => {
            let capped = data.min(Errno::MAX);
            Errno::new(capped).map(Action::Errno)?
        }
        0x7fc0_0000 => return None,
        0x7ff0_0000 => Action::Trace(data),
        0x7ffc_0000 => Action::Log,
        0x7fff_0000 => Action::Allow,
        // 0x80000000, and what the kernel does not know.
        _ => Action::KillProcess,
    })
}
