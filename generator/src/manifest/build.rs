//! From the events of the parser to a tree.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use granit_parser::{Event, Marker, Parser, Span, StructureStyle};

use super::{Kind, Node, NodeId, Tree};
use crate::manifest::error::{ManifestError, Position};

/// How deep mappings and sequences may be nested. Kubernetes' own types stay far below.
const MAX_DEPTH: usize = 128;

/// Puts nodes together from events.
pub(super) struct Builder<'a> {
    text: &'a str,
    tree: Tree,
    /// Open collections, each with a key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
}

impl<'a> Builder<'a> {
    pub fn new(text: &'a str) -> Self {
        let tree = Tree {
            nodes: Vec::new(),
            documents: Vec::new(),
            anchors: BTreeMap::new(),
            keys: HashMap::new(),
            aliases: BTreeMap::new(),
            comments: Vec::new(),
        };
        Self { text, tree, open: Vec::new() }
    }

    pub fn build(
        mut self,
        parser: &mut Parser<'a, granit_parser::StrInput<'a>>,
    ) -> Result<Tree, ManifestError> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = position(*error.marker());
                let template = self.text.find("{{").map(|byte| Position::of(self.text, byte));
                match template.filter(|template| *template <= at) {
                    Some(at) => ManifestError::Templated { at },
                    None => ManifestError::NotYaml { at, reason: error.info().to_owned() },
                }
            })?;
            self.take(event, span)?;
        }
        for id in self.tree.ids() {
            self.tree.index(id);
        }
        Ok(self.tree)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let kind = Kind::Scalar { value: value.into_owned(), style };
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

    fn open(&mut self, id: NodeId, style: StructureStyle, span: Span) -> Result<(), ManifestError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(ManifestError::TooDeep { at: position(span.start), limit: MAX_DEPTH });
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
        let (line, column) = (span.start.line(), span.start.col());
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
