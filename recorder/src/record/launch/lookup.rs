//! Finds the file of a command, as a shell does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Why there is nothing to execute.
#[derive(Debug)]
pub enum Missing {
    /// No such program.
    NotFound(String),
    /// There is one, but it cannot be executed, for this reason.
    NotExecutable(String, String),
}

/// The file that `execvp` would execute for this name.
///
/// # Errors
///
/// [`Missing`].
pub fn find(name: &OsStr) -> Result<PathBuf, Missing> {
    let shown = || name.to_string_lossy().into_owned();
    if name.as_bytes().contains(&b'/') {
        return executable(Path::new(name)).map(|()| name.into()).map_err(|errno| match errno {
            nix::Error::ENOENT | nix::Error::ENOTDIR => Missing::NotFound(shown()),
            _ => not_executable(shown(), errno),
        });
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut refused = None;
    for folder in std::env::split_paths(&folders).filter(|_| !name.is_empty()) {
        let path = folder.join(name);
        match executable(&path) {
            Ok(()) => return Ok(path),
            Err(nix::Error::ENOENT | nix::Error::ENOTDIR) => {}
            Err(errno) => refused = refused.or(Some(errno)),
        }
    }
    Err(refused.map_or_else(|| Missing::NotFound(shown()), |errno| not_executable(shown(), errno)))
}

fn executable(path: &Path) -> nix::Result<()> {
    access(path, AccessFlags::F_OK)?;
    if path.is_dir() {
        return Err(nix::Error::EISDIR);
    }
    access(path, AccessFlags::X_OK)
}

fn not_executable(program: String, errno: nix::Error) -> Missing {
    let reason = match errno {
        nix::Error::EISDIR => "it is a folder".to_owned(),
        nix::Error::EACCES => "it is not executable. `chmod +x` makes it so".to_owned(),
        other => other.desc().to_owned(),
    };
    Missing::NotExecutable(program, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_as_a_shell_does() {
        assert_eq!(find(OsStr::new("/bin/sh")).unwrap(), Path::new("/bin/sh"));
        assert!(find(OsStr::new("sh")).unwrap().is_absolute());
        assert!(matches!(find(OsStr::new("no-such-program")), Err(Missing::NotFound(_))));
        assert!(matches!(find(OsStr::new("/no/such")), Err(Missing::NotFound(_))));
        assert!(matches!(find(OsStr::new("/etc/passwd")), Err(Missing::NotExecutable(..))));
        assert!(matches!(find(OsStr::new("/etc")), Err(Missing::NotExecutable(..))));
        assert!(matches!(find(OsStr::new("")), Err(Missing::NotFound(_))));
    }
}
