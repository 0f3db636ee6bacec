//! Kubernetes manifests: where pod specs are in them, and how to change a value without touching any other
//! byte.
//!
//! The way of a file: [`Manifest::parse`] makes a [`tree`] with positions and finds the [pods](pod) in it;
//! a [`plan`] holds the intended changes; [`edit`] turns that into replacements of text; and the [`check`] parses
//! the result again and compares: it has to differ from the original in exactly what was intended.
//!
//! Nothing here does I/O.

pub mod apply;
pub mod assign;
pub mod audit;
pub mod bundle;
mod check;
pub mod edit;
pub mod error;
pub mod fix;
mod kinds;
mod lines;
pub mod name;
mod objects;
pub mod plan;
pub mod pod;
mod render;
pub mod resource;
mod shape;
mod splice;
mod template;
pub mod tree;
pub mod value;
pub mod workloads;

pub use error::{ManifestError, Position};
pub use objects::Unknown;
pub use pod::Pod;
pub use splice::Splice;

use plan::Plan;
use tree::Tree;

/// A file with manifests: YAML with any number of documents, or JSON.
#[derive(Clone, Debug)]
pub struct Manifest<'a> {
    /// What is in the file.
    pub text: &'a str,
    /// The same as a tree.
    pub tree: Tree,
    /// The pods and pod templates in it.
    pub pods: Vec<Pod>,
    /// What may make pods of which nothing is known.
    pub unknown: Vec<Unknown>,
}

/// A file after an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Edited {
    /// What is in it now.
    pub text: String,
    /// How it came from the original; empty if nothing had to be changed.
    pub splices: Vec<Splice>,
}

impl<'a> Manifest<'a> {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] if it is not YAML, or its pods have too much in them.
    pub fn parse(text: &'a str) -> Result<Self, ManifestError> {
        let tree = Tree::parse(text)?;
        let objects::Objects { pods, unknown } = objects::find(&tree)?;
        pod::check_size(&tree, &pods)?;
        Ok(Self { text, tree, pods, unknown })
    }

    /// The pods whose place in their object is known, so that they can be edited.
    pub(crate) fn editable(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| !pod.by_shape)
    }

    /// Refuses a template, whose values are not yet there.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Templated`] with the place of the first action that is not in a text.
    pub fn check_not_templated(&self) -> Result<(), ManifestError> {
        template::check(self)
    }

    /// Makes what a plan asks for so, and nothing else.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] if the file is a template, if a change would reach more than was asked for, or if
    /// the result is not exactly what was intended.
    pub fn edit(&self, plan: Plan<'_>) -> Result<Edited, ManifestError> {
        let changes = plan.changes()?;
        if changes.is_empty() {
            return Ok(Edited { text: self.text.to_owned(), splices: Vec::new() });
        }
        template::check(self)?;
        self.check_line_ends()?;
        let splices = edit::Editor::new(self.text, &self.tree).splices(&changes)?;
        let text = splice::apply(self.text, &splices);
        let broken = |error: ManifestError| ManifestError::Unintended {
            at: error.position(),
            difference: error.to_string(),
        };
        let after = Tree::parse(&text).map_err(broken)?;
        check::only_intended((&self.tree, self.text), (&after, &text), &changes)?;
        Ok(Edited { text, splices })
    }

    /// Refuses carriage returns that end a line alone: YAML has them, and nothing that shows a file has.
    fn check_line_ends(&self) -> Result<(), ManifestError> {
        let bytes = self.text.as_bytes();
        let is_alone = |at: &usize| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let Some(at) = (0..bytes.len()).find(is_alone) else { return Ok(()) };
        let before = &bytes[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Err(ManifestError::Unsafe {
            at: Position { line, column },
            what: "this file".to_owned(),
            reason: "a carriage return alone ends a line".to_owned(),
            way_out: "Convert the ends of its lines, as with `tr '\\r' '\\n'`",
        })
    }
}

#[cfg(test)]
mod empty_tests;
#[cfg(test)]
mod objects_tests;
#[cfg(test)]
mod tests;
