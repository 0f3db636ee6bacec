//! From the events of the parser to a tree.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span, StructureStyle};

use super::mended::Mended;
use super::{Kind, Node, NodeId, Tree};
use crate::manifest::error::{ManifestError, Position};
use crate::manifest::template;

/// How deep mappings and sequences may be nested. Kubernetes' own types stay far below.
const MAX_DEPTH: usize = 128;

/// Why and where parsing ended before the file did.
pub(super) struct Failure {
    /// What the parser found; `None` if it is only nested too deeply.
    pub kind: Option<ErrorKind>,
    /// Where.
    pub byte: Option<usize>,
    /// Whether that is between brackets.
    pub in_flow: bool,
    deep: bool,
    at: Position,
    reason: String,
}

impl Failure {
    /// The same as an error about the file.
    pub fn error(self, text: &str) -> ManifestError {
        let at = self.byte.map_or(self.at, |byte| Position::from_byte(text, byte));
        if self.deep {
            return ManifestError::TooDeep { at, limit: MAX_DEPTH };
        }
        let end = self.byte.unwrap_or(text.len());
        match template::first_action(text.get(..end).unwrap_or(text)) {
            Some(byte) => ManifestError::Templated { at: Position::from_byte(text, byte) },
            None => ManifestError::NotYaml { at, reason: self.reason },
        }
    }
}

/// Puts nodes together from events.
pub(super) struct Builder<'a> {
    text: &'a str,
    mended: &'a Mended,
    tree: Tree,
    /// Open collections, each with a key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
}

impl<'a> Builder<'a> {
    pub fn new(text: &'a str, mended: &'a Mended) -> Self {
        let tree = Tree {
            nodes: Vec::new(),
            documents: Vec::new(),
            anchors: BTreeMap::new(),
            keys: HashMap::new(),
            aliases: BTreeMap::new(),
            comments: Vec::new(),
        };
        Self { text, mended, tree, open: Vec::new() }
    }

    pub fn build(
        mut self,
        parser: &mut Parser<'a, granit_parser::StrInput<'a>>,
    ) -> Result<Tree, Failure> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| Failure {
                byte: error.marker().byte_offset(),
                in_flow: self.open.last().is_some_and(|(id, _)| self.tree.node(*id).flow),
                deep: false,
                at: position(*error.marker()),
                reason: error.info(),
                kind: Some(error.kind().clone()),
            })?;
            self.take(event, span)?;
        }
        for id in self.tree.ids() {
            self.tree.index(id);
        }
        Ok(self.tree)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                // The parser gives a null for a value that is not there. With a tag it need not be one.
                let bytes = self.bytes(span);
                let value = match style {
                    ScalarStyle::Plain if bytes.is_empty() => String::new(),
                    ScalarStyle::Plain if self.mended.is_dash(bytes.start) => "-".to_owned(),
                    _ => value.into_owned(),
                };
                let kind = Kind::Scalar { value, style };
                self.add(kind, anchor, tag.map(|tag| tag_name(&tag)), span);
            }
            Event::Alias(anchor) => {
                let id = self.add(Kind::Alias(anchor), 0, None, span);
                self.tree.aliases.entry(anchor).or_default().push(id);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let tag = tag.map(|tag| tag_name(&tag));
                let id = self.add(Kind::Sequence(Vec::new()), anchor, tag, span);
                self.open(id, style, span)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = tag.map(|tag| tag_name(&tag));
                let id = self.add(Kind::Mapping(Vec::new()), anchor, tag, span);
                self.open(id, style, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((id, _)) = self.open.pop() {
                    self.tree.nodes[id.0].end = self.bytes(span).end;
                }
            }
            Event::Comment(..) => self.tree.comments.push(self.bytes(span)),
            // What is left begins or ends documents.
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, id: NodeId, style: StructureStyle, span: Span) -> Result<(), Failure> {
        if self.open.len() >= MAX_DEPTH {
            let at = position(span.start);
            let byte = span.start.byte_offset();
            return Err(Failure {
                byte,
                in_flow: false,
                deep: true,
                at,
                reason: String::new(),
                kind: None,
            });
        }
        self.tree.nodes[id.0].flow = style == StructureStyle::Flow;
        self.open.push((id, None));
        Ok(())
    }

    /// The bytes of a span. With a text as input the parser always knows them.
    fn bytes(&self, span: Span) -> Range<usize> {
        span.byte_range().unwrap_or(self.text.len()..self.text.len())
    }

    /// Adds a node to whatever is open.
    fn add(&mut self, kind: Kind, anchor: usize, tag: Option<String>, span: Span) -> NodeId {
        let id = NodeId(self.tree.nodes.len());
        let start = self.bytes(span);
        if anchor != 0 {
            self.tree.anchors.insert(anchor, id);
        }
        let mut place = self.tree.documents.len();
        let parent = match self.open.last_mut() {
            None => {
                self.tree.documents.push(id);
                None
            }
            Some((parent, waiting)) => {
                match &mut self.tree.nodes[parent.0].kind {
                    Kind::Sequence(items) => {
                        place = items.len();
                        items.push(id);
                    }
                    Kind::Mapping(entries) => {
                        place = entries.len();
                        match waiting.take() {
                            Some(key) => entries.push((key, id)),
                            None => *waiting = Some(id),
                        }
                    }
                    Kind::Scalar { .. } | Kind::Alias(_) => {}
                }
                Some(*parent)
            }
        };
        let end = start.end;
        let line = span.start.line().saturating_sub(self.mended.lines_before(start.start));
        let column = span.start.col();
        let flow = false;
        self.tree.nodes.push(Node {
            kind,
            parent,
            place,
            anchor,
            tag,
            start,
            end,
            line,
            column,
            flow,
        });
        id
    }
}

fn tag_name(tag: &granit_parser::Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}
