//! YAML (and JSON, which is YAML's flow style) as a tree that knows where each of its bytes came from.
//!
//! Aliases are nodes of their own and are never expanded, so a tree is as large as its file and no larger.
//! Nodes live in one table, and nothing here recurses on what the file contains.

#[path = "build.rs"]
mod build;
#[path = "lenient.rs"]
mod lenient;
#[path = "mended.rs"]
mod mended;
#[path = "merge.rs"]
mod merge;
#[path = "number.rs"]
mod number;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

pub use granit_parser::ScalarStyle;

use super::error::{ManifestError, Position};

/// A node's place in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, number, boolean or nothing: which of them is for the reader to say.
    Scalar {
        /// The value, unescaped.
        value: String,
        /// How it is written.
        style: ScalarStyle,
    },
    /// `*name`: stands for the node with this anchor.
    Alias(usize),
    /// A list.
    Sequence(Vec<NodeId>),
    /// Keys and values in the order of the file.
    Mapping(Vec<(NodeId, NodeId)>),
}

/// A node and where it is.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// What it is part of.
    pub parent: Option<NodeId>,
    /// Which item or entry of its parent it is, or belongs to.
    pub place: usize,
    /// Number of its anchor; 0 for none.
    pub anchor: usize,
    /// Its tag, such as `!!null`.
    pub tag: Option<String>,
    /// The bytes of a scalar or alias without its anchor and tag, none for an empty value; of a collection,
    /// its opening bracket, or nothing before its first key or item.
    pub start: Range<usize>,
    /// Behind the last byte. For block collections and block scalars, where the next thing begins.
    pub end: usize,
    /// The line of its first byte, counted from 1.
    pub line: usize,
    /// The column of its first byte, which for a block collection is its first key or dash: in characters,
    /// counted from 0.
    pub column: usize,
    /// Whether a collection is written with brackets.
    pub flow: bool,
}

/// A file, parsed.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The root of each document.
    pub documents: Vec<NodeId>,
    anchors: BTreeMap<usize, NodeId>,
    /// For mappings with many keys, the last two places of each.
    keys: HashMap<NodeId, HashMap<String, (usize, Option<usize>)>>,
    /// The aliases of each anchor.
    aliases: BTreeMap<usize, Vec<NodeId>>,
    /// The bytes of each comment, from its `#` on.
    pub comments: Vec<Range<usize>>,
}

