//! What can be trusted: files that only root can have written, and processes that only root can have started.
//!
//! A recorder looks at command lines and files to find out what people call a container. Any user can start a
//! process with any command line, and keep files with any content in folders of their own. So nothing is read
//! before it is known that it is root's (or the recorder's own user's), nothing is read without a bound, and nothing that
//! could make the reader wait is opened.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::Uid;

use crate::files;
use crate::walk::{self, is_kind};

/// The most that is read of a file: no state of a runtime and no list of containers is ever so large.
const LARGEST: u64 = 4 << 20;

/// The same for the list of all packages of a machine.
const LARGEST_LIST: u64 = 64 << 20;

/// The most that is read of a command line. Engines tell their monitors all that is of use first.
const LONGEST: u64 = 64 << 10;

/// Whether what belongs to this user is believed.
pub fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == Uid::effective().as_raw()
}

/// Whether others can put something into the folder in place of what a trusted user has there; the sticky bit of
/// `/tmp` prevents that.
fn is_safe_folder(folder: &FileStat) -> bool {
    is_trusted(folder.st_uid) && (folder.st_mode & 0o022 == 0 || folder.st_mode & 0o1000 != 0)
}

/// The contents of a file, if it is one, belongs to a trusted user as do all folders on the way to it, and is not larger
/// than 4 MiB. Never waits.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    read_up_to(LARGEST, path)
}

/// The same, for a file of up to 64 MiB.
pub fn read_large(path: &Path) -> Option<Vec<u8>> {
    read_up_to(LARGEST_LIST, path)
}

fn read_up_to(largest: u64, path: &Path) -> Option<Vec<u8>> {
    let file = find(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
    let found = fstat(&file).ok()?;
    let is_one = is_kind(&found, SFlag::S_IFREG) && is_trusted(found.st_uid);
    if !is_one || found.st_mode & 0o022 != 0 {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file).take(largest + 1).read_to_end(&mut bytes).ok()?;
    (u64::try_from(bytes.len()).ok()? <= largest).then_some(bytes)
}

/// Whether there is something at this path, with nothing but trusted folders on the way.
pub fn exists(path: &Path) -> bool {
    find(path, OFlag::O_PATH).is_some()
}

/// The names in a folder, sorted, under the same conditions.
pub fn names(path: &Path) -> Vec<OsString> {
    let Some(folder) = find(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else { return Vec::new() };
    if !fstat(&folder).is_ok_and(|folder| is_safe_folder(&folder)) {
        return Vec::new();
    }
    // By the descriptor, so that it is this very folder.
    let entries = std::fs::read_dir(files::of_descriptor(&folder)).into_iter().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    names
}

/// Opens what is at an absolute path. Every folder on the way, and every link, has to be a trusted user's.
fn find(path: &Path, flags: OFlag) -> Option<OwnedFd> {
    walk::find(path, flags, is_trusted)
}

/// A process of which only root can have decided what it executes, and with which arguments.
#[derive(Debug)]
pub struct Process {
    folder: PathBuf,
    /// The name of its executable; `None` if that is in memory only, as a runtime's that protects itself.
    pub program: Option<OsString>,
}

impl Process {
    /// The process with this number, if it is such a one: all its users are trusted ones, so that it was not a set-uid program
    /// that made it so, and it lives in the host's mount namespace and not in a container.
    pub fn find(pid: u32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = files::of_proc(&format!("/proc/{pid}/status"))?;
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        if !uids.split_whitespace().all(|uid| uid.parse().is_ok_and(is_trusted)) {
            return None;
        }
        let namespace =
            |pid: &str| Some(files::stat(&Path::new("/proc").join(pid).join("ns/mnt"))?.inode);
        let own = namespace(&pid.to_string())?;
        if namespace("self") != Some(own) && namespace("1") != Some(own) {
            return None;
        }
        let path = folder.join("exe");
        let file = files::stat(&path)?;
        let link = path.read_link().ok()?;
        let is_in_memory = link.as_os_str().as_encoded_bytes().starts_with(b"/memfd:");
        let is_set_id = file.mode & 0o6000 != 0;
        if !is_trusted(file.uid) || is_set_id || !is_in_memory && file.mode & 0o022 != 0 {
            return None;
        }
        let program = link.file_name().filter(|_| !is_in_memory).map(OsStr::to_owned);
        Some(Self { folder, program })
    }

    /// Its arguments, as text, from its name on. That of another user's process is never read: its memory can
    /// be such that the reader has to wait.
    pub fn arguments(&self) -> Option<Vec<String>> {
        let mut bytes = Vec::new();
        let file = File::open(self.folder.join("cmdline")).ok()?;
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let arguments = bytes.split(|byte| *byte == 0);
        Some(arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect())
    }

    /// The folder in which it works.
    pub fn working_folder(&self) -> Option<PathBuf> {
        self.folder.join("cwd").read_link().ok()
    }
}

/// The owner of a file, whatever it is.
pub fn owner(path: &Path) -> Option<u32> {
    path.metadata().ok().map(|file| file.uid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use nix::sys::stat::Mode;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_file_is_read_if_no_other_user_can_have_written_it() {
        let folder = folder();
        let path = folder.path().join("state.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"{}"[..]));
        symlink("state.json", folder.path().join("link")).unwrap();
        symlink(&path, folder.path().join("absolute")).unwrap();
        for link in ["link", "absolute", "./link", "x/../link"] {
            let read = read(&folder.path().join(link));
            assert_eq!(read.as_deref(), if link.contains("x/") { None } else { Some(&b"{}"[..]) });
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(read(&path), None, "anyone could have written it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(read(&path), None, "anyone could have put it there");
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_waited_for() {
        let folder = folder();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        symlink("/dev/zero", folder.path().join("zero")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        for name in ["fifo", "socket", "zero", "loop", ".", "none"] {
            assert_eq!(read(&folder.path().join(name)), None, "{name}");
        }
        let large = File::create(folder.path().join("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        assert_eq!(read(&folder.path().join("large")), None);
        large.set_len(LARGEST).unwrap();
        assert_eq!(read(&folder.path().join("large")).map(|bytes| bytes.len()), Some(4 << 20));
    }

    #[test]
    fn names_are_those_of_a_folder_of_a_trusted_user() {
        let folder = folder();
        for name in ["b", "a"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(folder.path()), ["a", "b"]);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(names(folder.path()).is_empty());
        assert!(names(Path::new("/no/such/folder")).is_empty());
    }

    #[test]
    fn this_process_is_its_own_users() {
        let own = Process::find(std::process::id()).unwrap();
        assert!(own.program.is_some());
        assert_eq!(own.arguments().unwrap()[0], std::env::args().next().unwrap());
        assert!(Process::find(u32::MAX).is_none());
    }
}
