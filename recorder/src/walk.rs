//! Walks paths that only trusted users can redirect.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

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
    let is_safe = |folder: &FileStat| {
        is_trusted(folder.st_uid) && (folder.st_mode & 0o022 == 0 || folder.st_mode & 0o1000 != 0)
    };
    let through = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut above = vec![open("/", through, Mode::empty()).ok()?];
    let mut parts: VecDeque<OsString> = names_of(path)?;
    let mut links = 0;
    while let Some(name) = parts.pop_front() {
        if name == ".." {
            if above.len() > 1 {
                above.pop();
            }
            continue;
        }
        let folder = above.last()?;
        if !fstat(folder).is_ok_and(|folder| is_safe(&folder)) {
            return None;
        }
        let next = openat(folder, name.as_os_str(), through, Mode::empty()).ok()?;
        let found = fstat(&next).ok()?;
        if is_kind(&found, SFlag::S_IFLNK) {
            links += 1;
            if links > MOST_LINKS || !is_trusted(found.st_uid) {
                return None;
            }
            let target = PathBuf::from(readlinkat(&next, "").ok()?);
            if target.is_absolute() {
                above.truncate(1);
            }
            names_of(&target)?.into_iter().rev().for_each(|part| parts.push_front(part));
        } else if parts.is_empty() {
            let opens = flags.contains(OFlag::O_PATH)
                || is_kind(&found, SFlag::S_IFREG)
                || is_kind(&found, SFlag::S_IFDIR);
            let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            return opens.then(|| openat(folder, name.as_os_str(), flags, Mode::empty()).ok())?;
        } else {
            above.push(next);
        }
    }
    // The path ends in `/` or `..`: what it leads to is referred to by then.
    flags.contains(OFlag::O_PATH).then(|| above.pop())?
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
