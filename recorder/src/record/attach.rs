//! Records running processes, and everything that they start from now on.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::assemble::{Names, assemble};
use super::engine::{
    Description, Engines, Identity, ObservedTask, Only, display_name, identify, sanitize,
};
use super::privilege::{Loading, Needs};
use super::probe::{self, Kernel, Probe, is_initial_pid_namespace, owner_of};
use super::session::Signals;
use super::session::{Session, Unwanted};
use super::time::{monotonic, started};
use super::{Notice, RecordError, host};
use crate::files;
use strait_generator::observation::About;
use strait_generator::recording::target::Place;
use strait_generator::recording::{
    Caveat, Container, Recording, Start, Target, TargetKind, Tracer,
};
use strait_generator::untrusted::one_line;

/// Why nothing could be attached to.
#[derive(Debug, Error)]
pub enum AttachError {
    /// No such process.
    #[error("there is no process {0}. `ps` lists the running ones")]
    NoProcess(u32),
    /// No such cgroup.
    #[error(
        "there is no cgroup {path}: {source}. Give a folder below /sys/fs/cgroup, or a path as \
         /proc/PID/cgroup shows it"
    )]
    NoCgroup {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing runs there.
    #[error("`{0}` has no process, so there is nothing to record")]
    Empty(String),
    /// No such container.
    #[error(
        "there is no running container `{name}`{hint}. Give a name, a service or an id as \
         `docker ps` and `podman ps` show it"
    )]
    NoContainer {
        /// As given.
        name: String,
        /// Engines that could not be asked, and why.
        hint: String,
    },
    /// Several containers are called so.
    #[error(
        "{} running containers are called `{name}`: {}. Give the path or the id of one",
        candidates.len(),
        candidates.join(", ")
    )]
    Ambiguous {
        /// As given.
        name: String,
        /// Where each of them runs, and its id.
        candidates: Vec<String>,
    },
    /// The recorder sees other process numbers than the kernel uses.
    #[error(
        "attaching works only from the initial pid namespace, and this is another one. Run Strait on the \
         host, or start the workload with `strait record -- COMMAND`"
    )]
    PidNamespace,
}

/// What to attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A process and its descendants.
    Process(u32),
    /// All processes of a cgroup and of those below it.
    Cgroup(PathBuf),
    /// A container, by name or id.
    Container(String),
}

/// The processes that are meant, in a way that can be looked up again and again.
enum Scope {
    Family(u32),
    Cgroup(PathBuf),
    /// Inode of a mount namespace.
    Namespace(u64),
}

/// What is to be recorded, and how.
pub struct AttachRequest {
    /// What to attach to.
    pub attach: Attach,
    /// When to end in any case; it ends when all processes have.
    pub limit: Option<Duration>,
    /// How many executables are to have counters of their own; `None`: as many as fit into 64 MiB.
    pub max_programs: Option<u16>,
    /// Whether the probe is to say what it does, through [`log`].
    pub verbose: bool,
}

/// Records what runs already, until it has ended, a signal arrives or time is up.
///
/// # Errors
///
/// [`RecordError`] if there is nothing to attach to, or what was called could not be read.
pub fn run(
    request: AttachRequest,
    signals: &Signals,
    notify: &dyn Fn(&Notice),
) -> Result<Recording, RecordError> {
    let AttachRequest { attach, limit, max_programs, verbose } = request;
    let stage = Loading::begin()?;
    check_pid_namespace()?;
    let runtime = super::runtime()?;
    let (scope, target) = runtime.block_on(resolve(&attach))?;
    let Kernel { config, .. } = Kernel::read()?;
    let options =
        probe::Options { max_programs, verbose, adopts: true, ..probe::Options::default() };
    let mut probe = Probe::load(&stage, config, &options)?;
    let host = host()?;
    let (started, start) = (Timestamp::now(), monotonic());
    let adopted = adopt(&stage, &scope, &mut probe)?;
    notify(&Notice::Attached(adopted.len()));
    // A ring that was made before is used without a call that would show it.
    let has_ring = adopted.iter().any(|task| has_ring(*task));
    let stage = stage.attached(Needs::default(), || probe.live().is_ok())?.running(None);
    let mut session = Session {
        until_all_end: true,
        probe,
        running: None,
        names: Names::default(),
        notify,
        linger: None,
        limit,
        stop_timeout: Duration::ZERO,
        listener: None,
        unwanted: Unwanted::default(),
    };
    runtime.block_on(session.wait(signals, &mut |_, _, _| Ok(())))?;
    let still_running = session.probe.live()?;
    let snapshot = session.probe.snapshot()?;
    drop(session.probe);
    let finished = Timestamp::now();
    let mut names = session.names;
    let observations = assemble(&snapshot, &mut names, config.native_abi, start);
    stage.writing()?;
    let mut recording = observations.recording(About {
        host,
        target,
        started,
        finished,
        losses: snapshot.losses,
        still_running,
        tracer: Tracer::Ebpf,
    });
    recording.caveats.extend(has_ring.then_some(Caveat::IoUring));
    Ok(recording)
}

