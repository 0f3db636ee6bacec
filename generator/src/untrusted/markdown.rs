//! Text for a comment on a pull request: GitHub's and GitLab's Markdown.

use std::fmt::{self, Display};

use super::{one_line, short};

/// Markdown. It is made by [`markdown!`], whose literal is ours and whose arguments are escaped or known to be harmless.
///
/// [`markdown!`]: crate::untrusted
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markdown(String);

impl Markdown {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A name that others chose, as a code span: there it is no mention, link, picture or HTML.
    pub fn code(name: &str) -> Self {
        let text = short(name);
        let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest + 1);
        // A space on both sides belongs to the fence. Without one, a name's own backtick would.
        let space = if text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' '])
        {
            " "
        } else {
            ""
        };
        Self(format!("{fence}{space}{text}{space}{fence}"))
    }

    /// Text that Strait made, of names of calls, values and numbers: what has a meaning in Markdown is escaped.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        let text = one_line(text);
        let mut chars = text.chars().peekable();
        let mut before = None;
        while let Some(char) = chars.next() {
            // Within a word, such as a call's name, it emphasizes nothing.
            let is_letter = |char: Option<char>| char.is_some_and(|c| c.is_ascii_alphanumeric());
            let within = is_letter(before) && is_letter(chars.peek().copied());
            if r"\`*[]<>&|~!@#".contains(char) || (char == '_' && !within) {
                escaped.push('\\');
            }
            escaped.push(char);
            before = Some(char);
        }
        Self(escaped)
    }

    /// Parts with something between them.
    pub fn join(parts: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let parts: Vec<String> = parts.into_iter().map(|part| part.0).collect();
        Self(parts.join(between))
    }

    /// A row of a table, with its line break.
    pub fn row(cells: &[Self]) -> Self {
        let cells: Vec<String> = cells.iter().map(Self::cell).collect();
        Self(format!("| {} |\n", cells.join(" | ")))
    }

    /// What cannot end the cell of a table that it is in. Tables are split into cells before anything else is read,
    /// code spans included.
    fn cell(&self) -> String {
        let mut cell = String::with_capacity(self.0.len());
        let mut backslashes = 0;
        for char in self.0.chars() {
            match (char, backslashes) {
                ('|', 0) => cell.push_str("\\|"),
                // Readers differ in what two backslashes before it are.
                ('|', some) if some % 2 == 0 => cell.push_str("\\u{7c}"),
                _ => cell.push(char),
            }
            backslashes = if char == '\\' { backslashes + 1 } else { 0 };
        }
        cell
    }

    /// Made by [`markdown!`] only.
    ///
    /// [`markdown!`]: crate::untrusted
    pub(crate) fn from_escaped(text: String) -> Self {
        Self(text)
    }

    /// Adds more.
    pub fn push(&mut self, more: &Self) {
        self.0.push_str(&more.0);
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may stand in Markdown as it is. Text that is not in the program itself may not: it is made [`Markdown`] first.
pub trait InMarkdown: Display {}

impl InMarkdown for Markdown {}
impl InMarkdown for &'static str {}
impl InMarkdown for u32 {}
impl InMarkdown for usize {}
impl InMarkdown for crate::abi::Abi {}
impl InMarkdown for jiff::civil::Date {}
impl<T: InMarkdown> InMarkdown for &T {}

/// Whether a literal names no variable: all its arguments come after it.
pub(crate) const fn captures_nothing(literal: &str) -> bool {
    let bytes = literal.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'{' {
            at += 1;
            if at == bytes.len() || !matches!(bytes[at], b'{' | b'}' | b':') {
                return false;
            }
        }
        at += 1;
    }
    true
}

/// Formats [`Markdown`](crate::untrusted::Markdown). The literal is ours; an argument is [`InMarkdown`] or an error of
/// the compiler.
macro_rules! markdown {
    ($literal:literal $(, $argument:expr)* $(,)?) => {{
        const { assert!($crate::untrusted::captures_nothing($literal), "name variables as arguments") };
        $crate::untrusted::Markdown::from_escaped(format!($literal $(, $crate::untrusted::harmless($argument))*))
    }};
}
pub(crate) use markdown;

/// The same, if it may stand in Markdown.
pub(crate) fn harmless<T: InMarkdown>(argument: T) -> T {
    argument
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str) -> String {
        Markdown::code(name).to_string()
    }

    #[test]
    fn a_code_span_ends_where_the_name_does() {
        assert_eq!(code("@octocat <b> [x](y)"), "`@octocat <b> [x](y)`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\n\nb"), "`a\\n\\nb`");
        assert_eq!(code(&"x".repeat(2000)).chars().count(), super::super::LONGEST + 3);
    }

    #[test]
    fn a_cell_ends_where_it_should() {
        let row =
            |name| Markdown::row(&[Markdown::code(name), markdown!("{}", 1_usize)]).to_string();
        assert_eq!(row("a|b"), "| `a\\|b` | 1 |\n");
        assert_eq!(row(r"a\|b"), "| `a\\|b` | 1 |\n");
        assert_eq!(row(r"a\\|b"), "| `a\\\\\\u{7c}b` | 1 |\n");
        let ours = Markdown::plain("A|B");
        assert_eq!(Markdown::row(&[ours]).to_string(), "| A\\|B |\n");
    }

    #[test]
    fn a_literal_names_no_variable() {
        assert!(captures_nothing("a {} {{b}} {:>3}"));
        assert!(!captures_nothing("{name}") && !captures_nothing("{0}") && !captures_nothing("{"));
    }
}
