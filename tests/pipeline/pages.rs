//! The page of `strait report` is HTML, whatever programs, tests and containers are called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use html5gum::{Token, Tokenizer};
use proptest::prelude::*;
use strait_generator::abi::Abi;
use strait_generator::recording::{Container, Recording, Sample, Source, Start, TargetKind};
use strait_generator::report::page;

use crate::arbitrary::cases;
use crate::support::recording;

/// Elements without an end.
const VOID: [&str; 1] = ["meta"];

/// A start of an element with its attributes, or `/` and its name; the text between them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    tags: Vec<(String, BTreeMap<String, String>)>,
    text: String,
}

/// # Panics
///
/// If a parser of HTML finds fault with the page.
fn parse(page: &str) -> Parsed {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut parsed = Parsed::default();
    for token in Tokenizer::new(page) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let attributes = tag.attributes.iter();
                let attributes = attributes.map(|(name, value)| (utf8(name), utf8(value)));
                parsed.tags.push((utf8(&tag.name), attributes.collect()));
            }
            Token::EndTag(tag) => {
                parsed.tags.push((format!("/{}", utf8(&tag.name)), BTreeMap::new()));
            }
            Token::String(text) => parsed.text += &utf8(&text),
            Token::Doctype(doctype) => assert!(!doctype.force_quirks),
            Token::Comment(comment) => panic!("a comment: {}", utf8(&comment)),
            Token::Error(error) => panic!("{error:?}"),
        }
    }
    parsed
}

/// A recording in which everything untrusted has one of these names, as many as there are in
/// [`PLAIN`]. They have to be in order, and no two of them the same.
fn named(names: &[String]) -> Recording {
    let mut made = recording(&[
        (Abi::X86_64, "read"),
        (Abi::X86_64, "bpf"),
        (Abi::X86_64, "mount"),
        (Abi::X86, "read"),
    ]);
    let (labels, paths) = (&names[..2], &names[2..4]);
    made.tool.version.clone_from(&names[0]);
    made.host.kernel.clone_from(&names[1]);
    made.host.arch.clone_from(&names[2]);
    made.target.name.clone_from(&names[3]);
    made.target.command = names.to_vec();
    made.target.start = Start::Filter;
    made.target.kind = TargetKind::Container(Box::new(Container {
        id: names[0].clone(),
        engine: names[1].clone(),
        name: names[2].clone(),
        image: names[3].clone(),
        image_digest: names[0].clone(),
        labels: labels.iter().map(|name| (name.clone(), names[2].clone())).collect(),
        runtime: names[3].clone(),
        runtime_version: names[1].clone(),
        profile: names[2].clone(),
        filtered: true,
        ..Container::default()
    }));
    for call in made.calls.values_mut().flat_map(BTreeMap::values_mut) {
        call.count = 2;
        call.programs = paths.iter().map(|path| (path.clone(), 1)).collect();
    }
    made.samples = names
        .iter()
        .enumerate()
        .map(|(nth, name)| Sample {
            recording: String::new(),
            finished: Duration::from_millis(nth as u64),
            name: name.clone(),
            calls: BTreeMap::from([(Abi::X86_64, BTreeMap::from([(0, 1), (321, 1)]))]),
            values: BTreeMap::from([(
                Abi::X86_64,
                BTreeMap::from([(321, BTreeSet::from([vec![5]]))]),
            )]),
        })
        .collect();
    let source = |name: &String| Source {
        id: name.clone(),
        name: name.clone(),
        started: made.started,
        finished: made.finished,
    };
    made.origin.sources = names.iter().map(source).collect();
    made
}

const PLAIN: [&str; 4] = ["a", "b", "c", "d"];

/// The elements of a page with plain names.
static TAGS: LazyLock<Vec<(String, BTreeMap<String, String>)>> =
    LazyLock::new(|| parse(&page(&named(&plain())).unwrap()).tags);

fn plain() -> Vec<String> {
    PLAIN.map(str::to_owned).to_vec()
}

/// Names that mean something to a browser more often than chance would have it.
fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(vec![
            "<script>alert(1)</script>", "</title>", "</style>", "<!--", "-->", "\"", "'", "&lt;", "&#60;", "<",
            ">", "&", "` onload=x", "\" style=\"", "]]>", "\0", "\u{202e}", "\r\n", "<svg/onload=x>", "</", "<?",
            "javascript:x", "=", " ", "\u{feff}", "\u{fffe}",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(name(), PLAIN.len())
        .prop_filter("an empty name is left out", |names| !names.contains(""))
        .prop_map(|names: BTreeSet<String>| names.into_iter().collect())
}

proptest! {
    #![proptest_config(cases())]

    /// The same elements and attributes, with the same values, as if everything were called `a` to `d`.
    #[test]
    fn no_name_becomes_an_element_or_an_attribute(names in names()) {
        let page = page(&named(&names)).unwrap();
        prop_assert_eq!(&parse(&page).tags, &*TAGS);
    }
}

#[test]
fn a_name_is_read_as_it_is() {
    let mut names = plain();
    names[2] = "<b title=\"x\">&amp;</b> 'ä' \u{1b}[2J".to_owned();
    let text = parse(&page(&named(&names)).unwrap()).text;
    assert!(text.contains("<b title=\"x\">&amp;</b> 'ä' \\u{1b}[2J"), "{text}");
}

#[test]
fn every_element_ends_and_every_link_leads_somewhere() {
    let parsed = parse(&page(&named(&plain())).unwrap());
    let mut open: Vec<&str> = Vec::new();
    for (name, _) in &parsed.tags {
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if VOID.contains(&name.as_str()) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let all = |wanted: &str| {
        let attributes = parsed.tags.iter().flat_map(|(_, attributes)| attributes);
        let values = attributes.filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        values.collect::<Vec<_>>()
    };
    let ids: BTreeSet<String> = all("id").into_iter().collect();
    assert_eq!(ids.len(), all("id").len(), "an id is there twice");
    for link in all("href") {
        assert!(link.strip_prefix('#').is_some_and(|id| ids.contains(id)), "{link}");
    }
    assert!(all("href").len() > 7 && ids.contains("x86-read"));
}

/// What could load, run or send anything.
#[test]
fn the_page_needs_nothing_else() {
    let parsed = parse(&page(&named(&plain())).unwrap());
    for (name, attributes) in &parsed.tags {
        let never = ["script", "link", "img", "iframe", "object", "form", "base"];
        assert!(!never.contains(&name.as_str()), "{name}");
        for attribute in attributes.keys() {
            assert!(!attribute.starts_with("on") && attribute != "style" && attribute != "src");
        }
    }
    let policy = parsed.tags.iter().filter_map(|(_, attributes)| attributes.get("content"));
    assert!(
        policy.clone().any(|content| content.starts_with("default-src 'none'; style-src 'sha256-"))
    );
}
