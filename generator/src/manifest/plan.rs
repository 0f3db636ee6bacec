//! From the intended state to the changes that lead to it: [`Plan::want`] collects, and what is already so
//! asks for no change.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ManifestError;
use super::tree::{Kind, NodeId, Tree};
use super::value::{Entries, Value};

/// One change to one node of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// New entries for a mapping that has some, or is `{}`.
    Insert {
        /// The mapping.
        mapping: NodeId,
        /// What it gets.
        entries: Entries,
    },
    /// A null value becomes a mapping.
    Fill {
        /// The mapping that it is in.
        mapping: NodeId,
        /// Its key.
        key: NodeId,
        /// The null.
        node: NodeId,
        /// What it becomes.
        entries: Entries,
    },
    /// A scalar or an alias becomes something else.
    Replace {
        /// The scalar or alias.
        node: NodeId,
        /// What it becomes.
        value: Value,
    },
    /// An entry goes.
    Remove {
        /// The mapping that it is in.
        mapping: NodeId,
        /// Its key.
        key: NodeId,
    },
}

impl Change {
    /// The node that this changes; objects that share it are changed too.
    #[must_use]
    pub fn changed(&self) -> NodeId {
        match self {
            Self::Insert { mapping, .. }
            | Self::Remove { mapping, .. }
            | Self::Fill { mapping, .. } => *mapping,
            Self::Replace { node, .. } => *node,
        }
    }
}

/// Changes to one file.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    tree: &'a Tree,
    /// Each change with what asked for it: a shared node may be changed if all that share it agree.
    asked: BTreeMap<Change, Vec<String>>,
}

impl<'a> Plan<'a> {
    /// No changes yet.
    #[must_use]
    pub fn new(tree: &'a Tree) -> Self {
        Self { tree, asked: BTreeMap::new() }
    }

    /// Asks that a mapping has these entries; nested mappings may have others besides.
    ///
    /// `what` is what the mapping is to people, such as `container web`.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unsafe`] if that cannot be had by changing only what is asked for.
    pub fn want(
        &mut self,
        mapping: NodeId,
        entries: &[(String, Value)],
        what: &str,
    ) -> Result<(), ManifestError> {
        let mapping = self.tree.resolve(mapping);
        let mut missing = Entries::new();
        for (key, value) in entries {
            self.check_single(mapping, key, what)?;
            self.check_not_overridden(mapping, key, what)?;
            match self.tree.own(mapping, key) {
                Some((key_node, node)) => {
                    self.want_value(mapping, key_node, node, value, &format!("{key} of {what}"))?;
                }
                None => {
                    self.check_not_merged(mapping, key, what)?;
                    missing.push((key.clone(), value.clone()));
                }
            }
        }
        if !missing.is_empty() {
            self.ask(Change::Insert { mapping, entries: missing }, what);
        }
        Ok(())
    }

    fn want_value(
        &mut self,
        mapping: NodeId,
        key: NodeId,
        node: NodeId,
        value: &Value,
        what: &str,
    ) -> Result<(), ManifestError> {
        let is_alias = matches!(self.tree.node(node).kind, Kind::Alias(_));
        match value {
            _ if self.says(node, value) => {}
            // To say something else here leaves whatever the alias stands for as it is.
            Value::Map(entries) if is_alias && says_all(entries) => {
                self.ask(Change::Replace { node, value: value.clone() }, what);
            }
            Value::Map(entries) if self.tree.is_mapping(node) => self.want(node, entries, what)?,
            Value::Map(entries) if self.tree.is_null(node) && !is_alias => {
                let entries = entries.clone();
                self.ask(Change::Fill { mapping, key, node, entries }, what);
            }
            Value::Map(_) => {
                let reason = "it is neither a mapping nor empty".to_owned();
                return Err(self.refuse(node, what, reason, "Write it as a mapping"));
            }
            Value::Text(_) | Value::Bool(_) => {
                if self.tree.text(node).is_none() {
                    let reason = "it is not a plain value".to_owned();
                    return Err(self.refuse(node, what, reason, "Correct it by hand"));
                }
                self.ask(Change::Replace { node, value: value.clone() }, what);
            }
        }
        Ok(())
    }

    /// Asks that entries go from the mapping under a key, and with the last of them the mapping.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unsafe`] if that would leave an empty mapping, or others would count in their place.
    pub(crate) fn unwant(
        &mut self,
        parent: NodeId,
        key: &str,
        entries: &[&str],
        what: &str,
    ) -> Result<(), ManifestError> {
        let Some((key_node, mapping)) = self.tree.own(parent, key) else { return Ok(()) };
        let own = self.tree.entries(mapping);
        let entries: BTreeSet<&str> = entries.iter().copied().collect();
        let goes = |name: NodeId| self.tree.text(name).is_some_and(|text| entries.contains(text));
        let going: Vec<NodeId> = own.iter().map(|(key, _)| *key).filter(|key| goes(*key)).collect();
        if going.is_empty() {
            return Ok(());
        }
        self.check_single(parent, key, what)?;
        let (mapping, parent) = (self.tree.resolve(mapping), self.tree.resolve(parent));
        let is_whole = going.len() == own.len();
        for entry in &entries {
            self.check_alone(mapping, entry, what)?;
        }
        if is_whole {
            self.check_alone(parent, key, what)?;
        }
        if !is_whole {
            for key in going {
                self.ask(Change::Remove { mapping, key }, what);
            }
        } else if self.tree.entries(parent).len() > 1 {
            self.ask(Change::Remove { mapping: parent, key: key_node }, what);
        } else {
            let reason = format!("nothing would be left of {key} and its parent");
            return Err(self.refuse(key_node, what, reason, "Remove it by hand"));
        }
        Ok(())
    }

