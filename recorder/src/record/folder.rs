//! A folder for what a recorder needs while it runs: sockets, and files that engines read. It goes with the recorder;
//! and if that was killed, with the next one.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::Uid;

/// A folder that is removed with this value.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// For as long as it is held, the recorder lives.
    _lock: Flock<File>,
}

impl Folder {
    /// Makes one that only this user can enter, or with `shared` one in which others can find what they know the
    /// name of. Removes those that dead recorders have left.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn new(shared: bool) -> io::Result<Self> {
        let mut last = None;
        for base in bases() {
            match Self::within(&base, shared) {
                Err(error) => last = Some(error),
                made => return made,
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    fn within(base: &Path, shared: bool) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o711).create(base) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let opened = open_folder(base)?;
        let found = opened.metadata()?;
        if found.uid() != Uid::effective().as_raw() || found.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!("{} is not this user's alone", base.display())));
        }
        // One at a time, so that a new one is not taken for that of a dead recorder.
        let _one = lock(opened, FlockArg::LockExclusive)?;
        remove_dead(base);
        let mode = if shared { 0o711 } else { 0o700 };
        let made = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .permissions(Permissions::from_mode(mode))
            .tempdir_in(base)?;
        let lock = lock(open_folder(made.path())?, FlockArg::LockExclusiveNonblock)?;
        // Not in what the umask leaves of it.
        fs::set_permissions(made.path(), Permissions::from_mode(mode))?;
        Ok(Self { path: made.keep(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If it cannot be removed the next recorder will try.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where such folders are, best first: in memory, for this user alone.
fn bases() -> Vec<PathBuf> {
    let uid = Uid::effective();
    let users = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !uid.is_root());
    let best = if uid.is_root() { Some("/run".into()) } else { users.map(PathBuf::from) };
    let best = best.map(|folder| folder.join("strait"));
    best.into_iter().chain([std::env::temp_dir().join(format!("strait-{uid}"))]).collect()
}

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

fn lock(folder: File, how: FlockArg) -> io::Result<Flock<File>> {
    Flock::lock(folder, how).map_err(|(_, errno)| errno.into())
}

/// Removes the folders that no living recorder holds.
fn remove_dead(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(folder) = open_folder(&path) else { continue };
        match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(_held) => {
                // It does not follow links.
                let _ = fs::remove_dir_all(&path);
            }
            Err((_, Errno::EWOULDBLOCK)) => {}
            Err((_, errno)) => log::debug!("{}: {errno}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_recorder_and_a_dead_ones_with_the_next() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("strait");
        let one = Folder::within(&base, false).unwrap();
        let other = Folder::within(&base, true).unwrap();
        let mode = |folder: &Folder| folder.path().metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&one), mode(&other)), (0o700, 0o711));
        fs::create_dir(base.join("dead")).unwrap();
        fs::write(base.join("dead/socket"), "").unwrap();
        let third = Folder::within(&base, false).unwrap();
        assert!(one.path().exists() && other.path().exists(), "they live");
        assert!(!base.join("dead").exists());
        drop((one, other, third));
        assert_eq!(fs::read_dir(&base).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(Folder::within(base.path(), false).is_err());
        let link = base.path().join("link");
        std::os::unix::fs::symlink("/run", &link).unwrap();
        assert!(Folder::within(&link, false).is_err());
    }
}
