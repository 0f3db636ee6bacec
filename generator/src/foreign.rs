//! Names that somebody else chose (of programs, tests, files), made fit to be shown.
//!
//! Whoever writes a test may call it `\x1b[2J` or `@everyone`. Neither a terminal nor a comment on a pull
//! request should do what such a name says.

/// How many characters of a name a comment or a page shows.
const LONGEST: usize = 160;

/// A name on one line, with what a terminal would obey written as an escape.
pub(crate) fn one_line(name: &str) -> String {
    let mut line = String::with_capacity(name.len());
    for char in name.chars() {
        match is_unfit(char) {
            true => line.extend(char.escape_default()),
            false => line.push(char),
        }
    }
    line
}

/// Text of several lines that may have such names in it, fit to be shown.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

/// Control characters, those that turn the direction of the text around them, and the code points that are
/// no characters, at which a parser of HTML takes offence.
fn is_unfit(char: char) -> bool {
    char.is_control()
        || u32::from(char) & 0xfffe == 0xfffe
        || ('\u{fdd0}'..='\u{fdef}').contains(&char)
        || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name on one line, which is cut if it is longer than anybody reads.
pub(crate) fn short(name: &str) -> String {
    let line = one_line(name);
    let mut text: String = line.chars().take(LONGEST).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    text
}

/// A name as a code span of Markdown: there it is no mention, link, picture or HTML.
pub(crate) fn code(name: &str) -> String {
    let text = short(name);
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A space on both sides belongs to the fence. Without one, a name's own backtick would.
    let space = if text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_no_name() {
        assert_eq!(one_line("tests/test_a.py::test[ä b]"), "tests/test_a.py::test[ä b]");
        assert_eq!(one_line("a\nb\u{1b}[2J\u{202e}c"), "a\\nb\\u{1b}[2J\\u{202e}c");
        assert_eq!(one_line("\u{fffe}\u{10ffff}\u{fdd0}"), "\\u{fffe}\\u{10ffff}\\u{fdd0}");
        assert_eq!(lines("a\nb\u{1b}[2J"), "a\nb\\u{1b}[2J");
    }

    #[test]
    fn a_code_span_ends_where_the_name_does() {
        assert_eq!(code("@octocat <b> [x](y)"), "`@octocat <b> [x](y)`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\n\nb"), "`a\\n\\nb`");
        assert_eq!(code(&"x".repeat(2000)).chars().count(), LONGEST + 3);
    }
}
