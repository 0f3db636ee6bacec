//! The filter that a recorded command runs under.

/// Puts every call to the supervisor, whatever its ABI and number.
///
/// Nothing is left out, not even what ends a task or returns from a signal handler: what is left out is not recorded,
/// and no call is needed to [hand the listener over](super::listener). What cannot be seen in this way is what the
/// kernel never asks a filter about (the vDSO, work of an io_uring), and what a filter of the workload's own decides:
/// of all filters' answers the kernel takes the strictest, and `ERRNO`, `TRAP` and `KILL` are stricter than
/// `USER_NOTIF` (`seccomp(2)`).
pub const PROGRAM: [libc::sock_filter; 1] = [libc::sock_filter {
    code: (libc::BPF_RET | libc::BPF_K) as u16,
    jt: 0,
    jf: 0,
    k: libc::SECCOMP_RET_USER_NOTIF,
}];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::instruction;
    use strait_generator::bpf::{Call, Filter};

    #[test]
    fn every_call_of_every_abi_is_notified() {
        let filter = Filter::new(PROGRAM.map(instruction).to_vec()).unwrap();
        for arch in [0xc000_003e, 0x4000_0003, 0xc000_00b7, 0] {
            for number in [0, 59, 231, 0x4000_0000, u32::MAX] {
                let call = Call { number, arch, instruction_pointer: 0, args: [0; 6] };
                assert_eq!(filter.run(&call), libc::SECCOMP_RET_USER_NOTIF);
            }
        }
    }
}
