//! From names to numbers: on which machine and by which ABI the calls of a log were made.
//!
//! A name has another number on each ABI, and strace tells the ABI only when it changes (and with `-o` only with
//! `--quiet=none`), and numbers only with `-n`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::notes::Notes;
use super::super::{About, ImportError, UNKNOWN, program};
use super::line::{Mode, low_half};
use super::tally::{ArgumentValues, Made, Name, Tally};
use crate::abi::Abi;
use crate::machine::{Machine, Machines};
use crate::observation::{Observation, Observations, Values};
use crate::policy::multiplex::multiplexer;
use crate::untrusted::short;

const X32_BIT: u32 = 0x4000_0000;

/// The largest request of ioctl that holds no size, and so is the same on all ABIs.
const REQUEST_WITHOUT_SIZE: u64 = 0xffff;

/// The machine that a log is of.
pub fn machine(
    tally: &Tally,
    given: Option<Machine>,
    about: &About<'_>,
) -> Result<Machine, ImportError> {
    if let Some(machine) = given {
        return Ok(machine);
    }
    // The machines on which each of the calls can have been made; one that no machine has tells nothing.
    let mut left = Machines::ALL;
    for made in tally.made() {
        let fits = |machine: &Machine| {
            let mut abis = machine.abis().iter();
            abis.any(|abi| !numbers(*abi, made.name).is_empty())
        };
        let fitting: Machines = match made.mode {
            Some(Mode::X32) => Machine::X86_64.into(),
            _ => Machine::ALL.into_iter().filter(fits).collect(),
        };
        if !fitting.is_empty() {
            left = left.and(fitting);
        }
    }
    match left.only() {
        Some(machine) => Ok(machine),
        None if left.is_empty() => Err(ImportError::Machines { name: about.all.to_owned() }),
        None if tally.is_empty() => Ok(Machine::X86_64),
        None => Err(ImportError::WhichMachine { name: about.all.to_owned() }),
    }
}

/// The numbers that a call of this name may have on an ABI; none if the ABI has no such call, or the name has another
/// number there than the log shows. Of 32-bit programs, calls for sockets and System V objects may be made through
/// `socketcall` and `ipc`, which strace shows as what they stand for: then these are two.
fn numbers(abi: Abi, name: &Name) -> Vec<u32> {
    let own = |number: u32| match (abi, number & X32_BIT) {
        (Abi::X32, 0) => None,
        (Abi::X32, _) => Some(number & !X32_BIT),
        (..) => Some(number),
    };
    if let Some(digits) = name.name.strip_prefix("syscall_0x") {
        let number = low_half(u64::from_str_radix(digits, 16).ok());
        return number.and_then(own).into_iter().collect();
    }
    let direct = match name.name.strip_suffix("#64") {
        Some(of_native) if abi == Abi::X32 => Abi::X86_64.syscall_number(of_native),
        _ => abi.syscall_number(&name.name),
    };
    let through =
        multiplexer(abi, &name.name).and_then(|(multiplexer, _)| abi.syscall_number(multiplexer));
    let possible = direct.into_iter().chain(through);
    match name.number {
        None => possible.collect(),
        Some(number) => {
            let number = own(number);
            possible.filter(|one| Some(*one) == number).collect()
        }
    }
}

/// All calls of a log, by ABI and number. `origin` is when it begins.
pub fn observations(
    tally: &Tally,
    machine: Machine,
    origin: u64,
    notes: &mut Notes,
) -> Observations {
    let mixed = Programs::from_tally(tally, machine);
    let mut observations = Observations::default();
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    let mut through: BTreeSet<&str> = BTreeSet::new();
    for made in tally.made() {
        let found = resolved(&made, machine, &mixed);
        if found.is_empty() {
            let count = unknown.entry(described(&made, machine)).or_default();
            *count = count.saturating_add(made.seen.count);
        }
        if found.len() > 1 && found.iter().all(|(abi, _)| *abi == Abi::X86) {
            through.insert(&made.name.name);
        }
        for (abi, number) in found {
            observations.add(&Observation {
                program: &program(made.program.unwrap_or(UNKNOWN)),
                abi,
                phase: None,
                number,
                values: values(&made, abi, number),
                count: made.seen.count,
                first: Duration::from_nanos(
                    made.seen.first.map_or(0, |first| first.saturating_sub(origin)),
                ),
            });
        }
    }
    for (name, count) in unknown {
        notes.lost(count, format_args!("{name} is not known to Strait, and is left out"));
    }
    if !through.is_empty() {
        let names: Vec<&str> = through.into_iter().collect();
        notes.say(format_args!(
            "strace does not show whether 32-bit programs made {} directly or through socketcall or ipc, so both \
             are in the recording (strace -n tells)",
            names.join(", ")
        ));
    }
    for program in &mixed.of_both {
        notes.say(format_args!(
            "{} made 64-bit and 32-bit calls, and the log does not say which is which: what may be either is in the \
             recording as both (strace -n tells)",
            short(program)
        ));
    }
    observations
}

