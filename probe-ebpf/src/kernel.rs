//! How kernel memory is read: offsets come from [`CONFIG`], which the loader fills in from the
//! running kernel's BTF before the program is loaded.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel as copy_from_kernel;
use aya_ebpf::helpers::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_get_ns_current_pid_tgid,
    bpf_probe_read_kernel, bpf_task_pt_regs,
};
use aya_ebpf::bindings::bpf_pidns_info;
use probe_common::{Config, X32_BIT, abi};

/// Read-only and frozen when the program is loaded, so that the verifier knows every field as a
/// constant and drops the branches that cannot be taken.
#[unsafe(no_mangle)]
pub static CONFIG: Config = Config {
    task_pid: 0,
    task_tgid: 0,
    task_exit_code: 0,
    task_stack: 0,
    task_compat: 0,
    compat_mask: 0,
    task_btf: 0,
    native_abi: 0,
    has_x32: 0,
    execve: 0,
    execveat: 0,
    watch_refusals: 0,
    binprm_file: 0,
    binprm_filename: 0,
    binprm_interp: 0,
    file_inode: 0,
    inode_ino: 0,
    inode_sb: 0,
    sb_dev: 0,
    regs_number: 0,
    regs_args: [0; 6],
    regs_compat_args: [0; 6],
    recorder_tgid: 0,
    containers: 0,
    adopts: 0,
    sets: 0,
    sets_per_container: 0,
    follows: 0,
    sends: [0; 4],
    task_files: 0,
    files_fdt: 0,
    fdt_max_fds: 0,
    fdt_fd: 0,
    file_private_data: 0,
    inode_mode: 0,
    socket_sk: 0,
    sock_family: 0,
    task_nsproxy: 0,
    nsproxy_mnt_ns: 0,
    mnt_ns_id: 0,
    task_seccomp_mode: 0,
    task_filter_count: 0,
    task_cgroups: 0,
    css_set_dfl_cgrp: 0,
    css_set_subsys: 0,
    subsystems: 0,
    css_cgroup: 0,
    cgroup_kn: 0,
    kn_parent: 0,
    kn_name: 0,
    task_cred: 0,
    cred_bounding_set: 0,
    task_atomic_flags: 0,
    cred_uid: 0,
    mnt_ns_user_ns: 0,
    user_ns_level: 0,
    user_ns_owner: 0,
    owners: [0; probe_common::OWNERS],
    task_pending_signal: 0,
    task_sighand: 0,
    sighand_sigsys: 0,
    task_signal: 0,
    signal_group_exit_code: 0,
    task_filter: 0,
    filter_prog: 0,
    prog_orig: 0,
    fprog_len: 0,
    fprog_filter: 0,
    pidns_dev: 0,
    pidns_ino: 0,
};

/// A field of [`CONFIG`]. Volatile, or the compiler would put in the zeroes above.
macro_rules! config {
    ($($field:tt)+) => {
        // SAFETY: a field of a static.
        unsafe { core::ptr::read_volatile(&raw const $crate::kernel::CONFIG.$($field)+) }
    };
}
pub(crate) use config;

/// Reads a `T` that lies `offset` bytes into a kernel structure; `None` if there is no memory.
#[inline(always)]
pub fn read<T>(base: *const u8, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(offset as usize).cast::<T>()) }.ok()
}

/// A `task_struct`.
pub struct Task {
    address: *const u8,
    /// The verifier knows the address as that of a task, and lets it be read without a helper.
    trusted: bool,
}

impl Task {
    /// The task that is running.
    #[inline(always)]
    pub fn current() -> Self {
        if config!(task_btf) == 1 {
            // SAFETY: the helper takes no arguments and always returns a task.
            let address = unsafe { bpf_get_current_task_btf() };
            Self { address: address.cast_const().cast(), trusted: true }
        } else {
            // SAFETY: as above.
            let address = unsafe { bpf_get_current_task() };
            Self { address: address as *const u8, trusted: false }
        }
    }

    /// The task at an address that a tracepoint gave.
    #[inline(always)]
    pub fn at(address: *const u8) -> Self {
        Self { address, trusted: false }
    }

    #[inline(always)]
    fn word(&self, offset: u32) -> u32 {
        if self.trusted {
            // SAFETY: the verifier has checked that a task has a field there.
            unsafe { core::ptr::read_volatile(self.address.wrapping_add(offset as usize).cast()) }
        } else {
            read(self.address, offset).unwrap_or(0)
        }
    }

    /// Thread id in the initial pid namespace; 0 for the idle task.
    #[inline(always)]
    pub fn pid(&self) -> u32 {
        self.word(config!(task_pid))
    }

    /// Process id in the initial pid namespace.
    #[inline(always)]
    pub fn tgid(&self) -> u32 {
        self.word(config!(task_tgid))
    }

    /// Status that a parent waits for; the signal that ended the task is in the lower seven bits.
    #[inline(always)]
    pub fn exit_code(&self) -> u32 {
        self.word(config!(task_exit_code))
    }

    #[inline(always)]
    fn pointer(&self, offset: u32) -> Option<*const u8> {
        read(self.address, offset)
    }

