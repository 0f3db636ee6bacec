//! Text that others wrote, made safe for the place where it is shown.
//!
//! Names of programs, tests, containers, images and files, reasons and labels, and messages of parsers that quote
//! them: their author may be an attacker, and may call a test `\x1b[2J`, `@everyone` or `::set-output name=x::y`.
//! A terminal, a CI runner or a comment on a pull request must not do what such a name says.
//!
//! Each medium has a type that is the only way into it, and that escapes what it is given:
//!
//! | Medium | Type | What it escapes |
//! |---|---|---|
//! | terminal, CI log | [`Line`], [`Text`] | each line as a whole; a line break is a new [`Line`], never a character |
//! | Markdown | [`Markdown`] | each argument: what is not known to be ours is a compile error |
//! | SARIF | [`Message`](crate::sarif::Message) | the message as a whole: it has no line breaks and no links |
//! | HTML | `maud::Markup` | each argument, by maud; control characters by [`short`] |
//! | JSON | [`Json`] | within strings, as JSON does |
//! | YAML | `export::yaml` | each scalar is quoted where it has to be |
//! | unit files | `export::systemd::Word` | each word; what is none is left out |
//! | HCL, shell, TOML | `export::{Label, Reference, Release}` | what is not plain is refused |
//!
//! Text must never be escaped after lines were joined: then nothing tells our line breaks from theirs.

mod json;
mod markdown;
mod terminal;

pub use json::Json;
pub use markdown::{InMarkdown, Markdown};
pub(crate) use markdown::{captures_nothing, harmless, markdown};
pub use terminal::{Line, Text};

/// How many characters of a name a comment or a page shows.
const LONGEST: usize = 160;

/// A name on one line, with everything invisible, and everything that a terminal or a CI runner would obey, written
/// as an escape. What is escaped already stays as it is.
#[must_use]
pub fn one_line(name: &str) -> String {
    let mut line = String::with_capacity(name.len());
    for (at, char) in name.char_indices() {
        if is_unsafe(char) || begins_command(&name[at..]) {
            escape(char, &mut line);
        } else {
            line.push(char);
        }
    }
    line
}

/// Writes a character as an escape, as Rust does.
fn escape(char: char, line: &mut String) {
    match char {
        '\t' | '\r' | '\n' => line.extend(char.escape_default()),
        _ => line.extend(char.escape_unicode()),
    }
}

/// Whether a CI runner takes a line of this text for a command.
pub(crate) fn has_command(text: &str) -> bool {
    let begins = |line: &str| line.trim_start().starts_with("::");
    text.lines().any(begins) || text.match_indices("##").any(|(at, _)| begins_command(&text[at..]))
}

/// Whether a CI runner finds a command here, wherever in a line it is: `##[error]` (GitHub's old form, Azure
/// Pipelines), `##vso[…]` (Azure Pipelines), `##teamcity[…]`.
///
/// Source: `ActionCommand.TryParse` of actions/runner and `Command.TryParse` of microsoft/azure-pipelines-agent, which
/// look for the prefix anywhere in the line.
pub(crate) fn begins_command(text: &str) -> bool {
    text.strip_prefix("##").is_some_and(|rest| {
        rest.trim_start_matches(|char: char| char.is_ascii_alphanumeric()).starts_with('[')
    })
}

/// Characters that are no text to look at: control characters, those that turn the direction of the text around
/// them, invisible ones, and code points that are no characters, at which a parser of HTML takes offence.
///
/// Source: Unicode 16, `DerivedCoreProperties.txt` (Default_Ignorable_Code_Point) and `PropList.txt`
/// (Bidi_Control, Noncharacter_Code_Point), besides the interlinear annotations and the two separators of lines.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || u32::from(char) & 0xfffe == 0xfffe
        || matches!(char,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A name on one line, which is cut if it is longer than anybody reads.
#[must_use]
pub fn short(name: &str) -> String {
    let line = one_line(name);
    let mut text: String = line.chars().take(LONGEST).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
