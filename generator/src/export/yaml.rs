//! JSON values as YAML that every YAML 1.1 and 1.2 parser reads as the same value.
//!
//! Block style with two spaces. A string is left without quotes only if no version of YAML could take
//! it for anything else; all others are quoted as in JSON, and text of several lines is a literal block.

use std::fmt::Write as _;

use serde_json::Value;

use crate::untrusted::{begins_command, has_command};

/// A document, with a newline at its end.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(&mut text, fields, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        other => {
            scalar(&mut text, other, 0);
            text.push('\n');
        }
    }
    text
}

/// Documents in one stream.
pub fn stream(documents: &[Value]) -> String {
    documents.iter().map(document).collect::<Vec<_>>().join("---\n")
}

fn mapping(text: &mut String, fields: &serde_json::Map<String, Value>, indent: usize) {
    for (nth, (name, value)) in fields.iter().enumerate() {
        if nth > 0 {
            pad(text, indent);
        }
        string(text, name);
        text.push(':');
        below(text, value, indent);
    }
}

/// What comes after a colon.
fn below(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            pad(text, indent + 2);
            mapping(text, fields, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            pad(text, indent);
            sequence(text, items, indent);
        }
        other => {
            text.push(' ');
            scalar(text, other, indent + 2);
            text.push('\n');
        }
    }
}

fn sequence(text: &mut String, items: &[Value], indent: usize) {
    for (nth, value) in items.iter().enumerate() {
        if nth > 0 {
            pad(text, indent);
        }
        text.push_str("- ");
        match value {
            Value::Object(fields) if !fields.is_empty() => mapping(text, fields, indent + 2),
            Value::Array(items) if !items.is_empty() => sequence(text, items, indent + 2),
            other => {
                scalar(text, other, indent + 2);
                text.push('\n');
            }
        }
    }
}

fn scalar(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(content) if is_block(content) => {
            text.push('|');
            for line in content.lines() {
                text.push('\n');
                if !line.is_empty() {
                    pad(text, indent);
                    text.push_str(line);
                }
            }
        }
        Value::String(content) => string(text, content),
        // Numbers, true, false, null, {} and [] are the same in both.
        other => text.push_str(&other.to_string()),
    }
}

fn string(text: &mut String, content: &str) {
    if is_plain(content) {
        text.push_str(content);
        return;
    }
    text.push('"');
    for (at, c) in content.char_indices() {
        // Writing to a string cannot fail.
        let _ = match c {
            '#' if begins_command(&content[at..]) => write!(text, "\\x23"),
            '"' => write!(text, "\\\""),
            '\\' => write!(text, "\\\\"),
            '\n' => write!(text, "\\n"),
            '\t' => write!(text, "\\t"),
            ' '..='~' => write!(text, "{c}"),
            _ if u32::from(c) > 0xffff => write!(text, "\\U{:08X}", u32::from(c)),
            _ => write!(text, "\\u{:04X}", u32::from(c)),
        };
    }
    text.push('"');
}

/// Whether it can be a literal block without an indicator of indentation or chomping.
fn is_block(content: &str) -> bool {
    // Not `lines()`, which would take a carriage return away.
    let lines_are_plain = content
        .split('\n')
        .all(|line| !line.ends_with(' ') && line.chars().all(|c| matches!(c, ' '..='~')));
    content.trim_end_matches('\n').contains('\n')
        && content.ends_with('\n')
        && !content.ends_with("\n\n")
        && !content.starts_with([' ', '\n'])
        && lines_are_plain
        && !has_command(content)
}

/// Words that some version of YAML takes for something other than a string.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];

/// Whether a string needs no quotes: it begins with a letter, so that it is no number, date or
/// indicator, and holds nothing that means anything.
fn is_plain(content: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "._-/ ".contains(c);
    content.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && content.chars().all(inside)
        && !content.ends_with(' ')
        && !WORDS.iter().any(|word| content.eq_ignore_ascii_case(word))
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn back(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn it_looks_as_people_write_it() {
        let value = json!({
            "apiVersion": "v1", "kind": "List", "empty": {}, "none": [], "on": "yes",
            "items": [{"a": 1, "b": ["x: y", "#no", "1.27", "plain text"]}, [["deep"]], "", "~"],
            "data": {"script": "set -eu\n\n  echo hi\n", "one": "line\n"},
        });
        let text = document(&value);
        assert_eq!(back(&text), value);
        insta::assert_snapshot!(text, @r##"
        apiVersion: v1
        kind: List
        empty: {}
        none: []
        "on": "yes"
        items:
        - a: 1
          b:
          - "x: y"
          - "#no"
          - "1.27"
          - plain text
        - - - deep
        - ""
        - "~"
        data:
          script: |
            set -eu

              echo hi
          one: "line\n"
        "##);
    }

    fn any_string() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9:#'\"\\[\\]{}&*!|>%@`,?~ .+-]{0,12}",
            "[ -~\n]{0,40}",
            any::<String>(),
            prop::sample::select(
                &[
                    "true",
                    "NO",
                    "On",
                    "null",
                    "~",
                    "0x1f",
                    "1e3",
                    "0o7",
                    "1_000",
                    ".inf",
                    "-",
                    "---",
                    "2026-11-23",
                    "12:30:45",
                    "=",
                    "<<",
                    "a\n",
                    "a\nb\n",
                    " a\nb\n",
                    "a\n\nb\n\n",
                    "\u{85}",
                    "\u{2028}",
                    "\u{feff}x",
                    "\u{1f600}",
                    "a\r\nb\n",
                    "a \nb\n",
                    "\tb\nc\n"
                ][..]
            )
            .prop_map(str::to_owned),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any_string().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any_string(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_what_was_written(value in any_value()) {
            prop_assert_eq!(back(&document(&value)), value);
        }
    }
}
