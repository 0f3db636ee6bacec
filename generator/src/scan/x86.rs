//! Instructions of x86, as the crate iced-x86 decodes them.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::step::{Flow, Place, Source, Step, Target};
use crate::abi::Abi;

/// rax, rcx, rdx, rsi, rdi, r8 to r11: what a call may change (System V ABI, x86-64, 3.2.1).
const CHANGED_BY_CALL: u32 = 0b0000_1111_1100_0111;

const STACK: u8 = 4;

/// Decodes up to `most` instructions; bytes that are none stop the flow and are passed over.
pub(super) fn decode(bits: u32, address: u64, bytes: &[u8], most: usize) -> Vec<Step> {
    let mut decoder = Decoder::with_ip(bits, bytes, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut steps = Vec::with_capacity((bytes.len() / 4).min(most));
    while decoder.can_decode() && steps.len() < most {
        decoder.decode_out(&mut instruction);
        steps.push(step(&instruction, bits));
    }
    steps
}

/// Whether one of the first `most` instructions begins at `place`, and how many were decoded to know.
pub(super) fn has_instruction(
    bits: u32,
    address: u64,
    bytes: &[u8],
    place: u64,
    most: usize,
) -> (bool, usize) {
    let mut decoder = Decoder::with_ip(bits, bytes, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut count = 0;
    while decoder.can_decode() && count < most && decoder.ip() < place {
        decoder.decode_out(&mut instruction);
        count += 1;
    }
    (decoder.can_decode() && count < most && decoder.ip() == place, count)
}

/// The number of a general register, whatever part of it is meant, and whether the part is 32 or 64 bits.
fn general(register: Register) -> Option<(u8, bool)> {
    // The enum has them in the order of their numbers: al … bl, ah … bh, spl … r15l, ax … r15w, eax … r15d, rax … r15.
    let nth = |first: Register, count: u32| {
        let distance = (register as u32).checked_sub(first as u32)?;
        (distance < count).then_some(distance as u8)
    };
    let wide = nth(Register::EAX, 32).map(|number| (number & 15, true));
    let narrow = nth(Register::AX, 16)
        .or_else(|| nth(Register::AL, 4))
        .or_else(|| nth(Register::AH, 4))
        .or_else(|| nth(Register::SPL, 12).map(|number| number + 4));
    wide.or(narrow.map(|number| (number, false)))
}

/// Whether the first operand is only read.
fn only_reads(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Cmp
            | Mnemonic::Test
            | Mnemonic::Bt
            | Mnemonic::Push
            | Mnemonic::Nop
            | Mnemonic::Jmp
            | Mnemonic::Call
            | Mnemonic::Out
    )
}

/// Registers that are changed without being an operand.
fn implied(mnemonic: Mnemonic) -> u32 {
    const RAX: u32 = 1;
    const RCX: u32 = 1 << 1;
    const RDX: u32 = 1 << 2;
    const RBX: u32 = 1 << 3;
    const RBP: u32 = 1 << 5;
    const RSI: u32 = 1 << 6;
    const RDI: u32 = 1 << 7;
    match mnemonic {
        Mnemonic::Mul | Mnemonic::Div | Mnemonic::Idiv | Mnemonic::Imul => RAX | RDX,
        Mnemonic::Cqo | Mnemonic::Cdq | Mnemonic::Cwd => RDX,
        Mnemonic::Cpuid => RAX | RBX | RCX | RDX,
        Mnemonic::Rdtsc | Mnemonic::Rdtscp | Mnemonic::Xgetbv => RAX | RCX | RDX,
        Mnemonic::Cmpxchg | Mnemonic::Cmpxchg8b | Mnemonic::Cmpxchg16b => RAX | RDX,
        Mnemonic::Lodsb | Mnemonic::Lodsw | Mnemonic::Lodsd | Mnemonic::Lodsq => RAX | RSI,
        Mnemonic::Lahf | Mnemonic::Xlatb => RAX,
        Mnemonic::Leave | Mnemonic::Enter => RBP,
        Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsq | Mnemonic::Cmpsb | Mnemonic::Scasb => {
            RCX | RSI | RDI
        }
        Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => RCX | RDI,
        Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne => RCX,
        Mnemonic::Popa | Mnemonic::Popad => 0xffff,
        _ => 0,
    }
}

fn step(instruction: &Instruction, bits: u32) -> Step {
    let mut step = Step::new(instruction.ip(), instruction.next_ip());
    if instruction.is_invalid() {
        step.flow = Flow::Stop;
        return step;
    }
    let mnemonic = instruction.mnemonic();
    step.clobbers = implied(mnemonic);
    if instruction.is_ip_rel_memory_operand() && mnemonic == Mnemonic::Lea {
        step.takes = Some(instruction.ip_rel_memory_address());
    }
    let word = i64::from(bits / 8);
    match mnemonic {
        Mnemonic::Syscall => {
            step.enters = Some(Abi::X86_64);
            // rax, rcx and r11: the kernel's result, rip and the flags.
            step.clobbers |= 1 | 1 << 1 | 1 << 11;
        }
        Mnemonic::Sysenter => {
            step.enters = Some(Abi::X86);
            step.clobbers |= 1 | 1 << 1 | 1 << 2;
        }
        Mnemonic::Int if instruction.immediate8() == 0x80 => {
            step.enters = Some(Abi::X86);
            step.clobbers |= 1;
        }
        Mnemonic::Jmp => step.flow = Flow::Jump(target(instruction)),
        Mnemonic::Call if is_kernel_entry(instruction, bits) => {
            step.enters = Some(Abi::X86);
            step.clobbers |= 1;
        }
        Mnemonic::Call => {
            step.flow = Flow::Call(target(instruction));
            step.clobbers |= CHANGED_BY_CALL;
        }
        Mnemonic::Ret
        | Mnemonic::Retf
        | Mnemonic::Iret
        | Mnemonic::Iretd
        | Mnemonic::Iretq
        | Mnemonic::Ud2
        | Mnemonic::Hlt => step.flow = Flow::Stop,
        Mnemonic::Int3 | Mnemonic::Nop | Mnemonic::Endbr64 | Mnemonic::Endbr32 => {
            step.is_padding = true;
        }
        Mnemonic::Push => {
            step.moves = Some(-word);
            step.store = Some((0, operand(instruction, 0)));
        }
        Mnemonic::Pushfq | Mnemonic::Pushfd => step.moves = Some(-word),
        Mnemonic::Popfq | Mnemonic::Popfd => step.moves = Some(word),
        Mnemonic::Pop => {
            step.moves = Some(word);
            if let Some((register, _)) = general(instruction.op0_register()) {
                step.set = Some((register, Source::Place(Place::Stack(0))));
            }
        }
        Mnemonic::Leave | Mnemonic::Enter => step.moves = None,
        Mnemonic::Test | Mnemonic::Cmp => step.tests = tested(instruction),
        _ if is_branch(instruction) => {
            step.when_zero = match mnemonic {
                Mnemonic::Je => Some(true),
                Mnemonic::Jne => Some(false),
                _ => None,
            };
            step.flow = Flow::Branch(instruction.near_branch_target());
        }
        _ if !only_reads(mnemonic) => writes(instruction, &mut step),
        _ => {}
    }
    step
}

/// The register that is compared with zero: `test r, r`, `cmp r, 0`.
fn tested(instruction: &Instruction) -> Option<u8> {
    let (register, is_wide) = general(instruction.op0_register())?;
    let is_same = instruction.mnemonic() == Mnemonic::Test
        && instruction.op1_kind() == OpKind::Register
        && instruction.op0_register() == instruction.op1_register();
    let is_zero =
        instruction.mnemonic() == Mnemonic::Cmp && operand(instruction, 1) == Source::Constant(0);
    (is_wide && instruction.op0_kind() == OpKind::Register && (is_same || is_zero))
        .then_some(register)
}

/// i386's `call *%gs:0x10`, the entry of the vDSO (glibc's `sysdeps/unix/sysv/linux/i386/sysdep.h`).
fn is_kernel_entry(instruction: &Instruction, bits: u32) -> bool {
    bits == 32
        && instruction.op0_kind() == OpKind::Memory
        && instruction.segment_prefix() == Register::GS
        && instruction.memory_displacement64() == 0x10
}

fn is_branch(instruction: &Instruction) -> bool {
    let is_near = matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    );
    instruction.op_count() > 0 && is_near
}

