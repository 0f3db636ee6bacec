//! Describes a container: its id, engine, name, image, labels, runtime and command.
//!
//! The probe knows a container by its mount namespace and nothing else. What people call it is known
//! to its engine, to the process that watches over it, and to files that its runtime leaves behind;
//! whichever of them can still be asked is asked, and a container of which none of them knows has at
//! least the id that its cgroup gives. Nothing in here ever stops a recording: what could not be
//! found out is empty, and [`Engines::notes`] says why.
//!
//! - [`identify`], `cgroup`: is it a container, and which one?
//! - `lineage`: what its monitor's command line tells
//! - [`Engines`], `cache`, `watch`, `api`, `answers`, `http`: asking the engines, and listening to them
//! - `bundle`, `storage`, `docker`: reading what runtimes, podman and Docker write to disk
//! - `runtime`: versions of runtimes
//! - `naming`, `only`: what a container is called, and which are wanted
//!
//! # Terminology
//!
//! - *engine*: what people start containers with: Docker, podman, containerd, CRI-O
//! - *runtime*: what the engine starts to make one container: runc, crun, youki
//! - *monitor*: the process that stays with a container while it lives: containerd's shim, conmon

mod answers;
mod api;
mod bundle;
mod cache;
mod cgroup;
mod docker;
mod engines;
mod http;
mod identify;
mod lineage;
mod naming;
mod only;
mod runtime;
mod storage;
mod trusted;
#[doc(hidden)]
pub mod untrusted;
mod watch;

use std::path::PathBuf;

use serde_json::Value;

use strait_generator::recording::Container;

pub use cache::Cache;
pub use engines::Engines;
pub use identify::identify;
pub use naming::{FileNames, UNCONFIRMED, display_name, file_name, sanitize, unconfirmed_name};
pub use only::{Ambiguous, Only, OnlyError, unambiguous};

/// A task that the probe saw in a mount namespace that is not the host's, or that was found in one.
///
/// The cgroup has to be read when the task's filter is installed, or at its first exec: crun joins its
/// cgroup only after it has made the namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedTask {
    /// Process id in the recorder's pid namespace; the process may be gone.
    pub pid: u32,
    /// `task->comm`: `runc:[2:INIT]`, `crun`, `(nginx)`, `bwrap`.
    pub comm: String,
    /// Names of the task's cgroup directory and of its ancestors, leaf first:
    /// `["docker-1f….scope", "system.slice"]`. Empty: they are read from `/proc`.
    pub cgroups: Vec<String>,
    /// The user who made the mount namespace, as the kernel knows it.
    pub owner: u32,
    /// When it was seen, in nanoseconds of `CLOCK_MONOTONIC`: a process that started later only has its number. 0: now.
    pub began: u64,
}

/// Which container it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Id, as its engine has it; `pid-N` if nothing tells.
    pub id: String,
    /// The engine that started it, as far as its cgroup tells.
    pub engine: Option<EngineKind>,
    /// `runc`, `crun` or `youki`, as far as the task's name tells.
    pub runtime: Option<&'static str>,
    /// Process id of the task by which it was found.
    pub pid: u32,
    /// The user who made its mount namespace.
    pub owner: u32,
    /// As [`ObservedTask::began`].
    pub began: u64,
}

impl Identity {
    /// Whether what tells about it can be believed: root, or the recorder's own user, made its namespaces. Any
    /// other user can make some that look like a container's, and call it and its cgroup as he likes.
    pub fn is_trusted(&self) -> bool {
        trusted::is_trusted(self.owner)
    }
}

/// What people start containers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker Engine.
    Docker,
    /// podman.
    Podman,
    /// containerd, used by nerdctl, ctr or Kubernetes.
    Containerd,
    /// CRI-O.
    Crio,
    /// BuildKit: a `RUN` step of an image build.
    Buildkit,
}

impl EngineKind {
    /// The name used in recordings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Buildkit => "buildkit",
        }
    }
}

/// Most bytes of text that are kept about a container, as of a command line (`trusted.rs`). What does not fit is left out,
/// the longest labels and the end of the command first.
const MOST_TEXT: usize = 64 << 10;

/// What is known about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// All but what only the kernel knows: `bounding_set` and `filtered` are not filled in, and
    /// `no_new_privs` is what was asked for.
    pub container: Container,
    /// Program and arguments of the main process; empty if unknown.
    pub command: Vec<String>,
    /// The filter that the runtime was told to install (`linux.seccomp` of the OCI `config.json`), if that
    /// could still be read.
    pub seccomp: Option<Value>,
    /// The sources, best first; none if there are none: `docker`, `events of docker`, `conmon`, `/run/runc/x/state.json`.
    pub sources: Vec<String>,
    /// Whether an engine that the caller named, and that belongs to the user who made the container, knows it.
    pub confirmed: bool,
    /// Path or name by which the engine starts the runtime.
    runtime_path: Option<PathBuf>,
}

