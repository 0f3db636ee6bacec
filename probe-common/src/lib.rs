//! Types and limits that the eBPF probe and its loader share.
//!
//! Every type is `repr(C)`, has no implicit padding and is valid for any bit pattern, since its
//! bytes cross the border between kernel and user space as they are.
#![no_std]

/// Room for the call numbers of one ABI: numbers from here on are counted one by one in a map of
/// their own. Linux 6.18 has numbers up to 469, and x32 up to 547.
pub const NUMBERS: usize = 576;

/// Set of a task that is not recorded.
pub const SET_NONE: u16 = 0;

/// Set of the command between the recorder's fork and its own first instruction: of all that it
/// calls then, only the `execve` that starts the command counts.
pub const SET_LAUNCH: u16 = 1;

/// First of the sets, one for each ABI, of all executables for which there is no set of their own.
pub const SET_OTHER: u16 = 2;

/// First set that is given to an executable.
pub const SET_FIRST: u16 = SET_OTHER + ABIS as u16;

/// Largest number of a set; the bit above is [`IN_CALL`].
pub const SET_MASK: u16 = 0x7fff;

/// In a task's entry: the task is between `sys_enter` and `sys_exit` of a call.
pub const IN_CALL: u16 = 0x8000;

/// Entries in one value of the map `TASKS`.
pub const TASKS_PER_CHUNK: usize = 32;

/// Values in the map `TASKS`: room for every thread id that a 64-bit kernel can give
/// (`PID_MAX_LIMIT` in `include/linux/threads.h`), so that no task can be without an entry.
pub const TASK_CHUNKS: u32 = (4 * 1024 * 1024 / TASKS_PER_CHUNK) as u32;

/// Number of [`abi`] values.
pub const ABIS: usize = 4;

/// System call ABIs, as indexes.
pub mod abi {
    /// 64-bit calls on x86-64.
    pub const X86_64: u32 = 0;
    /// 32-bit calls on x86.
    pub const X86: u32 = 1;
    /// x32 calls on x86-64.
    pub const X32: u32 = 2;
    /// 64-bit calls on arm64.
    pub const AARCH64: u32 = 3;
}

/// Bit in the number of an x32 call (`__X32_SYSCALL_BIT`).
pub const X32_BIT: u32 = 0x4000_0000;

/// What could not be stored: indexes into the map `LOSSES`.
pub mod loss {
    /// Calls of an unknown number without room.
    pub const CALLS: u32 = 0;
    /// Executables without a set of their own.
    pub const PROGRAMS: u32 = 1;
    /// Tasks without an entry.
    pub const TASKS: u32 = 2;
    /// Refusals without room.
    pub const REFUSALS: u32 = 3;
    /// Number of kinds.
    pub const KINDS: u32 = 4;
}

/// Kinds of [`Event`].
pub mod event {
    /// An executable got a set: `set` is its number, `pid` the task that executes it.
    pub const PROGRAM: u32 = 1;
    /// The last recorded task has ended.
    pub const ALL_ENDED: u32 = 2;
}

/// Bytes kept of an executable's path, with the final zero.
pub const PATH_LEN: usize = 256;

