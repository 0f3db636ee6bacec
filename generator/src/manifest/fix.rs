//! The annotations by which pods asked for a profile before there was a field: ignored since Kubernetes 1.27.

use std::collections::{BTreeSet, HashMap};

use super::error::ManifestError;
use super::plan::Plan;
use super::pod::{Container, Pod};
use super::tree::{NodeId, Tree};
use super::value::Value;
use super::{Edited, Manifest};
use crate::untrusted::short;

/// For the pod.
pub const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// For a container, whose name follows.
pub const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// An annotation that is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// Its key, in the file.
    pub node: NodeId,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl Deprecated {
    /// The container that it is for; `None` for the pod.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.key.strip_prefix(CONTAINER)
    }

    /// What a field has to say instead; `None` if the meaning of the annotation is not known.
    #[must_use]
    pub fn field(&self) -> Option<Value> {
        match self.value.as_str() {
            "runtime/default" | "docker/default" => {
                Some(Value::seccomp_profile("RuntimeDefault", None))
            }
            "unconfined" => Some(Value::seccomp_profile("Unconfined", None)),
            value => {
                let name = value.strip_prefix("localhost/")?;
                super::name::check_place(name).ok()?;
                Some(Value::seccomp_profile("Localhost", Some(name)))
            }
        }
    }
}

/// The deprecated annotations of a pod, in the order of the file.
#[must_use]
pub fn deprecated(tree: &Tree, pod: &Pod) -> Vec<Deprecated> {
    let Some(annotations) = tree.find(pod.template, &["metadata", "annotations"]) else {
        return Vec::new();
    };
    let entries = tree.entries(annotations).iter();
    entries
        .filter_map(|(key, value)| {
            let name = tree.text(*key)?;
            (name == POD || name.starts_with(CONTAINER)).then(|| Deprecated {
                node: *key,
                key: name.to_owned(),
                value: tree.text(*value).unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

/// Asks that the annotations go.
pub(super) fn remove_annotations(
    tree: &Tree,
    pod: &Pod,
    plan: &mut Plan<'_>,
) -> Result<(), ManifestError> {
    let going = deprecated(tree, pod);
    remove(tree, pod, &going, plan)
}

fn remove(
    tree: &Tree,
    pod: &Pod,
    going: &[Deprecated],
    plan: &mut Plan<'_>,
) -> Result<(), ManifestError> {
    let keys: Vec<&str> = going.iter().map(|annotation| annotation.key.as_str()).collect();
    let Some(metadata) = tree.find(pod.template, &["metadata"]) else { return Ok(()) };
    let what = format!("the annotations of {}", pod.owner);
    plan.unwant(metadata, "annotations", &keys, &what)
}

/// Replaces annotations by fields that say the same, unless a field says something already.
///
/// # Errors
///
/// [`ManifestError`] if the file cannot be edited safely.
pub fn fix(manifest: &Manifest<'_>) -> Result<Edited, ManifestError> {
    let tree = &manifest.tree;
    let mut plan = Plan::new(tree);
    for pod in manifest.editable().filter(|pod| !pod.windows) {
        let mut understood = deprecated(tree, pod);
        understood.retain(|annotation| annotation.field().is_some());
        let mut containers: HashMap<&str, Vec<&Container>> = HashMap::new();
        for container in &pod.containers {
            containers.entry(&container.name).or_default().push(container);
        }
        check_single(tree, pod, &understood)?;
        let all: Vec<&Container> = pod.containers.iter().collect();
        let own: Vec<&str> = understood.iter().filter_map(Deprecated::container).collect();
        // The annotation of a container counted more than that of the pod.
        let rest = || all.iter().copied().filter(|one| !own.contains(&one.name.as_str()));
        for annotation in &understood {
            let Some(value) = annotation.field() else { continue };
            match annotation.container() {
                Some(name) => {
                    let of_name = containers.get(name).map_or(&[][..], Vec::as_slice);
                    replace(tree, of_name.iter().copied(), &value, &mut plan)?;
                }
                None if pod.pod_level => {
                    let wanted = [wanted(&value)];
                    if says_none(tree, pod.spec) {
                        plan.want(pod.spec, &wanted, &format!("the pod of {}", pod.owner))?;
                    }
                }
                None => replace(tree, rest(), &value, &mut plan)?,
            }
        }
        remove(tree, pod, &understood, &mut plan)?;
    }
    manifest.edit(plan)
}

/// That no annotation comes twice: each would ask for a field of its own.
fn check_single(tree: &Tree, pod: &Pod, found: &[Deprecated]) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    match found.iter().find(|annotation| !seen.insert(&annotation.key)) {
        None => Ok(()),
        Some(again) => Err(ManifestError::Unsafe {
            at: tree.position(again.node),
            what: format!("the annotations of {}", pod.owner),
            reason: format!("the key {} comes twice", short(&again.key)),
            way_out: "Take one of them out",
        }),
    }
}

fn wanted(value: &Value) -> (String, Value) {
    ("securityContext".to_owned(), Value::map("seccompProfile", value.clone()))
}

/// Whether a pod or a container says nothing of a profile in the field.
fn says_none(tree: &Tree, node: NodeId) -> bool {
    tree.find(node, &["securityContext", "seccompProfile"]).is_none()
}

/// Asks for the field in these containers.
fn replace<'a>(
    tree: &Tree,
    containers: impl Iterator<Item = &'a Container>,
    value: &Value,
    plan: &mut Plan<'_>,
) -> Result<(), ManifestError> {
    let wanted = [wanted(value)];
    for container in containers.filter(|container| says_none(tree, container.node)) {
        plan.want(container.node, &wanted, &format!("container {}", container.name))?;
    }
    Ok(())
}
