//! What there is to say about the security of the pods in a manifest: `strait audit`.

mod checks;
pub mod json;
pub mod rule;
pub mod sarif;
pub mod standard;
mod text;

use std::collections::BTreeSet;

use super::Manifest;
use super::error::Position;
pub use rule::Rule;
pub use standard::Level;

/// Something to say about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing it is.
    pub rule: Rule,
    /// Where.
    pub at: Position,
    /// The same as a path, such as `spec.containers[0]`.
    pub path: String,
    /// What the pod belongs to, such as `Deployment web`.
    pub owner: String,
    /// The container; `None` for the pod.
    pub container: Option<String>,
    /// What is so, and what to do.
    pub message: String,
}

/// A container's level of the Pod Security Standards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLevel {
    /// What the pod belongs to.
    pub owner: String,
    /// The container's name.
    pub container: String,
    /// Where it is.
    pub at: Position,
    /// What it reaches.
    pub level: Level,
    /// What it reaches after the change, if there is one.
    pub after: Option<Level>,
    /// What is in the way of the next level (after the change, if there is one).
    pub obstacles: Vec<Blocking>,
}

/// A field that is in the way of a level.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocking {
    /// The level.
    pub level: Level,
    /// Where the field is, or belongs.
    pub at: Position,
    /// The field.
    pub field: String,
    /// What the level asks of it.
    pub asks: String,
}

/// What there is to say about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The file's name.
    pub file: String,
    /// Findings in the order of the file.
    pub findings: Vec<Finding>,
    /// A level for each container, in the order of the file.
    pub levels: Vec<ContainerLevel>,
}

impl Audit {
    /// Looks at a file as it is.
    pub fn of(file: &str, manifest: &Manifest<'_>) -> Self {
        let mut findings: Vec<Finding> =
            manifest.pods.iter().flat_map(|pod| checks::check(manifest, pod)).collect();
        findings.sort_by(|a, b| (a.at, a.rule, &a.message).cmp(&(b.at, b.rule, &b.message)));
        findings.dedup();
        Self { file: file.to_owned(), findings, levels: levels(manifest) }
    }

    /// Tells the levels after a change as well. The findings are those that are left then.
    pub fn compare(file: &str, before: &Manifest<'_>, after: &Manifest<'_>) -> Self {
        let mut audit = Self::of(file, after);
        for (now, then) in audit.levels.iter_mut().zip(levels(before)) {
            now.after = Some(now.level);
            now.level = then.level;
        }
        audit
    }

    /// The containers that do not reach a level, after the change if there is one.
    pub fn below(&self, level: Level) -> impl Iterator<Item = &ContainerLevel> {
        self.levels.iter().filter(move |container| container.reached() < level)
    }
}

impl ContainerLevel {
    /// What it reaches in the end.
    pub fn reached(&self) -> Level {
        self.after.unwrap_or(self.level)
    }
}

fn levels(manifest: &Manifest<'_>) -> Vec<ContainerLevel> {
    let mut levels = Vec::new();
    for pod in &manifest.pods {
        for container in &pod.containers {
            let found = standard::obstacles(&manifest.tree, pod, container);
            let level = standard::level(&found);
            let blocking = |obstacle: standard::Obstacle| Blocking {
                level: obstacle.from,
                at: manifest.tree.position(obstacle.node),
                field: obstacle.field,
                asks: obstacle.asks,
            };
            let obstacles: BTreeSet<Blocking> = found.into_iter().map(blocking).collect();
            let first = obstacles.first().map(|first| first.level);
            levels.push(ContainerLevel {
                owner: pod.owner.clone(),
                container: container.name.clone(),
                at: manifest.tree.position(container.node),
                level,
                after: None,
                obstacles: obstacles
                    .into_iter()
                    .filter(|obstacle| Some(obstacle.level) == first)
                    .collect(),
            });
        }
    }
    levels
}
