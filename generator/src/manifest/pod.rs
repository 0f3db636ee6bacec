//! The pods of a file: every pod template of every document, and the containers in it.

use super::error::ManifestError;
use super::tree::{NodeId, Tree};
use super::workloads;
use crate::limits::MANIFEST_ITEMS;
use crate::untrusted::short;

/// A pod, or the template of one.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Kind and name of what it belongs to, such as `Deployment web`.
    pub owner: String,
    /// The name alone; empty if there is none.
    pub name: String,
    /// The object that has its `metadata` and `spec`.
    pub template: NodeId,
    /// Its `spec`, a mapping.
    pub spec: NodeId,
    /// Mappings around it whose fields are the pod's too, the nearest first.
    pub outer: Vec<NodeId>,
    /// Its containers of all sorts, in the order of the file.
    pub containers: Vec<Container>,
    /// Whether it runs on Windows, which knows no seccomp and refuses the field.
    pub windows: bool,
    /// Whether the pod's own security context takes a profile.
    pub pod_level: bool,
    /// Whether it was found by what it looks like, in a kind that may do something else with it: it is not edited.
    pub by_shape: bool,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container {
    /// The mapping.
    pub node: NodeId,
    /// A mapping whose fields it has unless it has its own.
    pub defaults: Option<NodeId>,
    /// Its name; empty if there is none.
    pub name: String,
    /// Its image; empty if there is none.
    pub image: String,
    /// The list that it is in.
    pub list: List,
}

/// The lists of containers in a pod's `spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// They run before the others, or beside them (sidecars).
    Init,
    /// The workload.
    Main,
    /// Added to a running pod for debugging.
    Ephemeral,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Init, Self::Main, Self::Ephemeral];

    /// Its key in the pod's `spec`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl Container {
    pub(super) fn new(tree: &Tree, node: NodeId, list: List) -> Self {
        Self {
            node,
            defaults: None,
            name: tree.find_text(node, &["name"]).unwrap_or_default().to_owned(),
            image: tree.find_text(node, &["image"]).unwrap_or_default().to_owned(),
            list,
        }
    }

    /// The value at the end of several keys, its own or the default; `None` too if it is null.
    #[must_use]
    pub fn find(&self, tree: &Tree, keys: &[&str]) -> Option<NodeId> {
        let default = || self.defaults.and_then(|node| tree.find(node, keys));
        tree.find(self.node, keys).or_else(default)
    }

    /// The image without registry, folders, tag and digest: `nginx` for `ghcr.io/acme/nginx:1.27@sha256:…`.
    #[must_use]
    pub fn image_name(&self) -> &str {
        let image = self.image.split('@').next().unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        last.split(':').next().unwrap_or_default()
    }
}

/// Refuses a file whose containers together have more items to look at than [`MANIFEST_ITEMS`]. Each looks
/// at its pod's lists too, and through aliases many may share the same long one.
///
/// # Errors
///
/// [`ManifestError::TooMuch`] names the pod at which there are too many.
pub(super) fn check_size(tree: &Tree, pods: &[Pod]) -> Result<(), ManifestError> {
    let lengths = |object: NodeId, lists: &[&[&str]]| -> usize {
        let nodes = lists.iter().filter_map(|keys| tree.find(object, keys));
        nodes.map(|node| tree.items(node).len() + tree.all_entries(node).len()).sum()
    };
    let mut items = 0usize;
    for pod in pods {
        let levels = pod.outer.iter().chain([&pod.spec]);
        let sysctls: usize =
            levels.map(|level| lengths(*level, &[&["securityContext", "sysctls"]])).sum();
        let too_much = || {
            let (at, pod) = (tree.position(pod.spec), short(&pod.owner));
            Err(ManifestError::TooMuch { at, pod, limit: MANIFEST_ITEMS })
        };
        let mut volumes = 0usize;
        for volume in pod.volumes(tree) {
            // Each may merge the same long mapping.
            volumes += 1 + tree.all_entries(volume).len();
            if volumes > MANIFEST_ITEMS {
                return too_much();
            }
        }
        let shared = lengths(pod.template, &[&["metadata", "annotations"]]) + sysctls + volumes;
        for container in &pod.containers {
            let capabilities = |key| ["securityContext", "capabilities", key];
            let (add, drop) = (capabilities("add"), capabilities("drop"));
            let own = lengths(container.node, &[&["ports"], &["volumeMounts"], &add, &drop]);
            items = items.saturating_add(1 + shared + own);
            if items > MANIFEST_ITEMS {
                return too_much();
            }
        }
    }
    Ok(())
}

