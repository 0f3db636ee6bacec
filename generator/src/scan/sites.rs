//! Instructions that enter the kernel, and the numbers of the calls that they make.
//!
//! The number is in a register. Where it is a constant that the function puts there, it is found by going backwards
//! from the instruction. Where it is a parameter of the function, such as of `syscall(2)` and of the functions of Go's
//! `syscall` package, the callers of the function are looked at in the same way.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::body::{Origin, Reader};
use super::object::{Code, Object};
use super::step::{Flow, Place, Target};
use crate::abi::Abi;

/// The function of C libraries that makes the call of which it is given the number.
pub(super) const SYSCALL: &str = "syscall";

/// How many functions that take a number are followed.
const MOST_WRAPPERS: usize = 512;

/// How often callers of callers are looked for.
const DEPTH: usize = 12;

/// How many instructions that enter the kernel or may do so are looked at.
const MOST_SITES: usize = 1_000_000;

/// What the instructions of a file call.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// By ABI and number, in which functions, by where they begin.
    pub calls: BTreeMap<(Abi, u32), BTreeSet<u64>>,
    /// Instructions with a number that was not found, by where their functions begin.
    pub unknown: BTreeSet<u64>,
    /// Functions that make the call of which they are given the number, and where it is when they begin.
    pub wrappers: BTreeSet<(u64, Place, Abi)>,
    /// Whether there was more than is looked at.
    pub is_cut: bool,
}

/// Where the number of a call is.
const fn number_in(abi: Abi) -> Place {
    match abi {
        Abi::Aarch64 => Place::Register(8),
        Abi::Riscv64 => Place::Register(17),
        Abi::X86_64 | Abi::X86 | Abi::X32 => Place::Register(0),
    }
}

/// Where the first parameter of a function of a library is, as its caller sees it before the call.
pub(super) const fn first_parameter(abi: Abi) -> Place {
    match abi {
        Abi::X86_64 | Abi::X32 => Place::Register(7),
        Abi::X86 => Place::Stack(0),
        Abi::Aarch64 => Place::Register(0),
        Abi::Riscv64 => Place::Register(10),
    }
}

/// Finds all of them; `wrapper` is an imported function that makes the call of which it is given the number.
pub(super) fn find(reader: &mut Reader<'_>, wrapper: &str) -> Sites {
    let object = reader.object;
    let mut sites = Sites::default();
    let mut wanted: BTreeSet<(u64, Place, Abi)> = BTreeSet::new();
    let candidates = entries(object);
    sites.is_cut |= candidates.len() >= MOST_SITES;
    for address in candidates {
        let Some(body) = reader.body_at(address) else { continue };
        let Some(index) = body.index(address) else { continue };
        let Some(abi) = body.steps[index].enters else { continue };
        let origin = body.origin(index, number_in(abi));
        add(&mut sites, &mut wanted, body.start, abi, &origin);
    }
    let imported = imported(reader, wrapper, &mut sites, &mut wanted);
    let mut done: BTreeSet<(u64, Place, Abi)> = BTreeSet::new();
    let mut called: BTreeSet<u64> = BTreeSet::new();
    for _ in 0..DEPTH {
        let open: Vec<_> = wanted.difference(&done).copied().collect();
        if open.is_empty() {
            break;
        }
        if wanted.len() > MOST_WRAPPERS {
            sites.is_cut = true;
            break;
        }
        done.extend(open.iter().copied());
        let mut targets: BTreeMap<u64, Vec<(Place, Abi)>> = BTreeMap::new();
        for (start, place, abi) in open {
            targets.entry(start).or_default().push((place, abi));
        }
        for (start, places) in &targets {
            // A function may run on into the next one.
            let before = object.starts.partition_point(|other| other < start).checked_sub(1);
            let Some(body) = before.and_then(|before| reader.body_at(object.starts[before])) else {
                continue;
            };
            if body.end() == Some(*start) && body.falls_out() {
                for (place, abi) in places {
                    let origin = body.origin(body.steps.len(), *place);
                    add(&mut sites, &mut wanted, body.start, *abi, &origin);
                }
            }
        }
        for (address, target) in callers(object, &targets) {
            let Some(body) = reader.body_at(address) else { continue };
            let Some(index) = body.index(address) else { continue };
            let is_call = match body.steps[index].flow {
                Flow::Call(Target::Address(to)) if to == target => true,
                Flow::Jump(Target::Address(to)) if to == target => false,
                Flow::Branch(to) if to == target => false,
                _ => continue,
            };
            // A loop of its own is no call.
            if !is_call && body.start == target {
                continue;
            }
            called.insert(target);
            for (place, abi) in targets.get(&target).into_iter().flatten() {
                let place = if is_call { before_call(object.abi, *place) } else { *place };
                let origin = body.origin(index, place);
                add(&mut sites, &mut wanted, body.start, *abi, &origin);
            }
        }
    }
    let exported: BTreeSet<u64> = object.exports.values().copied().collect();
    for (start, place, abi) in wanted {
        sites.is_cut |= !done.contains(&(start, place, abi));
        let is_exported = object.is_library && exported.contains(&start);
        // What only its address leads to may be given any number. What nothing leads to is not called.
        let is_taken = object.pointers.binary_search(&start).is_ok();
        // If it is no function, jumps lead there that are not looked for.
        if is_taken
            || object.doubtful.contains(&start)
            || (is_exported && !imported.contains(&start))
        {
            sites.unknown.insert(start);
        }
        sites.wrappers.insert((start, place, abi));
    }
    sites.is_cut |= reader.is_exhausted();
    sites
}

