//! What the probe has to know about the running kernel: [`Config`], from its BTF.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use probe_common::Config;
use thiserror::Error;

use super::btf::{Btf, BtfError};
use strait_generator::abi::Abi;

/// Where the kernel publishes its types; `STRAIT_BTF` names another file.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why the running kernel cannot be traced.
#[derive(Debug, Error)]
pub enum KernelError {
    /// No types, or not the expected ones.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// No probe for this machine.
    #[error("Strait cannot record on {0} yet: it supports x86_64 and aarch64")]
    Machine(String),
    /// `/proc` is not there, or of another pid namespace.
    #[error("cannot look up the pid namespace in {path}: {source}. Is /proc mounted?")]
    PidNamespace {
        /// The file.
        path: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// What an architecture calls things.
struct Machine {
    native: Abi,
    /// The number that the probe has for it.
    index: u32,
    has_x32: bool,
    number: &'static str,
    args: [&'static str; 6],
    compat_args: Option<[&'static str; 6]>,
    /// The word of `thread_info` that tells a 32-bit call, and its bits.
    compat: (&'static str, u32),
}

/// `arch/x86/include/asm/ptrace.h` and `syscall.h`; `TS_COMPAT` from `asm/thread_info.h`.
const X86_64: Machine = Machine {
    native: Abi::X86_64,
    index: probe_common::abi::X86_64,
    has_x32: true,
    number: "orig_ax",
    args: ["di", "si", "dx", "r10", "r8", "r9"],
    compat_args: Some(["bx", "cx", "dx", "si", "di", "bp"]),
    compat: ("thread_info.status", 0x0002),
};

/// `arch/arm64/include/asm/ptrace.h`. The first argument is kept apart, since its register takes the
/// result. 32-bit calls are not told apart yet.
const AARCH64: Machine = Machine {
    native: Abi::Aarch64,
    index: probe_common::abi::AARCH64,
    has_x32: false,
    number: "syscallno",
    args: ["orig_x0", "regs", "regs", "regs", "regs", "regs"],
    compat_args: None,
    compat: ("thread_info.flags", 0),
};

/// The helper that gives the current task as a typed pointer, since Linux 5.11.
const TASK_BTF: &str = "bpf_get_current_task_btf";

/// Kills by a signal that is delivered when the process leaves its call, since Linux 5.15.
const FORCE_SIGSYS: &str = "force_sig_seccomp";

/// Calls by which a program may send a request; the probe knows what each takes.
const SENDS: [&str; 4] = ["write", "sendto", "writev", "sendmsg"];

const WANTED: [&str; 26] = [
    "task_struct",
    "sighand_struct",
    "k_sigaction",
    "signal_struct",
    "seccomp_filter",
    "bpf_prog",
    "sock_fprog_kern",
    FORCE_SIGSYS,
    "linux_binprm",
    "files_struct",
    "fdtable",
    "socket",
    "sock",
    "file",
    "inode",
    "super_block",
    "pt_regs",
    "nsproxy",
    "mnt_namespace",
    "user_namespace",
    "css_set",
    "cgroup_subsys_state",
    "cgroup",
    "kernfs_node",
    "cred",
    TASK_BTF,
];

/// How the kernel tells mount namespaces apart, by a number that it never gives twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// `mnt_namespace.seq`: each number is larger than all before it.
    InOrder,
    /// `ns_common.ns_id`, since Linux 6.18: every CPU takes numbers from a pool of its own
    /// (`include/linux/cookie.h`), so that they say nothing about age; `NS_GET_MNTNS_ID` tells them.
    Unordered,
}

impl Namespaces {
    fn from_btf(btf: &Btf) -> Self {
        match btf.offset("mnt_namespace", "ns.ns_id") {
            Ok(_) => Self::Unordered,
            Err(_) => Self::InOrder,
        }
    }

    fn offset(self, btf: &Btf) -> Result<u32, BtfError> {
        match self {
            Self::InOrder => btf.offset("mnt_namespace", "seq"),
            Self::Unordered => btf.offset("mnt_namespace", "ns.ns_id"),
        }
    }
}

/// What the probe and its loader have to know about the kernel.
pub struct Kernel {
    /// For the probe.
    pub config: Config,
    /// For the loader.
    pub namespaces: Namespaces,
}

impl Kernel {
    /// Reads what the probe has to know. `watch_refusals` is left at zero.
    pub fn read() -> Result<Self, KernelError> {
        let path = std::env::var_os("STRAIT_BTF").map_or_else(|| VMLINUX.into(), PathBuf::from);
        let btf = Btf::read(&path, &WANTED)?;
        let machine = match std::env::consts::ARCH {
            "x86_64" => X86_64,
            "aarch64" => AARCH64,
            other => return Err(KernelError::Machine(other.to_owned())),
        };
        let args = |names: [&str; 6]| -> Result<[u32; 6], BtfError> {
            let mut offsets = [0; 6];
            for (index, name) in (0..).zip(names) {
                // An array of registers, of which the name gives only the start.
                let element = if name == "regs" { 8 * index } else { 0 };
                offsets[index as usize] = btf.offset("pt_regs", name)? + element;
            }
            Ok(offsets)
        };
        let (pidns_dev, pidns_ino) = pid_namespace()?;
        let namespaces = Namespaces::from_btf(&btf);
        let config = Config {
            task_pid: btf.offset("task_struct", "pid")?,
            task_tgid: btf.offset("task_struct", "tgid")?,
            task_exit_code: btf.offset("task_struct", "exit_code")?,
            task_stack: btf.offset("task_struct", "stack")?,
            task_compat: btf.offset("task_struct", machine.compat.0)?,
            compat_mask: machine.compat.1,
            task_btf: u32::from(btf.has_function(TASK_BTF) && !slow_task()),
            native_abi: machine.index,
            has_x32: u32::from(machine.has_x32),
            execve: number(machine.native, "execve"),
            execveat: number(machine.native, "execveat"),
            watch_refusals: 0,
            binprm_file: btf.offset("linux_binprm", "file")?,
            binprm_filename: btf.offset("linux_binprm", "filename")?,
            binprm_interp: btf.offset("linux_binprm", "interp")?,
            file_inode: btf.offset("file", "f_inode")?,
            inode_ino: btf.offset("inode", "i_ino")?,
            inode_sb: btf.offset("inode", "i_sb")?,
            sb_dev: btf.offset("super_block", "s_dev")?,
            regs_number: btf.offset("pt_regs", machine.number)?,
            regs_args: args(machine.args)?,
            regs_compat_args: machine.compat_args.map_or(Ok([0; 6]), args)?,
            recorder_tgid: std::process::id(),
            containers: 0,
            adopts: 0,
            sets: 0,
            sets_per_container: 0,
            follows: 0,
            sends: SENDS.map(|name| number(machine.native, name)),
            task_files: btf.offset("task_struct", "files")?,
            files_fdt: btf.offset("files_struct", "fdt")?,
            fdt_max_fds: btf.offset("fdtable", "max_fds")?,
            fdt_fd: btf.offset("fdtable", "fd")?,
            file_private_data: btf.offset("file", "private_data")?,
            inode_mode: btf.offset("inode", "i_mode")?,
            socket_sk: btf.offset("socket", "sk")?,
            sock_family: btf.offset("sock", "__sk_common.skc_family")?,
            task_nsproxy: btf.offset("task_struct", "nsproxy")?,
            nsproxy_mnt_ns: btf.offset("nsproxy", "mnt_ns")?,
            mnt_ns_id: namespaces.offset(&btf)?,
            task_seccomp_mode: btf.offset("task_struct", "seccomp.mode")?,
            task_filter_count: btf.offset("task_struct", "seccomp.filter_count").unwrap_or(0),
            task_cgroups: btf.offset("task_struct", "cgroups")?,
            css_set_dfl_cgrp: btf.offset("css_set", "dfl_cgrp")?,
            css_set_subsys: btf.offset("css_set", "subsys")?,
            subsystems: btf.length("css_set", "subsys")?,
            css_cgroup: btf.offset("cgroup_subsys_state", "cgroup")?,
            cgroup_kn: btf.offset("cgroup", "kn")?,
            kn_parent: btf
                .offset("kernfs_node", "__parent")
                .or_else(|_| btf.offset("kernfs_node", "parent"))?,
            kn_name: btf.offset("kernfs_node", "name")?,
            task_cred: btf.offset("task_struct", "cred")?,
            cred_bounding_set: btf.offset("cred", "cap_bset")?,
            task_atomic_flags: btf.offset("task_struct", "atomic_flags")?,
            cred_uid: btf.offset("cred", "uid")?,
            mnt_ns_user_ns: btf.offset("mnt_namespace", "user_ns")?,
            user_ns_level: btf.offset("user_namespace", "level")?,
            user_ns_owner: btf.offset("user_namespace", "owner")?,
            owners: [0; probe_common::OWNERS],
            task_pending_signal: btf.offset("task_struct", "pending.signal")?,
            task_sighand: btf.offset("task_struct", "sighand")?,
            sighand_sigsys: sigsys_handler(&btf)?,
            task_signal: btf.offset("task_struct", "signal")?,
            signal_group_exit_code: match btf.has_function(FORCE_SIGSYS) {
                true => btf.offset("signal_struct", "group_exit_code")?,
                false => 0,
            },
            task_filter: btf.offset("task_struct", "seccomp.filter").unwrap_or(0),
            filter_prog: btf.offset("seccomp_filter", "prog").unwrap_or(0),
            prog_orig: btf.offset("bpf_prog", "orig_prog").unwrap_or(0),
            fprog_len: btf.offset("sock_fprog_kern", "len").unwrap_or(0),
            fprog_filter: btf.offset("sock_fprog_kern", "filter").unwrap_or(0),
            pidns_dev,
            pidns_ino,
        };
        Ok(Kernel { config, namespaces })
    }
}

/// Where `sighand_struct` has the handler of SIGSYS: `action` is an array from signal 1 on.
fn sigsys_handler(btf: &Btf) -> Result<u32, BtfError> {
    let handler = btf.offset("k_sigaction", "sa.sa_handler")?;
    let before = libc::SIGSYS.unsigned_abs() - 1;
    Ok(btf.offset("sighand_struct", "action")? + before * btf.size("k_sigaction")? + handler)
}

/// The number of a call that every ABI has.
fn number(native: Abi, name: &str) -> u32 {
    native.syscall_number(name).unwrap_or(u32::MAX)
}

/// Whether to read task fields as kernels before 5.11 need it: for the tests, which have to cover
/// that way too.
fn slow_task() -> bool {
    std::env::var_os("STRAIT_TASK_BTF").is_some_and(|value| value == "0")
}

fn pid_namespace() -> Result<(u64, u64), KernelError> {
    let path = "/proc/self/ns/pid";
    let file = std::fs::metadata(Path::new(path))
        .map_err(|source| KernelError::PidNamespace { path, source })?;
    Ok((file.dev(), file.ino()))
}
