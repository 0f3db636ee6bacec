//! Running the probe's program `control` in a thread of this process, so that it acts for that thread.

use std::io;
use std::os::fd::RawFd;

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
