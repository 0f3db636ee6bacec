//! Which recordings are of the same target: the one notion by which they are merged, made a profile of and
//! chosen.
//!
//! - A container is told by its engine, namespace, workload, name in it and image. Releases of an image, its
//!   tags and digests, replicas and restarts are one target.
//! - Commands are one target: the tests of one workload may be run by several. `record --name` tells
//!   workloads apart.
//! - Processes that ran already are told by their name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::image::repository;
use super::{Container, Recording, Target, TargetKind};
use crate::untrusted::one_line;

/// Labels by which a container's place is known.
///
/// Sources: docker compose `pkg/api/labels.go`; Swarm `daemon/cluster/executor` and the stacks of docker's
/// command line; Kubernetes `pkg/kubelet/types/labels.go`.
pub mod label {
    /// The compose project.
    pub const PROJECT: &str = "com.docker.compose.project";
    /// The service of a compose project.
    pub const SERVICE: &str = "com.docker.compose.service";
    /// The stack of Docker Swarm.
    pub const STACK: &str = "com.docker.stack.namespace";
    /// The service of Docker Swarm.
    pub const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
    /// The namespace of a pod.
    pub const NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// The name of a pod.
    pub const POD: &str = "io.kubernetes.pod.name";
    /// The name of a container in its pod.
    pub const CONTAINER: &str = "io.kubernetes.container.name";
}

/// The longest name of a file, without its ending.
const LONGEST_NAME: usize = 100;

/// What was recorded, whichever release, replica or run of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetId {
    /// Commands, by the name that they were given; empty if none was.
    Command(String),
    /// A container.
    Container {
        /// Where it runs.
        place: Place,
        /// Its image, without tag and digest.
        image: String,
    },
    /// Processes that ran already, by their name.
    Processes(String),
}

/// Where a container runs. What is not known, or does not matter, is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The engine.
    pub engine: String,
    /// Kubernetes: the namespace; compose: the project; Swarm: the stack.
    pub namespace: String,
    /// Kubernetes: the pod without what its controller added to the name; compose and Swarm: the service.
    pub workload: String,
    /// Its name in there, whichever replica it is.
    pub container: String,
}

impl Place {
    /// The place of a container.
    #[must_use]
    pub fn from_container(container: &Container) -> Self {
        let label = |name: &str| container.labels.get(name).cloned().unwrap_or_default();
        let first = |names: [&str; 2]| {
            names.into_iter().map(label).find(|value| !value.is_empty()).unwrap_or_default()
        };
        let engine = container.engine.clone();
        let in_pod = label(label::CONTAINER);
        if !in_pod.is_empty() {
            let workload = without_controller(&label(label::POD)).to_owned();
            return Self {
                engine,
                namespace: label(label::NAMESPACE),
                workload,
                container: in_pod,
            };
        }
        let service = first([label::SERVICE, label::SWARM_SERVICE]);
        if !service.is_empty() {
            let namespace = first([label::PROJECT, label::STACK]);
            return Self { engine, namespace, workload: service.clone(), container: service };
        }
        let name = given_name(container);
        Self { engine, container: name.to_owned(), ..Self::default() }
    }

    /// As `--only` takes it: `namespace/workload/container`, as far as it is known.
    #[must_use]
    pub fn path(&self) -> String {
        let Self { namespace, workload, container, .. } = self;
        let workload = if workload == container { "" } else { workload.as_str() };
        let parts = [namespace.as_str(), workload, container.as_str()];
        let known: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        known.join("/")
    }
}

/// The name of a container's pod; empty if it is in none.
pub fn pod(container: &Container) -> &str {
    container.labels.get(label::POD).map_or("", String::as_str)
}

/// A pod's name without what controllers add: `-0` of a StatefulSet, `-x7k2p` of a DaemonSet or Job, and
/// `-6d5f7c9b8d-x7k2p` of a Deployment, `-29381760-x7k2p` of a CronJob.
///
/// Source: k8s.io/apimachinery `pkg/util/rand`: generated parts are of these letters and digits only, so that
/// they are no words.
fn without_controller(pod: &str) -> &str {
    let is_random =
        |part: &str| part.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if rest.is_empty() || last.is_empty() {
        return pod;
    }
    if last.len() == 5 && is_random(last) {
        return match rest.rsplit_once('-') {
            Some((workload, hash))
                if !workload.is_empty()
                    && ((8..=10).contains(&hash.len()) && (is_random(hash) || is_number(hash))) =>
            {
                workload
            }
            _ => rest,
        };
    }
    if is_number(last) { rest } else { pod }
}

/// The name that somebody gave a container, without the number of a replica; empty if its engine made one up.
fn given_name(container: &Container) -> &str {
    let name = container.name.trim_start_matches('/');
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
    // moby `internal/namesgenerator`, also used by podman: `eager_turing`, `eager_turing3`.
    let made_up = name.split_once('_').is_some_and(|(adjective, surname)| {
        letters(adjective) && letters(surname.trim_end_matches(|c: char| c.is_ascii_digit()))
    });
    // nerdctl `pkg/namestore`: the image and the beginning of the id.
    let of_image = repository(&container.image).rsplit('/').next().unwrap_or_default();
    let made_of_image = name
        .strip_prefix(of_image)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|rest| rest.len() == 5 && container.id.starts_with(rest));
    if made_up || made_of_image || (name.len() >= 12 && hex(name)) {
        return "";
    }
    match name.rsplit_once(['-', '_']) {
        Some((rest, number))
            if !rest.is_empty()
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => name,
    }
}

