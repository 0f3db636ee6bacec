//! Tasks of containers, and the folder that is `/` for them.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::files;
use crate::record::time::{started, started_before};

/// A task that is known to be a container's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pid: u32,
    /// When it was started, in ticks: with its number this tells it from all others.
    started: u64,
    /// Its mount namespace.
    namespace: u64,
}

impl Task {
    /// The one that began a container, if it is still there.
    pub fn that_began(container: &probe_common::Container) -> Option<Self> {
        let probe_common::Container { pid, began, .. } = *container;
        let task = Self::of(pid)?;
        (began != 0 && started_before(pid, began)).then_some(task)
    }

    /// The one that has this number now.
    fn of(pid: u32) -> Option<Self> {
        let started_at = started(pid)?;
        let namespace = namespace_of(pid)?;
        (started(pid) == Some(started_at)).then_some(Self { pid, started: started_at, namespace })
    }

    fn is_there(self) -> bool {
        started(self.pid) == Some(self.started) && namespace_of(self.pid) == Some(self.namespace)
    }
}

/// Opens what is `/` for a program of a container: by the task that began the container, or else by the one that executed
/// the program, `pid`, if that is in the same namespace. Nothing of it is asked: whoever answers for its file system may
/// never do so. It keeps the file system from being removed until it is closed.
pub(super) fn root(first: Option<Task>, pid: u32, inode: u64) -> io::Result<OwnedFd> {
    let gone = || io::Error::other("it ended before its container's files could be opened");
    if let Some(first) = first.filter(|first| first.is_there())
        && let Some(root) = open_root(first)?
    {
        return Ok(root);
    }
    let task = Task::of(pid).ok_or_else(gone)?;
    let is_of_container = match first {
        Some(first) => first.namespace == task.namespace,
        // Its number may be another task's, but not one that executes the same file elsewhere.
        None => {
            let program = files::stat(&PathBuf::from(format!("/proc/{pid}/exe")));
            program.is_some_and(|program| program.inode == inode)
                && namespace_of(std::process::id()) != Some(task.namespace)
        }
    };
    if !is_of_container {
        return Err(gone());
    }
    open_root(task)?.ok_or_else(gone)
}

/// `None` if the task has ended, or has gone elsewhere.
fn open_root(task: Task) -> io::Result<Option<OwnedFd>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let path = PathBuf::from(format!("/proc/{}/root", task.pid));
    match open(&path, flags, Mode::empty()) {
        // By then it is known that it was this task's, in this namespace.
        Ok(root) => Ok(task.is_there().then_some(root)),
        Err(nix::Error::ENOENT | nix::Error::ESRCH) => Ok(None),
        Err(error) => Err(io::Error::other(format!("its container's files: {}", error.desc()))),
    }
}

fn namespace_of(pid: u32) -> Option<u64> {
    Some(files::stat(&PathBuf::from(format!("/proc/{pid}/ns/mnt")))?.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_opened_only_of_the_task_that_is_meant() {
        let own = std::process::id();
        let task = Task::of(own).unwrap();
        assert!(open_root(task).unwrap().is_some());
        for other in [
            Task { started: task.started + 1, ..task },
            Task { namespace: task.namespace + 1, ..task },
        ] {
            assert!(open_root(other).unwrap().is_none(), "{other:?}");
        }
        assert!(Task::of(u32::MAX).is_none());
    }

    #[test]
    fn a_task_of_another_namespace_leads_nowhere() {
        let own = std::process::id();
        let task = Task::of(own).unwrap();
        let gone = Task { pid: u32::MAX, ..task };
        assert!(root(Some(gone), own, 0).is_ok(), "of the same namespace");
        let elsewhere = Task { namespace: task.namespace + 1, ..gone };
        assert!(root(Some(elsewhere), own, 0).is_err());
        let inode = files::stat(&PathBuf::from("/proc/self/exe")).unwrap().inode;
        assert!(root(None, own, inode).is_err(), "the recorder's own is no container");
    }
}
