//! Machines: the meaning of a profile depends on the machine that loads it.
//!
//! libseccomp always covers the architecture for which it was built, whatever a profile lists, and a
//! kernel knows the ABIs of its own machine only. So the same file lets other calls through on x86-64
//! than on arm64. Nothing here asks what machine it runs on: a machine is always given.
//!
//! 32-bit arm, which some arm64 kernels run too, is not modelled: nothing is said of its calls.

use std::fmt;
use std::str::FromStr;

use crate::abi::Abi;
use crate::choice::Choice;

/// A machine on which profiles are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// 64-bit x86.
    X86_64,
    /// 64-bit arm.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
}

/// What there is to know about a machine.
struct Facts {
    /// As `uname -m` prints it.
    name: &'static str,
    go_name: &'static str,
    help: &'static str,
    /// Its own first.
    abis: &'static [Abi],
}

/// A row for each, in the order of the enum.
const MACHINES: [Facts; 3] = [
    Facts {
        name: "x86_64",
        go_name: "amd64",
        help: "64-bit x86, with its 32-bit ABIs",
        abis: &[Abi::X86_64, Abi::X86, Abi::X32],
    },
    Facts {
        name: "aarch64",
        go_name: "arm64",
        help: "64-bit arm; 32-bit arm is not modelled",
        abis: &[Abi::Aarch64],
    },
    Facts {
        name: "riscv64",
        go_name: "riscv64",
        help: "64-bit RISC-V; nothing is recorded there",
        abis: &[Abi::Riscv64],
    },
];

impl Machine {
    /// Every machine, in the order in which they are listed everywhere.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Riscv64];

    const fn facts(self) -> &'static Facts {
        &MACHINES[self as usize]
    }

    /// The ABI of its own programs. Every filter covers it, whether the profile lists it or not.
    #[must_use]
    pub const fn native(self) -> Abi {
        self.facts().abis[0]
    }

    /// The ABIs that its kernel may have, its own first.
    #[must_use]
    pub const fn abis(self) -> &'static [Abi] {
        self.facts().abis
    }

    /// Its name, as `uname -m` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The name that Go has for it, and so Docker's dialect of profiles.
    #[must_use]
    pub const fn go_name(self) -> &'static str {
        self.facts().go_name
    }

    /// What it is, in a line.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.facts().help
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a machine: write {machines}", machines = names(Machine::ALL.into_iter(), " or "))]
pub struct UnknownMachine(String);

impl FromStr for Machine {
    type Err = UnknownMachine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|machine| machine.name() == text);
        named.ok_or_else(|| UnknownMachine(text.to_owned()))
    }
}

/// Names as in a sentence: `x86_64, aarch64 and riscv64`.
pub(crate) fn names(machines: impl Iterator<Item = Machine>, last: &str) -> String {
    let names: Vec<&str> = machines.map(Machine::name).collect();
    match names.split_last() {
        Some((end, [])) => (*end).to_owned(),
        Some((end, others)) => format!("{}{last}{end}", others.join(", ")),
        None => String::new(),
    }
}

impl Abi {
    /// The machine that has it. No ABI is found on two.
    #[must_use]
    pub fn machine(self) -> Machine {
        // Each is in a row; a test says so.
        let has = |machine: &Machine| machine.abis().contains(&self);
        Machine::ALL.into_iter().find(has).unwrap_or(Machine::X86_64)
    }

    /// Whether it is that of its machine's own programs.
    #[must_use]
    pub fn is_native(self) -> bool {
        self.machine().native() == self
    }

    /// Its name, and that of its machine where it is another one: `x86 on x86_64`.
    #[must_use]
    pub fn place(self) -> String {
        match self.is_native() {
            true => self.name().to_owned(),
            false => format!("{self} on {}", self.machine()),
        }
    }
}

/// Some machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// A bit for each, in the order of the enum.
    bits: u8,
}

impl Machines {
    /// All of them: where nothing is known of where a profile will be loaded.
    pub const ALL: Self = Self { bits: (1 << Machine::ALL.len()) - 1 };

    /// Whether one is among them.
    #[must_use]
    pub const fn contains(self, machine: Machine) -> bool {
        self.bits & (1 << machine as u8) != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// The only one; `None` if there are several, or none.
    #[must_use]
    pub fn only(self) -> Option<Machine> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none())
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Machine> {
        Machine::ALL.into_iter().filter(move |machine| self.contains(*machine))
    }

    /// The ABIs that their kernels may have.
    pub fn abis(self) -> impl Iterator<Item = Abi> {
        self.iter().flat_map(|machine| machine.abis().iter().copied())
    }

    /// Whether one of them has this ABI.
    #[must_use]
    pub fn have(self, abi: Abi) -> bool {
        self.contains(abi.machine())
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits }
    }
}

impl Choice for Machines {
    fn all() -> Vec<Self> {
        let each = Machine::ALL.into_iter().map(Self::from);
        each.chain([Self::ALL]).collect()
    }

    fn name(self) -> &'static str {
        self.only().map_or("all", Machine::name)
    }

    fn help(self) -> &'static str {
        self.only().map_or(
            "All of these: a profile covers each machine's own ABI, whatever it lists",
            Machine::help,
        )
    }
}

impl From<Machine> for Machines {
    fn from(machine: Machine) -> Self {
        [machine].into_iter().collect()
    }
}

impl FromIterator<Machine> for Machines {
    fn from_iter<T: IntoIterator<Item = Machine>>(machines: T) -> Self {
        let bits = machines.into_iter().fold(0, |bits, machine| bits | 1 << machine as u8);
        Self { bits }
    }
}

impl fmt::Display for Machines {
    /// As in a sentence: `x86_64, aarch64 and riscv64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(self.iter(), " and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_abi_is_found_on_one_machine() {
        for abi in Abi::ALL {
            let having: Vec<Machine> =
                Machine::ALL.into_iter().filter(|machine| machine.abis().contains(&abi)).collect();
            assert_eq!(having, [abi.machine()], "{abi}");
            assert_eq!(abi.is_native(), abi.machine().native() == abi, "{abi}");
        }
        assert!(Machines::ALL.abis().eq(Abi::ALL), "the order of lists is the same everywhere");
    }

    #[test]
    fn a_name_leads_back_to_its_machine() {
        for machine in Machine::ALL {
            assert_eq!(machine.name().parse(), Ok(machine));
        }
        assert!("arm".parse::<Machine>().is_err());
    }

    #[test]
    fn machines_are_named_as_in_a_sentence() {
        assert_eq!(Machines::ALL.to_string(), "x86_64, aarch64 and riscv64");
        assert_eq!(Machines::from(Machine::Aarch64).to_string(), "aarch64");
        assert!(Machines::ALL.and(Machines::default()).is_empty());
    }
}
