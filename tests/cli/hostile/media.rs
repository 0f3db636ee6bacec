//! What must not be in a medium, whatever is shown there.

use std::collections::BTreeMap;

use html5gum::{Token, Tokenizer};
use pulldown_cmark::{Event, Options, Parser, TagEnd};
use serde_json::Value;

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A terminal or a CI log.
    Terminal,
    /// A comment on a pull request.
    Markdown,
    /// Code scanning.
    Sarif,
    /// A program that reads JSON.
    Json,
    /// A browser.
    Html,
    /// Documents of YAML.
    Yaml,
    /// A unit file of systemd.
    Unit,
    /// A patch, which has the lines of the file.
    Patch,
    /// Text for other programs, in which no name that others chose can be.
    Plain,
    /// A terminal, of which the command may refuse the name.
    Refused,
}

/// What begins a line only if a line break in a name was one of the text too.
pub const BROKEN: &str = "BROKEN";

/// Characters that turn text around, are not seen, or are obeyed; one by one, since a range could be wrong in the same
/// way as the one that is tested.
const NEVER: &str = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\
    \u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{2066}\u{2067}\u{2068}\u{2069}\u{fe0f}\u{feff}\
    \u{fff9}\u{fffa}\u{fffb}\u{fffe}\u{ffff}\u{e0001}\u{e0020}\u{e0041}\u{e007f}";

fn assert_visible(text: &str) {
    for char in text.chars().filter(|char| *char != '\n') {
        assert!(!char.is_control() && !NEVER.contains(char), "{char:?} in {text:?}");
    }
}

/// That no runner takes a line for a command, and that each line is ours.
fn assert_lines_are_ours(text: &str) {
    for line in text.lines() {
        let begin = line.trim_start();
        assert!(!begin.starts_with("::"), "a command: {line:?} in {text}");
        assert!(!begin.starts_with(BROKEN), "a line of another's: {line:?} in {text}");
        for command in ["##[", "##vso[", "##teamcity["] {
            assert!(!line.contains(command), "a command: {line:?} in {text}");
        }
    }
}

pub fn assert_terminal(text: &str) {
    assert_visible(text);
    assert_lines_are_ours(text);
}

/// The kinds of what is in a document, without the text that is in it.
pub fn shape_of_markdown(text: &str) -> Vec<String> {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let kinds = events.filter_map(|event| match event {
        Event::Code(_) => Some("code".to_owned()),
        // How long a text is depends on names, and a text may come in several parts.
        Event::Text(_) | Event::SoftBreak => None,
        Event::Start(_) => None,
        Event::End(TagEnd::Link | TagEnd::Image) => Some("link".to_owned()),
        Event::End(end) => Some(format!("{end:?}")),
        Event::Html(html) | Event::InlineHtml(html) => Some(html.to_string()),
        other => Some(format!("{other:?}")),
    });
    kinds.collect()
}

fn assert_markdown(text: &str) {
    assert_visible(text);
    assert_lines_are_ours(text);
    for kind in shape_of_markdown(text) {
        assert_ne!(kind, "link", "{text}");
        if kind.contains('<') {
            assert!(
                ["<details>", "</details>"].iter().any(|ours| kind.starts_with(ours)),
                "{kind} in {text}"
            );
        }
    }
}

fn strings<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value.as_str() {
                    Some(text) if field == name => found.push(text),
                    _ => strings(value, name, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, name, found)),
        _ => {}
    }
}

fn assert_sarif(text: &str) {
    let log: Value = serde_json::from_str(text).unwrap();
    let mut messages = Vec::new();
    strings(&log, "text", &mut messages);
    strings(&log, "fullyQualifiedName", &mut messages);
    assert!(!messages.is_empty());
    for message in messages {
        assert_visible(message);
        assert!(!message.contains('\n'), "{message:?}");
        let escaped = message.replace("]\\(", "");
        assert!(!escaped.contains("]("), "a link: {message:?}");
    }
    let mut uris = Vec::new();
    strings(&log, "uri", &mut uris);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%:".contains(&byte);
    assert!(uris.iter().all(|uri| uri.bytes().all(plain)), "{uris:?}");
}

/// The elements of a page, with their attributes.
pub fn shape_of_html(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let tokens = Tokenizer::new(text).map(Result::unwrap);
    let tags = tokens.filter_map(|token| match token {
        Token::StartTag(tag) => {
            let attributes = tag.attributes.iter();
            Some((
                utf8(&tag.name),
                attributes.map(|(name, value)| (utf8(name), utf8(value))).collect(),
            ))
        }
        _ => None,
    });
    tags.collect()
}

/// That the text may stand in this medium.
pub fn assert_fit(medium: Medium, text: &str) {
    match medium {
        Medium::Terminal | Medium::Unit | Medium::Plain | Medium::Refused => assert_terminal(text),
        Medium::Markdown => assert_markdown(text),
        Medium::Sarif => assert_sarif(text),
        Medium::Html => assert_visible(text),
        Medium::Json if text.is_empty() => {}
        Medium::Json => {
            let _: Value = serde_json::from_str(text).unwrap();
        }
        Medium::Yaml => {
            assert_terminal(text);
            for document in text.split("---\n") {
                let _: Value = serde_saphyr::from_str(document)
                    .unwrap_or_else(|error| panic!("{error}\n{document}"));
            }
        }
        Medium::Patch => {
            let ours = |line: &str| line.is_empty() || line.starts_with(['+', '-', ' ', '@', '\\']);
            assert!(text.split('\n').all(ours), "{text}");
        }
    }
}
