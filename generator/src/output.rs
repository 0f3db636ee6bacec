//! Files and streams out: whole or not at all, and in the hands of who asked for them.

use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, chown};
use thiserror::Error;

/// Why a file was not written. Nothing of it is left behind.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The folder does not exist or cannot be written.
    #[error("cannot write {path}: {source}. Choose another place with -o")]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output is gone or full.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[source] io::Error),
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output: `-`.
    Stdout,
    /// A file.
    File(PathBuf),
}

impl From<PathBuf> for Output {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdout } else { Self::File(path) }
    }
}

impl Output {
    /// Finds out whether a file can be written here, so that work is not done in vain.
    pub fn check(&self) -> Result<(), OutputError> {
        match self {
            Self::File(path) if !is_special(path) => temporary(path).map(drop),
            _ => Ok(()),
        }
    }

    /// The file whose path `name` makes of this one's; `None` if this one is no plain file.
    pub fn beside(&self, name: impl Fn(&Path) -> PathBuf) -> Option<Self> {
        match self {
            Self::File(path) if !is_special(path) => Some(Self::File(name(path))),
            _ => None,
        }
    }

    /// Writes all of `bytes`: a file under a temporary name that is then renamed, a device or pipe as
    /// it is. A reader of standard output that has gone away is no error.
    pub fn write(&self, bytes: &[u8]) -> Result<(), OutputError> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                        Err(OutputError::Stdout(error))
                    }
                    _ => Ok(()),
                }
            }
            Self::File(path) => write_file(path, bytes).map_err(|source| unwritable(path, source)),
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> OutputError {
    OutputError::Unwritable { path: path.to_owned(), source }
}

fn temporary(path: &Path) -> Result<tempfile::NamedTempFile, OutputError> {
    if path.is_dir() {
        return Err(unwritable(path, io::ErrorKind::IsADirectory.into()));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".strait-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|error| {
            // tempfile adds its own path to the message, which nobody knows or needs. That the folder is not
            // there is said as of any other file.
            unwritable(path, folder.metadata().err().unwrap_or_else(|| error.kind().into()))
        })
}

/// Whether something other than a plain file is there already, such as `/dev/null`.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| {
        let kind = file.file_type();
        kind.is_char_device() || kind.is_fifo() || kind.is_socket() || kind.is_block_device()
    })
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_special(path) {
        return std::fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let staged = stage(path, bytes)?;
    staged.sync()?;
    staged.put()
}

/// Writes files, all of them or, if one cannot be written, none.
///
/// They are all written before the first one is waited for: the file system then brings most of them to the
/// disk together, which is many times faster than one after the other.
///
/// # Errors
///
/// [`OutputError::Unwritable`] for the first that cannot be written.
pub fn write_all<'a>(
    files: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
) -> Result<(), OutputError> {
    let mut staged = Vec::new();
    for (path, bytes) in files {
        if is_special(path) {
            return Err(unwritable(path, io::ErrorKind::InvalidInput.into()));
        }
        staged.push((path, stage(path, bytes).map_err(|source| unwritable(path, source))?));
    }
    for (path, one) in &staged {
        one.sync().map_err(|source| unwritable(path, source))?;
    }
    staged
        .into_iter()
        .try_for_each(|(path, one)| one.put().map_err(|source| unwritable(path, source)))
}

/// A file under a temporary name, not kept open, since there may be thousands.
struct Staged {
    file: tempfile::TempPath,
    path: PathBuf,
}

impl Staged {
    /// Waits until it is on the disk.
    fn sync(&self) -> io::Result<()> {
        std::fs::File::open(&self.file)?.sync_all()
    }

    /// Gives it its name.
    fn put(self) -> io::Result<()> {
        self.file.persist(&self.path).map_err(|error| error.error)
    }
}

fn stage(path: &Path, bytes: &[u8]) -> io::Result<Staged> {
    // A link stays a link: what it points to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut file = temporary(&path).map_err(|error| match error {
        OutputError::Unwritable { source, .. } | OutputError::Stdout(source) => source,
    })?;
    file.write_all(bytes)?;
    if let Ok(there) = path.metadata() {
        file.as_file().set_permissions(there.permissions())?;
    }
    if let Some((uid, gid)) = invoking_user() {
        chown(file.path(), Some(uid), Some(gid))?;
    }
    Ok(Staged { file: file.into_temp_path(), path })
}

/// Who called `sudo`, if it was that.
fn invoking_user() -> Option<(Uid, Gid)> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
    Uid::effective().is_root().then(|| (Uid::from_raw(uid), Gid::from_raw(gid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let link = folder.path().join("link");
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Output::from(link.clone()).write(b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        Output::from(file.clone()).write(b"new").unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    }

    #[test]
    fn of_many_files_all_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "old").unwrap();
        let nowhere = folder.path().join("no/such");
        write_all([(one.as_path(), &b"new"[..]), (nowhere.as_path(), b"x")]).unwrap_err();
        assert_eq!(std::fs::read(&one).unwrap(), b"old");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        write_all([(one.as_path(), &b"new"[..]), (two.as_path(), b"too")]).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), b"new");
        assert_eq!(std::fs::read(&two).unwrap(), b"too");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn an_unwritable_place_is_known_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("no/such"), "/proc/x".into()] {
            let error = Output::from(path.clone()).check().unwrap_err().to_string();
            assert!(!error.contains("strait-"), "a name that nobody knows: {error}");
            assert!(Output::from(path.clone()).write(b"x").is_err(), "{path:?}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let error = Output::from(folder.path().join("no/such")).check().unwrap_err().to_string();
        assert!(error.contains("such: No such file or directory"), "{error}");
        Output::from(PathBuf::from("/dev/null")).check().unwrap();
        Output::from(PathBuf::from("/dev/null")).write(b"x").unwrap();
    }
}
