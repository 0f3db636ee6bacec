//! Types and limits that the eBPF probe and its loader share.
//!
//! Every type is `repr(C)`, has no implicit padding and is valid for any bit pattern, since its
//! bytes cross the border between kernel and user space as they are.
#![no_std]

mod config;

pub use config::Config;

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

/// Largest number of a set; the bits above are [`SLOW`] and [`IN_CALL`].
pub const SET_MASK: u16 = 0x3fff;

/// In a task's entry: something about the task may change with its next call, which therefore has to
/// be looked at: it is to execute the command, or waits for its container's filter, or its container
/// is starting up.
pub const SLOW: u16 = 0x4000;

/// In a task's entry: the task is between `sys_enter` and `sys_exit` of a call.
pub const IN_CALL: u16 = 0x8000;

/// Containers that one recording can hold.
pub const CONTAINERS: u32 = 4096;

/// Tasks that are followed while tasks are adopted.
pub const ENTERED: u32 = 65536;

/// Users beside root whose mount namespaces may be containers.
pub const OWNERS: usize = 4;

/// Parts of a container's life, as kept in [`ProgramKey::phase`].
pub mod phase {
    /// A command, or anything else that has no phases.
    pub const NONE: u16 = 0;
    /// The runtime's own calls, between filter and exec.
    pub const RUNTIME: u16 = 1;
    /// From the first exec until something is waited for.
    pub const STARTUP: u16 = 2;
    /// From then on.
    pub const RUNNING: u16 = 3;
    /// What was put into the container later.
    pub const EXEC: u16 = 4;
    /// Added to the others: began at an exec, without a filter.
    pub const UNFILTERED: u16 = 8;
}

/// Entries in one value of the map `TASKS`.
pub const TASKS_PER_CHUNK: usize = 32;

/// Values in the map `DESCENDANTS`: a bit for every thread id.
pub const DESCENDANT_WORDS: u32 = 4 * 1024 * 1024 / 64;

/// Values in the map `TASKS`: room for every thread id that a 64-bit kernel can give
/// (`PID_MAX_LIMIT` in `include/linux/threads.h`), so that no task can be without an entry.
pub const TASK_CHUNKS: u32 = (4 * 1024 * 1024 / TASKS_PER_CHUNK) as u32;

/// Entries of the map `FILTER`, a power of two.
pub const FILTER_ENTRIES: u32 = 65536;

/// Bits of an address within a kernel stack: stacks have 16 KiB and are aligned to that, or else
/// the program `measure_stack` finds out.
pub const STACK_BITS: u32 = 14;

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
    /// Tasks without an entry, or of a container without room.
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
    /// A container has begun: `set` is its index.
    pub const CONTAINER: u32 = 3;
    /// More than half of the indexes of containers or of the sets are in use.
    pub const ROOM: u32 = 4;
}

/// What is given out and given back: indexes into the maps `USED` and `RETURNED`.
pub mod room {
    /// Indexes of containers.
    pub const CONTAINERS: u32 = 0;
    /// Sets.
    pub const SETS: u32 = 1;
    /// Number of kinds.
    pub const KINDS: u32 = 2;
}

/// How a task has come into the table, in the map `ENTERED`.
pub mod entered {
    /// Its parent was recorded.
    pub const BY_FORK: u32 = 1;
    /// It was adopted.
    pub const BY_ADOPTION: u32 = 2;
}

/// What the recorder may ask of the program `control`, as its first argument.
pub mod control {
    /// That no mount namespace up to that of the running task is a new container's.
    pub const BEGIN_AFTER: u64 = 0;
    /// To record a task that runs already: its thread id in the initial pid namespace, and inode and
    /// device of its executable.
    pub const ADOPT: u64 = 1;
    /// To record an adopted task no more, since it has ended before it was adopted: its thread id.
    pub const LEAVE: u64 = 2;
}

/// Bytes kept of an executable's path, with the final zero.
pub const PATH_LEN: usize = 256;

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
    pub abi: u16,
    /// [`phase`].
    pub phase: u16,
    /// Index of its container, from 1; 0 for none.
    pub container: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bytes kept of a cgroup's name, with the final zero.
pub const CGROUP_LEN: usize = 96;

