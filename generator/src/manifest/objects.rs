//! The objects of a file, the pods in each of them, and what is not understood.

use std::collections::BTreeSet;

use super::error::ManifestError;
use super::kinds::{self, Holds};
use super::pod::{self, Pod};
use super::shape::Search;
use super::tree::{Kind, NodeId, Tree};
use super::workloads;

/// Something that may make pods of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Kind and name; empty if it has none.
    pub owner: String,
    /// Where.
    pub node: NodeId,
    /// Why.
    pub reason: String,
}

/// What is in a file.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub pods: Vec<Pod>,
    pub unknown: Vec<Unknown>,
}

/// Looks through a file.
///
/// # Errors
///
/// [`ManifestError::TooMuch`] if aliases make more of it than is looked at.
pub(super) fn find(tree: &Tree) -> Result<Objects, ManifestError> {
    let mut objects = Objects::default();
    let mut search = Search::new(tree);
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<NodeId> = tree.documents.iter().rev().copied().collect();
    while let Some(object) = waiting.pop() {
        // Through aliases a list may contain itself.
        let object = tree.resolve(object);
        if !seen.insert(object) || tree.is_null(object) {
            continue;
        }
        match list(tree, object) {
            Some(items) => waiting.extend(tree.items(items).iter().rev()),
            None => objects.add(tree, object, &mut search)?,
        }
    }
    objects.unknown.extend(ambiguous_merge(tree));
    Ok(objects)
}

/// The first key that stands above a merge key that has another value for it. Kubernetes takes that value, and other
/// readers take the key's own.
fn ambiguous_merge(tree: &Tree) -> Option<Unknown> {
    /// More lookups than a file of people needs.
    const MOST: usize = 100_000;
    let with_merge = tree.ids().filter(|id| {
        matches!(tree.node(*id).kind, Kind::Mapping(_)) && tree.own(*id, "<<").is_some()
    });
    let keys = with_merge.flat_map(|id| tree.entries(id).iter().map(move |entry| (id, *entry)));
    let mut keys = keys.enumerate();
    let (owner, reason, node) = keys.find_map(|(count, (mapping, (key, value)))| {
        if count >= MOST {
            return Some((String::new(), "there are too many merge keys (<<)".to_owned(), key));
        }
        let name = tree.text(key).filter(|name| *name != "<<")?;
        let merged = tree.overridden(mapping, name).filter(|merged| {
            let same = tree.resolve(*merged) == tree.resolve(value);
            !same && (tree.text(*merged).is_none() || tree.text(*merged) != tree.text(value))
        })?;
        let line = tree.position(merged).line;
        let reason = format!(
            "{name} is here and in line {line}, which a merge key (<<) below brings in: Kubernetes takes that one, \
             other readers this one. Put the merge key first"
        );
        Some((String::new(), reason, key))
    })?;
    Some(Unknown { owner, node, reason })
}

/// The items of a list of objects.
fn list(tree: &Tree, object: NodeId) -> Option<NodeId> {
    let kind = tree.find_text(object, &["kind"]).unwrap_or_default();
    let is_template = kind == "Template" && group(tree, object) == "template.openshift.io";
    let key = match kind {
        _ if kind.ends_with("List") => "items",
        _ if is_template => "objects",
        _ => return None,
    };
    let items = tree.find(object, &[key])?;
    matches!(tree.node(tree.resolve(items)).kind, Kind::Sequence(_)).then_some(items)
}

fn group(tree: &Tree, object: NodeId) -> &str {
    let api_version = tree.find_text(object, &["apiVersion"]).unwrap_or_default();
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

impl Objects {
    fn add(
        &mut self,
        tree: &Tree,
        object: NodeId,
        search: &mut Search<'_>,
    ) -> Result<(), ManifestError> {
        let kind = tree.find_text(object, &["kind"]).unwrap_or_default();
        if kind.is_empty() {
            self.not_understood(String::new(), object, "not a Kubernetes object: it has no kind");
            return Ok(());
        }
        let group = group(tree, object);
        let owner = pod::owner(kind, pod::name(tree, object));
        if let Some(workload) = workloads::find(group, kind) {
            match Pod::of_kind(tree, object, workload).filter(|pod| !pod.containers.is_empty()) {
                Some(pod) => self.pods.push(pod),
                None => self.not_understood(owner, object, "no containers were found in it"),
            }
            return Ok(());
        }
        let holds = kinds::find(group, kind);
        match holds {
            Some(Holds::NoPods) => return Ok(()),
            Some(Holds::Patterns(why)) => {
                self.not_understood(owner, object, why);
                return Ok(());
            }
            Some(Holds::Elsewhere(_)) | None => {}
        }
        let found = search.object(object, group, &owner)?;
        if let Some(Holds::Elsewhere(why)) = holds {
            self.not_understood(owner.clone(), object, why);
        } else if found.pods.is_empty() && found.references.is_empty() {
            let reason = "no pod was found in it, and this kind is not known to start none";
            self.not_understood(owner.clone(), object, reason);
        }
        for key in found.references {
            let name = tree.text(key).unwrap_or_default();
            let reason = format!("{name} refers to something outside of this object");
            self.unknown.push(Unknown { owner: owner.clone(), node: key, reason });
        }
        self.pods.extend(found.pods);
        Ok(())
    }

    fn not_understood(&mut self, owner: String, node: NodeId, reason: &str) {
        self.unknown.push(Unknown { owner, node, reason: reason.to_owned() });
    }
}
