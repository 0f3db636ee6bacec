//! The rights with which a file is written: those of the user who runs Strait, so that the kernel decides what
//! they may do, also when Strait runs as root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::walk;

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

impl Rights {
    /// Those for writing into a folder, and the folder, if it is known by then.
    ///
    /// Root writes with its own rights where only root can change anything, the way to the folder included: no one
    /// else can have prepared anything there. Everywhere else it writes with the rights of the user who called `sudo`, or
    /// else of the user whose link leads there, or of the owner of the folder.
    pub(super) fn for_folder(folder: &Path) -> io::Result<(Self, Option<File>)> {
        if !Uid::effective().is_root() {
            return Ok((Self::Own, None));
        }
        if let Some(opened) = roots_alone(folder) {
            return Ok((Self::Own, Some(opened)));
        }
        if let Some(account) = invoking_user() {
            return Ok((Self::User(account), None));
        }
        let (opened, rights) = Self::of_links(folder, OFlag::O_DIRECTORY)?;
        if let Self::User(_) = rights {
            return Ok((rights, None));
        }
        // The folder that was found, since by its path another one may be found next.
        Ok(match owner_of(opened.as_fd()) {
            Some(account) => (Self::User(account), None),
            None => (Self::Own, Some(opened.into())),
        })
    }

    /// What root finds at a path, to refer to it, and the rights for it: a user's link leads only to what that user may
    /// write.
    pub(super) fn of_links(path: &Path, flags: OFlag) -> io::Result<(OwnedFd, Self)> {
        let (found, maker) = walk::follow(&absolute(path)?, flags)?;
        let rights = maker.map_or(Self::Own, |(uid, gid)| Self::User(Account::find(uid, gid)));
        Ok((found, rights))
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

fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(std::env::current_dir()?.join(path)) }
}

/// A folder that only root can change, by a path that only root can make lead elsewhere.
fn roots_alone(folder: &Path) -> Option<File> {
    let path = absolute(folder).ok()?;
    let opened = walk::find(&path, OFlag::O_PATH | OFlag::O_DIRECTORY, |uid| uid == 0)?;
    let found = fstat(&opened).ok()?;
    let is_alone = found.st_uid == 0 && found.st_mode & 0o022 == 0;
    is_alone.then(|| opened.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn roots_folders_are_roots_alone_and_others_are_not() {
        let alone = |path: &Path| roots_alone(path).is_some();
        assert!(alone(Path::new("/")));
        assert!(alone(Path::new("/usr/bin")));
        assert!(alone(Path::new("/usr/bin/../lib/")));
        assert!(!alone(Path::new("/tmp")), "everybody may write there");
        assert!(!alone(Path::new("/no/such/folder")));
    }

    #[test]
    fn a_way_that_another_user_can_change_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        std::fs::create_dir(path.join("a")).unwrap();
        symlink("/usr", path.join("usr")).unwrap();
        let alone = |name: &str| roots_alone(&path.join(name)).is_some();
        let is_root = Uid::effective().is_root();
        assert_eq!((alone("a"), alone("usr/bin")), (is_root, is_root));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!alone("a") && !alone("usr/bin"), "others could replace them");
        if is_root {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::lchown(path.join("usr"), Some(1234), Some(1234)).unwrap();
            assert!(!alone("usr/bin"), "another user's link");
        }
    }
}
