//! Lines, newlines and white space of a file: where text can be put in without touching what is there.

use std::ops::Range;

use super::splice::Splice;

/// A file as lines.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    /// Where each newline is: a line may be as long as the file.
    newlines: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Of a text.
    pub fn new(text: &'a str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, newlines: newlines.map(|(at, _)| at).collect() }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the line of a byte begins.
    pub fn start(&self, at: usize) -> usize {
        let before = self.newlines.partition_point(|newline| *newline < at);
        before.checked_sub(1).and_then(|last| self.newlines.get(last)).map_or(0, |last| last + 1)
    }

    /// Where the next line begins; the end of the text in the last one.
    fn next(&self, at: usize) -> usize {
        let after = self.newlines.partition_point(|newline| *newline < at);
        self.newlines.get(after).map_or(self.text.len(), |newline| newline + 1)
    }

    /// The newline that ends the line of a byte; in a last line without one, that of the line before.
    pub fn newline_at(&self, at: usize) -> &'static str {
        let next = self.next(at);
        let ends = |end: usize| match end.checked_sub(1).and_then(|last| self.byte(last)) {
            Some(b'\n') if end > 1 && self.byte(end - 2) == Some(b'\r') => Some("\r\n"),
            Some(b'\n') => Some("\n"),
            _ => None,
        };
        ends(next).or_else(|| ends(self.start(at))).unwrap_or("\n")
    }

    /// Where the line after the one of a byte begins, if nothing but white space and a comment follows.
    /// A byte at the start of a line is where one begins already.
    pub fn line_after(&self, at: usize) -> Option<usize> {
        if at > 0 && self.start(at) == at && self.byte(at - 1) == Some(b'\n') {
            return Some(at);
        }
        let next = self.next(at);
        let rest = self.text.get(at..next)?;
        let blank = rest.trim_start_matches([' ', '\t']);
        let comment = blank.starts_with('#') && (blank.len() < rest.len() || at == 0);
        (comment || blank.trim_end_matches(['\r', '\n']).is_empty()).then_some(next)
    }

    /// Puts in lines (without newlines) where a line begins, or at the end of the text.
    pub fn put_in(&self, at: usize, lines: &[String]) -> Splice {
        let inside = at < self.text.len() || self.text.ends_with('\n') || self.text.is_empty();
        let newline = self.newline_at(at.saturating_sub(1));
        let text = if inside {
            lines.iter().map(|line| format!("{line}{newline}")).collect()
        } else {
            lines.iter().map(|line| format!("{newline}{line}")).collect()
        };
        Splice { at: at..at, text }
    }

    /// White space at the beginning of the line of a byte.
    pub fn indent(&self, at: usize) -> &'a str {
        let line = &self.text[self.start(at)..];
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    /// The same, if the byte is the first one behind it and another line comes before.
    pub fn indent_of_own_line(&self, at: usize) -> Option<&'a str> {
        let start = self.start(at);
        let indent = self.text.get(start..at)?;
        (start > 0 && indent.trim_start_matches([' ', '\t']).is_empty()).then_some(indent)
    }

    /// Where the line of a byte begins, if only spaces come before the byte.
    pub fn start_of_own_line(&self, at: usize) -> Option<usize> {
        let start = self.start(at);
        let indent = self.text.get(start..at)?;
        indent.trim_start_matches(' ').is_empty().then_some(start)
    }

    /// Lines to take out; with the last ones of a text that has no newline at its end, the newline before.
    pub fn whole_lines(&self, from: usize, to: usize) -> Range<usize> {
        if to < self.text.len() || self.text.ends_with('\n') {
            return from..to;
        }
        let before = self.text[..from].strip_suffix('\n').map_or(from, str::len);
        let before = self.text[..before].strip_suffix('\r').map_or(before, str::len);
        before..to
    }

    /// Behind the colon that follows, or comes right before, an empty value or a key. A key with a question
    /// mark may have none.
    pub fn after_colon(&self, at: usize) -> Option<usize> {
        let next = self.next_visible(at)?;
        match self.byte(next) {
            Some(b':') => Some(next + 1),
            _ => (self.byte_before(at) == Some(b':')).then_some(at),
        }
    }

    /// Behind the dash that comes right before, or follows, an empty item.
    pub fn after_dash(&self, at: usize) -> Option<usize> {
        if self.byte_before(at) == Some(b'-') {
            return Some(at);
        }
        let next = self.next_visible(at)?;
        (self.byte(next) == Some(b'-')).then_some(next + 1)
    }

    fn byte_before(&self, at: usize) -> Option<u8> {
        at.checked_sub(1).and_then(|last| self.byte(last))
    }

    /// Whether an entry of a flow mapping ends here: what comes next is a comma, the bracket or a comment.
    pub fn is_end_of_flow_entry(&self, at: usize) -> bool {
        let next = self.next_visible(at).and_then(|next| self.byte(next));
        matches!(next, Some(b',' | b'}' | b'#'))
    }

    fn next_visible(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        Some(at + rest.len() - rest.trim_start().len())
    }

    /// Whether there is nothing but spaces between two bytes.
    pub fn is_blank_between(&self, from: usize, to: usize) -> bool {
        self.text.get(from..to).is_some_and(|text| text.trim_matches([' ', '\t']).is_empty())
    }

    /// Behind the last line of a block scalar: the parser gives the place of what comes next. Blank lines
    /// at its end are not part of it, unless it keeps them.
    pub fn block_scalar_end(&self, end: usize, keeps: bool) -> usize {
        let mut start = self.start(end);
        if !self.text.get(start..end).is_some_and(|text| text.trim().is_empty()) {
            return end;
        }
        while !keeps && start > 0 {
            let before = self.start(start - 1);
            if !self.text[before..start].trim().is_empty() {
                break;
            }
            start = before;
        }
        start
    }

    /// In a flow mapping with a line for each entry: where the next line begins, and whether there is a
    /// comma; `None` if something else follows on the line.
    pub fn rest_of_flow_line(&self, at: usize) -> Option<(usize, bool)> {
        let next = self.next(at);
        let rest = self.text.get(at..next)?;
        if !rest.ends_with('\n') {
            return None;
        }
        let blank = rest.trim_start_matches([' ', '\t']);
        let (rest, has_comma) = match blank.strip_prefix(',') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let blank = rest.trim_start_matches([' ', '\t']);
        let comment = blank.starts_with('#') && blank.len() < rest.len();
        (comment || blank.trim_end_matches(['\r', '\n']).is_empty()).then_some((next, has_comma))
    }
}
