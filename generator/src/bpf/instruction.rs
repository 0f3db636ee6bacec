//! Instructions of classic BPF, and which of them a filter may have.

use super::MOST_INSTRUCTIONS;

/// Size of `struct seccomp_data` in bytes.
const DATA: u32 = 64;
/// Words of scratch memory (`BPF_MEMWORDS`).
const MEMORY: u32 = 16;

/// An instruction: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub jt: u8,
    /// How many to skip if it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

impl Instruction {
    /// From its eight bytes, as a little-endian machine has them in a word.
    #[expect(clippy::cast_possible_truncation, reason = "each field is a part of the word")]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            code: bits as u16,
            jt: (bits >> 16) as u8,
            jf: (bits >> 24) as u8,
            k: (bits >> 32) as u32,
        }
    }
}

/// Why the kernel would not take a program for a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Not a single instruction.
    #[error("the filter has no instructions")]
    Empty,
    /// More than the kernel takes.
    #[error("the filter has {0} instructions, and the kernel takes {MOST_INSTRUCTIONS}")]
    TooLong(usize),
    /// An instruction that filters must not have.
    #[error("instruction {at} ({code:#06x}) is not allowed in a filter: {why}")]
    Forbidden {
        /// Its place, from 0.
        at: usize,
        /// Its code.
        code: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Memory is read that may not have been written.
    #[error("instruction {at} reads word {place} of the memory, which need not have been written")]
    Unset {
        /// Its place, from 0.
        at: usize,
        /// Which word.
        place: usize,
    },
    /// A jump leads out of the program.
    #[error("instruction {at} jumps past the end of the filter")]
    Jump {
        /// Its place, from 0.
        at: usize,
    },
    /// The last instruction does not return.
    #[error("the last instruction, {at}, does not return a verdict")]
    NoReturn {
        /// Its place, from 0.
        at: usize,
    },
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Constant(u32),
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    And,
    Or,
    Xor,
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    Accumulator,
    Index,
}

/// An instruction that was understood. Targets of jumps are places in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// A word of the data, by its offset in bytes.
    Load(u32),
    Immediate(Register, u32),
    FromMemory(Register, usize),
    ToMemory(Register, usize),
    Arithmetic(Arithmetic, Operand),
    Negate,
    Jump(usize),
    Branch {
        comparison: Comparison,
        operand: Operand,
        then: usize,
        otherwise: usize,
    },
    /// `None` for what the accumulator has.
    Return(Option<u32>),
    AccumulatorToIndex,
    IndexToAccumulator,
}

pub(super) fn check(program: &[Instruction]) -> Result<Vec<Op>, FilterError> {
    if program.len() > MOST_INSTRUCTIONS {
        return Err(FilterError::TooLong(program.len()));
    }
    let ops = program
        .iter()
        .enumerate()
        .map(|(at, instruction)| op(at, *instruction, program.len()))
        .collect::<Result<Vec<Op>, FilterError>>()?;
    match ops.last() {
        None => Err(FilterError::Empty),
        Some(Op::Return(_)) => memory_is_set(&ops).map(|()| ops),
        Some(_) => Err(FilterError::NoReturn { at: ops.len() - 1 }),
    }
}

