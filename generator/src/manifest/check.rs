//! Checks every edit: parsed again, the file differs from the original in exactly what was intended.

use std::collections::{BTreeMap, BTreeSet};

use granit_parser::ScalarStyle;

use super::error::ManifestError;
use super::plan::Change;
use super::tree::{Kind, NodeId, Tree};
use super::value::{Entries, Value, is_plain};

/// Compares an edited file with the original.
///
/// # Errors
///
/// [`ManifestError::Unintended`] for the first difference that no change explains, or the first change that
/// is not there.
pub fn only_intended(
    (before, text): (&Tree, &str),
    (after, edited): (&Tree, &str),
    changes: &[Change],
) -> Result<(), ManifestError> {
    let mut check = Check::new(before, after, changes);
    let end = super::error::Position::from_byte(edited, edited.len());
    let differs = |at: Option<NodeId>, difference: String| ManifestError::Unintended {
        at: at.map_or(end, |id| after.position(id)),
        difference,
    };
    if before.documents.len() != after.documents.len() {
        return Err(differs(None, "the number of documents changed".to_owned()));
    }
    let mut waiting: Vec<(NodeId, NodeId)> =
        before.documents.iter().copied().zip(after.documents.iter().copied()).collect();
    while let Some((old, new)) = waiting.pop() {
        check.compare(old, new, &mut waiting).map_err(|difference| {
            differs(Some(new), format!("{}: {difference}", after.path(new)))
        })?;
    }
    let may_lack = changes.iter().map(|change| comments_of(before, change)).sum();
    if let Some(comment) = lost_comment((before, text), (after, edited), may_lack) {
        return Err(differs(None, format!("the comment `{comment}` changed")));
    }
    match check.inserted.keys().chain(check.replaced.keys()).chain(&check.removed).next() {
        None => Ok(()),
        Some(left) => Err(differs(None, format!("{}: not changed", before.path(*left)))),
    }
}

/// How many comments may go with a change: what is taken out goes with those in it and behind it.
fn comments_of(before: &Tree, change: &Change) -> usize {
    let Change::Remove { mapping, key } = change else { return 0 };
    let value = before.entries(*mapping).get(before.node(*key).place);
    let end = value.map_or(0, |(_, value)| before.node(*value).end);
    let entry = before.node(*key).start.start..end;
    // They are in the order of the file.
    let up_to = |at: usize| before.comments.partition_point(|comment| comment.start < at);
    1 + up_to(entry.end).saturating_sub(up_to(entry.start))
}

/// The first comment that is not there any more, or was not there, beyond those that may be lacking.
fn lost_comment<'a>(
    (before, text): (&Tree, &'a str),
    (after, edited): (&Tree, &'a str),
    mut may_lack: usize,
) -> Option<&'a str> {
    let comments = |tree: &Tree, text: &'a str| -> Vec<&'a str> {
        tree.comments.iter().filter_map(|at| text.get(at.clone())).collect()
    };
    let now = comments(after, edited);
    let mut now = now.iter().peekable();
    for comment in comments(before, text) {
        if now.next_if(|next| **next == comment).is_none() {
            may_lack = match may_lack.checked_sub(1) {
                Some(left) => left,
                None => return Some(comment),
            };
        }
    }
    now.next().copied()
}

struct Check<'a> {
    before: &'a Tree,
    after: &'a Tree,
    inserted: BTreeMap<NodeId, &'a Entries>,
    replaced: BTreeMap<NodeId, Value>,
    removed: BTreeSet<NodeId>,
}

impl<'a> Check<'a> {
    fn new(before: &'a Tree, after: &'a Tree, changes: &'a [Change]) -> Self {
        let (inserted, replaced, removed) = Default::default();
        let mut check = Self { before, after, inserted, replaced, removed };
        for change in changes {
            match change {
                Change::Insert { mapping, entries } => {
                    check.inserted.insert(*mapping, entries);
                }
                Change::Fill { node, entries, .. } => {
                    check.replaced.insert(*node, Value::Map(entries.clone()));
                }
                Change::Replace { node, value } => {
                    check.replaced.insert(*node, value.clone());
                }
                Change::Remove { key, .. } => {
                    check.removed.insert(*key);
                }
            }
        }
        check
    }

    fn compare(
        &mut self,
        old: NodeId,
        new: NodeId,
        waiting: &mut Vec<(NodeId, NodeId)>,
    ) -> Result<(), String> {
        if let Some(value) = self.replaced.remove(&old) {
            return self
                .is_value(new, &value)
                .then_some(())
                .ok_or_else(|| "not the new value".into());
        }
        let (before, after) = (self.before.node(old), self.after.node(new));
        if before.anchor != after.anchor || before.tag != after.tag {
            return Err("an anchor or tag changed".to_owned());
        }
        match (&before.kind, &after.kind) {
            (Kind::Sequence(old), Kind::Sequence(new)) if old.len() == new.len() => {
                waiting.extend(old.iter().copied().zip(new.iter().copied()));
                Ok(())
            }
            (Kind::Mapping(entries), Kind::Mapping(now)) => {
                self.compare_entries(old, entries, now, waiting)
            }
            (old, new) if old == new && before.flow == after.flow => Ok(()),
            _ => Err("another value".to_owned()),
        }
    }

    fn compare_entries(
        &mut self,
        mapping: NodeId,
        entries: &[(NodeId, NodeId)],
        now: &[(NodeId, NodeId)],
        waiting: &mut Vec<(NodeId, NodeId)>,
    ) -> Result<(), String> {
        let mut staying = Vec::new();
        for (key, value) in entries {
            if !self.removed.remove(key) {
                staying.push((*key, *value));
            }
        }
        let added: &[(String, Value)] =
            self.inserted.remove(&mapping).map_or(&[][..], Vec::as_slice);
        if staying.len() + added.len() != now.len() {
            return Err("the number of entries changed".to_owned());
        }
        let mut staying = staying.into_iter();
        let mut added = added.iter();
        for (key, value) in now {
            match added.as_slice().first() {
                // A key that was to be added is not among those that were there.
                Some((name, wanted)) if self.after.text(*key) == Some(name) => {
                    added.next();
                    if !self.is_value(*value, wanted) {
                        return Err(format!("{name} does not have the new value"));
                    }
                }
                _ => {
                    let (old_key, old_value) = staying.next().ok_or("an extra entry")?;
                    waiting.push((old_key, *key));
                    waiting.push((old_value, *value));
                }
            }
        }
        Ok(())
    }

    fn is_value(&self, id: NodeId, value: &Value) -> bool {
        let node = self.after.node(id);
        if node.anchor != 0 || node.tag.is_some() {
            return false;
        }
        match (&node.kind, value) {
            (Kind::Scalar { value, style }, Value::Text(text)) => {
                value == text && (*style != ScalarStyle::Plain || is_plain(text))
            }
            (Kind::Scalar { value, style: ScalarStyle::Plain }, Value::Bool(is)) => {
                value == if *is { "true" } else { "false" }
            }
            (Kind::Mapping(entries), Value::Map(wanted)) => {
                entries.len() == wanted.len()
                    && entries.iter().zip(wanted).all(|((key, value), (name, wanted))| {
                        self.after.text(*key) == Some(name) && self.is_value(*value, wanted)
                    })
            }
            _ => false,
        }
    }
}
