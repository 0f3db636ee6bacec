//! What a filter does with a call, found out by running its program as the kernel would.
//!
//! The instructions are the ones that the kernel's `seccomp_check_filter` lets through and
//! libseccomp makes.

use super::Program;
use crate::abi::Abi;
use crate::policy::{Action, Args, Errno};

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const GREATER_OR_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// `AUDIT_ARCH_*`, `include/uapi/linux/audit.h`.
fn audit_arch(abi: Abi) -> u32 {
    match abi {
        Abi::X86_64 | Abi::X32 => 0xc000_003e,
        Abi::X86 => 0x4000_0003,
        Abi::Aarch64 => 0xc000_00b7,
    }
}

/// A word of `struct seccomp_data`, by its offset in bytes.
fn word(abi: Abi, number: u32, args: &Args, offset: u32) -> u32 {
    let x32_bit = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
    match offset {
        0 => number | x32_bit,
        4 => audit_arch(abi),
        8 | 12 => 0,
        _ => {
            let argument = args[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
    }
}

/// The verdict of a program about a call.
pub(super) fn run(program: &Program, abi: Abi, number: u32, args: &Args) -> Action {
    let mut accumulator = 0;
    let mut at = 0;
    loop {
        let instruction = program.instructions()[at];
        let constant = instruction.k;
        at += 1;
        let holds = match instruction.code {
            LOAD => {
                accumulator = word(abi, number, args, constant);
                continue;
            }
            AND => {
                accumulator &= constant;
                continue;
            }
            JUMP => {
                at += constant as usize;
                continue;
            }
            RETURN => return verdict(constant),
            EQUAL => accumulator == constant,
            GREATER => accumulator > constant,
            GREATER_OR_EQUAL => accumulator >= constant,
            ANY_BIT => accumulator & constant != 0,
            code => panic!("libseccomp made an instruction {code:#x}"),
        };
        at += usize::from(if holds { instruction.jt } else { instruction.jf });
    }
}

/// `SECCOMP_RET_*`, `include/uapi/linux/seccomp.h`.
fn verdict(value: u32) -> Action {
    let data = (value & 0xffff) as u16;
    match value & 0xffff_0000 {
        0x8000_0000 => Action::KillProcess,
        0x0000_0000 => Action::KillThread,
        0x0003_0000 => Action::Trap,
        0x0005_0000 => Action::Errno(Errno::new(data).unwrap()),
        0x7ff0_0000 => Action::Trace(data),
        0x7ffc_0000 => Action::Log,
        0x7fff_0000 => Action::Allow,
        other => panic!("unknown verdict {other:#x}"),
    }
}
