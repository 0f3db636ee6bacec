//! Instructions of arm64, all of 32 bits (Arm Architecture Reference Manual for A-profile, C4 and C6).

use super::step::{Flow, Place, Source, Step, Target};
use crate::abi::Abi;

/// x0 to x18 and the link register: what a call may change (AAPCS64, 6.1.1).
const CHANGED_BY_CALL: u32 = 0x4007_ffff;

const STACK: u8 = 31;

/// Decodes up to `most` instructions.
pub(super) fn decode(address: u64, bytes: &[u8], most: usize) -> Vec<Step> {
    let words = bytes.chunks_exact(4).take(most);
    let words = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut page: Option<(u8, u64)> = None;
    let mut loaded: Option<(u8, u64)> = None;
    let mut steps: Vec<Step> = Vec::new();
    for (at, word) in (0_u64..).zip(words) {
        let address = address.wrapping_add(at * 4);
        let mut step = step(address, word);
        // `adrp` and what follows it make an address or load a slot of the dynamic loader's.
        let (low, base) = (register(word, 0), register(word, 5));
        if word & 0x9f00_0000 == 0x9000_0000 {
            let offset = signed(((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3, 21) << 12;
            page = Some((low, (address & !0xfff).wrapping_add_signed(offset)));
        } else if let Some((held, page)) = page
            && held == base
        {
            let immediate = u64::from((word >> 10) & 0xfff);
            if word & 0xffc0_0000 == 0xf940_0000 {
                loaded = Some((low, page.wrapping_add(immediate * 8)));
            } else if word & 0xffc0_0000 == 0x9100_0000 {
                step.takes = Some(page.wrapping_add(immediate));
            }
        }
        if let (Flow::Jump(Target::Unknown), Some((held, slot))) = (step.flow, loaded)
            && held == base
        {
            step.flow = Flow::Jump(Target::Slot(slot));
        } else if let (Flow::Call(Target::Unknown), Some((held, slot))) = (step.flow, loaded)
            && held == base
        {
            step.flow = Flow::Call(Target::Slot(slot));
        }
        steps.push(step);
    }
    steps
}

fn register(word: u32, shift: u32) -> u8 {
    ((word >> shift) & 31) as u8
}

/// Sign-extends a field of so many bits.
fn signed(field: u32, bits: u32) -> i64 {
    let shift = 64 - bits;
    i64::from(field) << shift >> shift
}

fn step(address: u64, word: u32) -> Step {
    let mut step = Step::new(address, address.wrapping_add(4));
    let low = register(word, 0);
    let to = |offset: i64| address.wrapping_add_signed(offset << 2);
    if word == 0xd400_0001 {
        // svc #0
        step.enters = Some(Abi::Aarch64);
        step.clobbers = 1;
    } else if word & 0xfc00_0000 == 0x1400_0000 {
        step.flow = Flow::Jump(Target::Address(to(signed(word & 0x03ff_ffff, 26))));
    } else if word & 0xfc00_0000 == 0x9400_0000 {
        step.flow = Flow::Call(Target::Address(to(signed(word & 0x03ff_ffff, 26))));
        step.clobbers = CHANGED_BY_CALL;
    } else if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        // b.cond, cbz, cbnz
        step.flow = Flow::Branch(to(signed((word >> 5) & 0x7_ffff, 19)));
    } else if word & 0x7e00_0000 == 0x3600_0000 {
        // tbz, tbnz
        step.flow = Flow::Branch(to(signed((word >> 5) & 0x3fff, 14)));
    } else if word & 0xffff_fc1f == 0xd61f_0000 {
        step.flow = Flow::Jump(Target::Unknown);
    } else if word & 0xffff_fc1f == 0xd63f_0000 {
        step.flow = Flow::Call(Target::Unknown);
        step.clobbers = CHANGED_BY_CALL;
    } else if word & 0xffff_fc1f == 0xd65f_0000 || word & 0xffff_0000 == 0 || word == 0xd65f_0bff {
        // ret, udf, retaa
        step.flow = Flow::Stop;
    } else if word & 0xffe0_001f == 0xd420_0000 {
        // brk
        step.flow = Flow::Stop;
    } else if word == 0xd503_201f || word & 0xffff_ff3f == 0xd503_241f {
        // nop, bti
        step.is_padding = true;
    } else {
        moves(word, low, &mut step);
    }
    step
}

fn moves(word: u32, low: u8, step: &mut Step) {
    let shift = ((word >> 21) & 3) * 16;
    let bits = u64::from((word >> 5) & 0xffff);
    let middle = register(word, 16);
    // Instructions that write no general register: stores, and most of SIMD; the stack pointer is followed.
    if word & 0x7f80_0000 == 0x5280_0000 {
        step.set = Some((low, Source::Constant(bits << shift)));
    } else if word & 0x7f80_0000 == 0x1280_0000 {
        let value = !(bits << shift);
        let value = if word >> 31 == 0 { value & 0xffff_ffff } else { value };
        step.set = Some((low, Source::Constant(value)));
    } else if word & 0x7f80_0000 == 0x7280_0000 {
        step.set = Some((
            low,
            Source::Insert { register: low, bits: bits << shift, mask: 0xffff << shift },
        ));
    } else if word & 0x7fe0_ffe0 == 0x2a00_03e0 {
        // mov: orr with the zero register
        let is_zero = middle == 31;
        let source = Source::Place(Place::Register(middle));
        step.set = Some((low, if is_zero { Source::Constant(0) } else { source }));
    } else if word & 0xff80_0000 == 0x9100_0000 || word & 0xff80_0000 == 0xd100_0000 {
        add_immediate(word, low, step);
    } else if word & 0xffc0_0000 == 0xf900_0000 && register(word, 5) == STACK {
        // str x, [sp, #imm]
        let offset = i64::from((word >> 10) & 0xfff) * 8;
        step.store = Some((offset, held(low)));
    } else if word & 0xffc0_0000 == 0xf940_0000 && register(word, 5) == STACK {
        let offset = i64::from((word >> 10) & 0xfff) * 8;
        step.set = Some((low, Source::Place(Place::Stack(offset))));
    } else if word & 0xfe00_0000 == 0xa800_0000 && register(word, 5) == STACK {
        pair(word, low, step);
    } else if word & 0x3f20_0c00 == 0x3800_0c00 || word & 0x3f20_0c00 == 0x3800_0400 {
        // ldr and str that move their base before or after.
        if register(word, 5) == STACK {
            step.moves = Some(signed((word >> 12) & 0x1ff, 9));
        }
        step.clobbers = 1 << register(word, 5) | 1 << low;
    } else if !is_store(word) {
        step.clobbers = 1 << low;
        if is_pair_load(word) {
            step.clobbers |= 1 << register(word, 10);
        }
    }
}

fn held(register: u8) -> Source {
    match register {
        31 => Source::Constant(0),
        other => Source::Place(Place::Register(other)),
    }
}

fn add_immediate(word: u32, low: u8, step: &mut Step) {
    let base = register(word, 5);
    let shift = if word & 1 << 22 != 0 { 12 } else { 0 };
    let amount = i64::from((word >> 10) & 0xfff) << shift;
    let amount = if word & 0x4000_0000 == 0 { amount } else { -amount };
    match (low, base) {
        (STACK, STACK) => step.moves = Some(amount),
        (STACK, _) => step.moves = None,
        _ if amount == 0 && base != STACK => step.set = Some((low, held(base))),
        _ => step.set = Some((low, Source::Unknown)),
    }
}

/// stp and ldp of two registers at the stack pointer: the offset is scaled by eight.
fn pair(word: u32, low: u8, step: &mut Step) {
    let offset = signed((word >> 15) & 0x7f, 7) * 8;
    match (word >> 23) & 3 {
        // After: the pair is at the old stack pointer.
        1 => step.moves = Some(offset),
        // Before.
        3 => step.moves = Some(offset),
        _ => {}
    }
    if word & 1 << 22 != 0 {
        step.clobbers = 1 << low | 1 << register(word, 10);
    }
}

fn is_store(word: u32) -> bool {
    // Loads and stores have bits 27 and 25 as 1 and 0; a load has bit 22.
    let is_memory = word & 0x0a00_0000 == 0x0800_0000;
    let is_vector = word & 0x0400_0000 != 0;
    let is_simd = word & 0x0e00_0000 == 0x0e00_0000;
    let is_exclusive = word & 0x3f00_0000 == 0x0800_0000;
    is_simd || (is_memory && !is_exclusive && (is_vector || word & 0x00c0_0000 == 0))
}

fn is_pair_load(word: u32) -> bool {
    word & 0x3a40_0000 == 0x2840_0000
}
