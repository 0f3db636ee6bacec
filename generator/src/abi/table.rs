//! Numbers of calls. The tables are those of the crate `syscalls`; what it leaves out of them,
//! or has wrong, is here. A test holds the result against libseccomp's.

use std::ops::RangeInclusive;

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

/// Numbers that arm64 and riscv have not (`include/uapi/asm-generic/unistd.h`, Linux 6.12): calls for the 64-bit time
/// of 32-bit programs.
const TIME64: RangeInclusive<u32> = 403..=423;

/// Names and numbers of an ABI's calls.
pub struct Numbers {
    /// The name of the call with this number.
    pub name: fn(u32) -> Option<&'static str>,
    /// The number of the call with this name.
    pub number: fn(&str) -> Option<u32>,
}

/// The numbers of an architecture as the crate has them, but for those in `$without` and for the names in `$renamed`:
/// number, the crate's name, the kernel's.
macro_rules! numbers {
    ($arch:ident, without: $without:expr, renamed: $renamed:expr) => {
        Numbers {
            name: |number| {
                let renamed: &[(u32, &str, &'static str)] = &$renamed;
                if $without(&number) {
                    return None;
                }
                if let Some((.., ours)) = renamed.iter().find(|(of, ..)| *of == number) {
                    return Some(ours);
                }
                let index = usize::try_from(number).ok()?;
                syscalls::$arch::Sysno::new(index).map(|call| call.name())
            },
            number: |name| {
                let renamed: &[(u32, &str, &'static str)] = &$renamed;
                if let Some((number, ..)) = renamed.iter().find(|(.., ours)| *ours == name) {
                    return Some(*number);
                }
                if renamed.iter().any(|(_, theirs, _)| *theirs == name) {
                    return None;
                }
                let call: syscalls::$arch::Sysno = name.parse().ok()?;
                u32::try_from(call.id()).ok().filter(|number| !$without(number))
            },
        }
    };
}

const NONE: fn(&u32) -> bool = |_| false;
const TIMES: fn(&u32) -> bool = |number| TIME64.contains(number);

pub const X86_64: Numbers = numbers!(x86_64, without: NONE, renamed: []);
/// `arch/x86/entry/syscalls/syscall_32.tbl`, Linux 6.12.
pub const X86: Numbers = numbers!(x86, without: NONE, renamed: [(17, "r#break", "break")]);
pub const X32: Numbers = Numbers {
    name: |number| {
        let own = X32_ONLY.iter().find(|(of, _)| *of == number).map(|(_, name)| *name);
        own.or_else(|| (X86_64.name)(number).filter(|name| is_common(name)))
    },
    number: |name| {
        let own = X32_ONLY.iter().find(|(_, of)| *of == name).map(|(number, _)| *number);
        own.or_else(|| (X86_64.number)(name).filter(|_| is_common(name)))
    },
};
/// `include/uapi/asm-generic/unistd.h`, Linux 6.12.
pub const AARCH64: Numbers =
    numbers!(aarch64, without: TIMES, renamed: [(79, "fstatat", "newfstatat")]);
/// `include/uapi/asm-generic/unistd.h` and `arch/riscv/include/uapi/asm/unistd.h`, Linux 6.12.
pub const RISCV64: Numbers =
    numbers!(riscv64, without: TIMES, renamed: [(79, "fstatat", "newfstatat")]);

/// Whether x86-64 and x32 have one number for this call.
fn is_common(name: &str) -> bool {
    !NOT_ON_X32.contains(&name) && !X32_ONLY.iter().any(|(_, of_x32)| *of_x32 == name)
}
