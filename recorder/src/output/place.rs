//! Where a file is to be: a folder that is held open, and a name in it. What happens to the path to the folder
//! afterwards, and whatever is put under the name, changes nothing about where the file is written.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, OFlag, fcntl, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::rights::{Rights, open_folder, path_of};
use crate::files::of_descriptor;

/// A folder that is held open, in which files are written.
#[derive(Debug)]
pub struct Folder {
    /// As it was given, for messages.
    path: PathBuf,
    fd: File,
    rights: Rights,
}

/// When a file counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When it is on the disk, so that it outlives the machine's fall.
    Disk,
    /// When the kernel has it: where there is no time for more.
    Kernel,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Whether that is not where it was asked for, since the folder was moved meanwhile.
    pub moved: bool,
}

/// Where one file is to be written.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// A name in a folder.
    Name(Folder, OsString),
    /// A device or a pipe, opened already, with these rights.
    Stream(File, Rights),
}

/// A file under a temporary name. It is removed if it never gets its own.
#[derive(Debug)]
pub struct Staged<'a> {
    folder: &'a Folder,
    name: &'a OsStr,
    temporary: OsString,
    is_put: bool,
}

fn kind_of(file: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(file.st_mode) & SFlag::S_IFMT
}

fn other(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

impl Folder {
    /// Opens a folder, to write into it with the rights that are due there.
    ///
    /// # Errors
    ///
    /// The kernel's error: there is no such folder, or it may not be used.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match Rights::for_folder(path)? {
            (rights, Some(fd)) => Ok(Self { path: path.to_owned(), fd, rights }),
            (rights, None) => Self::open_as(path, rights),
        }
    }

    /// Opens a folder, and makes it and those above it if they are not there.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub fn make(path: &Path) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => Self::make(parent)?,
            _ => Self::open(Path::new("."))?,
        };
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let assumed = parent.rights.assume()?;
        match nix::sys::stat::mkdirat(&parent.fd, name, Mode::from_bits_truncate(0o777)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        // The one that was made, whatever the path leads to by now.
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = File::from(openat(&parent.fd, name, flags, Mode::empty())?);
        drop(assumed);
        Ok(Self { path: path.to_owned(), fd, rights: parent.rights })
    }

    /// Makes a folder of its own for what cannot be written where it should be: with a name that no one can
    /// guess, and only for its owner.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn private(rights: &Rights) -> io::Result<Self> {
        let _assumed = rights.assume()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("strait-rescued-").permissions(Permissions::from_mode(0o700));
        let path = builder.tempdir()?.keep();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = File::from(open(&path, flags, Mode::empty())?);
        Ok(Self { path, fd, rights: rights.clone() })
    }

    fn open_as(path: &Path, rights: Rights) -> io::Result<Self> {
        let _assumed = rights.assume()?;
        Ok(Self { path: path.to_owned(), fd: open_folder(path)?, rights })
    }

    /// Takes on, in this thread and for good, the rights with which files are written here, and says which they
    /// were.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn keep_rights(&mut self) -> io::Result<Rights> {
        self.rights.keep()?;
        Ok(std::mem::replace(&mut self.rights, Rights::Own))
    }

    /// Finds out whether files can be written here.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn check(&self) -> io::Result<()> {
        let (name, _) = self.temporary()?;
        self.remove(&name)
    }

    /// Writes a file: under a temporary name that is then renamed. Neither a link nor anything else that has
    /// this name is followed or opened: it is replaced.
    ///
    /// # Errors
    ///
    /// The kernel's error; nothing of the file is left behind then.
    pub fn write(&self, name: &OsStr, bytes: &[u8], sync: Sync) -> io::Result<Written> {
        let staged = self.stage(name, bytes)?;
        if sync == Sync::Disk {
            staged.sync()?;
        }
        staged.put()
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        let _assumed = self.rights.assume()?;
        Ok(unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)?)
    }

    fn stage<'a>(&'a self, name: &'a OsStr, bytes: &[u8]) -> io::Result<Staged<'a>> {
        if name.is_empty() || name == "." || name == ".." || name.as_bytes().contains(&b'/') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let replaced = self.replaced(name)?;
        let _assumed = self.rights.assume()?;
        let (temporary, mut file) = self.temporary()?;
        let staged = Staged { folder: self, name, temporary, is_put: false };
        file.write_all(bytes)?;
        if let Some(replaced) = replaced {
            keep_owner(&file, &replaced)?;
        }
        Ok(staged)
    }

    /// What has this name already, if that is a file.
    ///
    /// # Errors
    ///
    /// A folder has it.
    fn replaced(&self, name: &OsStr) -> io::Result<Option<FileStat>> {
        let _assumed = self.rights.assume()?;
        match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(file) if kind_of(&file) == SFlag::S_IFDIR => Err(io::ErrorKind::IsADirectory.into()),
            Ok(file) if kind_of(&file) == SFlag::S_IFREG => Ok(Some(file)),
            Ok(_) | Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A new file, and its name, which no other has.
    fn temporary(&self) -> io::Result<(OsString, File)> {
        /// More names that are taken are no accident.
        const TRIES: u32 = 16;
        let _assumed = self.rights.assume()?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o666);
        for _ in 0..TRIES {
            let name = OsString::from(format!(".strait-{:016x}", random()?));
            match openat(&self.fd, name.as_os_str(), flags, mode) {
                Ok(fd) => return Ok((name, fd.into())),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where a file of this name is now.
    fn found(&self, name: &OsStr) -> Written {
        let asked = self.path.join(name);
        let same = |there: std::fs::Metadata| {
            fstat(&self.fd)
                .is_ok_and(|held| (held.st_dev, held.st_ino) == (there.dev(), there.ino()))
        };
        if self.path.metadata().is_ok_and(same) {
            return Written { path: asked, moved: false };
        }
        let path = path_of(self.fd.as_fd()).map_or(asked, |folder| folder.join(name));
        Written { path, moved: true }
    }
}

impl Staged<'_> {
    /// Waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn sync(&self) -> io::Result<()> {
        let _assumed = self.folder.rights.assume()?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        match openat(&self.folder.fd, self.temporary.as_os_str(), flags, Mode::empty()) {
            Ok(file) => File::from(file).sync_all(),
            // A umask may take the right to read away: then it is on the disk a little later.
            Err(Errno::EACCES) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives it its name.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn put(mut self) -> io::Result<Written> {
        let _assumed = self.folder.rights.assume()?;
        let fd = &self.folder.fd;
        renameat(fd, self.temporary.as_os_str(), fd, self.name)?;
        self.is_put = true;
        Ok(self.folder.found(self.name))
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.is_put {
            let _ = self.folder.remove(&self.temporary);
        }
    }
}

impl Place {
    /// Finds the place of a file. A link is followed now, as the kernel lets this user follow it, and the file
    /// that it leads to is the one that will be replaced; a device or a pipe is opened.
    ///
    /// # Errors
    ///
    /// What is there can be no file to write, or may not be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (folder, name) = split(path)?;
        let folder = Folder::open(folder)?;
        let there = {
            let _assumed = folder.rights.assume()?;
            match fstatat(&folder.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(file) => Some(kind_of(&file)),
                Err(Errno::ENOENT) => None,
                Err(errno) => return Err(errno.into()),
            }
        };
        match there {
            None | Some(SFlag::S_IFREG) => {
                let target = Target::Name(folder, name.to_owned());
                Ok(Self { path: path.to_owned(), target })
            }
            Some(SFlag::S_IFDIR) => Err(io::ErrorKind::IsADirectory.into()),
            Some(SFlag::S_IFLNK) => Self::of_link(path, folder.rights),
            Some(_) => {
                let assumed = folder.rights.assume()?;
                let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let found = openat(&folder.fd, name, flags, Mode::empty())?;
                drop(assumed);
                Self::of_stream(path, found.as_fd(), folder.rights)
            }
        }
    }

    fn of_link(path: &Path, mut rights: Rights) -> io::Result<Self> {
        let nowhere = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => other("it is a link that leads nowhere"),
            _ => error,
        };
        let mut found = None;
        if rights == Rights::Own && Uid::effective().is_root() {
            let (target, due) = Rights::of_links(path, OFlag::empty()).map_err(nowhere)?;
            found = (due == Rights::Own).then_some(target);
            rights = due;
        }
        let target = match found {
            Some(target) => target,
            None => {
                let _assumed = rights.assume()?;
                let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
                open(path, flags, Mode::empty()).map_err(|errno| nowhere(errno.into()))?
            }
        };
        let wanted = fstat(&target)?;
        match kind_of(&wanted) {
            SFlag::S_IFDIR => Err(io::ErrorKind::IsADirectory.into()),
            SFlag::S_IFREG => {
                let real = path_of(target.as_fd())?;
                let (folder, name) = split(&real)?;
                // A user's link leads to what that user may write, and not to what root may.
                let folder = match rights {
                    Rights::Own => Folder::open(folder)?,
                    Rights::User(_) => Folder::open_as(folder, rights)?,
                };
                // The file that the link leads to, and none that was put in its place.
                let found = fstatat(&folder.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino) {
                    return Err(other("it is a link, and what it leads to has just changed"));
                }
                let name = name.to_owned();
                Ok(Self { path: path.to_owned(), target: Target::Name(folder, name) })
            }
            _ => Self::of_stream(path, target.as_fd(), rights),
        }
    }

    /// Not a block device, on which there may be a file system, nor a socket, which cannot be opened.
    fn of_stream(path: &Path, found: BorrowedFd<'_>, rights: Rights) -> io::Result<Self> {
        let assumed = rights.assume()?;
        // A FIFO without a reader would make this wait.
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        // What was found, and nothing that was put in its place.
        let file =
            File::from(open(&of_descriptor(&found), flags, Mode::empty()).map_err(|errno| {
                match errno {
                    Errno::ENXIO => other(
                        "it is a FIFO that nothing reads from, or a socket. Start the reader first",
                    ),
                    errno => errno.into(),
                }
            })?);
        match kind_of(&fstat(&file)?) {
            SFlag::S_IFCHR | SFlag::S_IFIFO => {}
            _ => return Err(other("it is neither a file nor a pipe")),
        }
        fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
        drop(assumed);
        Ok(Self { path: path.to_owned(), target: Target::Stream(file, rights) })
    }

    /// Finds out whether the file can be written.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn check(&self) -> io::Result<()> {
        match &self.target {
            Target::Name(folder, name) => folder.replaced(name).and_then(|_| folder.check()),
            Target::Stream(..) => Ok(()),
        }
    }

    /// Whether it is a device or a pipe, which cannot be replaced.
    pub fn is_stream(&self) -> bool {
        matches!(self.target, Target::Stream(..))
    }

    /// As [`Folder::keep_rights`].
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn keep_rights(&mut self) -> io::Result<Rights> {
        match &mut self.target {
            Target::Name(folder, _) => folder.keep_rights(),
            Target::Stream(_, rights) => {
                rights.keep()?;
                Ok(std::mem::replace(rights, Rights::Own))
            }
        }
    }

    /// The name of the file.
    pub fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or(OsStr::new("recording"))
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn write(&self, bytes: &[u8], sync: Sync) -> io::Result<Written> {
        match &self.target {
            Target::Name(folder, name) => {
                let written = folder.write(name, bytes, sync)?;
                // Of a link that was followed people know the link.
                Ok(if written.moved {
                    written
                } else {
                    Written { path: self.path.clone(), ..written }
                })
            }
            Target::Stream(file, _) => {
                (&*file).write_all(bytes)?;
                Ok(Written { path: self.path.clone(), moved: false })
            }
        }
    }

    /// Writes the bytes under a temporary name; `None` for what cannot be replaced.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn stage(&self, bytes: &[u8]) -> io::Result<Option<Staged<'_>>> {
        match &self.target {
            Target::Name(folder, name) => folder.stage(name, bytes).map(Some),
            Target::Stream(..) => Ok(None),
        }
    }
}

/// The folder of a file, and its name.
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
    let name = path.file_name().filter(|_| !is_folder).ok_or(io::ErrorKind::IsADirectory)?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

/// Owner, group and mode of the file that is replaced, without the bits with which a program gains its owner's
/// rights. An owner that the kernel does not let this user give it is not kept: then it belongs to who writes it.
fn keep_owner(file: &File, replaced: &FileStat) -> io::Result<()> {
    let own = fstat(file)?;
    let differs = |own: u32, wanted: u32| (own != wanted).then_some(wanted);
    let uid = differs(own.st_uid, replaced.st_uid).map(Uid::from_raw);
    let gid = differs(own.st_gid, replaced.st_gid).map(Gid::from_raw);
    if uid.is_some() || gid.is_some() {
        match fchown(file, uid, gid) {
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    fchmod(file, Mode::from_bits_truncate(replaced.st_mode & 0o777))?;
    Ok(())
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // SAFETY: a buffer of that length.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if length == 8 { Ok(u64::from_ne_bytes(bytes)) } else { Err(io::Error::last_os_error()) }
}
