//! Pods in objects of unknown kinds, found by their shape.
//!
//! A mapping is the `spec` of a pod if it has a list of containers: `containers` as Kubernetes has it, `steps` as in
//! Tekton's tasks, or a single `container` or `script`, as in the templates of Argo Workflows.

use std::collections::HashSet;

use super::error::ManifestError;
use super::kinds;
use super::pod::{self, Container, List, Pod};
use super::tree::{Kind, NodeId, Tree};
use crate::limits::MANIFEST_ITEMS;
use crate::untrusted::short;

/// What a mapping with a `name` has to have as well to be a container, unless it has an `image`.
const OF_CONTAINERS: [&str; 12] = [
    "args",
    "command",
    "env",
    "envFrom",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "volumeMounts",
];

/// What a search through a file has seen so far.
pub(super) struct Search<'a> {
    tree: &'a Tree,
    /// How many nodes may still be looked at. Through aliases many objects may share the same.
    left: usize,
}

/// What is in an object.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub pods: Vec<Pod>,
    /// Keys that bring in what is not in it.
    pub references: Vec<NodeId>,
}

/// A node on the way through an object.
#[derive(Clone, Copy)]
struct Step {
    node: NodeId,
    /// The key that leads to it; `None` for items.
    key: Option<NodeId>,
    /// What it is in, as an index of the way.
    parent: Option<usize>,
}

impl<'a> Search<'a> {
    pub fn new(tree: &'a Tree) -> Self {
        Self { tree, left: MANIFEST_ITEMS }
    }

    /// Looks through an object.
    ///
    /// # Errors
    ///
    /// [`ManifestError::TooMuch`] if there is too much to look at in the file.
    pub fn object(
        &mut self,
        object: NodeId,
        group: &str,
        owner: &str,
    ) -> Result<Found, ManifestError> {
        let tree = self.tree;
        let mut found = Found::default();
        let mut seen = HashSet::new();
        let mut way = vec![Step { node: object, key: None, parent: None }];
        let mut waiting = vec![0];
        while let Some(at) = waiting.pop() {
            let node = tree.resolve(way[at].node);
            if !seen.insert(node) {
                continue;
            }
            let children = self.children(node);
            self.left = self.left.checked_sub(1 + children.len()).ok_or_else(|| {
                let (at, pod) = (tree.position(object), short(owner));
                ManifestError::TooMuch { at, pod, limit: MANIFEST_ITEMS }
            })?;
            if let Some(pod) = self.pod(&way, at, owner) {
                found.pods.push(pod);
            }
            let first = way.len();
            for (key, child) in children {
                let name = key.and_then(|key| tree.text(key)).unwrap_or_default();
                if kinds::is_reference(group, name) && !tree.is_null(child) {
                    found.references.extend(key);
                }
                // They are looked at with the templates that they are for.
                if !matches!(name, "templateDefaults" | "stepTemplate") {
                    way.push(Step { node: child, key, parent: Some(at) });
                }
            }
            // In the order of the file.
            waiting.extend((first..way.len()).rev());
        }
        Ok(found)
    }

    fn children(&self, node: NodeId) -> Vec<(Option<NodeId>, NodeId)> {
        match &self.tree.node(node).kind {
            Kind::Sequence(items) => items.iter().map(|item| (None, *item)).collect(),
            Kind::Mapping(_) => {
                let entries = self.tree.all_entries(node).into_iter();
                entries.map(|(key, value)| (Some(key), value)).collect()
            }
            Kind::Scalar { .. } | Kind::Alias(_) => Vec::new(),
        }
    }

    fn is_container(&self, node: NodeId) -> bool {
        let has = |key: &str| self.tree.find(node, &[key]).is_some();
        self.tree.is_mapping(node)
            && (has("image") || has("name") && OF_CONTAINERS.iter().any(|key| has(key)))
    }

