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
