use super::*;

/// The node at the end of these keys of the first document.
fn at(tree: &Tree, keys: &[&str]) -> NodeId {
    keys.iter().fold(tree.documents[0], |node, key| tree.get(node, key).unwrap())
}

#[test]
fn nodes_know_their_bytes() {
    let text = "ä: [x, 'y']   # c\nb: &name !!str \"z\" # d\ne:\n  f: |\n    g\n";
    let tree = Tree::parse(text).unwrap();
    let bytes = |keys: &[&str]| &text[tree.node(at(&tree, keys)).start.clone()];
    assert_eq!(bytes(&["b"]), "\"z\"", "without anchor, tag and comment");
    let list = tree.node(at(&tree, &["ä"]));
    assert!(list.flow);
    assert_eq!(&text[list.start.start..list.end], "[x, 'y']");
    assert_eq!(tree.node(at(&tree, &["e"])).column, 2);
    let comments: Vec<&str> = tree.comments.iter().map(|at| &text[at.clone()]).collect();
    assert_eq!(comments, ["# c", "# d"]);
}

#[test]
fn aliases_are_not_expanded_and_merges_are_seen() {
    let text = "base: &base {a: 1, b: ~}\nother:\n  <<: *base\n  c: 2\nlist: [*base, *base]\n";
    let tree = Tree::parse(text).unwrap();
    let other = at(&tree, &["other"]);
    assert_eq!(tree.find_text(other, &["a"]), Some("1"));
    assert_eq!(tree.find(other, &["b"]), None, "null is nothing");
    assert!(tree.own(other, "a").is_none() && tree.own(other, "c").is_some());
    assert_eq!(tree.aliases_of(at(&tree, &["base"])).len(), 3);
    let items = tree.items(at(&tree, &["list"]));
    assert_eq!(tree.resolve(items[0]), at(&tree, &["base"]));
    assert_eq!(tree.path(items[1]), "list[1]");
}

#[test]
fn several_documents_are_several() {
    let tree = Tree::parse("a: 1\n---\n...\n--- # x\nb: 2\n").unwrap();
    assert_eq!(tree.documents.len(), 3);
    assert!(tree.is_null(tree.documents[1]));
}

#[test]
fn errors_have_a_place() {
    let position = |text: &str| Tree::parse(text).unwrap_err().position();
    assert_eq!(position("a: 1\nb: 'x"), Position { line: 2, column: 4 });
    assert_eq!(position("a: *nobody\n"), Position { line: 1, column: 4 });
    let deep = "a:\n".to_owned()
        + &(1..150).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
    assert!(matches!(Tree::parse(&deep), Err(ManifestError::TooDeep { .. })));
}

#[test]
fn booleans_are_those_of_kubernetes() {
    let tree = Tree::parse("[true, 'true', no, On, yes, truthy, ~]").unwrap();
    let booleans: Vec<_> =
        tree.items(tree.documents[0]).iter().map(|item| tree.boolean(*item)).collect();
    assert_eq!(booleans, [Some(true), None, Some(false), Some(true), Some(true), None, None]);
}

#[test]
fn comments_may_be_as_long_as_the_file() {
    let comments = "  # replicas: 3\n".repeat(5000);
    let text = format!("a:\n{comments}  b: c\nd:\n{comments}- e\n");
    let tree = Tree::parse(&text).unwrap();
    assert_eq!(tree.text(at(&tree, &["a", "b"])), Some("c"));
    assert_eq!(tree.comments.len(), 10_000);
}

#[test]
fn what_kubernetes_takes_beyond_the_specification_is_taken() {
    let strings = |text: &str, key: &str| -> Vec<String> {
        let tree = Tree::parse(text).unwrap();
        tree.items(at(&tree, &[key])).iter().map(|id| tree.text(*id).unwrap().to_owned()).collect()
    };
    assert_eq!(strings("args: [cat, -]\nx: y\n", "args"), ["cat", "-"]);
    assert_eq!(strings("args: [-, -a,-]#c\n", "args"), ["-", "-a", "-"]);
    assert_eq!(strings("a: 'b'#ä\nargs:\n  [\n\tx,\n \t\ty\n  ]\n", "args"), ["x", "y"]);
    assert_eq!(strings("args: [\n\t\t'x'\n\t]\n", "args"), ["x"]);
    assert_eq!(strings("args:\n  [ # c\n\t\t'x'\n\t]\n", "args"), ["x"]);
    assert!(Tree::parse("args: [a]\n\tb: c\n").is_err() && Tree::parse("a:\n\tb: c\n").is_err());
    let text = "a: 1\n---\n\u{feff}b: 2\nc: 3\n";
    let tree = Tree::parse(text).unwrap();
    let places: Vec<_> =
        tree.entries(tree.documents[1]).iter().map(|(key, _)| tree.position(*key)).collect();
    assert_eq!(places, [Position { line: 3, column: 1 }, Position { line: 4, column: 1 }]);
    assert_eq!(&text[tree.node(at_second(&tree, "c")).start.clone()], "3");
}

fn at_second(tree: &Tree, key: &str) -> NodeId {
    tree.get(tree.documents[1], key).unwrap()
}

#[test]
fn a_value_that_is_not_there_is_an_empty_text() {
    let tree = Tree::parse("a:\nb: !!str\nc: ~\n").unwrap();
    assert!(tree.is_null(at(&tree, &["a"])) && tree.is_null(at(&tree, &["c"])));
    assert!(!tree.is_null(at(&tree, &["b"])));
    assert_eq!(tree.text(at(&tree, &["b"])), Some(""));
}

/// Kubernetes would see `c: d`, and a reader of YAML 1.2 a comment.
#[test]
fn a_line_that_ends_only_for_some_readers_is_refused() {
    for end in ['\u{85}', '\u{2028}', '\u{2029}'] {
        for text in ["a: b # x@c: d\n", "a: |\n  b@c: d\n", "a: b@\n", "#@a: b\n"] {
            let text = text.replace('@', &end.to_string());
            let refused = Tree::parse(&text);
            assert!(
                matches!(refused, Err(ManifestError::LineBreak { .. })),
                "{text:?}: {refused:?}"
            );
        }
        Tree::parse(&format!("{{\"a\": \"b{end}c\", 'd': 'e{end}'}}")).unwrap();
    }
}

#[test]
fn mending_comes_to_an_end() {
    let text = format!("a: [{}x]\n", "-, ".repeat(400_000));
    let started = std::time::Instant::now();
    assert!(matches!(Tree::parse(&text), Err(ManifestError::NotYaml { .. })));
    assert!(started.elapsed() < std::time::Duration::from_secs(60));
}