/// A call that cannot be in a recording, in words.
fn described(made: &Made<'_>, machine: Machine) -> String {
    let name = short(&made.name.name);
    match (machine, made.mode) {
        (Machine::Aarch64, Some(Mode::Bits32)) => format!("the 32-bit call {name} on aarch64"),
        _ => match made.name.number {
            Some(number) => format!("the call {name} with number {number}"),
            None => format!("the call {name}"),
        },
    }
}

/// By which ABIs and numbers a call was made. Several if the log does not tell.
fn resolved(made: &Made<'_>, machine: Machine, programs: &Programs) -> Vec<(Abi, u32)> {
    let on = |abi: Abi| -> Vec<(Abi, u32)> {
        numbers(abi, made.name).into_iter().map(|number| (abi, number)).collect()
    };
    let first = |abis: &[Abi]| {
        abis.iter().map(|abi| on(*abi)).find(|found| !found.is_empty()).unwrap_or_default()
    };
    let native = machine.native();
    if machine == Machine::Aarch64 {
        return if made.mode == Some(Mode::Bits32) {
            Vec::new()
        } else {
            unnamed(made, machine, on(native))
        };
    }
    // A number of -n that fits another ABI than the one that strace was last heard to say tells of that one.
    let found = match made.mode {
        Some(Mode::X32) => first(&[Abi::X32, Abi::X86_64, Abi::X86]),
        Some(Mode::Bits32) => first(&[Abi::X86, Abi::X86_64, Abi::X32]),
        Some(Mode::Native) => first(&[Abi::X86_64, Abi::X86, Abi::X32]),
        None if made.name.number.is_some() => first(&[Abi::X86_64, Abi::X86, Abi::X32]),
        None => match programs.bits(made.program) {
            Bits::Native => first(&[Abi::X86_64, Abi::X86]),
            Bits::X86 => first(&[Abi::X86, Abi::X86_64]),
            Bits::Both => [on(Abi::X86_64), on(Abi::X86)].concat(),
        },
    };
    unnamed(made, machine, found)
}

/// What was found; and where nothing was, the number that `-n` shows, if the name is that of a later strace.
fn unnamed(made: &Made<'_>, machine: Machine, found: Vec<(Abi, u32)>) -> Vec<(Abi, u32)> {
    let Name { name, number } = made.name;
    let is_named = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
    match (number, found.as_slice()) {
        (Some(number), []) if !is_named => match made.mode {
            Some(Mode::X32) => vec![(Abi::X32, number & !X32_BIT)],
            Some(Mode::Bits32) => vec![(Abi::X86, *number)],
            Some(Mode::Native) | None => vec![(machine.native(), *number)],
        },
        // Numbers with the x32 bit are those of x32, but for negative ones, in which it is set too.
        (_, [(Abi::X86_64, raw)]) if made.mode.is_none() && raw >> 30 == 1 => {
            vec![(Abi::X32, raw & !X32_BIT)]
        }
        _ => found,
    }
}

/// What is known of the arguments.
fn values(made: &Made<'_>, abi: Abi, number: u32) -> Values {
    let is_through = abi.syscall_name(number) != Some(made.name.name.as_str());
    match made.kept {
        ArgumentValues::NotTold => Values::NotTold,
        // The call has another name on this ABI, and the rule is for the arguments of what is shown.
        ArgumentValues::Nothing => Values::Lost,
        _ if is_through => Values::Lost,
        ArgumentValues::Lost => Values::Lost,
        // The names of requests are read as those of 64-bit programs: structs have other sizes in others.
        ArgumentValues::Values(kept)
            if made.name.name == "ioctl"
                && !abi.is_native()
                && kept.iter().any(|value| *value > REQUEST_WITHOUT_SIZE) =>
        {
            Values::Lost
        }
        ArgumentValues::Values(kept) => Values::Kept(kept.clone()),
    }
}

/// Which programs are 32-bit, where the log does not say how they call.
struct Programs {
    x86: BTreeSet<String>,
    of_both: BTreeSet<String>,
}

#[derive(Clone, Copy)]
enum Bits {
    Native,
    X86,
    Both,
}

impl Programs {
    /// A program is 32-bit if it made calls that only 32-bit programs have, and none that they have not.
    fn from_tally(tally: &Tally, machine: Machine) -> Self {
        let mut exclusive: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for made in tally.made() {
            if made.mode.is_some() || made.name.number.is_some() || machine != Machine::X86_64 {
                continue;
            }
            let has = |abi: Abi| !numbers(abi, made.name).is_empty();
            let only = exclusive.entry(made.program.unwrap_or(UNKNOWN)).or_default();
            match (has(Abi::X86_64), has(Abi::X86)) {
                (true, false) => only.0 = true,
                (false, true) => only.1 = true,
                _ => {}
            }
        }
        let mut programs = Self { x86: BTreeSet::new(), of_both: BTreeSet::new() };
        for (path, only) in exclusive {
            match only {
                (false, true) => drop(programs.x86.insert(path.to_owned())),
                (true, true) => drop(programs.of_both.insert(path.to_owned())),
                (_, false) => {}
            }
        }
        programs
    }

    fn bits(&self, path: Option<&str>) -> Bits {
        let path = path.unwrap_or(UNKNOWN);
        match (self.x86.contains(path), self.of_both.contains(path)) {
            (true, _) => Bits::X86,
            (_, true) => Bits::Both,
            _ => Bits::Native,
        }
    }
}
