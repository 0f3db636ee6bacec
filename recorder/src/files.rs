//! Facts about files that the kernel has at hand. A file system of another user's making (FUSE) is not asked, since it
//! may take as long as it likes to answer.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// The most that is read of a settings file.
const LARGEST: u64 = 4 << 20;

/// What is known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its number in its file system.
    pub inode: u64,
    /// Major and minor number of its file system's device.
    pub device: (u32, u32),
    /// Its owner.
    pub uid: u32,
    /// Its kind and permissions, as `st_mode` of `stat(2)`.
    pub mode: u32,
}

/// What the kernel knows about the file at this path, links followed; `None` if there is none.
pub fn stat(path: &Path) -> Option<Stat> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let flags = libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: a path that ends in zero, and a structure of its own type, of which zeros are a value.
    let found = unsafe {
        let mask = libc::STATX_BASIC_STATS;
        if libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, mask, found.as_mut_ptr()) != 0 {
            return None;
        }
        found.assume_init()
    };
    Some(Stat {
        inode: found.stx_ino,
        device: (found.stx_dev_major, found.stx_dev_minor),
        uid: found.stx_uid,
        mode: found.stx_mode.into(),
    })
}

/// The contents of a file that the caller named, such as an engine's settings. What is no file is not waited for, and
/// one of more than 4 MiB is not read.
///
/// # Errors
///
/// The kernel's error, or that it is no file or too large.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= LARGEST => Ok(bytes),
        _ => Err(io::Error::other("it is larger than 4 MiB")),
    }
}

/// What the kernel says in a file of `/proc`. The name of a task can be any bytes; what is not UTF-8 is replaced.
pub fn of_proc(path: &str) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path to an open file.
pub fn of_descriptor(file: &impl AsRawFd) -> PathBuf {
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}