impl Description {
    /// What is known of a container without any source: how it was found.
    pub fn from_identity(identity: &Identity) -> Self {
        Self {
            container: Container {
                id: identity.id.clone(),
                engine: identity.engine.map(EngineKind::name).unwrap_or_default().to_owned(),
                runtime: identity.runtime.unwrap_or_default().to_owned(),
                ..Container::default()
            },
            ..Self::default()
        }
    }

    /// Whether this engine was asked for the container and knew it.
    fn is_from(&self, engine: EngineKind) -> bool {
        self.sources.iter().any(|source| source == engine.name())
    }

    /// Takes from `other` what is unknown here, as far as it fits into [`MOST_TEXT`].
    fn fill(&mut self, other: Self) {
        let mut room = MOST_TEXT.saturating_sub(self.text_size());
        let mut fits = |size: usize| {
            let left = room.checked_sub(size);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let Self { container: theirs, command, seccomp, sources, confirmed, runtime_path } = other;
        self.confirmed |= confirmed;
        let ours = &mut self.container;
        let texts = [
            (&mut ours.id, theirs.id),
            (&mut ours.engine, theirs.engine),
            (&mut ours.name, theirs.name),
            (&mut ours.image, theirs.image),
            (&mut ours.image_digest, theirs.image_digest),
            (&mut ours.runtime, theirs.runtime),
            (&mut ours.runtime_version, theirs.runtime_version),
            (&mut ours.profile, theirs.profile),
        ];
        for (own, other) in texts {
            if own.is_empty() && fits(other.len()) {
                *own = other;
            }
        }
        ours.no_new_privs |= theirs.no_new_privs;
        self.seccomp = self.seccomp.take().or(seccomp);
        if self.runtime_path.is_none() {
            self.runtime_path = runtime_path.filter(|path| fits(path.as_os_str().len()));
        }
        let mut labels: Vec<_> = theirs.labels.into_iter().collect();
        labels.sort_by_key(label_size);
        for label in labels {
            if !ours.labels.contains_key(&label.0) && fits(label_size(&label)) {
                ours.labels.insert(label.0, label.1);
            }
        }
        if self.command.is_empty() {
            self.command = command.into_iter().take_while(|part| fits(part_size(part))).collect();
        }
        for source in sources {
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
    }

    /// How much of [`MOST_TEXT`] is taken.
    fn text_size(&self) -> usize {
        let Container {
            id,
            engine,
            name,
            image,
            image_digest,
            runtime,
            runtime_version,
            profile,
            labels,
            ..
        } = &self.container;
        let texts = [id, engine, name, image, image_digest, runtime, runtime_version, profile];
        let path = self.runtime_path.as_ref().map_or(0, |path| path.as_os_str().len());
        let labels = labels.iter().map(|(name, value)| part_size(name) + part_size(value));
        let command = self.command.iter().map(|part| part_size(part));
        path + texts.map(String::len).iter().sum::<usize>() + labels.chain(command).sum::<usize>()
    }
}

/// What one of many texts takes, and be it empty.
fn part_size(text: &str) -> usize {
    size_of::<String>() + text.len()
}

fn label_size((name, value): &(String, String)) -> usize {
    part_size(name) + part_size(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_already_is_not_overwritten() {
        let mut best = Description {
            container: Container { name: "web".into(), ..Container::default() },
            sources: vec!["docker".into()],
            ..Description::default()
        };
        let worse = Description {
            container: Container {
                name: "other".into(),
                image: "nginx".into(),
                labels: [("a".to_owned(), "b".to_owned())].into(),
                ..Container::default()
            },
            command: vec!["nginx".into()],
            sources: vec!["conmon".into(), "docker".into()],
            ..Description::default()
        };
        best.fill(worse);
        assert_eq!(best.container.name, "web");
        assert_eq!(best.container.image, "nginx");
        assert_eq!(best.container.labels["a"], "b");
        assert_eq!(best.command, ["nginx"]);
        assert_eq!(best.sources, ["docker", "conmon"]);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut known = Description::default();
        for number in 0..100 {
            let label = |length: usize| (format!("{number}-{length}"), "x".repeat(length));
            known.fill(Description {
                container: Container {
                    name: "x".repeat(MOST_TEXT + 1),
                    image: "nginx".into(),
                    labels: [label(1), label(MOST_TEXT / 32), label(MOST_TEXT)].into(),
                    ..Container::default()
                },
                command: vec![String::new(); MOST_TEXT],
                runtime_path: Some("x".repeat(MOST_TEXT).into()),
                ..Description::default()
            });
            assert!(known.text_size() <= MOST_TEXT);
        }
        let Container { name, image, labels, .. } = &known.container;
        assert_eq!((name.as_str(), image.as_str()), ("", "nginx"));
        assert!(labels.contains_key("0-1") && !labels.contains_key(&format!("0-{MOST_TEXT}")));
        assert!(!known.command.is_empty() && known.runtime_path.is_none());
    }
}
