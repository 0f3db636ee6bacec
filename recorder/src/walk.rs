//! Walks paths that only trusted users can redirect.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

/// Links on the way (the kernel's own limit is 40).
const MOST_LINKS: usize = 16;

/// Whether an open file is of this kind.
pub fn is_kind(file: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT == kind
}

/// Opens what is at an absolute path, if every folder on the way, and every link, belongs to a user who is trusted, and
/// others can put nothing in the place of what such a user has there: they may not write to the folders, or only to
/// files of their own (the sticky bit of `/tmp`). Of what is found nothing is asked. Never waits: a device or a FIFO is
/// not opened, unless to refer to it only (`O_PATH`).
pub fn find(path: &Path, flags: OFlag, is_trusted: impl Fn(u32) -> bool) -> Option<OwnedFd> {
    let passes = |passed: &FileStat| {
        let is_shared = passed.st_mode & 0o022 != 0 && passed.st_mode & 0o1000 == 0;
        is_trusted(passed.st_uid) && (is_kind(passed, SFlag::S_IFLNK) || !is_shared)
    };
    walk(path, flags, false, passes).ok()
}

/// Opens what is at an absolute path, to refer to it, and says whose the first link on the way is that is not root's:
/// user and group. What is found is what these links led to, whatever is changed meanwhile.
///
/// # Errors
///
/// The kernel's error, or that there are too many links.
pub fn follow(path: &Path, flags: OFlag) -> io::Result<(OwnedFd, Option<(u32, u32)>)> {
    let mut maker = None;
    let found = walk(path, flags | OFlag::O_PATH, true, |passed| {
        if is_kind(passed, SFlag::S_IFLNK) && passed.st_uid != 0 {
            maker.get_or_insert((passed.st_uid, passed.st_gid));
        }
        true
    })?;
    Ok((found, maker))
}

/// With `through_proc`, links of `/proc` are followed as the kernel does: those to pipes and deleted files have no path.
fn walk(
    path: &Path,
    flags: OFlag,
    through_proc: bool,
    mut passes: impl FnMut(&FileStat) -> bool,
) -> io::Result<OwnedFd> {
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    let through = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut above = vec![open("/", through, Mode::empty())?];
    let mut parts: VecDeque<OsString> = names_of(path).ok_or_else(refused)?;
    let mut links = 0;
    while let Some(name) = parts.pop_front() {
        if name == ".." {
            if above.len() > 1 {
                above.pop();
            }
            continue;
        }
        let folder = above.last().ok_or_else(refused)?;
        if !passes(&fstat(folder)?) {
            return Err(refused());
        }
        let mut next = openat(folder, name.as_os_str(), through, Mode::empty())?;
        let mut found = fstat(&next)?;
        if is_kind(&found, SFlag::S_IFLNK) {
            links += 1;
            if !passes(&found) {
                return Err(refused());
            }
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            if through_proc && fstatfs(&next)?.filesystem_type() == PROC_SUPER_MAGIC {
                let follows = OFlag::O_PATH | OFlag::O_CLOEXEC;
                next = openat(folder, name.as_os_str(), follows, Mode::empty())?;
                found = fstat(&next)?;
            } else {
                let target = PathBuf::from(readlinkat(&next, "")?);
                if target.is_absolute() {
                    above.truncate(1);
                }
                let names = names_of(&target).ok_or_else(refused)?;
                names.into_iter().rev().for_each(|part| parts.push_front(part));
                continue;
            }
        }
        if !parts.is_empty() {
            above.push(next);
        } else if flags.contains(OFlag::O_PATH) {
            let is_wanted = is_kind(&found, SFlag::S_IFDIR) || !flags.contains(OFlag::O_DIRECTORY);
            return if is_wanted { Ok(next) } else { Err(Errno::ENOTDIR.into()) };
        } else {
            if !is_kind(&found, SFlag::S_IFREG) && !is_kind(&found, SFlag::S_IFDIR) {
                return Err(refused());
            }
            let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            return Ok(openat(folder, name.as_os_str(), flags, Mode::empty())?);
        }
    }
    // The path ends in `/` or `..`: what it leads to is referred to by then.
    let last = above.pop().filter(|_| flags.contains(OFlag::O_PATH));
    last.ok_or_else(refused)
}

fn names_of(path: &Path) -> Option<VecDeque<OsString>> {
    let mut names = VecDeque::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push_back(name.to_owned()),
            Component::ParentDir => names.push_back("..".into()),
            Component::Prefix(_) => return None,
        }
    }
    Some(names)
}
