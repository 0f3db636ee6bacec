use super::apply::{Options, apply};
use super::assign::{Candidate, Profiles, Used};
use super::*;

fn edit(text: &str) -> Result<Edited, ManifestError> {
    let names = vec!["web".to_owned()];
    let candidate = Candidate { file: "web.json".into(), names, localhost: "web.json".into() };
    let profiles = Profiles { candidates: vec![candidate], mappings: Vec::new() };
    let manifest = Manifest::parse(text)?;
    apply(&manifest, &profiles, Options::default(), &mut Used::default()).map(|done| done.edited)
}

fn pod(container: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: web\n{container}")
}

#[test]
fn a_tree_that_differs_otherwise_is_refused() {
    let text = pod("    image: x # why\n");
    let manifest = Manifest::parse(&text).unwrap();
    let after = |change: &str, to: &str| {
        let text = text.replace(change, to);
        let tree = Tree::parse(&text).unwrap();
        check::only_intended((&manifest.tree, manifest.text), (&tree, &text), &[])
    };
    after("", "").unwrap();
    for (change, to) in [
        ("image: x", "image: y"),
        ("image: x", "image: 'x'"),
        ("image: x", "image: &a x"),
        ("image: x", "image: !!str x"),
        ("image: x", "image: x\n    tty: true"),
        ("name: web\n    image", "image"),
        ("# why", "# because"),
        (" # why", ""),
        ("kind", "# new\nkind"),
        ("spec", "---\nspec"),
        ("containers:\n  - name: web\n    image: x", "containers: {name: web, image: x}"),
    ] {
        let refused = after(change, to);
        assert!(matches!(refused, Err(ManifestError::Unintended { .. })), "{to}: {refused:?}");
    }
}

#[test]
fn a_change_that_was_not_made_is_refused() {
    let text = pod("    image: x\n");
    let manifest = Manifest::parse(&text).unwrap();
    let container = manifest.pods[0].containers[0].node;
    let entries = vec![("tty".to_owned(), value::Value::Bool(true))];
    let insert = [plan::Change::Insert { mapping: container, entries }];
    let check = |edited: &str| {
        let after = Tree::parse(edited).unwrap();
        check::only_intended((&manifest.tree, manifest.text), (&after, edited), &insert)
    };
    check(&pod("    image: x\n    tty: true\n")).unwrap();
    check(&pod("    image: x\n    tty: false\n")).unwrap_err();
    check(&pod("    image: x\n    tty: 'true'\n")).unwrap_err();
    check(&text).unwrap_err();
}

#[test]
fn images_are_known_by_their_last_part() {
    let name = |image: &str| {
        let container = pod::Container {
            node: Tree::parse("a").unwrap().documents[0],
            defaults: None,
            name: String::new(),
            image: image.to_owned(),
            list: pod::List::Main,
        };
        container.image_name().to_owned()
    };
    for (image, expected) in [
        ("web", "web"),
        ("web:1.2", "web"),
        ("localhost:5000/shop/web", "web"),
        ("ghcr.io/shop/web:1@sha256:abc", "web"),
        ("web@sha256:abc", "web"),
        ("", ""),
    ] {
        assert_eq!(name(image), expected, "{image}");
    }
}

#[test]
fn what_is_there_already_is_not_touched() {
    let text = pod(
        "    securityContext: {seccompProfile: {localhostProfile: 'web.json', type: Localhost}}\n",
    );
    assert!(edit(&text).unwrap().splices.is_empty());
}

#[test]
fn places_are_given_in_lines_and_characters() {
    let text = "ä: 1\nöü: [2,\n  x]";
    assert_eq!(Position::from_byte(text, text.find('x').unwrap()), Position { line: 3, column: 3 });
    assert_eq!(Position::from_byte(text, text.find('[').unwrap()), Position { line: 2, column: 5 });
    assert_eq!(Position::from_byte("\u{feff}a", 3), Position { line: 1, column: 1 });
}

#[test]
fn a_mapping_without_braces_gets_no_second_key() {
    let text = |containers: &str| {
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers: [{containers}]\n")
    };
    for containers in ["name: web", "name: db, name: web", "name: db,\n    name: web\n  "] {
        let refused = edit(&text(containers)).unwrap_err();
        assert!(refused.to_string().contains("without braces"), "{refused}");
    }
    let _ = edit(&text("{name: web}, name: db")).unwrap();
    // A key without a value has braces put around the new one.
    let without =
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: web, securityContext: }]}\n";
    let _ = edit(without).unwrap();
}

#[test]
fn an_annotation_is_not_removed_if_another_would_count_then() {
    let pod = |metadata: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nx: &x\n  annotations:\n    seccomp.security.alpha.kubernetes.io/pod: unconfined\n\
             metadata:\n  name: web\n{metadata}spec:\n  containers:\n  - name: web\n"
        )
    };
    let annotations =
        "  annotations:\n    seccomp.security.alpha.kubernetes.io/pod: runtime/default\n";
    let fixed = |metadata: &str| {
        let text = pod(metadata);
        let manifest = Manifest::parse(&text).unwrap();
        fix::fix(&manifest).map(|edited| edited.text)
    };
    assert!(!fixed(annotations).unwrap().contains("runtime/default"));
    for (metadata, why) in [
        (format!("{annotations}{annotations}"), "comes twice"),
        (format!("  <<: *x\n{annotations}"), "merge key"),
        (
            format!(
                "{annotations}    <<: {{seccomp.security.alpha.kubernetes.io/pod: unconfined}}\n"
            ),
            "merge key",
        ),
    ] {
        let refused = fixed(&metadata).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}\n{metadata}");
    }
}

#[test]
fn annotations_that_contradict_each_other_are_no_two_fields() {
    let pod = |annotations: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n{annotations}spec:\n  containers:\n  - name: web\n"
        )
    };
    let container =
        |value: &str| format!("    container.seccomp.security.alpha.kubernetes.io/web: {value}\n");
    let fixed = |annotations: &str| {
        let text = pod(annotations);
        let manifest = Manifest::parse(&text).unwrap();
        fix::fix(&manifest).map(|edited| edited.text)
    };
    let twice = format!("{}{}", container("unconfined"), container("runtime/default"));
    let refused = fixed(&twice).unwrap_err().to_string();
    assert!(refused.contains("comes twice"), "{refused}");
    let both = format!(
        "{}    seccomp.security.alpha.kubernetes.io/pod: unconfined\n",
        container("runtime/default")
    );
    let fixed = fixed(&both).unwrap();
    assert!(fixed.contains("type: RuntimeDefault"), "{fixed}");
}
