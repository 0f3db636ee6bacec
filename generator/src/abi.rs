//! System call ABIs, and the names and numbers of their calls.
//!
//! # Terminology
//!
//! An *ABI* is a way into the kernel with a numbering of its own. An x86-64 kernel has up to three:
//! number 1 is `write` for a 64-bit program and `exit` for a 32-bit one, so a number means nothing
//! without its ABI.

mod exists;
mod names;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use exists::{Existence, NEWEST};
pub use names::is_call_somewhere;
use table::Numbers;

/// A system call ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Abi {
    /// 64-bit calls on x86-64 (`syscall`).
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32-bit calls on x86: `int 0x80`, `sysenter`; also from 64-bit code.
    #[serde(rename = "x86")]
    X86,
    /// 32-bit pointers with 64-bit registers on x86-64: numbers with bit 30 set.
    #[serde(rename = "x32")]
    X32,
    /// 64-bit calls on arm64.
    #[serde(rename = "aarch64")]
    Aarch64,
    /// 64-bit calls on RISC-V.
    #[serde(rename = "riscv64")]
    Riscv64,
}

/// What there is to know about an ABI.
struct Facts {
    name: &'static str,
    /// As a profile names it (libseccomp's `include/seccomp.h.in`).
    architecture: &'static str,
    /// `AUDIT_ARCH_*`, `include/uapi/linux/audit.h`.
    audit: u32,
    /// How many bits of an argument its filters compare.
    bits: u8,
}

/// A row for each, in the order of the enum.
const ABIS: [Facts; 5] = [
    Facts { name: "x86_64", architecture: "SCMP_ARCH_X86_64", audit: 0xc000_003e, bits: 64 },
    Facts { name: "x86", architecture: "SCMP_ARCH_X86", audit: 0x4000_0003, bits: 32 },
    Facts { name: "x32", architecture: "SCMP_ARCH_X32", audit: 0xc000_003e, bits: 32 },
    Facts { name: "aarch64", architecture: "SCMP_ARCH_AARCH64", audit: 0xc000_00b7, bits: 64 },
    Facts { name: "riscv64", architecture: "SCMP_ARCH_RISCV64", audit: 0xc000_00f3, bits: 64 },
];

impl Abi {
    /// Every ABI, in the order in which they are listed everywhere.
    pub const ALL: [Self; 5] = [Self::X86_64, Self::X86, Self::X32, Self::Aarch64, Self::Riscv64];

    const fn facts(self) -> &'static Facts {
        &ABIS[self as usize]
    }

    /// The name used in recordings and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The name of its architecture in a profile, such as `SCMP_ARCH_X86_64`.
    #[must_use]
    pub const fn architecture(self) -> &'static str {
        self.facts().architecture
    }

    /// The token of its architecture in `struct seccomp_data` and in audit records (`AUDIT_ARCH_*`). x86-64 and x32
    /// have the same.
    #[must_use]
    pub const fn audit_arch(self) -> u32 {
        self.facts().audit
    }

    /// How many bits of an argument its filters compare: 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.facts().bits
    }

    /// The name of the call with this number, without the x32 bit; `None` if the table of this
    /// release knows no such number.
    #[must_use]
    pub fn syscall_name(self, number: u32) -> Option<&'static str> {
        Numbers::of(self).name(number)
    }

    /// The number of the call with this name, without the x32 bit; `None` if this ABI has none.
    #[must_use]
    pub fn syscall_number(self, name: &str) -> Option<u32> {
        Numbers::of(self).number(name)
    }

    /// The names of all calls that the table of this release knows for this ABI, by number.
    pub fn syscalls(self) -> impl Iterator<Item = (u32, &'static str)> {
        Numbers::of(self).all()
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_means_different_calls() {
        assert_eq!(Abi::X86_64.syscall_name(1), Some("write"));
        assert_eq!(Abi::X86.syscall_name(1), Some("exit"));
        assert_eq!(Abi::Aarch64.syscall_name(64), Some("write"));
        assert_eq!(Abi::X32.syscall_name(514), Some("ioctl"));
        assert_eq!(Abi::X86_64.syscall_name(514), None);
        assert_eq!(Abi::X86_64.syscall_name(13), Some("rt_sigaction"));
        assert_eq!(Abi::X32.syscall_name(13), None);
        assert_eq!(Abi::X32.syscall_name(134), None);
        assert_eq!(Abi::X32.syscall_number("uselib"), None);
        assert_eq!(Abi::Aarch64.syscall_name(79), Some("newfstatat"));
        assert_eq!(Abi::Aarch64.syscall_name(422), None);
    }

    #[test]
    fn a_name_leads_back_to_its_number() {
        for abi in Abi::ALL {
            for (number, name) in abi.syscalls() {
                assert_eq!(abi.syscall_number(name), Some(number), "{abi} {name}");
            }
        }
    }
}
