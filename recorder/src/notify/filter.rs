//! The filter that a recorded command runs under.

use libc::sock_filter;

/// `AUDIT_ARCH_*`, `include/uapi/linux/audit.h`.
pub const X86_64: u32 = 0xc000_003e;
/// See [`X86_64`].
pub const X86: u32 = 0x4000_0003;
/// See [`X86_64`].
pub const AARCH64: u32 = 0xc000_00b7;
/// See [`X86_64`].
pub const RISCV64: u32 = 0xc000_00f3;

/// The calls that end a signal's handler, by ABI. `sigreturn` is i386's alone; x32 has a number of its own; arm64 and
/// riscv64 have the number of `include/uapi/asm-generic/unistd.h`.
const RETURNS: [(u32, [u32; 2]); 4] =
    [(X86_64, [15, 0x4000_0201]), (X86, [119, 173]), (AARCH64, [139, 139]), (RISCV64, [139, 139])];

/// Puts every call to the supervisor, whatever its ABI and number, but for those that end a signal's handler.
///
/// A signal can end a call with `EINTR` that the supervisor has not been told of, and a handler that cannot be left makes
/// a program go on in the wrong place. The calls that end a handler are in every profile, so no recording has to have
/// them. Nothing else is left out: no call is needed to [hand the listener over](super::listener). What cannot be seen in
/// this way is what the kernel never asks a filter about (the vDSO, work of an io_uring), and what a filter of the
/// workload's own decides: of all filters' answers the kernel takes the strictest, and `ERRNO`, `TRAP` and `KILL` are
/// stricter than `USER_NOTIF` (`seccomp(2)`).
pub const PROGRAM: [sock_filter; LENGTH] = program();

/// The architecture and its block of each ABI, and the answer.
const LENGTH: usize = 1 + BLOCK * RETURNS.len() + 1;

/// Compares the architecture, loads the number, compares it twice, and has both answers.
const BLOCK: usize = 6;

const fn program() -> [sock_filter; LENGTH] {
    // Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let notify = returns(libc::SECCOMP_RET_USER_NOTIF);
    let mut program = [notify; LENGTH];
    program[0] = load(ARCHITECTURE);
    let mut nth = 0;
    while nth < RETURNS.len() {
        let (architecture, [first, second]) = RETURNS[nth];
        let at = 1 + nth * BLOCK;
        program[at] = equal(architecture, 0, BLOCK as u8 - 1);
        program[at + 1] = load(NUMBER);
        program[at + 2] = equal(first, 2, 0);
        program[at + 3] = equal(second, 1, 0);
        program[at + 5] = returns(libc::SECCOMP_RET_ALLOW);
        nth += 1;
    }
    program
}

const fn load(offset: u32) -> sock_filter {
    instruction((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, offset)
}

/// Skips so many instructions if the value is this one, or else so many.
const fn equal(value: u32, then: u8, or_else: u8) -> sock_filter {
    instruction((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, then, or_else, value)
}

const fn returns(action: u32) -> sock_filter {
    instruction((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, action)
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_generator::abi::Abi;
    use strait_generator::bpf::{Call, Filter};

    fn answer(arch: u32, number: u32) -> u32 {
        let filter = Filter::new(PROGRAM.map(crate::enforce::instruction).to_vec()).unwrap();
        filter.run(&Call { number, arch, instruction_pointer: 0, args: [0; 6] })
    }

    #[test]
    fn every_call_of_every_abi_is_notified_but_the_ends_of_handlers() {
        for abi in Abi::ALL {
            for number in (0..1024).chain([u32::MAX]) {
                let is_return = ["rt_sigreturn", "sigreturn"]
                    .iter()
                    .any(|name| abi.syscall_number(name) == Some(number));
                let Call { arch, number: raw, .. } = Call::new(abi, number, [0; 6]);
                let expected =
                    if is_return { libc::SECCOMP_RET_ALLOW } else { libc::SECCOMP_RET_USER_NOTIF };
                assert_eq!(answer(arch, raw), expected, "{abi} {number}");
            }
        }
        assert_eq!(answer(0x4000_0028, 173), libc::SECCOMP_RET_USER_NOTIF, "32-bit ARM");
    }

    #[test]
    fn what_is_not_notified_is_in_every_profile() {
        assert!(strait_profiles::ALWAYS.contains("\"rt_sigreturn sigreturn "));
    }
}
