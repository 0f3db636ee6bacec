//! Findings about the security of the pods in a manifest: `strait audit`.

mod checks;
pub mod json;
pub mod rule;
pub mod sarif;
pub mod standard;
mod text;
mod version;

use std::collections::BTreeSet;

use super::error::Position;
use super::{Manifest, ManifestError, Unknown};
pub use rule::Rule;
pub use standard::Level;
pub use version::{UnknownVersion, Version};

/// Something to say about a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing it is.
    pub rule: Rule,
    /// Where.
    pub at: Position,
    /// The same as a path, such as `spec.containers[0]`.
    pub path: String,
    /// What the pod belongs to, such as `Deployment web`; empty if it is about the file.
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
    /// The version of Kubernetes whose standards the levels are of.
    pub version: Version,
    /// Findings in the order of the file.
    pub findings: Vec<Finding>,
    /// A level for each container, in the order of the file.
    pub levels: Vec<ContainerLevel>,
}

impl Audit {
    /// Looks at a file as it is, for a cluster of a version.
    #[must_use]
    pub fn new(file: &str, manifest: &Manifest<'_>, version: Version) -> Self {
        let mut findings: Vec<Finding> =
            manifest.pods.iter().flat_map(|pod| checks::check(manifest, pod)).collect();
        findings.extend(manifest.unknown.iter().map(|unknown| not_understood(manifest, unknown)));
        findings.sort_by(|a, b| (a.at, a.rule, &a.message).cmp(&(b.at, b.rule, &b.message)));
        findings.dedup();
        Self { file: file.to_owned(), version, findings, levels: levels(manifest, version) }
    }

    /// Of a file that is not looked at, and why.
    #[must_use]
    pub fn skipped(file: &str, error: &ManifestError, version: Version) -> Self {
        let (at, message) = (error.position(), error.to_string());
        let without_place = message.strip_prefix(&format!("{at}: "));
        Self::without_pods(file, at, without_place.unwrap_or(&message), version)
    }

    /// Of a file that is not even read, and why.
    #[must_use]
    pub fn unreadable(file: &str, message: &str, version: Version) -> Self {
        Self::without_pods(file, Position { line: 1, column: 1 }, message, version)
    }

    fn without_pods(file: &str, at: Position, message: &str, version: Version) -> Self {
        let finding = Finding {
            rule: Rule::NotLookedAt,
            at,
            path: String::new(),
            owner: String::new(),
            container: None,
            message: message.to_owned(),
        };
        Self { file: file.to_owned(), version, findings: vec![finding], levels: Vec::new() }
    }

    /// Tells the levels after a change as well. The findings are those that are left then.
    #[must_use]
    pub fn compare(
        file: &str,
        before: &Manifest<'_>,
        after: &Manifest<'_>,
        version: Version,
    ) -> Self {
        let mut audit = Self::new(file, after, version);
        for (now, then) in audit.levels.iter_mut().zip(levels(before, version)) {
            now.after = Some(now.level);
            now.level = then.level;
        }
        audit
    }

    /// What there may be in the file that was not looked at.
    pub fn not_understood(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.rule.is_about_the_unknown())
    }

    /// The containers that do not reach a level, after the change if there is one.
    pub fn below(&self, level: Level) -> impl Iterator<Item = &ContainerLevel> {
        self.levels.iter().filter(move |container| container.reached() < level)
    }
}

impl ContainerLevel {
    /// What it reaches in the end.
    #[must_use]
    pub fn reached(&self) -> Level {
        self.after.unwrap_or(self.level)
    }
}

fn not_understood(manifest: &Manifest<'_>, unknown: &Unknown) -> Finding {
    Finding {
        rule: Rule::NotUnderstood,
        at: manifest.tree.position(unknown.node),
        path: manifest.tree.path(unknown.node),
        owner: unknown.owner.clone(),
        container: None,
        message: unknown.reason.clone(),
    }
}

fn levels(manifest: &Manifest<'_>, version: Version) -> Vec<ContainerLevel> {
    let mut levels = Vec::new();
    for pod in &manifest.pods {
        for container in &pod.containers {
            let found = standard::obstacles(&manifest.tree, pod, container, version);
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
