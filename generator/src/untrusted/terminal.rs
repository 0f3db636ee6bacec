//! Text for a terminal or a CI log.

use std::fmt::{self, Display, Write};

use anstyle::Style;

use super::{escape, one_line};

/// A line for a terminal or a CI log. Whatever it is given, it is one line, and no command to either.
///
/// ```
/// use strait_generator::untrusted::Line;
///
/// let name = "web\n::error::gone";
/// assert_eq!(Line::new(format_args!("wrote {name}")).to_string(), r"wrote web\n::error::gone");
/// assert_eq!(Line::new(" ::error::gone").to_string(), r" \u{3a}:error::gone");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Style, String)>,
}

impl Line {
    /// A line of one colour.
    pub fn new(text: impl Display) -> Self {
        Self::default().plain(text)
    }

    /// The same line with more text.
    #[must_use]
    pub fn plain(self, text: impl Display) -> Self {
        self.styled(Style::new(), text)
    }

    /// The same line with more text in this style.
    #[must_use]
    pub fn styled(mut self, style: Style, text: impl Display) -> Self {
        self.spans.push((style, one_line(&text.to_string())));
        self
    }
}

impl Display for Line {
    /// With the escape codes of its styles. Where they are not wanted, they are stripped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole: String = self.spans.iter().map(|(_, text)| text.as_str()).collect();
        let command = command(&whole);
        let mut at = 0;
        for (style, text) in &self.spans {
            let mut shown = text.clone();
            if let Some(first) = command.filter(|first| (at..at + text.len()).contains(first)) {
                let (before, after) = text.split_at(first - at);
                shown = before.to_owned();
                let mut chars = after.chars();
                chars.next().into_iter().for_each(|char| escape(char, &mut shown));
                shown.push_str(chars.as_str());
            }
            write!(f, "{style}{shown}{style:#}")?;
            at += text.len();
        }
        Ok(())
    }
}

/// Where a line begins with what a CI runner takes for a command, behind white space: `::error::…`.
///
/// Source: `ActionCommand.TryParseV2` of actions/runner.
fn command(line: &str) -> Option<usize> {
    let text = line.trim_start();
    text.starts_with("::").then(|| line.len() - text.len())
}

/// Lines for a terminal or a CI log, each of which ends with a line break.
///
/// It is the only text that Strait writes there, and only [`Text::line`] and its like end a line: so nothing that is
/// written can begin one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Text {
    lines: String,
}

impl Text {
    /// No line yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl Display) {
        self.push(&Line::new(text));
    }

    /// Adds a line of several colours.
    pub fn push(&mut self, line: &Line) {
        // Writing into a string does not fail.
        let _ = writeln!(self.lines, "{line}");
    }

    /// Adds a text after its label, broken at spaces into lines of this many columns, of which all but the first are
    /// indented.
    pub fn paragraph(&mut self, label: &str, text: &str, indent: usize, width: usize) {
        let mut line = label.to_owned();
        for word in text.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > width {
                self.line(&line);
                line = " ".repeat(indent) + word;
            } else {
                line.push(' ');
                line.push_str(word);
            }
        }
        self.line(line);
    }

    /// Adds an empty line.
    pub fn blank(&mut self) {
        self.lines.push('\n');
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: &Self) {
        self.lines.push_str(&other.lines);
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All lines, with the escape codes of their styles.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.lines
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines)
    }
}

impl FromIterator<Self> for Text {
    fn from_iter<T: IntoIterator<Item = Self>>(texts: T) -> Self {
        let mut all = Self::new();
        texts.into_iter().for_each(|text| all.append(&text));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_breaks_a_line() {
        let mut text = Text::new();
        text.line(format_args!("  {}", "a\n::error::b"));
        text.blank();
        text.line("\u{2028}\r##[error]c");
        assert_eq!(text.to_string(), "  a\\n::error::b\n\n\\u{2028}\\r\\u{23}#[error]c\n");
    }

    #[test]
    fn no_line_begins_with_a_command() {
        let shown = |line: Line| anstream::adapter::strip_str(&line.to_string()).to_string();
        assert_eq!(shown(Line::new("::error::a")), "\\u{3a}:error::a");
        assert_eq!(shown(Line::new(" \u{a0}\u{3000}::a")), " \u{a0}\u{3000}\\u{3a}:a");
        assert_eq!(shown(Line::new("a ::b")), "a ::b");
        let bold = Style::new().bold();
        assert_eq!(shown(Line::new(" ").styled(bold, ":").plain(":a")), " \\u{3a}:a");
        assert_eq!(shown(Line::new("").styled(bold, "::").plain("a")), "\\u{3a}:a");
    }

    #[test]
    fn a_style_is_ours_only() {
        let bold = Style::new().bold();
        let line = Line::new("a").styled(bold, "b\u{1b}[8mc");
        assert_eq!(line.to_string(), format!("a{bold}b\\u{{1b}}[8mc{bold:#}"));
    }
}
