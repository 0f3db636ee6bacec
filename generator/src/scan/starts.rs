//! Where functions begin: by the tables for stack unwinding, which stripped files have as well; where there are none, by
//! what is called.

use std::collections::BTreeSet;

use gimli::{BaseAddresses, CieOrFde, EhFrame, UnwindSection};

use super::object::{MOST_ENTRIES, Object};
use crate::abi::Abi;

/// A part of the file, and where it is in memory.
pub(super) type Part<'a> = (u64, &'a [u8]);

/// What was found.
pub(super) struct Starts {
    /// In no order.
    pub starts: Vec<u64>,
    /// Those that may be the target of a jump within a function.
    pub doubtful: BTreeSet<u64>,
    /// Whether tables say so.
    pub are_exact: bool,
}

/// Finds them: by `.eh_frame_hdr`, or else by `.eh_frame`.
pub(super) fn find(
    object: &Object<'_>,
    unwinding: Option<Part<'_>>,
    frames: Option<Part<'_>>,
) -> Starts {
    let mut starts = Vec::new();
    let mut doubtful = BTreeSet::new();
    if let Some((address, bytes)) = unwinding {
        of_unwinding(&mut starts, address, bytes);
    }
    if starts.is_empty()
        && let Some((address, bytes)) = frames
    {
        of_frames(&mut starts, address, bytes, object.bits);
    }
    // musl is built without such tables, but for a few functions written in assembler. Go has tables of its own.
    let mut are_exact = true;
    let has_tables = object.is_go || object.has_symbols;
    if !has_tables && (starts.len() < object.names.len() / 2 || starts.is_empty()) {
        are_exact = false;
        let guessed = guessed(object);
        doubtful.extend(guessed.iter().map(|(start, _)| *start));
        let called = guessed.iter().filter(|(_, is_called)| *is_called);
        for start in called.map(|(start, _)| *start).chain(starts.iter().copied()) {
            doubtful.remove(&start);
        }
        starts.extend(guessed.into_iter().map(|(start, _)| start));
    }
    Starts { starts, doubtful, are_exact }
}

/// Where functions begin, by the table for stack unwinding (`.eh_frame_hdr`), which stripped files have as well.
///
/// Source: Linux Standard Base Core 5.0, 10.6.2; only the encodings that GNU ld and lld write.
fn of_unwinding(starts: &mut Vec<u64>, address: u64, bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_at_checked(12) else { return };
    // Version 1, the count as udata4, and entries relative to the table as sdata4.
    if head[0] != 1 || head[2] != 0x03 || head[3] != 0x3b {
        return;
    }
    let count = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
    for entry in rest.chunks_exact(8).take(count.min(MOST_ENTRIES)) {
        let offset = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        starts.push(address.wrapping_add_signed(offset.into()));
    }
}

/// The same by what the table is made of, which static programs have without one. It ends at the first nonsense.
fn of_frames(starts: &mut Vec<u64>, address: u64, bytes: &[u8], bits: u32) {
    let mut frames = EhFrame::new(bytes, gimli::LittleEndian);
    frames.set_address_size((bits / 8) as u8);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut entries = frames.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if starts.len() > MOST_ENTRIES {
            break;
        }
        if let CieOrFde::Fde(partial) = entry
            && let Ok(frame) = partial.parse(EhFrame::cie_from_offset)
        {
            starts.push(frame.initial_address());
        }
    }
}

/// Where functions may begin in a file without tables for unwinding: what is called, jumped to or has its address taken,
/// and comes after the end of another function; and whether it is called.
fn guessed(object: &Object<'_>) -> Vec<(u64, bool)> {
    let mut starts = Vec::new();
    if !matches!(object.abi, Abi::X86_64 | Abi::X86 | Abi::X32) {
        return starts;
    }
    for code in object.code.iter().filter(|code| !code.is_stubs) {
        for (address, bytes) in (code.address..).zip(code.bytes.windows(7)) {
            // call, jmp, and lea of an address relative to rip.
            let (at, is_far) = match bytes {
                [0xe8 | 0xe9, ..] => (1, false),
                [0x48 | 0x4c, 0x8d, modrm, ..] if modrm & 0xc7 == 5 => (3, true),
                _ => continue,
            };
            let offset = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            let offset = i32::from_le_bytes(offset);
            let end = address.wrapping_add(if is_far { 7 } else { 5 });
            let target = end.wrapping_add_signed(offset.into());
            if !code.contains(target) {
                continue;
            }
            let before = (target - code.address) as usize;
            // ret, nop, int3, hlt, the zeros of a longer nop, a jump.
            let is_after_end = match &code.bytes[before.saturating_sub(5)..before] {
                [.., 0xc3 | 0x90 | 0xcc | 0xf4 | 0x00] | [.., 0xeb, _] | [0xe9, ..] => true,
                bytes => bytes.is_empty() || target % 16 == 0,
            };
            if is_after_end && starts.len() < MOST_ENTRIES {
                starts.push((target, bytes[0] == 0xe8));
            }
        }
    }
    starts
}
