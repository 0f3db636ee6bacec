//! The pods of a file: every pod template of every document, and the containers in it.

use std::collections::BTreeSet;

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
    /// Its containers of all sorts, in the order of the file.
    pub containers: Vec<Container>,
    /// Whether it runs on Windows, which knows no seccomp and refuses the field.
    pub windows: bool,
    /// Whether the pod's own security context takes a profile.
    pub pod_level: bool,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container {
    /// The mapping.
    pub node: NodeId,
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
    pub fn key(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl Container {
    /// The image without registry, folders, tag and digest: `nginx` for `ghcr.io/acme/nginx:1.27@sha256:…`.
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
        nodes.map(|node| tree.items(node).len() + tree.entries(node).len()).sum()
    };
    let mut items = 0usize;
    for pod in pods {
        let shared = lengths(pod.template, &[&["metadata", "annotations"]])
            + lengths(pod.spec, &[&["volumes"], &["securityContext", "sysctls"]]);
        for container in &pod.containers {
            let capabilities = |key| ["securityContext", "capabilities", key];
            let (add, drop) = (capabilities("add"), capabilities("drop"));
            let own = lengths(container.node, &[&["ports"], &["volumeMounts"], &add, &drop]);
            items = items.saturating_add(1 + shared + own);
        }
        if items > MANIFEST_ITEMS {
            let (at, pod) = (tree.position(pod.spec), short(&pod.owner));
            return Err(ManifestError::TooMuch { at, pod, limit: MANIFEST_ITEMS });
        }
    }
    Ok(())
}

impl Pod {
    /// The pods of a file.
    pub fn all(tree: &Tree) -> Vec<Self> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<NodeId> = tree.documents.iter().rev().copied().collect();
        while let Some(object) = waiting.pop() {
            // Through aliases a list may contain itself.
            let object = tree.resolve(object);
            if !seen.insert(object) {
                continue;
            }
            let kind = tree.find_text(object, &["kind"]).unwrap_or_default();
            let api_version = tree.find_text(object, &["apiVersion"]).unwrap_or_default();
            if kind.ends_with("List")
                && let Some(items) = tree.find(object, &["items"])
            {
                waiting.extend(tree.items(items).iter().rev());
            } else if let Some(workload) = workloads::of(api_version, kind)
                && let Some(pod) = Self::of(tree, object, kind, workload)
            {
                found.push(pod);
            }
        }
        found
    }

    fn of(tree: &Tree, object: NodeId, kind: &str, workload: &workloads::Workload) -> Option<Self> {
        let keys: Vec<&str> = workload.template.iter().map(String::as_str).collect();
        let template = tree.find(object, &keys)?;
        let spec = tree.find(template, &["spec"]).filter(|spec| tree.is_mapping(*spec))?;
        let name = ["name", "generateName"]
            .iter()
            .find_map(|key| tree.find_text(object, &["metadata", key]))
            .unwrap_or_default();
        let containers = List::ALL
            .iter()
            .flat_map(|list| {
                let items = tree.find(spec, &[list.key()]).map_or(&[][..], |node| tree.items(node));
                items.iter().map(|item| Container {
                    node: *item,
                    name: tree.find_text(*item, &["name"]).unwrap_or_default().to_owned(),
                    image: tree.find_text(*item, &["image"]).unwrap_or_default().to_owned(),
                    list: *list,
                })
            })
            .filter(|container| tree.is_mapping(container.node))
            .collect();
        let is_windows = |keys: &[&str]| {
            tree.find_text(spec, keys).is_some_and(|os| os.eq_ignore_ascii_case("windows"))
        };
        Some(Self {
            owner: format!("{kind} {name}").trim_end().to_owned(),
            name: name.to_owned(),
            template,
            spec,
            containers,
            windows: is_windows(&["os", "name"])
                || is_windows(&["nodeSelector", "kubernetes.io/os"])
                || is_windows(&["nodeSelector", "beta.kubernetes.io/os"]),
            pod_level: workload.pod_level,
        })
    }
}