/// A container, or what may turn out to be none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Container {
    /// The number of its mount namespace that is never given twice.
    pub mount_namespace: u64,
    /// When it began, in nanoseconds of `CLOCK_MONOTONIC`; 0 if it has not.
    pub began: u64,
    /// Recorded tasks that have not ended.
    pub live: u64,
    /// Sets that its executables have taken.
    pub sets: u64,
    /// How often there was no set for an executable of it.
    pub lost: u64,
    /// `cred.cap_bset` of the first task that executed something.
    pub bounding_set: u64,
    /// Thread id of the task that began it, in the initial pid namespace.
    pub pid: u32,
    /// Index of the container in which it was made; 0 for none.
    pub parent: u32,
    /// Filters that the runtime itself was under.
    pub filters_before: u32,
    /// 1 once a filter was seen.
    pub filtered: u32,
    /// 1 once something was executed in it.
    pub started: u32,
    /// 1 once something was waited for in it.
    pub waited: u32,
    /// 1 if the first task that executed something had `no_new_privs`.
    pub no_new_privs: u32,
    /// Who made its mount namespace: the owner of the user namespace that it belongs to, or for the
    /// initial one the real user of the task that made it. In the initial user namespace.
    pub owner: u32,
    /// 1 if the task that made it descends from the command.
    pub descends: u32,
    /// Zero.
    pub reserved: u32,
    /// Name of the task that began it.
    pub comm: [u8; 16],
    /// Names of its cgroup and of the two above it; zero-terminated.
    pub cgroups: [[u8; CGROUP_LEN]; 3],
}

/// Instructions that a filter can have (`BPF_MAXINSNS` in `include/uapi/linux/bpf_common.h`).
pub const INSTRUCTIONS: usize = 4096;

/// Containers whose filters are kept; those of others are not known.
pub const FILTERS: u32 = 256;

/// The filter with which a container began.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ContainerFilter {
    /// Index of the container; 0 if this place is free.
    pub container: u32,
    /// How many instructions it has; 0 if it could not be read.
    pub length: u32,
    /// Each as the kernel has it (`struct sock_filter`).
    pub instructions: [u64; INSTRUCTIONS],
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

/// A call that did not get past a filter, with what tells it from others of the same call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefusalKey {
    /// Set of the task that made it.
    pub set: u32,
    /// [`abi`] of the call.
    pub abi: u32,
    /// Its number, without [`X32_BIT`] for x32.
    pub number: u32,
    /// The errno that it was answered with, 0 for none; or one of [`answer`].
    pub errno: u32,
    /// What the call's [`LookedAt`] leaves of its arguments.
    pub args: [u64; 6],
    /// 1 for all refusals of this kind with other arguments than the first [`REFUSED_VALUES`]; `args` is
    /// then zero.
    pub others: u64,
}

/// What tells one refusal of a call from another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedAt {
    /// Bits that count, of each argument.
    pub bits: [u64; 6],
    /// Bits of which it counts only whether any is set.
    pub any: [u64; 6],
}

/// How a call was answered that did not get past a filter, if not with an errno:
/// [`RefusalKey::errno`].
pub mod answer {
    /// The task is killed for it.
    pub const KILLED: u32 = u32::MAX;
    /// The task gets SIGSYS, which it handles.
    pub const SIGSYS: u32 = u32::MAX - 1;
    /// A value that is no errno: a supervisor or a tracer has answered.
    pub const RETURNED: u32 = u32::MAX - 2;
}

/// Different arguments of one refused call of one set that are kept apart, with one errno.
pub const REFUSED_VALUES: u64 = 64;

/// How often a call was refused, and an example.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How often, and when first.
    pub seen: Seen,
    /// All arguments of the first one.
    pub args: [u64; 6],
}

/// Arguments of one call that can be kept.
pub const KEPT_ARGUMENTS: usize = 3;

/// Different values of one call's arguments that are kept for one set; more are an overflow.
pub const VALUES_PER_CALL: u32 = 128;

/// How an argument is kept.
pub mod kept {
    /// Not at all.
    pub const NOT: u8 = 0;
    /// Its bits under the mask.
    pub const BITS: u8 = 1;
    /// 1 if any bit under the mask is set, else 0.
    pub const ANY: u8 = 2;
    /// 1 if all bits under the mask are set, else 0.
    pub const ALL: u8 = 3;
}

/// Which arguments of a call are kept, and how.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArgumentRule {
    /// Bits that count, of each of the arguments.
    pub masks: [u64; KEPT_ARGUMENTS],
    /// One of [`kept`] for each of them; the first is [`kept::NOT`] for a call without a rule.
    pub kinds: [u8; 4],
    /// Their indexes, 0 to 5.
    pub indexes: [u8; 4],
}

/// A call with arguments that are kept, as they are kept; zero for those that are not.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArgumentsKey {
    /// Set of the task that made it.
    pub set: u32,
    /// Its number, without [`X32_BIT`] for x32.
    pub number: u32,
    /// Of each argument that the call's [`ArgumentRule`] names.
    pub values: [u64; KEPT_ARGUMENTS],
}

/// Bytes kept of the beginning of a request.
pub const REQUEST_LEN: usize = 192;

/// The beginning of an HTTP request that the command, or a descendant of it, sends to a UNIX socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    /// How many bytes there are.
    pub length: u32,
    /// They, and what was there before.
    pub bytes: [u8; REQUEST_LEN],
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
        crate::Container,
        crate::ContainerFilter,
        crate::ProgramKey,
        crate::UnknownKey,
        crate::Seen,
        crate::RefusalKey,
        crate::LookedAt,
        crate::Refusal,
        crate::ArgumentRule,
        crate::ArgumentsKey,
        crate::Event
    );
}