impl TargetId {
    /// That of a target.
    #[must_use]
    pub fn from_target(target: &Target) -> Self {
        match &target.kind {
            TargetKind::Command => {
                let program = target.command.first().and_then(|path| path.rsplit('/').next());
                let is_named = program.is_none_or(|program| program != target.name);
                Self::Command(if is_named { target.name.clone() } else { String::new() })
            }
            TargetKind::Processes => Self::Processes(target.name.clone()),
            TargetKind::Container(container) => {
                let (place, image) =
                    (Place::from_container(container), repository(&container.image));
                // Of what only looks like a container nothing else is known.
                let unknown = image.is_empty() && place.path().is_empty();
                let place = match unknown {
                    true => Place { container: target.name.clone(), ..place },
                    false => place,
                };
                Self::Container { place, image: image.to_owned() }
            }
        }
    }

    /// Where a container runs.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Container { place, .. } => Some(place),
            Self::Command(_) | Self::Processes(_) => None,
        }
    }

    /// Names for a file, the shortest first; each is that of fewer targets.
    fn names(&self) -> Vec<String> {
        let joined = |parts: &[&str]| {
            let known: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
            file_name(&known.join("-"))
        };
        match self {
            Self::Command(name) => vec![joined(&[name]), joined(&["command", name])],
            Self::Processes(name) => vec![joined(&[name]), joined(&["processes", name])],
            Self::Container { place, image } => {
                let Place { engine, namespace, workload, container } = place;
                let workload = if workload == container { "" } else { workload.as_str() };
                let of_image = image.rsplit('/').next().unwrap_or_default();
                let base = if container.is_empty() { of_image } else { container };
                vec![
                    joined(&[base]),
                    joined(&[namespace, base]),
                    joined(&[namespace, workload, base]),
                    joined(&[namespace, workload, base, of_image]),
                    joined(&[engine, namespace, workload, base, image]),
                ]
            }
        }
    }
}

impl fmt::Display for TargetId {
    /// As in a sentence; what others wrote is on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) if name.is_empty() => f.write_str("commands"),
            Self::Command(name) => write!(f, "command `{}`", one_line(name)),
            Self::Processes(name) => write!(f, "processes `{}`", one_line(name)),
            Self::Container { place, image } => {
                f.write_str("container")?;
                let path = place.path();
                if !path.is_empty() {
                    write!(f, " `{}`", one_line(&path))?;
                }
                if !image.is_empty() {
                    write!(f, " of image `{}`", one_line(image))?;
                }
                if !place.engine.is_empty() {
                    write!(f, " under {}", one_line(&place.engine))?;
                }
                Ok(())
            }
        }
    }
}

/// The targets of a recording: one, or those that it was merged from by order.
pub type TargetIds = BTreeSet<TargetId>;

impl Recording {
    /// Its target, or those of the recordings that it was merged from.
    #[must_use]
    pub fn targets(&self) -> TargetIds {
        if self.origin.parts.is_empty() {
            return [TargetId::from_target(&self.target)].into();
        }
        self.origin.parts.iter().map(|part| TargetId::from_target(&part.target)).collect()
    }
}

/// Targets as in a sentence.
pub fn describe(targets: &TargetIds) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" with ")
}

/// Puts together what is of the same targets, in an order that does not depend on the order of what was given.
pub fn grouped<T>(
    items: impl IntoIterator<Item = T>,
    targets: impl Fn(&T) -> TargetIds,
) -> BTreeMap<TargetIds, Vec<T>> {
    let mut groups: BTreeMap<TargetIds, Vec<T>> = BTreeMap::new();
    for item in items {
        groups.entry(targets(&item)).or_default().push(item);
    }
    groups
}

/// A file name, without ending, for each of these, no two alike: as short as tells them apart.
#[must_use]
pub fn file_names(groups: &[&TargetIds]) -> Vec<String> {
    let all: Vec<Vec<String>> = groups
        .iter()
        .map(|targets| match targets.iter().collect::<Vec<_>>().as_slice() {
            [only] => only.names(),
            several => {
                let first = several.iter().filter_map(|target| target.names().into_iter().next());
                vec![file_name(&first.collect::<Vec<_>>().join("-"))]
            }
        })
        .collect();
    let at = |names: &Vec<String>, level: usize| {
        names.get(level).or(names.last()).cloned().unwrap_or_default()
    };
    let mut used = BTreeSet::new();
    all.iter()
        .enumerate()
        .map(|(nth, names)| {
            let is_alone = |level: usize| {
                let mut others = all.iter().enumerate().filter(|(other, _)| *other != nth);
                others.all(|(_, other)| !other.iter().any(|name| *name == at(names, level)))
            };
            let level = (0..names.len()).find(|level| is_alone(*level)).unwrap_or(names.len());
            let name = at(names, level);
            let mut numbers = 2..;
            let mut free = name.clone();
            // On a file system that does not tell cases apart they are one.
            while !used.insert(free.to_lowercase()) {
                free = format!("{name}-{}", numbers.next().unwrap_or_default());
            }
            free
        })
        .collect()
}

/// A text that may come from anywhere as a name of a file, without ending.
fn file_name(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String =
        text.chars().map(|c| if safe(c) { c } else { '-' }).take(LONGEST_NAME).collect();
    // Neither hidden nor like an option.
    let name = name.trim_start_matches(['.', '-']).trim_end_matches('-');
    if name.is_empty() { "commands".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