/// How many descriptors of a task are looked at; a task may have a million.
const MOST_DESCRIPTORS: usize = 1 << 16;

/// Whether a process has a ring of io_uring, as the kernel calls its descriptor. A path would begin with a slash. Threads
/// have the descriptors of their process.
fn has_ring(task: u32) -> bool {
    if status(task, "Tgid:") != Some(task) {
        return false;
    }
    let Ok(entries) = std::fs::read_dir(format!("/proc/{task}/fd")) else { return false };
    entries.flatten().take(MOST_DESCRIPTORS).any(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == "anon_inode:[io_uring]")
    })
}

/// Puts every task into the probe's table. What a task starts once it is there follows by itself, so it
/// is enough to look until no new one is found. Returns all of them.
fn adopt(stage: &Loading, scope: &Scope, probe: &mut Probe) -> Result<BTreeSet<u32>, RecordError> {
    let mut adopted = BTreeSet::new();
    loop {
        let found = tasks(scope)?;
        let new: Vec<_> = found.difference(&adopted).copied().collect();
        if new.is_empty() {
            return Ok(adopted);
        }
        for task in new {
            // A task that has ended in the meantime calls nothing any more.
            let since = started(task);
            if let Some(file) = files::stat(&PathBuf::from(format!("/proc/{task}/exe"))) {
                let (major, minor) = file.device;
                // As the kernel has it within.
                probe.adopt(stage, task, file.inode, major << 20 | minor)?;
                // It may have ended just before, and have left its id to another task.
                if since.is_none() || started(task) != since {
                    probe.leave(stage, task)?;
                }
            }
            adopted.insert(task);
        }
    }
}

fn check_pid_namespace() -> Result<(), AttachError> {
    if is_initial_pid_namespace() { Ok(()) } else { Err(AttachError::PidNamespace) }
}

/// Finds what is to be attached to, and what the recording is to say about it.
async fn resolve(attach: &Attach) -> Result<(Scope, Target), AttachError> {
    let (scope, kind, name, command) = match attach {
        Attach::Process(pid) => {
            let comm = files::of_proc(&format!("/proc/{pid}/comm"));
            let comm = comm.ok_or(AttachError::NoProcess(*pid))?;
            (Scope::Family(*pid), TargetKind::Processes, comm, Vec::new())
        }
        Attach::Cgroup(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (Scope::Cgroup(path.clone()), TargetKind::Processes, name, Vec::new())
        }
        Attach::Container(name) => {
            let (namespace, identity, description) = find_container(name).await?;
            let Description { container, command, .. } = description;
            let name = display_name(&container, &identity);
            let kind = TargetKind::Container(Box::new(with_status(container, identity.pid)));
            (Scope::Namespace(namespace), kind, name, command)
        }
    };
    if tasks(&scope)?.is_empty() {
        return Err(AttachError::Empty(name));
    }
    // A process may be called anything.
    let name = sanitize(name.trim());
    let name = if name.is_empty() { "processes".to_owned() } else { name };
    Ok((scope, Target { kind, name, command, start: Start::Attached }))
}

