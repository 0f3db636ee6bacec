//! Where in code bytes are that may be instructions of a kind: found by searching for the bytes, and not by decoding all
//! of it. What they really are is seen when their function is decoded.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::object::{Code, Object};
use crate::abi::Abi;

/// How many instructions that enter the kernel or may do so are looked at.
pub(super) const MOST_SITES: usize = 1_000_000;

/// Where bytes are that may be an instruction that enters the kernel, in order.
pub(super) fn entries(object: &Object<'_>) -> Vec<u64> {
    let mut found = Vec::new();
    for code in object.code.iter().filter(|code| !code.is_stubs) {
        found.extend(enters(object.abi, code));
        found.truncate(MOST_SITES);
    }
    found
}

/// The same of a part of the code.
pub(super) fn enters(abi: Abi, code: &Code<'_>) -> Vec<u64> {
    let mut found = Vec::new();
    match abi {
        Abi::Aarch64 => words(code, |_, word| word == 0xd400_0001, &mut found),
        Abi::Riscv64 => {}
        Abi::X86_64 | Abi::X86 | Abi::X32 => {
            let pairs: &[[u8; 2]] = match abi {
                Abi::X86 => &[[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80], [0x65, 0xff]],
                _ => &[[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80]],
            };
            found.extend(places(code.bytes, pairs).map(|at| code.address.wrapping_add(at)));
            found.truncate(MOST_SITES);
        }
    }
    found
}

/// Where one of these pairs of different bytes is, in order; of each no more than are looked at.
fn places(bytes: &[u8], pairs: &[[u8; 2]]) -> impl Iterator<Item = u64> {
    let mut found = Vec::new();
    for pair in pairs {
        found.extend(memmem::find_iter(bytes, pair).take(MOST_SITES).map(|at| at as u64));
    }
    found.sort_unstable();
    found.into_iter()
}

/// Addresses of the words of code that fit.
fn words(code: &Code<'_>, fits: impl Fn(u64, u32) -> bool, found: &mut Vec<u64>) {
    let words = code.bytes.chunks_exact(4);
    for (at, word) in (0_u64..).zip(words) {
        let address = code.address.wrapping_add(at * 4);
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        if fits(address, word) && found.len() < MOST_SITES {
            found.push(address);
        }
    }
}

/// Calls of and jumps to these functions, in the order of addresses.
pub(super) fn callers<T>(object: &Object<'_>, targets: &BTreeMap<u64, T>) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let (Some((first, _)), Some((last, _))) = (targets.first_key_value(), targets.last_key_value())
    else {
        return found;
    };
    let is_target =
        |target: u64| (*first..=*last).contains(&target) && targets.contains_key(&target);
    for code in object.code.iter().filter(|code| !code.is_stubs) {
        if object.abi == Abi::Aarch64 {
            let mut addresses = Vec::new();
            let target = |address: u64, word: u32| {
                let offset = i64::from((word & 0x03ff_ffff) << 6) << 32 >> 36;
                address.wrapping_add_signed(offset)
            };
            let leads = |address, word: u32| {
                word & 0x7c00_0000 == 0x1400_0000 && is_target(target(address, word))
            };
            words(code, leads, &mut addresses);
            for address in addresses {
                let at = (address - code.address) as usize;
                let word = &code.bytes[at..at + 4];
                let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                found.push((address, target(address, word)));
            }
            continue;
        }
        let mut of_code = near_callers(object, code, &is_target);
        of_code.extend(targets.keys().flat_map(|target| short_callers(code, *target)));
        of_code.sort_unstable();
        found.extend(of_code);
        found.truncate(MOST_SITES);
    }
    found
}

/// Calls, jumps and conditional jumps of x86 with a displacement of 32 bits.
fn near_callers(
    object: &Object<'_>,
    code: &Code<'_>,
    is_target: &impl Fn(u64) -> bool,
) -> Vec<(u64, u64)> {
    let target = |at: usize| {
        let displacement = code.bytes.get(at..at + 4)?;
        let end = code.address.wrapping_add(at as u64 + 4);
        Some(relative(object, end, displacement)).filter(|target| is_target(*target))
    };
    let caller = |at: usize, length: usize| {
        Some((code.address.wrapping_add(at as u64), target(at + length)?))
    };
    let calls = memchr::memchr2_iter(0xe8, 0xe9, code.bytes);
    let mut found: Vec<_> = calls.filter_map(|at| caller(at, 1)).take(MOST_SITES).collect();
    let branches = memchr::memchr_iter(0x0f, code.bytes);
    let branches =
        branches.filter(|at| code.bytes.get(at + 1).is_some_and(|second| second & 0xf0 == 0x80));
    found.extend(branches.filter_map(|at| caller(at, 2)).take(MOST_SITES));
    found
}

/// Jumps of x86 to this function with a displacement of 8 bits: they are near it.
fn short_callers(code: &Code<'_>, target: u64) -> impl Iterator<Item = (u64, u64)> {
    let first = target.saturating_sub(2 + 0x7f).max(code.address);
    let end = target.saturating_add(0x7f).min(code.end());
    (first..end).filter_map(move |address| {
        let at = usize::try_from(address - code.address).ok()?;
        let [opcode, offset] = *code.bytes.get(at..at + 2)?.as_array()?;
        let to = address.wrapping_add(2).wrapping_add_signed(offset.cast_signed().into());
        let is_jump = opcode == 0xeb || opcode & 0xf0 == 0x70;
        (is_jump && to == target).then_some((address, target))
    })
}

