//! System call ABIs, and the names and numbers of their calls.
//!
//! # Terminology
//!
//! An *ABI* is a way into the kernel with a numbering of its own. An x86-64 kernel has up to three:
//! number 1 is `write` for a 64-bit program and `exit` for a 32-bit one, so a number means nothing
//! without its ABI.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
}

/// Calls that x32 numbers apart from x86-64, from the kernel's
/// `arch/x86/entry/syscalls/syscall_64.tbl` (Linux 6.12), entries of ABI `x32`.
const X32_ONLY: [(u32, &str); 36] = [
    (512, "rt_sigaction"),
    (513, "rt_sigreturn"),
    (514, "ioctl"),
    (515, "readv"),
    (516, "writev"),
    (517, "recvfrom"),
    (518, "sendmsg"),
    (519, "recvmsg"),
    (520, "execve"),
    (521, "ptrace"),
    (522, "rt_sigpending"),
    (523, "rt_sigtimedwait"),
    (524, "rt_sigqueueinfo"),
    (525, "sigaltstack"),
    (526, "timer_create"),
    (527, "mq_notify"),
    (528, "kexec_load"),
    (529, "waitid"),
    (530, "set_robust_list"),
    (531, "get_robust_list"),
    (532, "vmsplice"),
    (533, "move_pages"),
    (534, "preadv"),
    (535, "pwritev"),
    (536, "rt_tgsigqueueinfo"),
    (537, "recvmmsg"),
    (538, "sendmmsg"),
    (539, "process_vm_readv"),
    (540, "process_vm_writev"),
    (541, "setsockopt"),
    (542, "getsockopt"),
    (543, "io_setup"),
    (544, "io_submit"),
    (545, "execveat"),
    (546, "preadv2"),
    (547, "pwritev2"),
];

/// Calls that x32 has not, from the same table: entries of ABI `64` without a twin of ABI `x32`.
const NOT_ON_X32: [&str; 11] = [
    "uselib",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "nfsservctl",
    "set_thread_area",
    "get_thread_area",
    "epoll_ctl_old",
    "epoll_wait_old",
    "vserver",
];

impl Abi {
    /// Every ABI, in the order in which they are listed everywhere.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::X86, Self::X32, Self::Aarch64];

    /// The ABI for which this program was built, and so that of the machine's own 64-bit programs.
    pub const NATIVE: Self =
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// The name used in recordings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The name of the call with this number, without the x32 bit; `None` if the table of this
    /// release knows no such number.
    pub fn syscall_name(self, number: u32) -> Option<&'static str> {
        let index = usize::try_from(number).ok()?;
        match self {
            Self::X86_64 => syscalls::x86_64::Sysno::new(index).map(|call| call.name()),
            Self::X86 => syscalls::x86::Sysno::new(index).map(|call| call.name()),
            Self::Aarch64 => syscalls::aarch64::Sysno::new(index).map(|call| call.name()),
            Self::X32 => X32_ONLY
                .iter()
                .find(|(n, _)| *n == number)
                .map(|(_, name)| *name)
                .or_else(|| Self::X86_64.syscall_name(number).filter(|name| is_common(name))),
        }
    }

    /// The number of the call with this name, without the x32 bit; `None` if this ABI has none.
    pub fn syscall_number(self, name: &str) -> Option<u32> {
        fn number<T: FromStr>(name: &str, id: impl Fn(T) -> i32) -> Option<u32> {
            name.parse().ok().and_then(|call| u32::try_from(id(call)).ok())
        }
        match self {
            Self::X86_64 => number(name, |call: syscalls::x86_64::Sysno| call.id()),
            Self::X86 => number(name, |call: syscalls::x86::Sysno| call.id()),
            Self::Aarch64 => number(name, |call: syscalls::aarch64::Sysno| call.id()),
            Self::X32 => X32_ONLY
                .iter()
                .find(|(_, n)| *n == name)
                .map(|(number, _)| *number)
                .or_else(|| Self::X86_64.syscall_number(name).filter(|_| is_common(name))),
        }
    }

    /// The names of all calls that the table of this release knows for this ABI, by number.
    pub fn syscalls(self) -> impl Iterator<Item = (u32, &'static str)> {
        (0..1024).filter_map(move |number| Some((number, self.syscall_name(number)?)))
    }
}

/// Whether x86-64 and x32 have one number for this call.
fn is_common(name: &str) -> bool {
    !NOT_ON_X32.contains(&name) && !X32_ONLY.iter().any(|(_, of_x32)| *of_x32 == name)
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
