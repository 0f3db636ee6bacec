//! Files beneath a folder. Neither links nor `..` lead out of it; what is no regular file is not opened.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::files::of_descriptor;
use crate::walk::is_kind;

/// The most that is read of a file. The largest programs that people run, browsers with their debug symbols aside, have
/// some 300 MiB.
const LARGEST: u64 = 512 << 20;

/// Memory that is kept from one file to the next.
const KEPT: usize = 32 << 20;

/// How much is read of a file of settings.
const SETTINGS: u64 = 1 << 20;

/// How many names of a folder are looked at.
const NAMES: usize = 256;

/// By what a file is told from others, and from what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    size: i64,
    changed: (i64, i64),
}

/// A folder that stands for `/`.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// A regular file that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub file: File,
    /// Where it really is, beneath the root.
    pub path: String,
    pub identity: Identity,
}

impl Root {
    /// A folder.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Self::of(open(path, flags, Mode::empty())?)
    }

    /// An open folder.
    pub(super) fn of(folder: OwnedFd) -> io::Result<Self> {
        let path = of_descriptor(&folder).read_link()?;
        Ok(Self { folder, path })
    }

    /// Its number in this process.
    pub(super) fn descriptor(&self) -> i32 {
        self.folder.as_raw_fd()
    }

    fn find(&self, path: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(&self.folder, path, how)?)
    }

    /// Opens a regular file to read it.
    pub(super) fn open(&self, path: &str) -> io::Result<Found> {
        let found = self.find(OsStr::new(path), OFlag::O_PATH)?;
        let stat = fstat(&found)?;
        if is_kind(&stat, SFlag::S_IFDIR) {
            return Err(io::Error::other("it is a folder: name the files in it"));
        }
        if !is_kind(&stat, SFlag::S_IFREG) {
            return Err(io::Error::other("it is not a regular file"));
        }
        // So do files in `/proc` call themselves, and to read some of them is to take something away (`/proc/kmsg`).
        if stat.st_size == 0 {
            return Err(io::Error::other("it is empty"));
        }
        let real = of_descriptor(&found).read_link()?;
        let beneath = real.strip_prefix(&self.path).unwrap_or(&real);
        let path = Path::new("/").join(beneath).to_string_lossy().into_owned();
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        // A file that was found is the one that is opened.
        let file = File::from(open(&of_descriptor(&found), flags, Mode::empty())?);
        let identity = Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            changed: (stat.st_mtime, stat.st_mtime_nsec),
        };
        Ok(Found { file, path, identity })
    }

    /// The text of a file of settings; nothing if there is none.
    pub(super) fn settings(&self, path: &str) -> String {
        let mut bytes = Vec::new();
        if let Ok(found) = self.open(path) {
            // What was read counts, also if the rest cannot be.
            let _ = found.file.take(SETTINGS).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Names in a folder, in order; none if there is no such folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(folder) = self.find(OsStr::new(folder), OFlag::O_RDONLY | OFlag::O_DIRECTORY) else {
            return Vec::new();
        };
        let Ok(entries) = nix::dir::Dir::from_fd(folder) else { return Vec::new() };
        let names = entries.into_iter().flatten().take(NAMES);
        let name = |entry: nix::dir::Entry| {
            OsStr::from_bytes(entry.file_name().to_bytes()).to_str().map(str::to_owned)
        };
        let mut names: Vec<String> = names.filter_map(name).collect();
        names.sort_unstable();
        names
    }
}

impl Found {
    /// All of it, up to a bound, into memory that is used again. It may grow or shrink meanwhile.
    pub fn read(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let too_large = || {
            io::Error::other(format!("it has more than {} MiB, and no more is read", LARGEST >> 20))
        };
        let size = u64::try_from(self.identity.size).unwrap_or_default();
        if size > LARGEST {
            return Err(too_large());
        }
        bytes.clear();
        bytes.shrink_to(KEPT);
        // Room for one more byte, so that the end is found without more room.
        bytes.try_reserve_exact(usize::try_from(size).unwrap_or_default().saturating_add(1))?;
        (&self.file).take(LARGEST + 1).read_to_end(bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(too_large());
        }
        Ok(())
    }

    /// The program that a script names in its first line: `None` if it is no script, and within that `None` if it
    /// names none.
    #[expect(clippy::option_option, reason = "these are three cases")]
    pub fn interpreter(&self) -> io::Result<Option<Option<String>>> {
        // As much as the kernel reads (`BINPRM_BUF_SIZE`).
        let mut head = [0; 256];
        let length = nix::sys::uio::pread(self.file.as_fd(), &mut head, 0)?;
        let Some(line) = head.get(..length).and_then(|head| head.strip_prefix(b"#!")) else {
            return Ok(None);
        };
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let program = text.trim_matches([' ', '\t']).split([' ', '\t']).next().unwrap_or_default();
        Ok(Some(program.starts_with('/').then(|| program.to_owned())))
    }
}
