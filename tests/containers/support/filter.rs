//! The filter that a process is really under, read back from the kernel, and what it allows.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::{Engine, image};

// include/uapi/linux/ptrace.h
const PTRACE_SECCOMP_GET_FILTER: libc::c_uint = 0x420c;

// include/uapi/linux/bpf_common.h, filter.h
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const GREATER_OR_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// include/uapi/linux/seccomp.h
const RET_ACTION: u32 = 0xffff_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_LOG: u32 = 0x7ffc_0000;

/// A call as a filter sees it: `struct seccomp_data`, without the instruction pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// With the bit of x32, if it is one of those.
    pub number: u32,
    /// What the registers have.
    pub args: [u64; 6],
}

/// Values for each half of each argument.
pub type Words = [BTreeSet<u32>; 12];

/// A filter of classic BPF.
#[derive(Clone)]
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter of this process that was installed last.
    pub fn of(pid: i32) -> Self {
        let pid = Pid::from_raw(pid);
        // Attaching stops the process, and only a stopped one can be asked.
        nix_result(ptrace(libc::PTRACE_SEIZE, pid, 0, 0)).expect("root may trace the process");
        nix_result(ptrace(libc::PTRACE_INTERRUPT, pid, 0, 0)).expect("we trace the process");
        waitpid(pid, Some(nix::sys::wait::WaitPidFlag::__WALL)).expect("the process stops");
        let filter = Self::of_stopped(pid);
        nix_result(ptrace(libc::PTRACE_DETACH, pid, 0, 0)).expect("we trace the process");
        filter.unwrap_or_else(|error| panic!("the filter of {pid}: {error}"))
    }

    fn of_stopped(pid: Pid) -> Result<Self, Errno> {
        let length = nix_result(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0))?;
        let empty = libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 };
        let mut program = vec![empty; usize::try_from(length).expect("a length")];
        let address = program.as_mut_ptr() as usize;
        nix_result(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, address))?;
        Ok(Self(program))
    }

    /// Whether the call gets through.
    pub fn allows(&self, call: &Call) -> bool {
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let instruction = self.0[at];
            let constant = instruction.k;
            at += 1;
            match instruction.code {
                LOAD => accumulator = word(call, constant),
                AND => accumulator &= constant,
                JUMP => at += constant as usize,
                RETURN => return matches!(constant & RET_ACTION, RET_ALLOW | RET_LOG),
                _ => at += jump(instruction, accumulator),
            }
        }
    }

    /// What this filter compares the arguments of a call with: for each of their words, lower halves
    /// first, the values that matter, found by following both ways at every comparison.
    pub fn interesting(&self, arch: u32, number: u32) -> Words {
        let mut found = Words::default();
        let mut seen = BTreeSet::new();
        // Where, and which word is in the accumulator.
        let mut todo = vec![(0_usize, 0_u32)];
        let known = Call { arch, number, args: [0; 6] };
        while let Some((at, offset)) = todo.pop() {
            if !seen.insert((at, offset)) {
                continue;
            }
            let instruction = self.0[at];
            let constant = instruction.k;
            let next = at + 1;
            let of_argument = offset >= 16;
            match instruction.code {
                LOAD => todo.push((next, constant)),
                AND if of_argument => {
                    note(&mut found, offset, constant);
                    todo.push((next, offset));
                }
                JUMP => todo.push((next + constant as usize, offset)),
                RETURN => {}
                AND => panic!("a filter that masks the number of a call"),
                _ if of_argument => {
                    note(&mut found, offset, constant);
                    todo.push((next + usize::from(instruction.jt), offset));
                    todo.push((next + usize::from(instruction.jf), offset));
                }
                _ => todo.push((next + jump(instruction, word(&known, offset)), offset)),
            }
        }
        found
    }
}

/// The default filter of this machine's Docker, from a container that is under it.
pub fn docker_default() -> &'static Filter {
    static DEFAULT: OnceLock<Filter> = OnceLock::new();
    DEFAULT.get_or_init(|| {
        let options = Engine::docker().container("docker-default");
        Filter::of(options.start(image::SMALL, &["/bin/pause"]).pid())
    })
}

/// How far a comparison jumps.
fn jump(instruction: libc::sock_filter, accumulator: u32) -> usize {
    let constant = instruction.k;
    let holds = match instruction.code {
        EQUAL => accumulator == constant,
        GREATER => accumulator > constant,
        GREATER_OR_EQUAL => accumulator >= constant,
        ANY_BIT => accumulator & constant != 0,
        code => panic!("an instruction {code:#x}, which libseccomp does not make"),
    };
    usize::from(if holds { instruction.jt } else { instruction.jf })
}

/// Values at which a comparison with `constant` changes its answer.
fn note(found: &mut Words, offset: u32, constant: u32) {
    let bits = (0..32).map(|bit| 1 << bit).filter(|bit| constant & bit != 0);
    let near = [constant, constant.wrapping_add(1), constant.wrapping_sub(1), !constant];
    found[(offset as usize - 16) / 4].extend(near.into_iter().chain(bits));
}

/// A word of `struct seccomp_data`, by its offset in bytes.
fn word(call: &Call, offset: u32) -> u32 {
    match offset {
        0 => call.number,
        4 => call.arch,
        8 | 12 => 0,
        _ => {
            let argument = call.args[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
    }
}

fn ptrace(request: libc::c_uint, pid: Pid, address: usize, data: usize) -> libc::c_long {
    // SAFETY: `data` is 0 or, for PTRACE_SECCOMP_GET_FILTER, an array with room for the whole
    // program; the other requests write nothing.
    unsafe { libc::ptrace(request, pid.as_raw(), address, data) }
}

fn nix_result(result: libc::c_long) -> Result<libc::c_long, Errno> {
    Errno::result(result)
}
