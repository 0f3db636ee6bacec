use super::*;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Text in which something is meant to end a line, a code span, a cell or a message.
fn nasty() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(vec![
            "\n", "\r", "\u{2028}", "::", "##[", "##vso[", "`", "``", "|", "\\", "](", "[a](b)", "<b>", "![", "@a", " ",
            "\u{202e}", "\u{200b}", "\u{1b}[8m", "*", "_", "#", "~",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z]{0,3}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// What is in a line of Markdown, without the paragraph around it.
fn inline(text: &str) -> Vec<Event<'_>> {
    let all = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let is_paragraph = |event: &Event<'_>| {
        matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph))
    };
    all.filter(|event| !is_paragraph(event)).collect()
}

proptest! {
    #[test]
    fn a_line_is_a_line(before in nasty(), name in nasty()) {
        let mut text = Text::new();
        text.push(&Line::new(&before).styled(anstyle::Style::new().bold(), &name));
        let text = anstream::adapter::strip_str(text.as_str()).to_string();
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(!has_command(&text) && !text.trim_end_matches('\n').contains(is_unsafe), "{}", text);
        // What is escaped stays as it is.
        let again = Line::new(text.trim_end_matches('\n')).to_string();
        prop_assert_eq!(again, text.trim_end_matches('\n'));
    }

    #[test]
    fn a_name_is_one_code_span(name in nasty()) {
        let code = markdown!("a {} b", Markdown::code(&name)).to_string();
        let events = inline(&code);
        prop_assert_eq!(events.len(), 3, "{} {:?}", code, &events);
        let Some(Event::Code(shown)) = events.get(1) else { panic!("{events:?}") };
        // An empty code span is a space, which is no name either.
        prop_assert!(**shown == short(&name) || name.trim().is_empty(), "{shown:?} {name:?}");
    }

    #[test]
    fn what_is_plain_is_text(text in nasty()) {
        let plain = markdown!("a {} b", Markdown::plain(&text)).to_string();
        let mut shown = String::new();
        for event in inline(&plain) {
            let Event::Text(part) = event else { panic!("{event:?} in {plain}") };
            shown += &part;
        }
        prop_assert_eq!(shown, format!("a {} b", one_line(&text)));
    }

    #[test]
    fn a_row_has_its_cells(first in nasty(), second in nasty()) {
        let row = Markdown::row(&[Markdown::code(&first), Markdown::plain(&second)]);
        let table = markdown!("| a | b |\n|---|---|\n{}", row).to_string();
        let cells = inline(&table).iter().filter(|event| **event == Event::End(TagEnd::TableCell)).count();
        prop_assert_eq!(cells, 4, "{}", table);
        let is_link = |event: &Event<'_>| matches!(event, Event::Start(Tag::Link { .. } | Tag::Image { .. }));
        prop_assert!(!inline(&table).iter().any(is_link), "{}", table);
    }
}

#[test]
fn a_terminal_obeys_no_name() {
    assert_eq!(one_line("tests/test_a.py::test[ä b]"), "tests/test_a.py::test[ä b]");
    assert_eq!(one_line("a\nb\u{1b}[2J\u{202e}c"), "a\\nb\\u{1b}[2J\\u{202e}c");
    assert_eq!(one_line("\u{fffe}\u{10ffff}\u{fdd0}"), "\\u{fffe}\\u{10ffff}\\u{fdd0}");
    assert_eq!(one_line(&one_line("a\r\n\u{200b}##[b]")), one_line("a\r\n\u{200b}##[b]"));
}

#[test]
fn what_is_invisible_is_shown() {
    for char in
        "\u{200b}\u{200d}\u{2060}\u{2064}\u{feff}\u{ad}\u{180e}\u{e0041}\u{fe0f}\u{fff9}\u{61c}"
            .chars()
    {
        assert_eq!(one_line(&char.to_string()), char.escape_unicode().to_string());
    }
}

#[test]
fn a_runner_finds_no_command_in_a_name() {
    assert_eq!(one_line("x ##[error]y"), "x \\u{23}#[error]y");
    assert_eq!(one_line("###vso[task.x]"), "#\\u{23}#vso[task.x]");
    assert_eq!(one_line("##teamcity[x]"), "\\u{23}#teamcity[x]");
    assert_eq!(one_line("issue ##4, #[test], ## a [b]"), "issue ##4, #[test], ## a [b]");
}

#[test]
fn a_long_name_is_cut() {
    assert_eq!(short(&"x".repeat(2000)).chars().count(), LONGEST + 1);
}