impl Tree {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] if it is not YAML, or nested too deeply.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let tree = lenient::parse(text)?;
        lenient::check_line_breaks(&tree, text)?;
        Ok(tree)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Where a node begins, for people.
    #[must_use]
    pub fn position(&self, id: NodeId) -> Position {
        let node = self.node(id);
        Position { line: node.line, column: node.column + 1 }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in the file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Where the scalars in quotes are, in the order of the file.
    fn quoted(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let is_quoted = |node: &&Node| match node.kind {
            Kind::Scalar { style, .. } => {
                matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
            }
            _ => false,
        };
        self.nodes.iter().filter(is_quoted).map(|node| node.start.clone())
    }

    /// All nodes, parents before children.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// What an alias stands for; any other node stands for itself.
    #[must_use]
    pub fn resolve(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            Kind::Alias(anchor) => self.anchors.get(&anchor).copied().unwrap_or(id),
            _ => id,
        }
    }

    /// The aliases that stand for a node.
    pub(crate) fn aliases_of(&self, id: NodeId) -> &[NodeId] {
        let anchor = self.node(id).anchor;
        if anchor == 0 { &[] } else { self.aliases.get(&anchor).map_or(&[], Vec::as_slice) }
    }

    /// The node and all that it is part of, innermost first.
    pub fn lineage(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(id), |id| self.node(*id).parent)
    }

    /// The text of a scalar, through an alias.
    #[must_use]
    pub fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(self.resolve(id)).kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The items of a sequence, through an alias.
    #[must_use]
    pub fn items(&self, id: NodeId) -> &[NodeId] {
        match &self.node(self.resolve(id)).kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping itself, through an alias, without what it merges.
    #[must_use]
    pub fn entries(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        match &self.node(self.resolve(id)).kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Whether a node is a mapping, through an alias.
    pub(crate) fn is_mapping(&self, id: NodeId) -> bool {
        matches!(self.node(self.resolve(id)).kind, Kind::Mapping(_))
    }

    /// Whether a node says that there is nothing: empty, `~` or `null`.
    #[must_use]
    pub fn is_null(&self, id: NodeId) -> bool {
        let node = self.node(self.resolve(id));
        match &node.kind {
            Kind::Scalar { value, style: ScalarStyle::Plain } => {
                node.tag.as_deref() != Some("tag:yaml.org,2002:str")
                    && matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// Whether a node is a boolean, as Kubernetes reads it (YAML 1.1, `y` and `n` included; seen with kubectl 1.32).
    #[must_use]
    pub fn boolean(&self, id: NodeId) -> Option<bool> {
        let node = self.node(self.resolve(id));
        let Kind::Scalar { value, style } = &node.kind else { return None };
        let is_one = match node.tag.as_deref() {
            None => *style == ScalarStyle::Plain,
            Some(tag) => tag == "tag:yaml.org,2002:bool",
        };
        match value.as_str() {
            _ if !is_one => None,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                Some(true)
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
            | "N" => Some(false),
            _ => None,
        }
    }

    /// Whether a node is a number, as Kubernetes reads it.
    pub(crate) fn is_number(&self, id: NodeId) -> bool {
        self.number(id).is_some()
    }

    /// Whether a node is zero, however it is written: `0`, `0x0`, `-0`, `0.0`.
    #[must_use]
    pub fn is_zero(&self, id: NodeId) -> bool {
        self.number(id) == Some(number::Number::Zero)
    }

    fn number(&self, id: NodeId) -> Option<number::Number> {
        let node = self.node(self.resolve(id));
        let Kind::Scalar { value, style } = &node.kind else { return None };
        let says_number = matches!(
            node.tag.as_deref(),
            Some("tag:yaml.org,2002:int" | "tag:yaml.org,2002:float")
        );
        (*style == ScalarStyle::Plain || says_number).then(|| number::parse(value)).flatten()
    }

    /// The key and value of an entry of the mapping itself. Of several with one key, the last, as
    /// Kubernetes reads it.
    #[must_use]
    pub fn own(&self, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        let mapping = self.resolve(mapping);
        if let Some(keys) = self.keys.get(&mapping) {
            return self.entries(mapping).get(keys.get(key)?.0).copied();
        }
        let of_key = |(name, _): &&(NodeId, NodeId)| self.text(*name) == Some(key);
        self.entries(mapping).iter().rev().find(of_key).copied()
    }

    /// The last entry but one with a key, if it comes more than once.
    #[must_use]
    pub fn again(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        let mapping = self.resolve(mapping);
        let entries = self.entries(mapping);
        if let Some(keys) = self.keys.get(&mapping) {
            return Some(entries.get(keys.get(key)?.1?)?.0);
        }
        let of_key = |(name, _): &&(NodeId, NodeId)| self.text(*name) == Some(key);
        entries.iter().rev().filter(of_key).nth(1).map(|(name, _)| *name)
    }

    /// Notes the keys of a mapping that has so many that to look through them each time would take long.
    fn index(&mut self, mapping: NodeId) {
        const MANY: usize = 32;
        let Kind::Mapping(entries) = &self.node(mapping).kind else { return };
        if entries.len() <= MANY {
            return;
        }
        let mut keys: HashMap<String, (usize, Option<usize>)> = HashMap::new();
        for (place, (name, _)) in entries.iter().enumerate() {
            if let Some(text) = self.text(*name) {
                keys.entry(text.to_owned())
                    .and_modify(|last| *last = (place, Some(last.0)))
                    .or_insert((place, None));
            }
        }
        self.keys.insert(mapping, keys);
    }

    /// What merge keys (`<<`) give a mapping for a key, at most eight merges deep.
    #[must_use]
    pub fn merged(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        merge::merged(self, self.resolve(mapping), key)
    }

    /// What merge keys below a key of the mapping itself give for it, and Kubernetes takes.
    pub(crate) fn overridden(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        merge::overridden(self, self.resolve(mapping), key)
    }

    /// The value of a key, the mapping's own or a merged one, as Kubernetes takes it.
    #[must_use]
    pub fn get(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        merge::get(self, self.resolve(mapping), key)
    }

    /// The places of a key in a mapping, the last first; of a mapping with many keys, two at most.
    fn places(&self, mapping: NodeId, key: &str) -> Vec<usize> {
        let mapping = self.resolve(mapping);
        if let Some(keys) = self.keys.get(&mapping) {
            return keys.get(key).map_or(Vec::new(), |(last, before)| {
                std::iter::once(*last).chain(*before).collect()
            });
        }
        let entries = self.entries(mapping).iter().enumerate().rev();
        entries.filter(|(_, (name, _))| self.text(*name) == Some(key)).map(|(at, _)| at).collect()
    }

    /// The entries of a mapping and those that it merges, at most eight merges deep. Of several with one key, the
    /// one that counts.
    pub(crate) fn all_entries(&self, mapping: NodeId) -> Vec<(NodeId, NodeId)> {
        merge::all_entries(self, self.resolve(mapping))
    }

    /// The value at the end of several keys; `None` too if it is null.
    #[must_use]
    pub fn find(&self, mapping: NodeId, keys: &[&str]) -> Option<NodeId> {
        let found = keys.iter().try_fold(mapping, |node, key| self.get(node, key))?;
        (!self.is_null(found)).then_some(found)
    }

    /// The text at the end of several keys.
    pub(crate) fn find_text(&self, mapping: NodeId, keys: &[&str]) -> Option<&str> {
        self.text(self.find(mapping, keys)?)
    }

    /// Where a node is, for people: `spec.containers[0].image`.
    #[must_use]
    pub fn path(&self, id: NodeId) -> String {
        let mut steps: Vec<String> = Vec::new();
        let line: Vec<NodeId> = self.lineage(id).collect();
        for pair in line.windows(2) {
            let (child, parent) = (pair[0], pair[1]);
            steps.push(match &self.node(parent).kind {
                Kind::Sequence(_) => format!("[{}]", self.node(child).place),
                Kind::Mapping(entries) => {
                    let key = entries.get(self.node(child).place);
                    let key = key.filter(|(_, value)| *value == child);
                    let key = key.and_then(|(key, _)| self.text(*key)).unwrap_or("?");
                    format!(".{key}")
                }
                Kind::Scalar { .. } | Kind::Alias(_) => String::new(),
            });
        }
        steps.reverse();
        steps.concat().trim_start_matches('.').to_owned()
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
