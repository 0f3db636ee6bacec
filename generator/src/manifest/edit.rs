//! From changes to bytes: each change becomes one or two replacements of text, in the style of what is
//! around it. Every other byte stays.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use granit_parser::ScalarStyle;

use super::error::ManifestError;
use super::lines::Lines;
use super::plan::Change;
use super::render::{self, Flow};
use super::splice::Splice;
use super::tree::{Kind, NodeId, Tree};
use super::value::{Entries, Value, is_plain, quoted};

/// Turns changes into replacements of text.
pub struct Editor<'a> {
    text: &'a str,
    tree: &'a Tree,
    lines: Lines<'a>,
    /// What is known of how mappings are indented: many changes may be in one.
    steps: RefCell<HashMap<NodeId, Option<usize>>>,
}

/// Where something changes.
const fn place(change: &Change) -> NodeId {
    let (Change::Insert { mapping: at, .. }
    | Change::Fill { node: at, .. }
    | Change::Replace { node: at, .. }
    | Change::Remove { mapping: at, .. }) = change;
    *at
}

type Splices = Result<Vec<Splice>, ManifestError>;

impl<'a> Editor<'a> {
    /// For a file.
    #[must_use]
    pub fn new(text: &'a str, tree: &'a Tree) -> Self {
        Self { text, tree, lines: Lines::new(text), steps: RefCell::default() }
    }

    /// The replacements that make the changes.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unsafe`] where the file is written in a way in which a line cannot be put in.
    pub fn splices(&self, changes: &[Change]) -> Splices {
        self.only_texts_are_keys(changes)?;
        let mut splices = Vec::new();
        // Where a mapping ends the one around it may end too: what is put into the inner one comes first. A null
        // that becomes a mapping is such an inner one.
        let mut changes: Vec<&Change> = changes.iter().collect();
        changes.sort_by_key(|change| Reverse(self.depth(change)));
        for change in changes {
            if let Change::Insert { mapping, .. } | Change::Remove { mapping, .. } = change {
                self.check_has_braces(*mapping)?;
            }
            splices.extend(match change {
                Change::Insert { mapping, entries } if self.tree.node(*mapping).flow => {
                    self.insert_flow(*mapping, entries)?
                }
                Change::Insert { mapping, entries } => self.insert_block(*mapping, entries)?,
                Change::Fill { mapping, key, node, entries } => {
                    self.fill(*mapping, *key, *node, entries)?
                }
                Change::Replace { node, value } => self.replace(*node, value)?,
                Change::Remove { mapping, key } => self.remove(*mapping, *key)?,
            });
        }
        Ok(splices)
    }

    /// YAML lets a key be nothing, a list or a mapping, and then a colon may stand nearly anywhere. Kubernetes takes
    /// texts only, so a document with another key is not edited.
    fn only_texts_are_keys(&self, changes: &[Change]) -> Result<(), ManifestError> {
        let document = |at| self.tree.lineage(at).last();
        let edited: BTreeSet<Option<NodeId>> =
            changes.iter().map(|change| document(place(change))).collect();
        for id in self.tree.ids() {
            let Kind::Mapping(entries) = &self.tree.node(id).kind else { continue };
            let is_text = |key: &NodeId| match &self.tree.node(*key).kind {
                Kind::Scalar { value, style } => !value.is_empty() || *style != ScalarStyle::Plain,
                Kind::Alias(_) => true,
                Kind::Sequence(_) | Kind::Mapping(_) => false,
            };
            if let Some((key, _)) = entries.iter().find(|(key, _)| !is_text(key))
                && edited.contains(&document(id))
            {
                return Err(ManifestError::Unsafe {
                    at: self.tree.position(*key),
                    what: self.tree.path(id),
                    reason: "it has a key that is not text, which Kubernetes does not take"
                        .to_owned(),
                    way_out: "Give the key a name",
                });
            }
        }
        Ok(())
    }

    /// A key and its value between the brackets of a sequence, as in `[name: web]`, are a mapping. It has room for no
    /// other key.
    fn check_has_braces(&self, mapping: NodeId) -> Result<(), ManifestError> {
        let node = self.tree.node(mapping);
        if !node.flow || self.text[node.start.clone()].starts_with('{') {
            return Ok(());
        }
        Err(ManifestError::Unsafe {
            at: self.tree.position(mapping),
            what: self.tree.path(mapping),
            reason: "it is a mapping without braces, which has one key only".to_owned(),
            way_out: "Write braces around it",
        })
    }