    fn ask(&mut self, change: Change, what: &str) {
        self.asked.entry(change).or_default().push(what.to_owned());
    }

    /// Whether a node says all of a value already.
    fn says(&self, node: NodeId, value: &Value) -> bool {
        match value {
            Value::Text(text) => self.tree.text(node) == Some(text) && !self.tree.is_null(node),
            Value::Bool(is) => self.tree.boolean(node) == Some(*is),
            Value::Map(entries) => entries.iter().all(|(key, value)| {
                self.tree.get(node, key).is_some_and(|node| self.says(node, value))
            }),
        }
    }

    fn check_single(&self, mapping: NodeId, key: &str, what: &str) -> Result<(), ManifestError> {
        match (self.tree.own(mapping, key), self.tree.again(mapping, key)) {
            (Some((second, _)), Some(_)) => {
                let reason = format!("the key {key} comes twice");
                Err(self.refuse(second, what, reason, "Take one of them out"))
            }
            _ => Ok(()),
        }
    }

    /// A new value above a merge key that has another would be of no effect.
    /// That no merge key gives what is to go.
    fn check_alone(&self, mapping: NodeId, key: &str, what: &str) -> Result<(), ManifestError> {
        let Some(merged) = self.tree.merged(mapping, key) else { return Ok(()) };
        let reason = format!("a merge key (<<) gives {key} too, which would count then");
        Err(self.refuse(merged, what, reason, "Remove it by hand"))
    }

    fn check_not_overridden(
        &self,
        mapping: NodeId,
        key: &str,
        what: &str,
    ) -> Result<(), ManifestError> {
        match (self.tree.own(mapping, key), self.tree.overridden(mapping, key)) {
            (Some((own, _)), Some(_)) => {
                let reason =
                    format!("a merge key (<<) below it has {key} too, and Kubernetes takes that");
                Err(self.refuse(own, what, reason, "Put the merge key first"))
            }
            _ => Ok(()),
        }
    }

    fn check_not_merged(
        &self,
        mapping: NodeId,
        key: &str,
        what: &str,
    ) -> Result<(), ManifestError> {
        if self.tree.merged(mapping, key).is_none() {
            return Ok(());
        }
        let at = self.tree.own(mapping, "<<").map_or(mapping, |(merge, _)| merge);
        let reason = format!("its {key} comes from a merge key (<<), and one here would hide that");
        let way_out = "Write it out here in full, or put the profile where the merged mapping is written if \
                       every mapping that merges it should have it";
        Err(self.refuse(at, what, reason, way_out))
    }

    fn refuse(
        &self,
        at: NodeId,
        what: &str,
        reason: String,
        way_out: &'static str,
    ) -> ManifestError {
        let at = self.tree.position(at);
        ManifestError::Unsafe { at, what: what.to_owned(), reason, way_out }
    }

    /// The changes.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unsafe`] if a change would reach, through an alias, something for which it was not
    /// asked.
    pub fn changes(self) -> Result<Vec<Change>, ManifestError> {
        for (change, asked) in &self.asked {
            self.check_shared(change, asked)?;
        }
        Ok(self.asked.into_keys().collect())
    }

    fn check_shared(&self, change: &Change, asked: &[String]) -> Result<(), ManifestError> {
        let shared: Vec<NodeId> = self
            .tree
            .lineage(change.changed())
            .filter(|id| !self.tree.aliases_of(*id).is_empty())
            .collect();
        let uses = match shared.as_slice() {
            [] => 1,
            [one] => 1 + self.tree.aliases_of(*one).len(),
            // Nested anchors: what is shared is hard to see.
            _ => usize::MAX,
        };
        let (Some(anchor), true) = (shared.first(), asked.len() < uses) else { return Ok(()) };
        let other = self.tree.aliases_of(*anchor).first().copied().unwrap_or(*anchor);
        let other = self.tree.position(other);
        let what = asked.first().map_or("it", String::as_str);
        let reason =
            format!("it is shared through an anchor (&), with an alias in line {}", other.line);
        let way_out =
            "Write it out for each of those that use it, or give the same profile to all of them";
        Err(self.refuse(*anchor, what, reason, way_out))
    }
}

/// Whether a mapping says all there is to say, so that nothing is lost when it takes another's place.
fn says_all(entries: &Entries) -> bool {
    entries.iter().any(|(key, _)| key == "type")
}
