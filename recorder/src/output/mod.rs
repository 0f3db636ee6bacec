//! Writes files and streams: whole or not at all, with the rights of the user who runs Strait.
//!
//! - [`Output`], [`write_all`]: files that are written at once
//! - [`Place`], [`Folder`]: where a file will be written later, when others may have changed the path to it
//! - [`Rights`]: with whose rights that is

mod place;
mod rights;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use place::{Folder, Place, Sync, Written};
pub use rights::{Rights, sudo_user};

/// Why a file was not written. Nothing of it is left behind.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The folder does not exist or cannot be written, or what is there is no file.
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

impl OutputError {
    /// For a file that cannot be written.
    pub fn unwritable(path: &Path, source: io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), source }
    }
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
    ///
    /// # Errors
    ///
    /// [`OutputError`] if it cannot.
    pub fn check(&self) -> Result<(), OutputError> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => Place::open(path)
                .and_then(|place| place.check())
                .map_err(|source| OutputError::unwritable(path, source)),
        }
    }

    /// The file whose path `name` makes of this one's; `None` if this one is no plain file.
    pub fn beside(&self, name: impl Fn(&Path) -> PathBuf) -> Option<Self> {
        match self {
            Self::File(path) if !Place::open(path).is_ok_and(|place| place.is_stream()) => {
                Some(Self::File(name(path)))
            }
            _ => None,
        }
    }

    /// Writes all of `bytes`: a file under a temporary name that is then renamed, a device or pipe as
    /// it is. A reader of standard output that has gone away is no error.
    ///
    /// # Errors
    ///
    /// [`OutputError`]; a file is then as it was before.
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
            Self::File(path) => Place::open(path)
                .and_then(|place| place.write(bytes, Sync::Disk))
                .map(drop)
                .map_err(|source| OutputError::unwritable(path, source)),
        }
    }
}

/// Makes a folder and those above it, if they are not there.
///
/// # Errors
///
/// [`OutputError::Unwritable`] if that cannot be.
pub fn make_folder(path: &Path) -> Result<(), OutputError> {
    Folder::make(path).map(drop).map_err(|source| OutputError::unwritable(path, source))
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
    let files: Vec<_> = files.into_iter().collect();
    let mut places = Vec::with_capacity(files.len());
    for (path, _) in &files {
        let place = Place::open(path).map_err(|source| OutputError::unwritable(path, source))?;
        places.push(place);
    }
    let mut staged = Vec::with_capacity(files.len());
    for (place, (path, bytes)) in places.iter().zip(&files) {
        let one = place.stage(bytes).and_then(|one| one.ok_or(io::ErrorKind::InvalidInput.into()));
        staged.push((path, one.map_err(|source| OutputError::unwritable(path, source))?));
    }
    for (path, one) in &staged {
        one.sync().map_err(|source| OutputError::unwritable(path, source))?;
    }
    staged.into_iter().try_for_each(|(path, one)| {
        one.put().map(drop).map_err(|source| OutputError::unwritable(path, source))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
            assert!(!error.contains("strait-"), "an internal name: {error}");
            assert!(Output::from(path.clone()).write(b"x").is_err(), "{path:?}");
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let error = Output::from(folder.path().join("no/such")).check().unwrap_err().to_string();
        assert!(error.contains("such: No such file or directory"), "{error}");
        Output::from(PathBuf::from("/dev/null")).check().unwrap();
        Output::from(PathBuf::from("/dev/null")).write(b"x").unwrap();
    }
}