/// Where a displacement of 32 bits leads from the end of its instruction.
fn relative(object: &Object<'_>, end: u64, bytes: &[u8]) -> u64 {
    let offset = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let target = end.wrapping_add_signed(offset.into());
    if object.bits == 32 && object.abi == Abi::X86 { target & 0xffff_ffff } else { target }
}

/// Calls and jumps through these slots, and whether each is a stub's.
pub(super) fn uses(object: &Object<'_>, slots: &BTreeSet<u64>) -> Vec<(u64, bool)> {
    let mut found = Vec::new();
    for code in &object.code {
        match object.abi {
            Abi::X86_64 | Abi::X32 | Abi::X86 => {
                for at in places(code.bytes, &[[0xff, 0x15], [0xff, 0x25]]) {
                    let address = code.address.wrapping_add(at);
                    let Some(bytes) = code.bytes.get(at as usize..at as usize + 6) else {
                        continue;
                    };
                    let slot = if object.abi == Abi::X86 {
                        u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]).into()
                    } else {
                        relative(object, address.wrapping_add(6), &bytes[2..])
                    };
                    if slots.contains(&slot) && found.len() < MOST_SITES {
                        found.push((address, code.is_stubs));
                    }
                }
            }
            Abi::Aarch64 => {
                // adrp x16, page; ldr x17, [x16, #offset]; …; br x17
                let mut page = 0;
                for (at, word) in (0_u64..).zip(code.bytes.chunks_exact(4)) {
                    let address = code.address.wrapping_add(at * 4);
                    let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                    if word & 0x9f00_001f == 0x9000_0010 {
                        let field = ((word >> 5) & 0x7_ffff) << 2 | (word >> 29) & 3;
                        let offset = i64::from(field << 11) << 32 >> 43;
                        page = (address & !0xfff).wrapping_add_signed(offset << 12);
                    } else if word & 0xffc0_03ff == 0xf940_0211 {
                        let slot = page + u64::from((word >> 10) & 0xfff) * 8;
                        if slots.contains(&slot) && code.is_stubs && found.len() < MOST_SITES {
                            found.push((address.saturating_sub(4), true));
                        }
                    }
                }
            }
            Abi::Riscv64 => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of which many are those of calls and jumps, always the same.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let likely = [0xe8, 0xe9, 0xeb, 0x0f, 0x84, 0x05, 0x74, 0x7f, 0, 0, 0xff, 0xff];
        let byte = |random: u8| likely.get(usize::from(random % 24)).copied().unwrap_or(random);
        (0..length).map(|_| byte(next())).collect()
    }

    /// The same, by looking at each byte.
    fn callers_one_by_one(code: &Code<'_>, targets: &BTreeMap<u64, ()>) -> Vec<(u64, u64)> {
        let far = |at: usize| {
            let bytes = code.bytes.get(at..at + 4)?;
            let offset = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            Some((code.address + at as u64 + 4).wrapping_add_signed(offset.into()))
        };
        let target = |at: usize| match (code.bytes[at], code.bytes.get(at + 1)) {
            (0xe8 | 0xe9, _) => far(at + 1),
            (0x0f, Some(0x80..=0x8f)) => far(at + 2),
            (0xeb | 0x70..=0x7f, Some(offset)) => {
                let offset = i64::from(offset.cast_signed());
                Some((code.address + at as u64 + 2).wrapping_add_signed(offset))
            }
            _ => None,
        };
        let all = (0..code.bytes.len()).filter_map(|at| Some((at as u64, target(at)?)));
        let all = all.filter(|(_, target)| targets.contains_key(target));
        all.map(|(at, target)| (code.address + at, target)).collect()
    }

    #[test]
    fn all_calls_and_jumps_to_functions_are_found() {
        let bytes = noise(20_000);
        let code = Code { address: 0x1000, bytes: &bytes, is_stubs: false };
        let targets: BTreeMap<u64, ()> =
            (0x0ff0..0x1000 + 20_010).step_by(7).map(|to| (to, ())).collect();
        let expected = callers_one_by_one(&code, &targets);
        assert!(expected.len() > 300, "{}", expected.len());
        let object = Object::of_code(Abi::X86_64, 64, vec![code]);
        assert_eq!(callers(&object, &targets), expected);
    }

    #[test]
    fn what_may_enter_the_kernel_is_found_in_order() {
        let bytes = noise(20_000);
        let expected: Vec<u64> = (0_u64..)
            .zip(bytes.windows(2))
            .filter(|(_, pair)| matches!(pair, [0x0f, 0x05 | 0x34] | [0xcd, 0x80]))
            .map(|(at, _)| at + 0x1000)
            .collect();
        assert!(expected.len() > 20, "{}", expected.len());
        let code = Code { address: 0x1000, bytes: &bytes, is_stubs: false };
        assert_eq!(entries(&Object::of_code(Abi::X86_64, 64, vec![code])), expected);
    }
}
