//! New entries as text, in block and in flow style.

use super::value::{Entries, Value, is_plain, quoted};

/// Lines in block style, without newlines.
pub fn block(entries: &Entries, column: usize, step: usize) -> Vec<String> {
    let indent = " ".repeat(column);
    let mut lines = Vec::new();
    for (key, value) in entries {
        match value {
            Value::Map(entries) => {
                lines.push(format!("{indent}{}:", text(key)));
                lines.extend(block(entries, column + step, step));
            }
            Value::Text(value) => lines.push(format!("{indent}{}: {}", text(key), text(value))),
            Value::Bool(value) => lines.push(format!("{indent}{}: {value}", text(key))),
        }
    }
    lines
}

fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// How flow mappings are written.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// Keys and strings are in double quotes, as in JSON.
    pub quoted: bool,
    /// There is no space behind colons and commas.
    pub compact: bool,
    /// What ends lines.
    pub newline: &'static str,
    /// Each entry has a line: the indentation of the entries around, and what a level more adds.
    pub lines: Option<(&'a str, &'a str)>,
}

impl Default for Flow<'_> {
    fn default() -> Self {
        Self { quoted: false, compact: false, newline: "\n", lines: None }
    }
}

impl Flow<'_> {
    /// What separates entries on one line.
    pub fn comma(self) -> &'static str {
        if self.compact { "," } else { ", " }
    }

    /// The same, without lines for entries.
    pub fn on_one_line(self) -> Self {
        Self { lines: None, ..self }
    }

    /// What goes between the brackets of an empty mapping one level below [`Flow::lines`].
    pub fn entries(self, entries: &Entries) -> String {
        match self.lines {
            None => self.items(entries),
            Some((indent, _)) => self.between(entries, indent),
        }
    }

    /// Entries beside others on one line.
    pub fn items(self, entries: &Entries) -> String {
        let items: Vec<String> = entries.iter().map(|entry| self.item(entry, "")).collect();
        items.join(self.comma())
    }

    /// Entries on lines of their own, of which the first one is indented already.
    pub fn items_at(self, entries: &Entries, indent: &str) -> String {
        let items: Vec<String> = entries.iter().map(|entry| self.item(entry, indent)).collect();
        items.join(&format!(",{}{indent}", self.newline))
    }

    fn between(self, entries: &Entries, indent: &str) -> String {
        let unit = self.lines.map_or("", |(_, unit)| unit);
        let inner = format!("{indent}{unit}");
        let newline = self.newline;
        format!("{newline}{inner}{}{newline}{indent}", self.items_at(entries, &inner))
    }

    fn item(self, (key, value): &(String, Value), indent: &str) -> String {
        let colon = if self.compact { ":" } else { ": " };
        let value = match value {
            Value::Text(value) => self.text(value),
            Value::Bool(value) => value.to_string(),
            Value::Map(entries) if self.lines.is_some() => {
                format!("{{{}}}", self.between(entries, indent))
            }
            Value::Map(entries) => format!("{{{}}}", self.items(entries)),
        };
        format!("{}{colon}{value}", self.text(key))
    }

    fn text(self, value: &str) -> String {
        if !self.quoted && is_plain(value) { value.to_owned() } else { quoted(value) }
    }
}
