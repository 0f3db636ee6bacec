//! The annotations by which pods asked for a profile before there was a field: ignored since Kubernetes 1.27.

use std::collections::HashMap;

use super::error::ManifestError;
use super::plan::Plan;
use super::pod::{Container, Pod};
use super::tree::{NodeId, Tree};
use super::value::Value;
use super::{Edited, Manifest};

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
    pub fn container(&self) -> Option<&str> {
        self.key.strip_prefix(CONTAINER)
    }

    /// What a field has to say instead; `None` if the meaning of the annotation is not known.
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
        for annotation in &understood {
            if let Some(value) = annotation.field() {
                let of_name = annotation
                    .container()
                    .map(|name| containers.get(name).map_or(&[][..], Vec::as_slice));
                replace(tree, pod, of_name, &value, &mut plan)?;
            }
        }
        remove(tree, pod, &understood, &mut plan)?;
    }
    manifest.edit(plan)
}

/// Asks for the field in the pod, or in the containers that are named.
fn replace(
    tree: &Tree,
    pod: &Pod,
    of_name: Option<&[&Container]>,
    value: &Value,
    plan: &mut Plan<'_>,
) -> Result<(), ManifestError> {
    let wanted = [("securityContext".to_owned(), Value::map("seccompProfile", value.clone()))];
    let says_none = |node| tree.find(node, &["securityContext", "seccompProfile"]).is_none();
    if of_name.is_none() && pod.pod_level {
        if says_none(pod.spec) {
            plan.want(pod.spec, &wanted, &format!("the pod of {}", pod.owner))?;
        }
        return Ok(());
    }
    let all: Vec<&Container>;
    let meant = match of_name {
        Some(of_name) => of_name,
        None => {
            all = pod.containers.iter().collect();
            &all
        }
    };
    for container in meant {
        if says_none(container.node) {
            plan.want(container.node, &wanted, &format!("container {}", container.name))?;
        }
    }
    Ok(())
}