    /// The pod whose `spec` a node is.
    fn pod(&self, way: &[Step], at: usize, owner: &str) -> Option<Pod> {
        let tree = self.tree;
        let spec = tree.resolve(way[at].node);
        if !tree.is_mapping(spec) {
            return None;
        }
        let mut containers = Pod::listed(tree, spec);
        if !containers.iter().any(|listed| self.is_container(listed.node)) {
            containers.clear();
        }
        let step_defaults = tree.find(spec, &["stepTemplate"]);
        for key in ["steps", "sidecars"] {
            let items = tree.find(spec, &[key]).map_or(&[][..], |list| tree.items(list));
            for item in items.iter().filter(|item| self.is_container(**item)) {
                let mut container = Container::new(tree, *item, List::Main);
                container.defaults = step_defaults.filter(|_| key == "steps");
                containers.push(container);
            }
        }
        containers.extend(self.single(way, at, spec));
        if containers.is_empty() {
            return None;
        }
        let is_spec = way[at].key.is_some_and(|key| tree.text(key) == Some("spec"));
        let parent = way[at].parent.map(|parent| tree.resolve(way[parent].node));
        let name = owner.split_once(' ').map_or("", |(_, name)| name);
        Some(Pod {
            owner: owner.to_owned(),
            name: name.to_owned(),
            template: parent.filter(|_| is_spec).unwrap_or(spec),
            spec,
            outer: self.outer(way, at),
            containers,
            windows: pod::is_windows(tree, spec),
            pod_level: false,
            by_shape: true,
        })
    }

    /// The containers that a template of a workflow has without a list.
    fn single(&self, way: &[Step], at: usize, spec: NodeId) -> Vec<Container> {
        let tree = self.tree;
        let defaults = self.template_defaults(way, at);
        let of_key = |key: &&str| {
            let node = tree.find(spec, &[key]).filter(|node| tree.is_mapping(*node))?;
            let mut container = Container::new(tree, node, List::Main);
            container.defaults = defaults.and_then(|node| tree.find(node, &[key]));
            let has = |name: &str| container.find(tree, &[name]).is_some();
            let runs = has("image") || has("source") || OF_CONTAINERS.iter().any(|name| has(name));
            if container.name.is_empty() {
                (*key).clone_into(&mut container.name);
            }
            runs.then_some(container)
        };
        ["container", "script"].iter().filter_map(of_key).collect()
    }

    /// What is around a node, the nearest first, each with the key that leads from it towards the node.
    fn around<'w>(
        &'w self,
        way: &'w [Step],
        at: usize,
    ) -> impl Iterator<Item = (NodeId, &'w str)> + 'w {
        let parent = |at: usize| way[at].parent.map(|parent| (at, parent));
        std::iter::successors(parent(at), move |(_, parent_of)| parent(*parent_of)).map(
            |(child, parent)| {
                let key = way[child].key.and_then(|key| self.tree.text(key)).unwrap_or_default();
                (self.tree.resolve(way[parent].node), key)
            },
        )
    }

    /// What the templates of a workflow have in common, if a node is one of them.
    fn template_defaults(&self, way: &[Step], at: usize) -> Option<NodeId> {
        let workflow = self.around(way, at).find(|(_, key)| *key == "templates")?.0;
        self.tree.find(workflow, &["templateDefaults"])
    }

    /// The mappings around a `spec` whose fields hold for its pod: the template of a set of containers, the spec of
    /// a workflow, and the pod template of a task's run.
    fn outer(&self, way: &[Step], at: usize) -> Vec<NodeId> {
        let tree = self.tree;
        let mut outer = Vec::new();
        for (around, key) in self.around(way, at) {
            match key {
                "containerSet" => outer.push(around),
                "templates" => {
                    outer.extend(tree.find(around, &["templateDefaults"]));
                    outer.push(around);
                }
                _ => {}
            }
            let of_run = [&["podTemplate"][..], &["taskRunTemplate", "podTemplate"]];
            let of_run = of_run.iter().filter_map(|keys| tree.find(around, keys));
            outer.extend(of_run.filter(|node| {
                tree.is_mapping(*node)
                    && ["spec", "containers"].iter().all(|key| tree.get(*node, key).is_none())
            }));
        }
        outer
    }
}
