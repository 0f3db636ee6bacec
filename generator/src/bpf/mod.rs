//! Seccomp filters as the kernel has them: classic BPF. Reading, running and analyzing it.
//!
//! # Terminology
//!
//! A *filter* is a program over `struct seccomp_data`: the call's number, the audit architecture, the address
//! of the instruction and six arguments. It can only jump forwards, so it always ends, and what it
//! does can be worked out for all calls at once ([`meaning()`]).

mod instruction;
mod meaning;
mod run;
#[cfg(test)]
mod tests;
mod word;

pub use instruction::{FilterError, Instruction};
pub use meaning::{Bounds, action, meaning, meaning_within, stacked};
pub use run::{Call, Run};
pub use word::Unclear;

use instruction::Op;

/// Most instructions that the kernel takes (`BPF_MAXINSNS`, `include/uapi/linux/bpf_common.h`).
pub const MOST_INSTRUCTIONS: usize = 4096;

/// A program that the kernel would take for a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    instructions: Vec<Instruction>,
    ops: Vec<Op>,
}

impl Filter {
    /// Checks a program as the kernel's `bpf_check_classic` and `seccomp_check_filter` do.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says which instruction the kernel would refuse.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, FilterError> {
        let ops = instruction::check(&instructions)?;
        Ok(Self { instructions, ops })
    }

    /// Its instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}
