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
    #[must_use]
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

/// What a filter says about a call, and what that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// `SECCOMP_RET_*` and its data.
    pub verdict: u32,
    /// How many instructions ran.
    pub instructions: usize,
    /// Whether nothing was read but the call's number and its architecture. If such a call is allowed, the kernel
    /// remembers that and does not run the filter again (Linux 5.11, `seccomp_is_const_allow` in `kernel/seccomp.c`).
    pub by_number: bool,
}

/// Where `struct seccomp_data` has something else than the number and the architecture.
const BEHIND_THE_NUMBER: u32 = 8;

impl Filter {
    /// The verdict about a call: `SECCOMP_RET_*` and its data.
    #[must_use]
    pub fn run(&self, call: &Call) -> u32 {
        self.trace(call).verdict
    }

    /// The verdict about a call, and how many instructions it takes.
    #[must_use]
    pub fn trace(&self, call: &Call) -> Run {
        let (mut accumulator, mut index) = (0, 0);
        let mut memory = [0; 16];
        let mut at = 0;
        let mut run = Run { verdict: 0, instructions: 0, by_number: true };
        while let Some(op) = self.ops.get(at) {
            at += 1;
            run.instructions += 1;
            let value = |operand| match operand {
                Operand::Constant(constant) => constant,
                Operand::Index => index,
            };
            match *op {
                Op::Load(offset) => {
                    accumulator = call.word(offset);
                    run.by_number &= offset < BEHIND_THE_NUMBER;
                }
                Op::Immediate(Register::Accumulator, constant) => accumulator = constant,
                Op::Immediate(Register::Index, constant) => index = constant,
                Op::FromMemory(Register::Accumulator, place) => accumulator = memory[place],
                Op::FromMemory(Register::Index, place) => index = memory[place],
                Op::ToMemory(Register::Accumulator, place) => memory[place] = accumulator,
                Op::ToMemory(Register::Index, place) => memory[place] = index,
                Op::Arithmetic(arithmetic, operand) => {
                    match arithmetic.apply(accumulator, value(operand)) {
                        Some(result) => accumulator = result,
                        None => return run,
                    }
                }
                Op::Negate => accumulator = accumulator.wrapping_neg(),
                Op::Jump(target) => at = target,
                Op::Branch { comparison, operand, then, otherwise } => {
                    let holds = comparison.holds(accumulator, value(operand));
                    at = if holds { then } else { otherwise };
                }
                Op::Return(verdict) => {
                    run.verdict = verdict.unwrap_or(accumulator);
                    return run;
                }
                Op::AccumulatorToIndex => index = accumulator,
                Op::IndexToAccumulator => accumulator = index,
            }
        }
        // Not reached: the last instruction returns.
        run
    }
}