    /// The number of the task's mount namespace; 0 if it has none any more.
    #[inline(always)]
    pub fn mount_namespace(&self) -> u64 {
        self.pointer(config!(task_nsproxy))
            .and_then(|nsproxy| read::<*const u8>(nsproxy, config!(nsproxy_mnt_ns)))
            .and_then(|namespace| read(namespace, config!(mnt_ns_id)))
            .unwrap_or(0)
    }

    /// Whether one of the task's descriptors is a UNIX socket.
    #[inline(always)]
    pub fn has_unix_socket(&self, descriptor: u32) -> bool {
        const S_IFMT: u16 = 0o170_000;
        const S_IFSOCK: u16 = 0o140_000;
        const AF_UNIX: u16 = 1;
        let Some(file) = self.file(descriptor) else {
            return false;
        };
        let mode = read::<*const u8>(file, config!(file_inode))
            .and_then(|inode| read::<u16>(inode, config!(inode_mode)))
            .unwrap_or(0);
        let family = read::<*const u8>(file, config!(file_private_data))
            .and_then(|socket| read::<*const u8>(socket, config!(socket_sk)))
            .and_then(|sock| read::<u16>(sock, config!(sock_family)));
        mode & S_IFMT == S_IFSOCK && family == Some(AF_UNIX)
    }

    /// The `struct file` of a descriptor.
    #[inline(always)]
    fn file(&self, descriptor: u32) -> Option<*const u8> {
        let files = self.pointer(config!(task_files))?;
        let table: *const u8 = read(files, config!(files_fdt))?;
        if descriptor >= read::<u32>(table, config!(fdt_max_fds))? {
            return None;
        }
        let files: *const u8 = read(table, config!(fdt_fd))?;
        read::<*const u8>(files.wrapping_add(8 * descriptor as usize), 0)
    }

    /// Where the task's kernel stack begins.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        read(self.address, config!(task_stack)).unwrap_or(0)
    }

    /// Where the task's registers are kept during a system call (`bpf_task_pt_regs`, Linux 5.15).
    #[inline(always)]
    pub fn registers(&self) -> u64 {
        // SAFETY: the task that runs.
        unsafe { bpf_task_pt_regs(self.address.cast_mut().cast()) as u64 }
    }

    /// How many seccomp filters the task is under; where the kernel does not count them, 1 for any.
    #[inline(always)]
    pub fn filters(&self) -> u32 {
        const SECCOMP_MODE_FILTER: u32 = 2;
        if config!(task_filter_count) != 0 {
            self.word(config!(task_filter_count))
        } else {
            u32::from(self.word(config!(task_seccomp_mode)) == SECCOMP_MODE_FILTER)
        }
    }

    /// Whether the task is about to get a SIGSYS that the kernel has forced on it, and then whether it
    /// handles that: one that it blocks or ignores has been made fatal by now (`force_sig_info_to_task` in
    /// `kernel/signal.c`).
    #[inline(always)]
    pub fn forced_sigsys(&self) -> Option<bool> {
        const SIGSYS_BIT: u64 = 1 << (31 - 1);
        let pending: u64 = read(self.address, config!(task_pending_signal))?;
        if pending & SIGSYS_BIT == 0 {
            return None;
        }
        let handlers = self.pointer(config!(task_sighand))?;
        let handler: u64 = read(handlers, config!(sighand_sigsys))?;
        Some(handler != 0)
    }

    /// Whether the whole process ends, and not this thread alone; false where that says nothing.
    #[inline(always)]
    pub fn process_ends(&self) -> bool {
        config!(signal_group_exit_code) != 0
            && self
                .pointer(config!(task_signal))
                .and_then(|signal| read::<u32>(signal, config!(signal_group_exit_code)))
                .is_some_and(|code| code != 0)
    }

    /// The filter that was installed last, as its installer gave it: how many instructions, and where they are.
    #[inline(always)]
    pub fn newest_filter(&self) -> Option<(u16, *const u8)> {
        let filter = self.pointer(config!(task_filter))?;
        let program: *const u8 = read(filter, config!(filter_prog))?;
        let original: *const u8 = read(program, config!(prog_orig))?;
        Some((read(original, config!(fprog_len))?, read(original, config!(fprog_filter))?))
    }

    /// The capabilities that the task and its children can ever have.
    #[inline(always)]
    pub fn bounding_set(&self) -> u64 {
        self.pointer(config!(task_cred))
            .and_then(|cred| read(cred, config!(cred_bounding_set)))
            .unwrap_or(0)
    }

    /// The user who made this task's mount namespace, given a task that made it: unprivileged users can
    /// make one only in a user namespace, which they then own, whatever they call themselves in it. Of the
    /// initial user namespace it is who made it really, and not by a set-uid program.
    #[inline(always)]
    pub fn mount_namespace_owner(&self, maker: &Self) -> Option<u32> {
        let nsproxy = self.pointer(config!(task_nsproxy))?;
        let namespace: *const u8 = read(nsproxy, config!(nsproxy_mnt_ns))?;
        let users: *const u8 = read(namespace, config!(mnt_ns_user_ns))?;
        if read::<u32>(users, config!(user_ns_level))? == 0 {
            read(maker.pointer(config!(task_cred))?, config!(cred_uid))
        } else {
            read(users, config!(user_ns_owner))
        }
    }

    /// 1 if the task cannot gain privileges by an exec.
    #[inline(always)]
    pub fn no_new_privs(&self) -> u32 {
        self.word(config!(task_atomic_flags)) & 1
    }

    /// The directory of the task's cgroup: of the unified hierarchy, or of the first other one in which
    /// it is not at the root.
    #[inline(always)]
    pub fn cgroup_directory(&self) -> Option<*const u8> {
        let set = self.pointer(config!(task_cgroups))?;
        let unified: *const u8 = read(set, config!(css_set_dfl_cgrp))?;
        let mut directory: *const u8 = read(unified, config!(cgroup_kn))?;
        for index in 0..16 {
            if !parent_directory(directory)?.is_null() {
                return Some(directory);
            }
            if index >= config!(subsystems) {
                return None;
            }
            let state: *const u8 = read(set, config!(css_set_subsys) + 8 * index)?;
            let cgroup: *const u8 = read(state, config!(css_cgroup))?;
            directory = read(cgroup, config!(cgroup_kn))?;
        }
        None
    }

    /// Whether the call in progress came through the 32-bit entry.
    #[inline(always)]
    fn in_compat_call(&self) -> bool {
        config!(compat_mask) != 0 && self.word(config!(task_compat)) & config!(compat_mask) != 0
    }
}

