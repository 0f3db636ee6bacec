//! The manifests under `tests/fixtures/manifests`: what they are, and what becomes of them.

use std::path::{Path, PathBuf};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/manifests");

/// The folder with the fixtures.
pub fn folder() -> PathBuf {
    Path::new(FIXTURES).canonicalize().expect("the fixtures are in the repository")
}

/// The profile of all of them.
pub fn profile() -> PathBuf {
    folder().join("web.json")
}

/// The manifests of a group, by name, each as text.
pub fn group(name: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = folder()
        .join(name)
        .read_dir()
        .expect("the group is a folder")
        .map(|entry| entry.expect("the fixtures can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} is empty");
    files.into_iter().map(|path| (path.clone(), text(&path))).collect()
}

/// What a manifest becomes.
pub fn expected(path: &Path) -> String {
    let below = path.strip_prefix(folder()).expect("a fixture");
    text(&folder().join("expected").join(below))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
