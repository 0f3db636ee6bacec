//! Paths of executables. The kernel says by which path each was executed, which may be relative, a
//! link, or of another mount namespace; while the task lives `/proc` knows better.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use probe_common::{Program, SET_FIRST, phase};

use crate::files;
use strait_generator::recording;

/// The name under which the calls of all executables without room of their own stand.
pub const OTHER: &str = "(other)";

/// What the recorder knows of executables, by set, as a [`Snapshot`](crate::record::probe::Snapshot) numbers them.
#[derive(Default)]
pub struct Names {
    found: BTreeMap<u32, PathBuf>,
    /// The number and the path of the command's own executable.
    command: Option<(u64, PathBuf)>,
}

impl Names {
    /// To be called before the command runs, while its path is only what the caller gave. However short the command's
    /// life is, and whether or not its path is relative, it has one name then.
    pub fn of_command(executable: &Path) -> Self {
        let path = executable.canonicalize().ok();
        let command = path.and_then(|path| Some((files::stat(&path)?.inode, path)));
        Self { command, ..Self::default() }
    }

    /// Looks up the executable of a set at once, while the task that runs it may still be there.
    pub fn resolve(&mut self, set: u32, program: &Program) {
        let path = from_proc(program).or_else(|| from_file(program));
        if let Some(path) = path.or_else(|| self.path_of_command(program)) {
            self.found.insert(set, path);
        }
    }

    fn path_of_command(&self, program: &Program) -> Option<PathBuf> {
        let (inode, path) = self.command.as_ref()?;
        // The same name too, since other file systems have the same numbers.
        let is_it = *inode == program.key.inode && given(program).file_name() == path.file_name();
        is_it.then(|| path.clone())
    }

    /// The executable of a set, for a recording.
    pub fn program(&mut self, set: u32, program: &Program) -> recording::Program {
        if set < u32::from(SET_FIRST) {
            return without_file(OTHER);
        }
        if program.key.phase == phase::RUNTIME {
            return without_file(recording::Program::RUNTIME);
        }
        if !self.found.contains_key(&set) {
            self.resolve(set, program);
        }
        let path = self.found.get(&set).cloned().unwrap_or_else(|| given(program).to_owned());
        recording::Program {
            path: path.to_string_lossy().into_owned(),
            device: format!("{}:{}", program.key.device >> 20, program.key.device & 0xf_ffff),
            inode: program.key.inode,
        }
    }
}

/// A program that is no file.
fn without_file(name: &str) -> recording::Program {
    recording::Program { path: name.to_owned(), device: String::new(), inode: 0 }
}

/// The path by which the kernel opened it: of a script's interpreter, not of the script.
fn given(program: &Program) -> &Path {
    let text = if program.interp[0] == 0 { &program.filename } else { &program.interp };
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Path::new(OsStr::from_bytes(&text[..end]))
}

/// Device numbers are not compared: a file on overlayfs or btrfs has another one for `stat` than the
/// kernel uses within.
fn is_the_file(path: &Path, program: &Program) -> bool {
    files::stat(path).is_some_and(|file| file.inode == program.key.inode)
}

fn from_proc(program: &Program) -> Option<PathBuf> {
    let link = PathBuf::from(format!("/proc/{}/exe", program.pid));
    if !is_the_file(&link, program) {
        return None;
    }
    executable(&link)
}

/// Where the executable is, or was, to which a link in `/proc` leads.
pub fn executable(link: &Path) -> Option<PathBuf> {
    let path = link.read_link().ok()?;
    let bytes = path.as_os_str().as_bytes();
    Some(match bytes.strip_suffix(b" (deleted)") {
        Some(path) => PathBuf::from(OsStr::from_bytes(path)),
        None => path,
    })
}

/// Only within `/usr`, where nothing but the machine's own packages is: any other path is what a process likes, and
/// looking it up could make a file system answer, or be mounted.
fn from_file(program: &Program) -> Option<PathBuf> {
    let given = given(program);
    let is_plain = given.components().all(|part| !matches!(part, Component::ParentDir));
    // `/bin` and its like are links into it on most systems.
    let merged = ["/bin", "/sbin", "/lib", "/lib64"];
    let path = match merged.iter().find(|folder| given.starts_with(folder)) {
        Some(_) => Path::new("/usr").join(given.strip_prefix("/").ok()?),
        None => given.to_owned(),
    };
    if !is_plain || !path.starts_with("/usr") || !is_the_file(&path, program) {
        return None;
    }
    let path = path.canonicalize().ok()?;
    is_the_file(&path, program).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use probe_common::{PATH_LEN, ProgramKey};

    use super::*;

    fn program(path: &str, inode: u64, pid: u32) -> Program {
        let mut filename = [0; PATH_LEN];
        filename[..path.len()].copy_from_slice(path.as_bytes());
        Program {
            key: ProgramKey { inode, device: 8 << 20 | 1, ..ProgramKey::default() },
            pid,
            ready: 1,
            filename,
            interp: filename,
        }
    }

    #[test]
    fn a_path_is_believed_only_if_the_inode_agrees() {
        let exe = std::env::current_exe().unwrap().canonicalize().unwrap();
        let inode = exe.metadata().unwrap().ino();
        let mut names = Names::default();
        let by_pid = names.program(10, &program("./relative", inode, std::process::id()));
        assert_eq!(Path::new(&by_pid.path), exe);
        let shell = Path::new("/usr/bin/sh").canonicalize().unwrap();
        let of_shell = shell.metadata().unwrap().ino();
        for link in ["/bin/sh", "/usr/bin/sh", "/usr/./bin/sh"] {
            let by_file = names.program(11, &program(link, of_shell, u32::MAX));
            assert_eq!(Path::new(&by_file.path), shell, "{link}");
        }
        for elsewhere in ["/usr/../usr/bin/sh", "/proc/self/root/bin/sh", "bin/sh"] {
            let given = names.program(13, &program(elsewhere, of_shell, u32::MAX));
            assert_eq!(given.path, elsewhere, "it is not looked up");
        }
        let neither = names.program(12, &program("./relative", inode + 1, u32::MAX));
        assert_eq!(neither.path, "./relative");
        assert_eq!(neither.device, "8:1");
    }

    #[test]
    fn the_command_has_one_name_however_it_is_called_and_short_its_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("app");
        std::fs::write(&path, "").unwrap();
        let inode = path.metadata().unwrap().ino();
        let mut names = Names::of_command(&path.with_file_name(".").join("app"));
        let called = |inode| program("../app", inode, u32::MAX);
        assert_eq!(Path::new(&names.program(10, &called(inode)).path), path);
        assert_eq!(names.program(11, &called(inode + 1)).path, "../app", "another file");
        assert_eq!(names.program(12, &program("./other", inode, u32::MAX)).path, "./other");
    }

    #[test]
    fn reserved_sets_have_no_executable() {
        assert_eq!(Names::default().program(2, &program("", 0, 0)).path, OTHER);
    }
}
