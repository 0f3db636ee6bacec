//! What the probe has to be told before it begins: which mount namespaces are older than the recording.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

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

/// The numbers of all mount namespaces that have a process. One that ends while they are listed is
/// passed over.
pub fn namespaces() -> io::Result<BTreeSet<u64>> {
    let processes = std::fs::read_dir("/proc")?;
    let numbered = processes.filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    Ok(numbered.filter_map(|process| number_of(&process.path().join("ns/mnt"))).collect())
}

fn number_of(path: &std::path::Path) -> Option<u64> {
    let namespace = File::open(path).ok()?;
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
/// container that comes to life from now on has a larger one.
pub fn in_a_new_namespace(program: RawFd) -> io::Result<()> {
    let thread = std::thread::spawn(move || {
        // A thread has to have a file system view of its own to take another mount namespace.
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
        run(program, &[BEGIN_AFTER, 0, 0, 0, 0])
    });
    thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}