/// Notes what is known of a number.
fn add(
    sites: &mut Sites,
    wanted: &mut BTreeSet<(u64, Place, Abi)>,
    start: u64,
    abi: Abi,
    origin: &Origin,
) {
    let Origin { constants, parameters, is_unknown } = origin;
    if *is_unknown {
        sites.unknown.insert(start);
    }
    for value in constants {
        let (abi, number) = numbered(abi, *value);
        // Such as -1, which no kernel has, and what a search that went astray finds.
        if abi.syscall_name(number).is_some() {
            sites.calls.entry((abi, number)).or_default().insert(start);
        }
    }
    wanted.extend(parameters.iter().map(|place| (start, *place, abi)));
}

/// The ABI and the number without its bit.
fn numbered(abi: Abi, value: u64) -> (Abi, u32) {
    let number = (value & 0xffff_ffff) as u32;
    match abi {
        Abi::X86_64 if number & 0x4000_0000 != 0 => (Abi::X32, number & !0x4000_0000),
        _ => (abi, number),
    }
}

/// Where a function's parameter is before the call that leads to it: x86 pushes the return address.
const fn before_call(abi: Abi, place: Place) -> Place {
    match (abi, place) {
        (Abi::X86_64 | Abi::X32, Place::Stack(offset)) => Place::Stack(offset.saturating_sub(8)),
        (Abi::X86, Place::Stack(offset)) => Place::Stack(offset.saturating_sub(4)),
        _ => place,
    }
}

/// Where a function's parameter is when it begins, of which the caller knows where it is before the call.
const fn after_call(abi: Abi, place: Place) -> Place {
    match (abi, place) {
        (Abi::X86, Place::Stack(offset)) => Place::Stack(offset.saturating_add(4)),
        _ => place,
    }
}

/// Looks at all uses of an imported function that takes a number: calls of its slot, and the stubs that jump there.
/// Gives where the stubs begin.
fn imported(
    reader: &mut Reader<'_>,
    wrapper: &str,
    sites: &mut Sites,
    wanted: &mut BTreeSet<(u64, Place, Abi)>,
) -> BTreeSet<u64> {
    let object = reader.object;
    let slots: BTreeSet<u64> =
        object.slots.iter().filter(|(_, name)| **name == wrapper).map(|(slot, _)| *slot).collect();
    let mut stubs = BTreeSet::new();
    if !object.imports.contains(wrapper) {
        return stubs;
    }
    let place = first_parameter(object.abi);
    let mut is_used = false;
    for (address, is_stub) in uses(object, &slots) {
        is_used = true;
        if is_stub {
            // An instruction that marks a target of indirect jumps may come before.
            let before: &[u64] =
                if object.abi == Abi::Aarch64 { &[0, 4, 8] } else { &[0, 1, 4, 5] };
            for start in before.iter().map(|before| address.saturating_sub(*before)) {
                stubs.insert(start);
                wanted.insert((start, after_call(object.abi, place), object.abi));
            }
            continue;
        }
        let Some(body) = reader.body_at(address) else { continue };
        let Some(index) = body.index(address) else { continue };
        let origin = match body.steps[index].flow {
            Flow::Call(_) => body.origin(index, place),
            _ => body.origin(index, after_call(object.abi, place)),
        };
        add(sites, wanted, body.start, object.abi, &origin);
    }
    if !is_used {
        sites.unknown.insert(0);
    }
    stubs
}

/// Where bytes are that may be an instruction that enters the kernel, in order.
fn entries(object: &Object<'_>) -> Vec<u64> {
    let mut found = Vec::new();
    for code in object.code.iter().filter(|code| !code.is_stubs) {
        match object.abi {
            Abi::Aarch64 => words(code, |_, word| word == 0xd400_0001, &mut found),
            Abi::Riscv64 => {}
            Abi::X86_64 | Abi::X86 | Abi::X32 => {
                let pairs: &[[u8; 2]] = match object.abi {
                    Abi::X86 => &[[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80], [0x65, 0xff]],
                    _ => &[[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80]],
                };
                found.extend(places(code.bytes, pairs).map(|at| code.address.wrapping_add(at)));
                found.truncate(MOST_SITES);
            }
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
fn callers<T>(object: &Object<'_>, targets: &BTreeMap<u64, T>) -> Vec<(u64, u64)> {
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
fn uses(object: &Object<'_>, slots: &BTreeSet<u64>) -> Vec<(u64, bool)> {
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
