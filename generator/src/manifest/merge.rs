//! Merge keys (`<<`): the entries of another mapping for those that a mapping does not have itself.
//!
//! Kubernetes' parser (go-yaml 2) takes entries in the order of the file: a key that stands above a `<<` that has it too
//! gets the merged value, and a key below it keeps its own (seen with kubectl 1.32). Other readers always take the
//! mapping's own.

use std::collections::HashSet;

use super::{NodeId, Tree};

/// More mappings than anyone merges into one.
const MOST: usize = 64;

/// How deep merges may be nested.
const DEEPEST: usize = 8;

/// The value that counts for a key.
pub(super) fn get(tree: &Tree, mapping: NodeId, key: &str) -> Option<NodeId> {
    Lookup { tree, key, left: MOST }.get(mapping, DEEPEST)
}

/// What merge keys give a mapping for a key.
pub(super) fn merged(tree: &Tree, mapping: NodeId, key: &str) -> Option<NodeId> {
    Lookup { tree, key, left: MOST }.merged(mapping, DEEPEST, 0)
}

/// What merge keys give a mapping for a key that stands above them.
pub(super) fn overridden(tree: &Tree, mapping: NodeId, key: &str) -> Option<NodeId> {
    let own = tree.places(mapping, key).first().copied()?;
    Lookup { tree, key, left: MOST }.merged(mapping, DEEPEST, own)
}

/// A search for a key.
struct Lookup<'a> {
    tree: &'a Tree,
    key: &'a str,
    /// How many mappings may still be looked at: what merges the same again and again is not looked through for long.
    left: usize,
}

impl Lookup<'_> {
    fn get(&mut self, mapping: NodeId, depth: usize) -> Option<NodeId> {
        self.left = self.left.checked_sub(1)?;
        let own = self.tree.places(mapping, self.key).first().copied();
        let merged = self.merged(mapping, depth, own.unwrap_or(0));
        merged.or_else(|| Some(self.tree.entries(mapping).get(own?)?.1))
    }

    /// From merge keys behind a place, the last of which counts.
    fn merged(&mut self, mapping: NodeId, depth: usize, behind: usize) -> Option<NodeId> {
        let depth = depth.checked_sub(1)?;
        let merges = self.tree.places(mapping, "<<").into_iter();
        merges.take_while(|place| *place >= behind).find_map(|place| {
            let (_, merge) = *self.tree.entries(mapping).get(place)?;
            let single = [merge];
            let several = self.tree.items(merge);
            let sources = if self.tree.is_mapping(merge) { &single[..] } else { several };
            sources.iter().take(MOST).find_map(|source| self.get(*source, depth))
        })
    }
}

/// The entries of a mapping and those that it merges: each key once, with the value that counts.
pub(super) fn all_entries(tree: &Tree, mapping: NodeId) -> Vec<(NodeId, NodeId)> {
    let has_merge = !tree.places(mapping, "<<").is_empty();
    let mut keys = HashSet::new();
    let mut found = Vec::new();
    let mut waiting = vec![(mapping, DEEPEST)];
    let mut left = MOST;
    while let Some((source, depth)) = waiting.pop() {
        for (key, value) in tree.entries(source) {
            match tree.text(*key) {
                Some("<<") if depth > 0 && left > 0 => {
                    left -= 1;
                    let single = [*value];
                    let sources =
                        if tree.is_mapping(*value) { &single[..] } else { tree.items(*value) };
                    waiting.extend(sources.iter().take(MOST).map(|source| (*source, depth - 1)));
                }
                Some("<<") => {}
                Some(text) if keys.insert(text) => {
                    let counts = match has_merge {
                        true => get(tree, mapping, text),
                        false => tree.own(mapping, text).map(|(_, value)| value),
                    };
                    found.push((*key, counts.unwrap_or(*value)));
                }
                Some(_) => {}
                None => found.push((*key, *value)),
            }
        }
    }
    found
}