impl Pod {
    /// The pod of an object of a kind that has its template in one place.
    pub(super) fn of_kind(
        tree: &Tree,
        object: NodeId,
        workload: &workloads::Workload,
    ) -> Option<Self> {
        let kind = tree.find_text(object, &["kind"]).unwrap_or_default();
        Self::read(tree, object, kind, workload)
    }

    fn read(
        tree: &Tree,
        object: NodeId,
        kind: &str,
        workload: &workloads::Workload,
    ) -> Option<Self> {
        let keys: Vec<&str> = workload.template.iter().map(String::as_str).collect();
        let template = tree.find(object, &keys)?;
        let spec = tree.find(template, &["spec"]).filter(|spec| tree.is_mapping(*spec))?;
        let name = name(tree, object);
        let containers = Self::listed(tree, spec);
        Some(Self {
            owner: owner(kind, name),
            name: name.to_owned(),
            template,
            spec,
            outer: Vec::new(),
            containers,
            windows: is_windows(tree, spec),
            pod_level: workload.pod_level,
            by_shape: false,
        })
    }

    /// The containers in the lists of a pod's `spec`.
    pub(super) fn listed(tree: &Tree, spec: NodeId) -> Vec<Container> {
        let of_list = |list: &List| {
            let items = tree.find(spec, &[list.key()]).map_or(&[][..], |node| tree.items(node));
            let items = items.iter().filter(|item| tree.is_mapping(**item));
            items.map(|item| Container::new(tree, *item, *list)).collect::<Vec<_>>()
        };
        List::ALL.iter().flat_map(of_list).collect()
    }

    /// The value at the end of several keys of the pod's `spec`, or of what is around it; `None` too if it is null.
    #[must_use]
    pub fn find(&self, tree: &Tree, keys: &[&str]) -> Option<NodeId> {
        // What one level says about the first key takes the place of all that an outer one says about it.
        let first = keys.first().copied()?;
        let mut levels = std::iter::once(&self.spec).chain(&self.outer);
        let level = levels.find(|level| tree.find(**level, &[first]).is_some())?;
        tree.find(*level, keys)
    }

    /// The text at the end of several keys.
    pub(crate) fn find_text<'t>(&self, tree: &'t Tree, keys: &[&str]) -> Option<&'t str> {
        tree.text(self.find(tree, keys)?)
    }

    /// Its volumes, and those of what is around it.
    #[must_use]
    pub fn volumes(&self, tree: &Tree) -> Vec<NodeId> {
        let levels = std::iter::once(&self.spec).chain(&self.outer);
        let lists = levels.filter_map(|level| tree.find(*level, &["volumes"]));
        lists.flat_map(|list| tree.items(list).iter().copied()).collect()
    }
}

/// A kind and a name, for people.
pub(super) fn owner(kind: &str, name: &str) -> String {
    format!("{kind} {name}").trim_end().to_owned()
}

/// What an object is called.
pub(super) fn name(tree: &Tree, object: NodeId) -> &str {
    let name = |key| tree.find_text(object, &["metadata", key]);
    name("name").or_else(|| name("generateName")).unwrap_or_default()
}

/// Whether a pod runs on Windows, or would be scheduled there.
pub(super) fn is_windows(tree: &Tree, spec: NodeId) -> bool {
    let names = |keys: &[&str]| {
        tree.find_text(spec, keys).is_some_and(|os| os.eq_ignore_ascii_case("windows"))
    };
    names(&["os", "name"])
        || names(&["nodeSelector", "kubernetes.io/os"])
        || names(&["nodeSelector", "beta.kubernetes.io/os"])
}