    fn depth(&self, change: &Change) -> usize {
        self.tree.lineage(place(change)).count()
    }

    fn unsafe_here(&self, at: NodeId, reason: &str) -> ManifestError {
        ManifestError::Unsafe {
            at: self.tree.position(at),
            what: self.tree.path(at),
            reason: reason.to_owned(),
            way_out: "Write it on lines of its own",
        }
    }

    /// Behind the last byte that belongs to a node.
    fn content_end(&self, id: NodeId) -> usize {
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Scalar { value, style: ScalarStyle::Literal | ScalarStyle::Folded } => {
                self.lines.block_scalar_end(node.end, value.ends_with("\n\n") || value == "\n")
            }
            Kind::Scalar { .. } | Kind::Alias(_) => node.end,
            Kind::Sequence(_) | Kind::Mapping(_) if node.flow => node.end,
            Kind::Sequence(items) => items.last().map_or(node.end, |last| self.end_of_value(*last)),
            Kind::Mapping(entries) => {
                entries.last().map_or(node.end, |(_, value)| self.end_of_value(*value))
            }
        }
    }

    /// The same; an empty value ends behind the colon or dash that announces it, and behind its key if there is
    /// no colon.
    fn end_of_value(&self, id: NodeId) -> usize {
        let node = self.tree.node(id);
        // A block of text may be empty as well, behind its `|` or `>`.
        let is_plain = matches!(node.kind, Kind::Scalar { style: ScalarStyle::Plain, .. });
        if !node.start.is_empty() || !is_plain {
            return self.content_end(id);
        }
        match node.parent.map(|parent| &self.tree.node(parent).kind) {
            Some(Kind::Mapping(entries)) => {
                let key = entries.get(node.place).map(|(key, _)| *key).filter(|key| *key != id);
                let end_of_key = || key.map_or(node.end, |key| self.end_of_value(key));
                let colon = match key {
                    Some(key) => self.behind_colon(key, node.end),
                    None => self.lines.after_colon(node.end),
                };
                colon.unwrap_or_else(end_of_key)
            }
            _ => self.lines.after_dash(node.end).unwrap_or(node.end),
        }
    }

    /// Behind the colon that announces the empty value of a key, which comes at or right before `at`. One on a line of
    /// its own, as it follows a key with `?`, is below the question mark; any other is that of an outer mapping.
    fn behind_colon(&self, key: NodeId, at: usize) -> Option<usize> {
        let node = self.tree.node(key);
        let mapping = node.parent.map(|parent| self.tree.node(parent))?;
        let is_own = |behind: &usize| {
            let colon = *behind - 1;
            let line = self.lines.start(colon);
            line <= node.end || mapping.flow || colon - line == mapping.column
        };
        self.lines.after_colon(at).filter(is_own)
    }

    fn insert_block(&self, mapping: NodeId, entries: &Entries) -> Splices {
        let node = self.tree.node(mapping);
        let Some((last_key, last)) = self.tree.entries(mapping).last().copied() else {
            return Err(self.unsafe_here(mapping, "it is empty in an unusual way"));
        };
        let step = self.step(mapping);
        let lines = render::block(entries, node.column, step);
        let end = self.end_of_value(last);
        if let Some(at) = self.lines.line_after(end) {
            let is_safe = match self.last_block_scalar(last) {
                // Its last lines are blanks, of which some are its own and some may not be.
                Some(value) if value.trim_end_matches('\n').ends_with([' ', '\t']) => false,
                // Without a newline at the end of the file it would get one.
                Some(_) => at < self.text.len() || self.text.ends_with('\n'),
                None => true,
            };
            if is_safe {
                return Ok(vec![self.lines.put_in(at, &lines)]);
            }
        }
        // Something else follows on the line: before the last key will do, if that begins a line.
        let key = self.tree.node(last_key).start.start;
        match self.lines.start_of_own_line(key) {
            Some(at) => Ok(vec![self.lines.put_in(at, &lines)]),
            None => Err(self.unsafe_here(mapping, "there is no place for a new line in it")),
        }
    }

    /// The value of the block scalar with which a node ends.
    fn last_block_scalar(&self, id: NodeId) -> Option<&str> {
        let mut last = id;
        loop {
            last = match &self.tree.node(last).kind {
                Kind::Scalar { style, value } => {
                    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    return is_block.then_some(value);
                }
                Kind::Sequence(items) if !items.is_empty() => items[items.len() - 1],
                Kind::Mapping(entries) if !entries.is_empty() => entries[entries.len() - 1].1,
                _ => return None,
            };
        }
    }

    /// By how many columns nested mappings are indented around here.
    fn step(&self, mapping: NodeId) -> usize {
        let column = |id: NodeId| self.tree.node(id).column;
        let is_block = |id: NodeId| {
            matches!(self.tree.node(id).kind, Kind::Mapping(_)) && !self.tree.node(id).flow
        };
        let inner = |id: NodeId| {
            let children = self.tree.entries(id).iter().map(|(_, value)| *value);
            children
                .filter(|child| is_block(*child))
                .find_map(|child| column(child).checked_sub(column(id)).filter(|step| *step > 0))
        };
        let mut steps = self.steps.borrow_mut();
        let mut step = |id: NodeId| *steps.entry(id).or_insert_with(|| inner(id));
        self.tree.lineage(mapping).filter(|id| is_block(*id)).find_map(&mut step).unwrap_or(2)
    }

    fn insert_flow(&self, mapping: NodeId, entries: &Entries) -> Splices {
        let node = self.tree.node(mapping);
        let own = self.tree.entries(mapping);
        let open = node.start.end;
        let style = self.flow_style(mapping);
        let Some((last_key, last)) = own.last().copied() else {
            return Ok(vec![Splice { at: open..open, text: style.entries(entries) }]);
        };
        let end = self.end_of_value(last);
        if !self.lines.is_end_of_flow_entry(end) {
            return Err(
                self.unsafe_here(mapping, "its last value is an anchor or a tag and nothing else")
            );
        }
        let key = self.tree.node(last_key).start.start;
        let Some(indent) = self.lines.indent_of_own_line(key) else {
            let text = format!("{}{}", style.comma(), style.on_one_line().items(entries));
            return Ok(vec![Splice { at: end..end, text }]);
        };
        let items = style.items_at(entries, indent);
        let newline = self.lines.newline_at(end);
        match self.lines.rest_of_flow_line(end) {
            // The bracket, or something else, is on the same line.
            None => Ok(vec![Splice { at: end..end, text: format!(",{newline}{indent}{items}") }]),
            Some((next_line, has_comma)) => {
                let comma = if has_comma { "," } else { "" };
                let line = Splice {
                    at: next_line..next_line,
                    text: format!("{indent}{items}{comma}{newline}"),
                };
                let separator = Splice { at: end..end, text: ",".to_owned() };
                Ok(if has_comma { vec![line] } else { vec![separator, line] })
            }
        }
    }

    /// How flow mappings are written around here.
    fn flow_style(&self, mapping: NodeId) -> Flow<'a> {
        let outer = self.tree.lineage(mapping).find(|id| {
            matches!(self.tree.node(*id).kind, Kind::Mapping(_))
                && !self.tree.entries(*id).is_empty()
        });
        let last =
            outer.and_then(|id| self.tree.entries(id).last().copied().map(|last| (id, last)));
        let Some((outer, (key, value))) = last else { return Flow::default() };
        let is_flow = self.tree.node(outer).flow;
        let is_quoted = matches!(
            self.tree.node(key).kind,
            Kind::Scalar { style: ScalarStyle::DoubleQuoted, .. }
        );
        let compact = is_flow && is_quoted && {
            let colon = self.lines.after_colon(self.tree.node(key).end);
            colon.is_some_and(|colon| colon == self.tree.node(value).start.start)
        };
        let start = self.tree.node(key).start.start;
        let indent = if is_flow { self.lines.indent_of_own_line(start) } else { None };
        // One level more than the line with the bracket.
        let outer_indent = self.lines.indent(self.tree.node(outer).start.end);
        let unit = indent.and_then(|indent| indent.strip_prefix(outer_indent));
        Flow {
            quoted: is_flow && is_quoted,
            compact,
            newline: self.lines.newline_at(start),
            lines: indent.zip(unit.filter(|unit| !unit.is_empty())),
        }
    }

    fn fill(&self, mapping: NodeId, key: NodeId, id: NodeId, entries: &Entries) -> Splices {
        let node = self.tree.node(id);
        if node.anchor != 0 || node.tag.is_some() {
            return Err(self.unsafe_here(id, "it is empty, but has an anchor or a tag"));
        }
        let Some(colon) = self.behind_colon(key, self.tree.node(key).end) else {
            return Err(self.unsafe_here(key, "its key has no colon"));
        };
        if self.tree.node(mapping).flow {
            let style = self.flow_style(mapping);
            let space = if node.start.is_empty() { " " } else { "" };
            let at = if node.start.is_empty() { colon..colon } else { node.start.clone() };
            return Ok(vec![Splice { at, text: format!("{space}{{{}}}", style.entries(entries)) }]);
        }
        let lines = render::block(
            entries,
            self.tree.node(mapping).column + self.step(mapping),
            self.step(mapping),
        );
        let end = if node.start.is_empty() { colon } else { node.end };
        let same_line = self.lines.is_blank_between(colon, node.start.start.max(colon));
        let Some(at) = self.lines.line_after(end).filter(|_| same_line) else {
            return Err(self.unsafe_here(id, "there is no place for a new line after it"));
        };
        let mut splices = vec![self.lines.put_in(at, &lines)];
        if !node.start.is_empty() {
            splices.insert(0, Splice { at: colon..node.end, text: String::new() });
        }
        Ok(splices)
    }

    fn replace(&self, id: NodeId, value: &Value) -> Splices {
        let node = self.tree.node(id);
        if node.anchor != 0 || node.tag.is_some() {
            return Err(self.unsafe_here(id, "it has an anchor or a tag"));
        }
        let text = match (value, &node.kind) {
            (_, Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. }) => {
                return Err(self.unsafe_here(id, "it is a block of text (| or >)"));
            }
            (Value::Bool(is), _) => is.to_string(),
            (Value::Map(entries), _) => {
                let style = Flow { quoted: self.is_json(id), ..Flow::default() };
                format!("{{{}}}", style.entries(entries))
            }
            (Value::Text(text), Kind::Scalar { style: ScalarStyle::SingleQuoted, .. }) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            (Value::Text(text), Kind::Scalar { style: ScalarStyle::DoubleQuoted, .. }) => {
                quoted(text)
            }
            (Value::Text(text), _) if is_plain(text) && !self.is_json(id) => text.clone(),
            (Value::Text(text), _) => quoted(text),
        };
        if node.start.is_empty() {
            let Some(colon) = self.lines.after_colon(node.end) else {
                return Err(self.unsafe_here(id, "it is empty"));
            };
            return Ok(vec![Splice { at: colon..colon, text: format!(" {text}") }]);
        }
        Ok(vec![Splice { at: node.start.clone(), text }])
    }

    /// Whether strings have to be quoted: the keys are.
    fn is_json(&self, id: NodeId) -> bool {
        self.tree
            .node(id)
            .parent
            .is_some_and(|parent| self.tree.node(parent).flow && self.flow_style(parent).quoted)
    }

    fn remove(&self, mapping: NodeId, key: NodeId) -> Splices {
        let entries = self.tree.entries(mapping);
        let nth = self.tree.node(key).place;
        if entries.get(nth).is_none_or(|(name, _)| *name != key) {
            return Ok(Vec::new());
        }
        let start = self.tree.node(key).start.start;
        let end = self.end_of_value(entries[nth].1);
        if self.tree.node(mapping).flow {
            let at = match (nth.checked_sub(1), entries.get(nth + 1)) {
                (_, Some((next, _))) => start..self.tree.node(*next).start.start,
                (Some(previous), None) => self.end_of_value(entries[previous].1)..end,
                (None, None) => start..end,
            };
            return Ok(vec![Splice { at, text: String::new() }]);
        }
        match (self.lines.start_of_own_line(start), self.lines.line_after(end)) {
            (Some(from), Some(to)) => {
                Ok(vec![Splice { at: self.lines.whole_lines(from, to), text: String::new() }])
            }
            _ => Err(self.unsafe_here(key, "it does not have lines of its own")),
        }
    }
}
