//! What is known before the probe is loaded.

use crate::OWNERS;

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
    /// `task_struct.stack`.
    pub task_stack: u32,
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
    /// 1 to record containers, and not what the recorder forks.
    pub containers: u32,
    /// 1 if tasks are adopted that run already. Where their stacks lie is not known, so that recorded tasks are not
    /// told by these.
    pub adopts: u32,
    /// Number of sets.
    pub sets: u32,
    /// Sets that one container can take: one that runs very many programs leaves room for the others.
    pub sets_per_container: u32,
    /// 1 to tell containers that the command starts from others: by descent, and by what it asks of engines.
    pub follows: u32,
    /// Numbers of the native calls by which a program may send a request: `write`, `sendto`, `writev`, `sendmsg`.
    pub sends: [u32; 4],
    /// `task_struct.files`.
    pub task_files: u32,
    /// `files_struct.fdt`.
    pub files_fdt: u32,
    /// `fdtable.max_fds`.
    pub fdt_max_fds: u32,
    /// `fdtable.fd`.
    pub fdt_fd: u32,
    /// `file.private_data`: the `struct socket`, of a socket.
    pub file_private_data: u32,
    /// `inode.i_mode`.
    pub inode_mode: u32,
    /// `socket.sk`.
    pub socket_sk: u32,
    /// `sock.__sk_common.skc_family`.
    pub sock_family: u32,
    /// `task_struct.nsproxy`.
    pub task_nsproxy: u32,
    /// `nsproxy.mnt_ns`.
    pub nsproxy_mnt_ns: u32,
    /// `mnt_namespace.ns.ns_id` (Linux 6.18), else `mnt_namespace.seq`: a number that is never given
    /// twice. The latter grows; the former is taken from a pool of each CPU.
    pub mnt_ns_id: u32,
    /// `task_struct.seccomp.mode`.
    pub task_seccomp_mode: u32,
    /// `task_struct.seccomp.filter_count` (Linux 5.11); 0 if there is none.
    pub task_filter_count: u32,
    /// `task_struct.cgroups`.
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`.
    pub css_set_dfl_cgrp: u32,
    /// `css_set.subsys`, and how many there are.
    pub css_set_subsys: u32,
    /// Number of elements of `css_set.subsys`.
    pub subsystems: u32,
    /// `cgroup_subsys_state.cgroup`.
    pub css_cgroup: u32,
    /// `cgroup.kn`.
    pub cgroup_kn: u32,
    /// `kernfs_node.__parent` (Linux 6.15), else `kernfs_node.parent`.
    pub kn_parent: u32,
    /// `kernfs_node.name`.
    pub kn_name: u32,
    /// `task_struct.cred`.
    pub task_cred: u32,
    /// `cred.cap_bset`.
    pub cred_bounding_set: u32,
    /// `task_struct.atomic_flags`, of which bit 0 is `no_new_privs`.
    pub task_atomic_flags: u32,
    /// `cred.uid`.
    pub cred_uid: u32,
    /// `mnt_namespace.user_ns`.
    pub mnt_ns_user_ns: u32,
    /// `user_namespace.level`: 0 for the initial one.
    pub user_ns_level: u32,
    /// `user_namespace.owner`: who made it, in the initial user namespace.
    pub user_ns_owner: u32,
    /// Users whose mount namespaces may be containers, in the initial user namespace; root's are anyway.
    pub owners: [u32; OWNERS],
    /// `task_struct.pending.signal`: signals that the kernel has forced on this very task.
    pub task_pending_signal: u32,
    /// `task_struct.sighand`.
    pub task_sighand: u32,
    /// `sighand_struct.action`, of SIGSYS: its handler.
    pub sighand_sigsys: u32,
    /// `task_struct.signal`.
    pub task_signal: u32,
    /// `signal_struct.group_exit_code`, where the kernel kills by a signal that a process leaves its call
    /// for (Linux 5.15); else 0.
    pub signal_group_exit_code: u32,
    /// `task_struct.seccomp.filter`: the filter that was installed last.
    pub task_filter: u32,
    /// `seccomp_filter.prog`.
    pub filter_prog: u32,
    /// `bpf_prog.orig_prog`: the filter as it was installed, where the kernel keeps it
    /// (CONFIG_CHECKPOINT_RESTORE).
    pub prog_orig: u32,
    /// `sock_fprog_kern.len`.
    pub fprog_len: u32,
    /// `sock_fprog_kern.filter`; 0 if the kernel's filters cannot be read.
    pub fprog_filter: u32,
    /// Device of the recorder's pid namespace file, as `stat` gives it.
    pub pidns_dev: u64,
    /// Inode of the recorder's pid namespace file.
    pub pidns_ino: u64,
}
