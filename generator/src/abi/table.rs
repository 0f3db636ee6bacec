//! Which call has which number. The tables are those of the crate `syscalls`; what it leaves out of them,
//! or has wrong, is here. A test holds the result against libseccomp's.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Abi;

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

/// What the kernel calls otherwise than the crate: ABI, number, the crate's name, the kernel's
/// (`arch/x86/entry/syscalls/syscall_32.tbl`, `include/uapi/asm-generic/unistd.h`, Linux 6.12).
const RENAMED: [(Abi, u32, &str, &str); 2] =
    [(Abi::X86, 17, "r#break", "break"), (Abi::Aarch64, 79, "fstatat", "newfstatat")];

/// Numbers that arm64 has not, from the same file: calls for the 64-bit time of 32-bit programs.
const NOT_ON_AARCH64: RangeInclusive<u32> = 403..=423;

/// The name of the call with this number.
pub fn name(abi: Abi, number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?;
    let found = match abi {
        Abi::X86_64 => syscalls::x86_64::Sysno::new(index).map(|call| call.name()),
        Abi::X86 => syscalls::x86::Sysno::new(index).map(|call| call.name()),
        Abi::X32 => X32_ONLY
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, name)| *name)
            .or_else(|| name(Abi::X86_64, number).filter(|name| is_common(name))),
        Abi::Aarch64 => syscalls::aarch64::Sysno::new(index)
            .filter(|_| !NOT_ON_AARCH64.contains(&number))
            .map(|call| call.name()),
    };
    let renamed = RENAMED.iter().find(|(of, n, ..)| (*of, *n) == (abi, number));
    renamed.map_or(found, |(.., name)| Some(name))
}

/// The number of the call with this name.
pub fn number(abi: Abi, name: &str) -> Option<u32> {
    fn id<T: FromStr>(name: &str, id: impl Fn(T) -> i32) -> Option<u32> {
        name.parse().ok().and_then(|call| u32::try_from(id(call)).ok())
    }
    for (of, number, theirs, ours) in RENAMED {
        if of == abi && name == ours {
            return Some(number);
        }
        if of == abi && name == theirs {
            return None;
        }
    }
    match abi {
        Abi::X86_64 => id(name, |call: syscalls::x86_64::Sysno| call.id()),
        Abi::X86 => id(name, |call: syscalls::x86::Sysno| call.id()),
        Abi::X32 => X32_ONLY
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(number, _)| *number)
            .or_else(|| number(Abi::X86_64, name).filter(|_| is_common(name))),
        Abi::Aarch64 => id(name, |call: syscalls::aarch64::Sysno| call.id())
            .filter(|number| !NOT_ON_AARCH64.contains(number)),
    }
}

/// Whether x86-64 and x32 have one number for this call.
fn is_common(name: &str) -> bool {
    !NOT_ON_X32.contains(&name) && !X32_ONLY.iter().any(|(_, of_x32)| *of_x32 == name)
}

#[cfg(test)]
mod tests {
    use libseccomp::{ScmpArch, ScmpSyscall};

    use super::*;
    use crate::profile::Architecture;

    /// Where libseccomp's numbers for calls begin that an architecture has not.
    const NOT_THERE: std::ops::RangeInclusive<i32> = -100_000..=-10_000;

    /// What libseccomp 2.5.4 does not know of x32.
    const LATER: (Abi, &str) = (Abi::X32, "map_shadow_stack");

    #[test]
    fn libseccomp_has_the_same_names_and_numbers() {
        for abi in Abi::ALL {
            let arch: ScmpArch = Architecture::from(abi).name().parse().unwrap();
            let bit = if abi == Abi::X32 { 0x4000_0000 } else { 0 };
            let mut known = 0;
            for (number, name) in abi.syscalls() {
                let raw = i32::try_from(number | bit).unwrap();
                if let Ok(theirs) = ScmpSyscall::from_raw_syscall(raw).get_name_by_arch(arch) {
                    assert_eq!(theirs, name, "{abi} {number}");
                    known += 1;
                } else if (abi, name) != LATER {
                    // Too new for it, which is not that the architecture has no such call.
                    let theirs = ScmpSyscall::from_name_by_arch(name, arch);
                    let number = theirs.map_or(0, ScmpSyscall::as_raw_syscall);
                    assert!(!NOT_THERE.contains(&number), "{abi} has no {name}");
                }
            }
            assert!(known > 300, "{abi}: {known}");
            let newest = abi.syscalls().map(|(number, _)| number).max().unwrap();
            for number in (0..newest).filter(|number| name(abi, *number).is_none()) {
                let raw = i32::try_from(number | bit).unwrap();
                let theirs = ScmpSyscall::from_raw_syscall(raw).get_name_by_arch(arch);
                assert!(theirs.is_err(), "{abi} {number} is {}", theirs.unwrap());
            }
        }
    }
}