/// The running container that is called so, and the inode of its mount namespace.
async fn find_container(name: &str) -> Result<(u64, Identity, Description), AttachError> {
    let hint = |notes: Vec<String>| match notes.as_slice() {
        [] => String::new(),
        notes => format!(" ({})", notes.join("; ")),
    };
    let mut engines = Engines::new();
    let only: Only = name
        .parse()
        .map_err(|_| AttachError::NoContainer { name: name.to_owned(), hint: String::new() })?;
    let host = namespace_of(std::process::id());
    let mut seen = BTreeSet::new();
    let mut found: Vec<(u64, Identity, Description)> = Vec::new();
    for pid in numbers(Path::new("/proc")) {
        let Some(namespace) = namespace_of(pid).filter(|found| Some(*found) != host) else {
            continue;
        };
        if !seen.insert(namespace) {
            continue;
        }
        let comm = files::of_proc(&format!("/proc/{pid}/comm")).unwrap_or_default();
        let owner = std::fs::File::open(format!("/proc/{pid}/ns/mnt"))
            .ok()
            .and_then(|namespace| owner_of(&namespace));
        // Before Linux 4.9 the kernel does not tell, and then attaching does not work anyway.
        let Some(owner) = owner else { continue };
        let comm = comm.trim().to_owned();
        let task = ObservedTask { pid, comm, owner, ..ObservedTask::default() };
        let Some(identity) = identify(&task) else { continue };
        let description = engines.describe(&identity).await;
        if !identity.is_trusted() && !description.confirmed {
            // It only looks like a container, and may be called as he likes who made it.
            continue;
        }
        let display = display_name(&description.container, &identity);
        // A container may have several mount namespaces.
        let is_known = found.iter().any(|(_, known, _)| known.id == identity.id);
        if (only.matches(&description.container, &display) || identity.id == name) && !is_known {
            found.push((namespace, identity, description));
        }
    }
    if found.len() > 1 {
        let candidate = |(_, identity, description): &(u64, Identity, Description)| {
            let path = Place::from_container(&description.container).path();
            let id: String = identity.id.chars().take(12).collect();
            format!("{} ({id})", one_line(&path))
        };
        let candidates = found.iter().map(candidate).collect();
        return Err(AttachError::Ambiguous { name: one_line(name), candidates });
    }
    if let Some(only) = found.pop() {
        return Ok(only);
    }
    Err(AttachError::NoContainer { name: name.to_owned(), hint: hint(engines.notes()) })
}

/// The inode of a process's mount namespace.
fn namespace_of(pid: u32) -> Option<u64> {
    Some(std::fs::metadata(format!("/proc/{pid}/ns/mnt")).ok()?.ino())
}

/// A description with what the kernel says about a process of the container.
fn with_status(container: Container, pid: u32) -> Container {
    let status = files::of_proc(&format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
    };
    Container {
        no_new_privs: field("NoNewPrivs:") == "1",
        bounding_set: u64::from_str_radix(field("CapBnd:"), 16).ok(),
        filtered: field("Seccomp:") == "2",
        ..container
    }
}

/// The thread ids of all that is attached to.
fn tasks(scope: &Scope) -> Result<BTreeSet<u32>, AttachError> {
    let processes = match scope {
        Scope::Family(pid) => descendants(*pid)?,
        Scope::Cgroup(path) => {
            let mut processes = BTreeSet::new();
            members(&cgroup(path), &mut processes)
                .map_err(|source| AttachError::NoCgroup { path: path.clone(), source })?;
            processes
        }
        Scope::Namespace(inode) => numbers(Path::new("/proc"))
            .into_iter()
            .filter(|process| namespace_of(*process) == Some(*inode))
            .collect(),
    };
    Ok(processes.into_iter().flat_map(|process| numbers(&task_folder(process))).collect())
}

fn task_folder(process: u32) -> PathBuf {
    format!("/proc/{process}/task").into()
}

/// The names of a folder's entries that are numbers.
fn numbers(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A process and all that it has started, by `PPid`.
fn descendants(pid: u32) -> Result<BTreeSet<u32>, AttachError> {
    if !task_folder(pid).exists() {
        return Err(AttachError::NoProcess(pid));
    }
    let parents: Vec<(u32, u32)> = numbers(Path::new("/proc"))
        .into_iter()
        .filter_map(|process| Some((process, parent(process)?)))
        .collect();
    let mut family = BTreeSet::from([pid]);
    loop {
        let before = family.len();
        family.extend(
            parents
                .iter()
                .filter(|(_, parent)| family.contains(parent))
                .map(|(child, _)| *child)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            return Ok(family);
        }
    }
}

fn parent(process: u32) -> Option<u32> {
    status(process, "PPid:")
}

/// A number in what the kernel says of a task.
fn status(task: u32, name: &str) -> Option<u32> {
    let status = files::of_proc(&format!("/proc/{task}/status"))?;
    status.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The folder of a cgroup: as given, or below the mount point of the first hierarchy that has it.
fn cgroup(path: &Path) -> PathBuf {
    let root = Path::new("/sys/fs/cgroup");
    if path.starts_with(root) {
        return path.to_owned();
    }
    let below = path.strip_prefix("/").unwrap_or(path);
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    std::iter::once(root.to_owned())
        .chain(hierarchies.map(|hierarchy| hierarchy.path()))
        .map(|hierarchy| hierarchy.join(below))
        .find(|folder| folder.join("cgroup.procs").exists())
        .unwrap_or_else(|| root.join(below))
}

fn members(folder: &Path, processes: &mut BTreeSet<u32>) -> io::Result<()> {
    let text = std::fs::read_to_string(folder.join("cgroup.procs"))?;
    processes.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    for entry in std::fs::read_dir(folder)?.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // A cgroup that has gone in the meantime has no members.
            let _ = members(&entry.path(), processes);
        }
    }
    Ok(())
}