fn target(instruction: &Instruction) -> Target {
    let has_index = instruction.memory_index() != Register::None;
    match instruction.op0_kind() {
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
            Target::Address(instruction.near_branch_target())
        }
        OpKind::Memory if instruction.is_ip_rel_memory_operand() => {
            Target::Slot(instruction.ip_rel_memory_address())
        }
        OpKind::Memory if instruction.memory_base() == Register::None && !has_index => {
            Target::Slot(instruction.memory_displacement64())
        }
        _ => Target::Unknown,
    }
}

/// The value of an operand that is read.
fn operand(instruction: &Instruction, index: u32) -> Source {
    match instruction.op_kind(index) {
        OpKind::Register => match general(instruction.op_register(index)) {
            Some((register, true)) => Source::Place(Place::Register(register)),
            _ => Source::Unknown,
        },
        OpKind::Memory => {
            stack(instruction).map_or(Source::Unknown, |offset| Source::Place(Place::Stack(offset)))
        }
        OpKind::Immediate8
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Source::Constant(instruction.immediate(index)),
        _ => Source::Unknown,
    }
}

/// How far from the stack pointer a memory operand is.
fn stack(instruction: &Instruction) -> Option<i64> {
    let is_simple = instruction.memory_index() == Register::None
        && instruction.segment_prefix() == Register::None;
    let base = general(instruction.memory_base());
    (is_simple && base == Some((STACK, true)))
        .then(|| instruction.memory_displacement64().cast_signed())
}

