//! Tells the probe which mount namespaces are older than the recording.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use caps::{CapSet, Capability};
use nix::sched::{CloneFlags, unshare};
use probe_common::control::BEGIN_AFTER;

/// `BPF_PROG_TEST_RUN` of `include/uapi/linux/bpf.h`.
const BPF_PROG_TEST_RUN: libc::c_int = 10;

/// The part of `union bpf_attr` that it takes.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// `NS_GET_MNTNS_ID` of `include/uapi/linux/nsfs.h`: `_IOR(0xb7, 0x5, __u64)`.
const NS_GET_MNTNS_ID: libc::c_ulong = 0x8008_b705;

/// `NS_GET_USERNS` and `NS_GET_OWNER_UID` of the same file: `_IO(0xb7, 0x1)` and `_IO(0xb7, 0x4)`.
const NS_GET_USERNS: libc::c_ulong = 0xb701;
const NS_GET_OWNER_UID: libc::c_ulong = 0xb704;

/// Mount namespaces that there are before a recording begins.
#[derive(Debug, Default)]
pub struct Old {
    /// Their numbers.
    pub numbers: BTreeSet<u64>,
    /// Whether these are all: whether the processes of all users and of all pid namespaces could be seen.
    pub is_all: bool,
}

/// All mount namespaces of these users, and of root, that have a process. One that ends while they are listed is passed
/// over. Those of others are left out: there may be any number of them.
pub fn namespaces(owners: &[u32]) -> io::Result<Old> {
    // With this capability `/proc` hides no process (`hidepid`).
    let sees_all = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_PTRACE);
    let is_all = is_initial_pid_namespace() && sees_all.unwrap_or(false);
    let mut old = Old { is_all, ..Old::default() };
    for process in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        let name = process.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // Of a process that ends just now the kernel says EACCES (`proc_ns_get_link` in `fs/proc/namespaces.c`), and then
        // ENOENT.
        let open = || File::open(process.path().join("ns/mnt"));
        let namespace = match open().or_else(|_| open()) {
            Ok(namespace) => namespace,
            Err(error) => {
                // It has ended; or its namespaces are not for this user to see. Those of the first process of all are
                // no container's.
                let has_ended = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH));
                old.is_all &= has_ended || name == "1";
                continue;
            }
        };
        // What the kernel does not tell counts as old: its containers are then missing, and not wrong.
        if owner_of(&namespace).is_none_or(|owner| owner == 0 || owners.contains(&owner)) {
            old.numbers.extend(number_of(&namespace));
        }
    }
    Ok(old)
}

/// Whether this process sees all others by the numbers that the kernel uses.
pub fn is_initial_pid_namespace() -> bool {
    /// `PROC_PID_INIT_INO` of `include/linux/proc_ns.h`.
    const INITIAL: u64 = 0xefff_fffc;
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() == INITIAL)
}

/// The user who made a mount namespace, or rather the user namespace that it belongs to: for the initial one that
/// is root.
pub fn owner_of(namespace: &File) -> Option<u32> {
    // SAFETY: the request takes no argument, and gives a new descriptor.
    let users = unsafe {
        let fd = libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))?
    };
    let mut owner = 0_u32;
    // SAFETY: the request writes one user id.
    let result = unsafe { libc::ioctl(users.as_raw_fd(), NS_GET_OWNER_UID, &raw mut owner) };
    (result == 0).then_some(owner)
}

fn number_of(namespace: &File) -> Option<u64> {
    let mut number = 0_u64;
    // SAFETY: the request writes one 64-bit number.
    let result = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_MNTNS_ID, &raw mut number) };
    (result == 0).then_some(number)
}

/// Runs the program once, with these as the arguments of its tracepoint.
pub fn run(program: RawFd, arguments: &[u64]) -> io::Result<()> {
    let attributes = TestRun {
        prog_fd: u32::try_from(program).unwrap_or(u32::MAX),
        ctx_size_in: u32::try_from(size_of_val(arguments)).unwrap_or(u32::MAX),
        ctx_in: arguments.as_ptr() as u64,
        ..TestRun::default()
    };
    // SAFETY: the attributes and their size; the kernel copies the arguments.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw const attributes, size_of::<TestRun>())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Tells the probe that a mount namespace made just now is the newest one. Their numbers grow, so every
/// container that is started from now on has a larger one.
pub fn in_a_new_namespace(program: RawFd) -> io::Result<()> {
    let thread = std::thread::spawn(move || {
        // A thread has to have a file system view of its own to take another mount namespace.
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
        run(program, &[BEGIN_AFTER, 0, 0, 0, 0])
    });
    thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}
