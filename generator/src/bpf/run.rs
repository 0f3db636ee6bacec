//! Runs a filter for one call, as the kernel does.

use super::Filter;
use super::instruction::{Op, Operand, Register};
use crate::abi::Abi;
use crate::policy::Args;

/// A call as a filter sees it: `struct seccomp_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The number, with the bit of x32 if it is one of those.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Address of the instruction.
    pub instruction_pointer: u64,
    /// What the registers have.
    pub args: Args,
}

/// `__X32_SYSCALL_BIT`, `arch/x86/include/uapi/asm/unistd.h`.
pub(super) const X32: u32 = 0x4000_0000;

impl Call {
    /// A call of an ABI; `number` is without the x32 bit.
    pub fn new(abi: Abi, number: u32, args: Args) -> Self {
        let number = if abi == Abi::X32 { number | X32 } else { number };
        Self { number, arch: abi.audit_arch(), instruction_pointer: 0, args }
    }

    /// A word of it, by its offset in bytes.
    #[expect(clippy::cast_possible_truncation, reason = "a half is what is asked for")]
    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64| if offset.is_multiple_of(8) { value } else { value >> 32 } as u32;
        match offset {
            0 => self.number,
            4 => self.arch,
            8 | 12 => half(self.instruction_pointer),
            _ => half(self.args.get((offset as usize - 16) / 8).copied().unwrap_or(0)),
        }
    }
}

impl Filter {
    /// The verdict about a call: `SECCOMP_RET_*` and its data.
    pub fn run(&self, call: &Call) -> u32 {
        let (mut accumulator, mut index) = (0, 0);
        let mut memory = [0; 16];
        let mut at = 0;
        while let Some(op) = self.ops.get(at) {
            at += 1;
            let value = |operand| match operand {
                Operand::Constant(constant) => constant,
                Operand::Index => index,
            };
            match *op {
                Op::Load(offset) => accumulator = call.word(offset),
                Op::Immediate(Register::Accumulator, constant) => accumulator = constant,
                Op::Immediate(Register::Index, constant) => index = constant,
                Op::FromMemory(Register::Accumulator, place) => accumulator = memory[place],
                Op::FromMemory(Register::Index, place) => index = memory[place],
                Op::ToMemory(Register::Accumulator, place) => memory[place] = accumulator,
                Op::ToMemory(Register::Index, place) => memory[place] = index,
                Op::Arithmetic(arithmetic, operand) => {
                    match arithmetic.apply(accumulator, value(operand)) {
                        Some(result) => accumulator = result,
                        None => return 0,
                    }
                }
                Op::Negate => accumulator = accumulator.wrapping_neg(),
                Op::Jump(target) => at = target,
                Op::Branch { comparison, operand, then, otherwise } => {
                    let holds = comparison.holds(accumulator, value(operand));
                    at = if holds { then } else { otherwise };
                }
                Op::Return(verdict) => return verdict.unwrap_or(accumulator),
                Op::AccumulatorToIndex => index = accumulator,
                Op::IndexToAccumulator => accumulator = index,
            }
        }
        // Not reached: the last instruction returns.
        0
    }
}