/// What an instruction does that writes to its first operand.
fn writes(instruction: &Instruction, step: &mut Step) {
    let mnemonic = instruction.mnemonic();
    if instruction.op_count() == 0 {
        return;
    }
    // Three operands, of which the second is written as well, or two of which both are.
    if matches!(mnemonic, Mnemonic::Xchg | Mnemonic::Xadd | Mnemonic::Mulx)
        && let Some((register, _)) = general(instruction.op1_register())
    {
        step.clobbers |= 1 << register;
    }
    if instruction.op0_kind() == OpKind::Memory {
        if let Some(offset) = stack(instruction) {
            let is_copy = mnemonic == Mnemonic::Mov;
            let source = if is_copy { operand(instruction, 1) } else { Source::Unknown };
            step.store = Some((offset, source));
        }
        return;
    }
    let Some((register, is_wide)) = general(instruction.op0_register()) else { return };
    if register == STACK {
        step.moves = stack_move(instruction);
        return;
    }
    let is_lowest =
        (Register::AL as u32..=Register::BL as u32).contains(&(instruction.op0_register() as u32));
    let source = match operand(instruction, 1) {
        _ if is_wide => result(instruction),
        Source::Constant(bits) if is_lowest && mnemonic == Mnemonic::Mov => {
            Source::Insert { register, bits: bits & 0xff, mask: 0xff }
        }
        _ => Source::Unknown,
    };
    step.set = Some((register, source));
    step.is_conditional = is_conditional_move(mnemonic);
}

fn stack_move(instruction: &Instruction) -> Option<i64> {
    let constant = || match operand(instruction, 1) {
        Source::Constant(value) => Some(value.cast_signed()),
        _ => None,
    };
    match instruction.mnemonic() {
        Mnemonic::Add => constant(),
        Mnemonic::Sub => constant().and_then(i64::checked_neg),
        Mnemonic::Lea => stack(instruction),
        _ => None,
    }
}

/// What the first operand, a register, holds afterwards.
fn result(instruction: &Instruction) -> Source {
    let same = instruction.op1_kind() == OpKind::Register
        && instruction.op0_register() == instruction.op1_register();
    match instruction.mnemonic() {
        Mnemonic::Mov | Mnemonic::Movsxd => operand(instruction, 1),
        Mnemonic::Xor | Mnemonic::Sub if same => Source::Constant(0),
        Mnemonic::Or if operand(instruction, 1) == Source::Constant(u64::MAX) => {
            Source::Constant(u64::MAX)
        }
        Mnemonic::Cdqe => Source::Place(Place::Register(0)),
        mnemonic if is_conditional_move(mnemonic) => operand(instruction, 1),
        _ => Source::Unknown,
    }
}

fn is_conditional_move(mnemonic: Mnemonic) -> bool {
    matches!(
        mnemonic,
        Mnemonic::Cmova
            | Mnemonic::Cmovae
            | Mnemonic::Cmovb
            | Mnemonic::Cmovbe
            | Mnemonic::Cmove
            | Mnemonic::Cmovg
            | Mnemonic::Cmovge
            | Mnemonic::Cmovl
            | Mnemonic::Cmovle
            | Mnemonic::Cmovne
            | Mnemonic::Cmovno
            | Mnemonic::Cmovnp
            | Mnemonic::Cmovns
            | Mnemonic::Cmovo
            | Mnemonic::Cmovp
            | Mnemonic::Cmovs
    )
}
