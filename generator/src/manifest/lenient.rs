//! What Kubernetes' parser accepts and YAML 1.2 does not. Kubernetes reads YAML with a port of libyaml; a manifest that
//! it takes is no less a manifest for a rule that libyaml does not know.
//!
//! Such a place is written in another way of the same length, in a copy, and the copy is parsed: so every place
//! in the tree is one in the file as well. What libyaml does is tested in `tests/kubernetes/yaml.rs`.

use std::borrow::Cow;

use granit_parser::{ErrorKind, Options, Parser};

use super::Tree;
use super::build::{Builder, Failure};
use super::mended::{BREAKS, Mended};
use crate::manifest::error::{ManifestError, Position};

/// Most bytes that are parsed again, over all attempts: each attempt mends one place.
const AGAIN: usize = crate::limits::MANIFEST_BYTES;

/// Parses a file.
pub(super) fn parse(text: &str) -> Result<Tree, ManifestError> {
    let mut options = Options::default();
    // As Kubernetes' own parser reads it.
    options.block_scalar_eof_without_line_feed = true;
    // A block of comments, such as settings that are commented out, may be as long as the file, which is in memory
    // anyway.
    options.max_buffered_comment_events = text.len();
    let mut copy = Cow::Borrowed(text);
    let mut mended = Mended::default();
    let mut left = AGAIN;
    loop {
        let mut parser = Parser::new_from_str_with_options(&copy, options.clone());
        let failure = match Builder::new(&copy, &mended).build(&mut parser) {
            Ok(tree) => return Ok(tree),
            Err(failure) => failure,
        };
        let next = match left.checked_sub(text.len()) {
            Some(_) => mend(&copy, &failure, &mut mended),
            None => None,
        };
        left = left.saturating_sub(text.len());
        copy = match next {
            Some(next) => Cow::Owned(next),
            None => return Err(failure.error(text)),
        };
    }
}

/// The copy with the place at which parsing failed in another way, if libyaml would go on there.
fn mend(copy: &str, failure: &Failure, mended: &mut Mended) -> Option<String> {
    let (kind, at) = failure.kind.as_ref().zip(failure.byte)?;
    let (before, rest) = copy.split_at_checked(at)?;
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let replace = |range: std::ops::Range<usize>, with: &str| {
        let same = range.len() == with.len();
        same.then(|| [&copy[..range.start], with, &copy[range.end..]].concat())
    };
    match kind {
        // JSON that is indented by tabs. The parser may not have come to the bracket yet.
        ErrorKind::TabInBlockIndentation
            if failure.in_flow
                || before_comment(before).ends_with(['[', '{', ','])
                || copy[line..].trim_start().starts_with([']', '}', ',']) =>
        {
            let indent = &copy[line..];
            let indent = &indent[..indent.len() - indent.trim_start_matches([' ', '\t']).len()];
            let range = line..line + indent.len();
            indent.contains('\t').then(|| replace(range, &" ".repeat(indent.len())))?
        }
        // `[a]#comment`
        ErrorKind::CommentNotSeparated => {
            let mut chars = rest.strip_prefix('#')?.chars();
            match chars.next() {
                Some(next) if !matches!(next, '\r' | '\n') => {
                    let width = next.len_utf8();
                    replace(at..at + 1 + width, &format!(" #{}", " ".repeat(width - 1)))
                }
                _ => replace(at..at + 1, " "),
            }
        }
        // `[cat, -]`
        ErrorKind::PlainScalarStartsWithDashFlowIndicator => {
            rest.starts_with('-').then(|| mended.dashes.insert(at))?;
            replace(at..at + 1, "x")
        }
        ErrorKind::BomInsideDocument => {
            let starts_document =
                before.trim_end_matches('\n').rsplit('\n').next()?.starts_with("---");
            (line == at && starts_document && rest.starts_with('\u{feff}'))
                .then(|| mended.marks.insert(at))?;
            replace(at..at + BREAKS, &"\n".repeat(BREAKS))
        }
        _ => None,
    }
}

/// A text up to its last visible character that is in no comment.
fn before_comment(text: &str) -> &str {
    let mut text = text.trim_end();
    loop {
        let line = text.rfind('\n').map_or(0, |newline| newline + 1);
        match text[line..].find('#') {
            Some(comment) => text = text[..line + comment].trim_end(),
            None => return text,
        }
    }
}

/// Refuses characters that end a line in YAML 1.1, so for Kubernetes, and not in YAML 1.2: behind one of them a
/// comment would go on for one reader, and hold a field for another. In quotes they are text to both.
pub(super) fn check_line_breaks(tree: &Tree, text: &str) -> Result<(), ManifestError> {
    const ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
    let mut quoted = tree.quoted().peekable();
    for (byte, found) in text.match_indices(ENDS) {
        while quoted.next_if(|span| span.end <= byte).is_some() {}
        if !quoted.peek().is_some_and(|span| span.contains(&byte)) {
            let code = found.chars().next().map_or(0, u32::from);
            return Err(ManifestError::LineBreak { at: Position::from_byte(text, byte), code });
        }
    }
    Ok(())
}