/// What the probe has to know about the running kernel and about its recorder. Written once, before
/// the program is loaded; the kernel's verifier then treats every field as a constant.
///
/// Fields named after a kernel structure are offsets in bytes, read from the kernel's BTF.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `task_struct.pid`.
    pub task_pid: u32,
    /// `task_struct.tgid`.
    pub task_tgid: u32,
    /// `task_struct.exit_code`.
    pub task_exit_code: u32,
    /// The word of `task_struct.thread_info` that says whether the current call came through the
    /// 32-bit entry.
    pub task_compat: u32,
    /// The bits of that word that say so; 0 if this kernel has no such entry.
    pub compat_mask: u32,
    /// 1 if task fields may be read through `bpf_get_current_task_btf` (Linux 5.11).
    pub task_btf: u32,
    /// [`abi`] of 64-bit calls.
    pub native_abi: u32,
    /// 1 if [`X32_BIT`] marks x32 calls.
    pub has_x32: u32,
    /// Number of `execve` in the native ABI.
    pub execve: u32,
    /// Number of `execveat` in the native ABI.
    pub execveat: u32,
    /// 1 to notice calls that a seccomp filter refused.
    pub watch_refusals: u32,
    /// Sets there are, with the reserved ones.
    pub sets: u32,
    /// `linux_binprm.file`.
    pub binprm_file: u32,
    /// `linux_binprm.filename`.
    pub binprm_filename: u32,
    /// `linux_binprm.interp`.
    pub binprm_interp: u32,
    /// `file.f_inode`.
    pub file_inode: u32,
    /// `inode.i_ino`.
    pub inode_ino: u32,
    /// `inode.i_sb`.
    pub inode_sb: u32,
    /// `super_block.s_dev`.
    pub sb_dev: u32,
    /// The call's number in `pt_regs`: a signed 64-bit or (arm64) 32-bit word of which the lower
    /// half is read.
    pub regs_number: u32,
    /// The call's arguments in `pt_regs`.
    pub regs_args: [u32; 6],
    /// The call's arguments in `pt_regs`, for the 32-bit entry.
    pub regs_compat_args: [u32; 6],
    /// Process id of the recorder, in the pid namespace of the next two fields.
    pub recorder_tgid: u32,
    /// Unused.
    pub reserved: u32,
    /// Device of the recorder's pid namespace file, as `stat` gives it.
    pub pidns_dev: u64,
    /// Inode of the recorder's pid namespace file.
    pub pidns_ino: u64,
}

/// What belongs to a set: which executable, and by what path it was executed first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Program {
    /// Which executable and ABI.
    pub key: ProgramKey,
    /// Thread id, in the initial pid namespace, of the task that executed it first.
    pub pid: u32,
    /// 1 once the rest is filled in.
    pub ready: u32,
    /// `linux_binprm.filename`: the path given to `execve`; zero-terminated.
    pub filename: [u8; PATH_LEN],
    /// `linux_binprm.interp`: the same, or for a script the path of its interpreter.
    pub interp: [u8; PATH_LEN],
}

/// An executable as seen through one ABI.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramKey {
    /// `inode.i_ino`.
    pub inode: u64,
    /// `super_block.s_dev`: major number from bit 20 on, minor number below.
    pub device: u32,
    /// [`abi`].
    pub abi: u32,
}

/// One counter per call number of one set, on one CPU.
pub type Counters = [u64; NUMBERS];

/// A call whose number is [`NUMBERS`] or above.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnknownKey {
    /// Set of the task that made it.
    pub set: u32,
    /// Its number, without [`X32_BIT`] for x32.
    pub number: u32,
}

/// How often, and when first, something happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// When first, in nanoseconds of `CLOCK_MONOTONIC`.
    pub first: u64,
}

/// A refused call, with the arguments that tell it from other refusals of the same call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefusalKey {
    /// Set of the task that made it.
    pub set: u32,
    /// [`abi`] of the call.
    pub abi: u32,
    /// Its number, without [`X32_BIT`] for x32.
    pub number: u32,
    /// The errno that it was answered with; [`KILLED`] if the task was killed.
    pub errno: u32,
    /// The arguments that the profile looks at, zero for the others.
    pub args: [u64; 6],
}

/// [`RefusalKey::errno`] of a call that killed its task.
pub const KILLED: u32 = u32::MAX;

/// How often a call was refused, and an example.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How often, and when first.
    pub seen: Seen,
    /// All arguments of the first one.
    pub args: [u64; 6],
}

/// A rare fact, announced through the ring buffer. Each can be recovered from a map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// One of [`event`].
    pub kind: u32,
    /// Set that it is about.
    pub set: u32,
    /// Thread id that it is about, in the initial pid namespace.
    pub pid: u32,
}

#[cfg(feature = "user")]
mod pod {
    //! The orphan rule wants these here.

    macro_rules! pod {
        ($($type:ty),*) => {
            $(
                // SAFETY: `repr(C)`, no padding, any bit pattern is valid.
                unsafe impl aya::Pod for $type {}
            )*
        };
    }
    pod!(
        crate::Config,
        crate::Program,
        crate::ProgramKey,
        crate::UnknownKey,
        crate::Seen,
        crate::RefusalKey,
        crate::Refusal,
        crate::Event
    );
}