/// Whether each word of memory that is read was written on every way to there, as
/// `check_load_and_stores` in `net/core/filter.c` has it: all at once, since jumps lead forwards.
fn memory_is_set(ops: &[Op]) -> Result<(), FilterError> {
    // Bits for the words that are set on all ways; a place to which no way leads has them all.
    let mut before = vec![u16::MAX; ops.len()];
    let mut here = 0;
    for (at, op) in ops.iter().enumerate() {
        here &= before.get(at).copied().unwrap_or(u16::MAX);
        let mut leads_to = |target: usize| {
            if let Some(known) = before.get_mut(target) {
                *known &= here;
            }
        };
        match *op {
            Op::ToMemory(_, place) => here |= 1 << place,
            Op::FromMemory(_, place) if here >> place & 1 == 0 => {
                return Err(FilterError::Unset { at, place });
            }
            Op::Jump(target) => {
                leads_to(target);
                here = u16::MAX;
            }
            Op::Branch { then, otherwise, .. } => {
                leads_to(then);
                leads_to(otherwise);
                here = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Codes from `include/uapi/linux/bpf_common.h` and `filter.h`; the choice is that of
/// `seccomp_check_filter` in `kernel/seccomp.c`.
fn op(at: usize, instruction: Instruction, length: usize) -> Result<Op, FilterError> {
    let Instruction { code, jt, jf, k } = instruction;
    let forbidden = |why| FilterError::Forbidden { at, code, why };
    let memory = || {
        let place = usize::try_from(k).ok().filter(|_| k < MEMORY);
        place.ok_or_else(|| forbidden("there are 16 words of memory"))
    };
    let target = |skip: u32| {
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let target = (at + 1).checked_add(skip).filter(|target| *target < length);
        target.ok_or(FilterError::Jump { at })
    };
    let operand = if code & 0x08 == 0 { Operand::Constant(k) } else { Operand::Index };
    Ok(match code {
        0x20 if k >= DATA => return Err(forbidden("it loads from beyond the data of the call")),
        0x20 if !k.is_multiple_of(4) => {
            return Err(forbidden("it loads from within a word of the data"));
        }
        0x20 => Op::Load(k),
        0x00 => Op::Immediate(Register::Accumulator, k),
        0x01 => Op::Immediate(Register::Index, k),
        0x80 => Op::Immediate(Register::Accumulator, DATA),
        0x81 => Op::Immediate(Register::Index, DATA),
        0x60 => Op::FromMemory(Register::Accumulator, memory()?),
        0x61 => Op::FromMemory(Register::Index, memory()?),
        0x02 => Op::ToMemory(Register::Accumulator, memory()?),
        0x03 => Op::ToMemory(Register::Index, memory()?),
        0x04 | 0x0c => Op::Arithmetic(Arithmetic::Add, operand),
        0x14 | 0x1c => Op::Arithmetic(Arithmetic::Subtract, operand),
        0x24 | 0x2c => Op::Arithmetic(Arithmetic::Multiply, operand),
        0x34 if k == 0 => return Err(forbidden("it divides by zero")),
        0x34 | 0x3c => Op::Arithmetic(Arithmetic::Divide, operand),
        0x44 | 0x4c => Op::Arithmetic(Arithmetic::Or, operand),
        0x54 | 0x5c => Op::Arithmetic(Arithmetic::And, operand),
        0x64 | 0x74 if k >= 32 => return Err(forbidden("it shifts by more bits than a word has")),
        0x64 | 0x6c => Op::Arithmetic(Arithmetic::Left, operand),
        0x74 | 0x7c => Op::Arithmetic(Arithmetic::Right, operand),
        0xa4 | 0xac => Op::Arithmetic(Arithmetic::Xor, operand),
        0x84 => Op::Negate,
        0x05 => Op::Jump(target(k)?),
        0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => Op::Branch {
            comparison: match code & 0xf0 {
                0x10 => Comparison::Equal,
                0x20 => Comparison::Greater,
                0x30 => Comparison::GreaterOrEqual,
                _ => Comparison::AnyBit,
            },
            operand,
            then: target(jt.into())?,
            otherwise: target(jf.into())?,
        },
        0x06 => Op::Return(Some(k)),
        0x16 => Op::Return(None),
        0x07 => Op::AccumulatorToIndex,
        0x87 => Op::IndexToAccumulator,
        0x28 | 0x30 | 0x40 | 0x48 | 0x50 | 0xb1 => {
            return Err(forbidden("it loads from a network packet"));
        }
        _ => return Err(forbidden("the kernel does not allow it in filters")),
    })
}

impl Arithmetic {
    /// `None` for a division by zero, at which the filter ends and the thread is killed.
    pub fn apply(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::Divide => left.checked_div(right)?,
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
            // As the processor does it (Documentation/networking/filter.rst): modulo the width.
            Self::Left => left.wrapping_shl(right),
            Self::Right => left.wrapping_shr(right),
        })
    }
}

impl Comparison {
    pub fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::AnyBit => left & right != 0,
        }
    }
}
