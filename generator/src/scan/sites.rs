//! Instructions that enter the kernel, and the numbers of the calls that they make.
//!
//! The number is in a register. Where it is a constant that the function puts there, it is found by going backwards
//! from the instruction. Where it is a parameter of the function, such as of `syscall(2)` and of the functions of Go's
//! `syscall` package, the callers of the function are looked at in the same way.

use std::collections::{BTreeMap, BTreeSet};

use super::body::{Origin, Reader};
use super::search::{MOST_SITES, callers, entries, uses};
use super::step::{Flow, Place, Target};
use crate::abi::Abi;

/// The function of C libraries that makes the call of which it is given the number.
pub(super) const SYSCALL: &str = "syscall";

/// How many functions that take a number are followed.
const MOST_WRAPPERS: usize = 512;

/// How often callers of callers are looked for.
const DEPTH: usize = 12;

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
