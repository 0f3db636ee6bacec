//! Each file of facts says which tests hold them against the software that they are about, or that none does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What is no fact about other software: Strait's own formats, and the filters of its own processes.
const OWN: [&str; 2] = ["own", "schema"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !OWN.iter().any(|own| path.ends_with(own)) {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

/// Files of the repository that a text names.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([' ', ',', ';', ':', '(', ')']);
    words.filter(|word| word.starts_with("tests/") || word.contains("/src/"))
}

#[test]
fn every_file_of_facts_says_what_tests_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    files(&root.join("profiles"), &mut found);
    assert!(found.len() > 30, "{found:?}");
    for path in found {
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let shown = path.display();
        // Of these, `strait lint` marks the facts that no test checks.
        let is_consumer = path.parent().is_some_and(|folder| folder.ends_with("consumers"));
        let marks_rows = file["no_pods"].is_array();
        let is_unchecked = file["checked"] == false;
        let Some(tested) = file["tested"].as_str() else {
            assert!(
                is_consumer || marks_rows || is_unchecked,
                "{shown} does not say what tests it"
            );
            continue;
        };
        let mut tests = named(tested).peekable();
        let says = tests.peek().is_some() || tested.contains("by no test");
        assert!(says, "{shown}: {tested}");
        for test in tests {
            assert!(root.join(test).exists(), "{shown} names {test}, which is not there");
        }
    }
}
