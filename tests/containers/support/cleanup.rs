//! Removing what engines leave behind, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Places that all engines of a machine share. A directory that was not there before and is empty
/// now is ours, or of no use to anybody.
const SHARED: [&str; 6] =
    ["/run/containerd", "/run/docker", "/run/libpod", "/run/crun", "/run/runc", "/var/lib/cni"];

/// The names of the cgroups that engines make for their containers, in each hierarchy.
const CGROUPS: [&str; 3] = ["docker", "libpod_parent", "conmon"];

/// The programs that stay with a container, by the start of their names.
const MONITORS: [&str; 3] = ["containerd-shim", "conmon", "podman"];

/// What was there before the engines started.
#[derive(Debug)]
pub struct Traces(BTreeSet<PathBuf>);

impl Traces {
    /// Remembers what is there now.
    pub fn before() -> Self {
        Self(traces())
    }

    /// Removes what is new.
    pub fn remove_new(&self) {
        // Deepest first: a path sorts after its parent.
        for path in traces().iter().rev().filter(|path| !self.0.contains(*path)) {
            // Fails, as it should, on what is not empty and on a cgroup with processes.
            let _ = std::fs::remove_dir(path);
        }
    }
}

fn traces() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for place in SHARED {
        directories(Path::new(place), &mut found);
    }
    for hierarchy in hierarchies() {
        for name in CGROUPS {
            directories(&hierarchy.join(name), &mut found);
        }
    }
    found
}

/// Where cgroups are mounted.
pub fn hierarchies() -> Vec<PathBuf> {
    mounts().into_iter().filter(|(_, kind)| kind.starts_with("cgroup")).map(|(at, _)| at).collect()
}

fn directories(path: &Path, found: &mut BTreeSet<PathBuf>) {
    if path.is_dir() && !path.is_symlink() {
        found.insert(path.to_owned());
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            directories(&entry.path(), found);
        }
    }
}

/// Ends what outlived its engine: monitors that were told a path below `directory`, and containers
/// whose root is there.
pub fn processes_of(directory: &Path) {
    let name = directory.to_str().expect("the path is UTF-8");
    let read = |path: PathBuf| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    };
    let namespace = |process: &Path| std::fs::read_link(process.join("ns/mnt")).ok();
    let own = namespace(Path::new("/proc/self"));
    for entry in std::fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let process = entry.path();
        let command = read(process.join("comm"));
        let monitors = MONITORS.iter().any(|monitor| command.starts_with(monitor))
            && read(process.join("cmdline")).contains(name);
        let contained =
            namespace(&process) != own && read(process.join("mountinfo")).contains(name);
        if monitors || contained {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Takes away every mount below `directory`.
pub fn mounts_below(directory: &Path) -> Result<(), String> {
    let mut below: Vec<_> = mounts().into_iter().map(|(at, _)| at).collect();
    below.retain(|at| at.starts_with(directory));
    // The last mounted first.
    for at in below.iter().rev() {
        umount2(at, MntFlags::MNT_DETACH)
            .map_err(|error| format!("cannot unmount {}: {error}", at.display()))?;
    }
    Ok(())
}

/// Where something is mounted, and of which kind, in the order of mounting.
fn mounts() -> Vec<(PathBuf, String)> {
    // proc(5): the mount point is the second field of /proc/mounts, the kind the third. Blanks in
    // it are written as octal escapes, which no path of ours has.
    let text = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((PathBuf::from(fields.next()?), fields.next()?.to_owned()))
        })
        .collect()
}
