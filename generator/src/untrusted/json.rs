//! JSON that programs read, and people in a terminal or a CI log too.

use std::fmt;

use super::{begins_command, is_unsafe};

/// A document of JSON. What cannot be seen, and what a CI runner would take for a command, is an escape in it, so that each
/// string is as long as it looks and has the same value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Json(String);

impl Json {
    /// The same document, as some writer of JSON made it. All that is escaped can only be within strings.
    pub fn new(document: &str) -> Self {
        let mut text = String::with_capacity(document.len());
        for (at, char) in document.char_indices() {
            // Between strings there are line breaks, and no other characters of these.
            if char != '\n' && (is_unsafe(char) || begins_command(&document[at..])) {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                text.push(char);
            }
        }
        Self(text)
    }

    /// The document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_escaped_has_the_same_value() {
        let value = json!({"a\u{202e}": ["\u{e0041}\n\t", "##[error]x", "## a", "ä"], "\u{7f}": "\u{feff}"});
        let text = Json::new(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<Value>(text.as_str()).unwrap(), value);
        let escaped = [
            "a\\u202e",
            "\\udb40\\udc41\\n\\t",
            "\\u0023#[error]x",
            "## a",
            "ä",
            "\\u007f",
            "\\ufeff",
        ];
        assert!(escaped.iter().all(|part| text.as_str().contains(part)), "{text}");
    }
}
