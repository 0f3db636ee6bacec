//! Installs a compiled filter.

use std::io;

use strait_generator::bpf::Instruction;

/// The most instructions the kernel takes (`BPF_MAXINSNS`, `include/uapi/linux/bpf_common.h`).
const MOST_INSTRUCTIONS: usize = 4096;

/// A classic BPF program that decides about system calls.
#[derive(Clone, Debug)]
pub struct Program {
    instructions: Vec<libc::sock_filter>,
    /// Number of instructions, as the kernel wants it.
    len: u16,
}

impl Program {
    /// Bytes of an instruction: a 16-bit operation, two 8-bit jumps, a 32-bit constant.
    pub(super) const INSTRUCTION: usize = 8;

    /// Reads a program as libseccomp exports it: `struct sock_filter`s in the machine's byte order.
    /// `None` if it is longer than the kernel takes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let instructions: Vec<libc::sock_filter> = bytes
            .as_chunks::<{ Self::INSTRUCTION }>()
            .0
            .iter()
            .map(|[c0, c1, jt, jf, k0, k1, k2, k3]| libc::sock_filter {
                code: u16::from_ne_bytes([*c0, *c1]),
                jt: *jt,
                jf: *jf,
                k: u32::from_ne_bytes([*k0, *k1, *k2, *k3]),
            })
            .collect();
        let len = u16::try_from(instructions.len()).ok()?;
        (instructions.len() <= MOST_INSTRUCTIONS).then_some(Self { instructions, len })
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[libc::sock_filter] {
        &self.instructions
    }
}

/// An instruction of the kernel's, as what reads filters has it.
pub(crate) const fn instruction(raw: libc::sock_filter) -> Instruction {
    Instruction { code: raw.code, jt: raw.jt, jf: raw.jf, k: raw.k }
}

/// Whether a program may gain privileges by an exec after the filter is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoNewPrivs {
    /// Not any more. Needed to install a filter without CAP_SYS_ADMIN.
    Set,
    /// As before. Needs CAP_SYS_ADMIN.
    Leave,
}

/// Puts the calling thread and everything it starts under a filter, permanently.
///
/// Only makes system calls, and so may be called between fork and exec, even in a program with
/// threads. What comes after it, the exec first of all, needs the filter's consent.
///
/// # Errors
///
/// The kernel's error: EACCES without [`NoNewPrivs::Set`] or CAP_SYS_ADMIN, EINVAL if the kernel has
/// no seccomp filters.
pub fn install(program: &Program, no_new_privs: NoNewPrivs) -> io::Result<()> {
    if no_new_privs == NoNewPrivs::Set {
        // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
        let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let program =
        libc::sock_fprog { len: program.len, filter: program.instructions.as_ptr().cast_mut() };
    let flags: libc::c_ulong = 0;
    // SAFETY: `program` points to `len` instructions that outlive the call; the kernel copies them
    // and writes nothing.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