/// The directory in which a directory of cgroupfs lies; null for the root.
#[inline(always)]
pub fn parent_directory(directory: *const u8) -> Option<*const u8> {
    read(directory, config!(kn_parent))
}

/// Which call it is.
pub struct Call {
    /// One of [`abi`].
    pub abi: u32,
    /// Its number, without the x32 bit for x32.
    pub number: u32,
}

impl Call {
    /// The call with this number that `task` is making.
    #[inline(always)]
    pub fn new(task: &Task, number: u32) -> Self {
        if task.in_compat_call() {
            Self { abi: abi::X86, number }
        } else if config!(has_x32) == 1 && number & X32_BIT != 0 && number != u32::MAX {
            // libseccomp draws the line in the same way: -1 is no x32 call.
            Self { abi: abi::X32, number: number & !X32_BIT }
        } else {
            Self { abi: config!(native_abi), number }
        }
    }

    /// One of its arguments, from the registers that a tracepoint gave: a 32-bit word through the
    /// 32-bit entry.
    #[inline(always)]
    pub fn argument(&self, regs: *const u8, index: u8) -> u64 {
        if self.abi == abi::X86 {
            let offset = match index {
                0 => config!(regs_compat_args[0]),
                1 => config!(regs_compat_args[1]),
                2 => config!(regs_compat_args[2]),
                3 => config!(regs_compat_args[3]),
                4 => config!(regs_compat_args[4]),
                _ => config!(regs_compat_args[5]),
            };
            u64::from(read::<u32>(regs, offset).unwrap_or(0))
        } else {
            let offset = match index {
                0 => config!(regs_args[0]),
                1 => config!(regs_args[1]),
                2 => config!(regs_args[2]),
                3 => config!(regs_args[3]),
                4 => config!(regs_args[4]),
                _ => config!(regs_args[5]),
            };
            read(regs, offset).unwrap_or(0)
        }
    }

    /// All of its arguments, each as [`argument`](Self::argument) gives it, without a branch for each of them: one
    /// that cannot be read is zero, as the helper makes it.
    #[inline(always)]
    pub fn arguments(&self, regs: *const u8, into: &mut [u64; 6]) {
        *into = [0; 6];
        for index in 0..6 {
            let (offset, size) = if self.abi == abi::X86 {
                (config!(regs_compat_args[index]), 4)
            } else {
                (config!(regs_args[index]), 8)
            };
            let from = regs.wrapping_add(offset as usize);
            // SAFETY: a word with room for either size; the helper checks the source.
            unsafe { copy_from_kernel((&raw mut into[index]).cast(), size, from.cast()) };
        }
    }

    #[inline(always)]
    pub fn is_native(&self) -> bool {
        self.abi == config!(native_abi)
    }

    #[inline(always)]
    pub fn is_exec(&self) -> bool {
        self.is_native() && (self.number == config!(execve) || self.number == config!(execveat))
    }
}

/// Whether the running task is the recorder: compared within its own pid namespace, since that is
/// the only one in which the recorder knows its own number.
#[inline(always)]
pub fn current_is_recorder() -> bool {
    let mut info = bpf_pidns_info { pid: 0, tgid: 0 };
    let (device, inode) = (config!(pidns_dev), config!(pidns_ino));
    let size = core::mem::size_of::<bpf_pidns_info>() as u32;
    // SAFETY: the structure and its size.
    let status = unsafe { bpf_get_ns_current_pid_tgid(device, inode, &raw mut info, size) };
    status == 0 && info.tgid == config!(recorder_tgid)
}
