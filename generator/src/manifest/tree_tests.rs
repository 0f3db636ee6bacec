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
