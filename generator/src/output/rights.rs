//! With whose rights a file is written: with those of the person who asked for it, so that the kernel judges what
//! they may do, also when Strait runs as root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Gid, Uid, User, getgrouplist};

/// With whose rights files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of this process.
    Own,
    /// Those of another user, which only root can take on.
    User(Account),
}

/// A user, as far as file systems care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// As the kernel has it for a folder or file that only root can change (`stat(2)`).
fn is_roots(file: &FileStat) -> bool {
    file.st_uid == 0 && file.st_mode & 0o022 == 0
}

/// Whether in such a folder nobody but root can replace what belongs to root: it is root's, and others may not
/// write to it, or only to their own files (the sticky bit of `/tmp`).
fn keeps_roots_files(folder: &FileStat) -> bool {
    folder.st_uid == 0 && (folder.st_mode & 0o022 == 0 || folder.st_mode & 0o1000 != 0)
}

impl Rights {
    /// Those for writing into a folder.
    ///
    /// Root writes with its own rights where only root can change anything: there nobody can have prepared
    /// anything. Everywhere else it writes with the rights of the user who called `sudo`, or of the user to whom
    /// the folder belongs.
    pub fn for_folder(folder: &Path) -> io::Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        let opened = open_folder(folder)?;
        if is_roots_alone(opened.as_fd()) {
            return Ok(Self::Own);
        }
        Ok(invoking_user().or_else(|| owner_of(opened.as_fd())).map_or(Self::Own, Self::User))
    }

    /// Takes them on, in this thread, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's error: EPERM if this process is not root.
    pub fn assume(&self) -> io::Result<Assumed> {
        let Self::User(account) = self else { return Ok(Assumed(None)) };
        let before = Account {
            uid: Uid::effective().as_raw(),
            gid: Gid::effective().as_raw(),
            groups: nix::unistd::getgroups()?.into_iter().map(Gid::as_raw).collect(),
        };
        account.become_for_files()?;
        Ok(Assumed(Some(before)))
    }

    /// Takes them on, in this thread, for good.
    ///
    /// # Errors
    ///
    /// As for [`assume`](Self::assume).
    pub fn keep(&self) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::User(account) => account.become_for_files(),
        }
    }
}

/// Rights of another user, until this is dropped.
#[must_use = "the rights are given back when this is dropped"]
#[derive(Debug)]
pub struct Assumed(Option<Account>);

impl Drop for Assumed {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // It is allowed: it only gives back what this process is anyway.
            let _ = before.become_for_files();
        }
    }
}

impl Account {
    /// A user of this machine; one that has no entry in its database is in this group.
    fn find(uid: u32, gid: u32) -> Self {
        let entry = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let groups = entry.as_ref().and_then(|entry| {
            let name = std::ffi::CString::new(entry.name.as_bytes()).ok()?;
            getgrouplist(&name, entry.gid).ok()
        });
        let gid = entry.map_or(gid, |entry| entry.gid.as_raw());
        let groups =
            groups.map_or_else(|| vec![gid], |all| all.into_iter().map(Gid::as_raw).collect());
        Self { uid, gid, groups }
    }

    /// For this thread alone, unlike the C library's functions of these names, and only where files are
    /// concerned: who may send signals to this process or trace it stays as it was.
    fn become_for_files(&self) -> io::Result<()> {
        let count = self.groups.len();
        // SAFETY: `count` group ids that outlive the call.
        if unsafe { libc::syscall(libc::SYS_setgroups, count, self.groups.as_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: numbers only. Both return the id from before and never an error, so they are asked
        // once more: -1 changes nothing.
        let (uid, gid) = unsafe {
            libc::syscall(libc::SYS_setfsgid, self.gid);
            libc::syscall(libc::SYS_setfsuid, self.uid);
            (libc::syscall(libc::SYS_setfsuid, -1), libc::syscall(libc::SYS_setfsgid, -1))
        };
        if (uid, gid) == (self.uid.into(), self.gid.into()) {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

/// The user who called `sudo`, if it was that and another one than root.
pub fn sudo_user() -> Option<u32> {
    let uid = std::env::var("SUDO_UID").ok()?.parse().ok()?;
    (uid != 0 && Uid::effective().is_root()).then_some(uid)
}

fn invoking_user() -> Option<Account> {
    let uid = sudo_user()?;
    let gid = std::env::var("SUDO_GID").ok().and_then(|gid| gid.parse().ok()).unwrap_or(uid);
    Some(Account { gid, ..Account::find(uid, gid) })
}

/// The owner of a folder, if that is not root.
fn owner_of(folder: BorrowedFd<'_>) -> Option<Account> {
    let FileStat { st_uid: uid, st_gid: gid, .. } = fstat(folder).ok()?;
    (uid != 0).then(|| Account::find(uid, gid))
}

/// Opens a folder to refer to it; that needs no rights to it, and waits for nothing.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

/// Where an open file is now, as the kernel has it.
pub(super) fn path_of(file: BorrowedFd<'_>) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()).read_link()
}

/// Whether only root can change a folder, and the path to it.
fn is_roots_alone(folder: BorrowedFd<'_>) -> bool {
    let Ok(path) = path_of(folder) else { return false };
    let Ok(wanted) = fstat(folder) else { return false };
    is_roots(&wanted) && is_kept_by_root(&path, (wanted.st_dev, wanted.st_ino))
}

/// Whether a path without links leads to this device and inode, and only root can make it lead elsewhere.
fn is_kept_by_root(path: &Path, wanted: (u64, u64)) -> bool {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let Ok(mut at) = open("/", flags, Mode::empty()) else { return false };
    for part in path.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => {
                if !fstat(&at).is_ok_and(|folder| keeps_roots_files(&folder)) {
                    return false;
                }
                match openat(&at, name, flags, Mode::empty()) {
                    Ok(next) => at = next,
                    Err(_) => return false,
                }
            }
            _ => return false,
        }
    }
    fstat(&at).is_ok_and(|file| {
        let is_link = SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK;
        !is_link && (file.st_dev, file.st_ino) == wanted
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn roots_folders_are_roots_alone_and_others_are_not() {
        let alone = |path: &str| is_roots_alone(open_folder(Path::new(path)).unwrap().as_fd());
        assert!(alone("/"));
        assert!(alone("/usr/bin"));
        assert!(!alone("/tmp"), "everybody may write there");
    }

    #[test]
    fn a_folder_is_reached_without_links() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("link")).unwrap();
        let path = folder.path().canonicalize().unwrap();
        let inode = |path: &Path| {
            let stat = nix::sys::stat::stat(path).unwrap();
            (stat.st_dev, stat.st_ino)
        };
        let real = path.join("a");
        assert_eq!(is_kept_by_root(&real, inode(&real)), Uid::effective().is_root());
        assert!(!is_kept_by_root(&path.join("link"), inode(&real)));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_kept_by_root(&real, inode(&real)), "others could replace it");
        assert!(!is_kept_by_root(&path.join("../a"), inode(&real)));
    }
}
