//! Which files of a crate use which, as their `use` lines and paths say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module in its crate; none for the root.
type Module = Vec<String>;

/// Files of a crate, each with the files that it uses: neither those that it is in, nor those that are in it.
pub struct Modules(BTreeMap<Module, BTreeSet<Module>>);

/// All source files in a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

impl Modules {
    /// Reads the sources of a crate, without its tests.
    pub fn read(root: &Path) -> Self {
        let files: BTreeMap<Module, PathBuf> = sources(root)
            .into_iter()
            .map(|path| (module_of(path.strip_prefix(root).unwrap()), path))
            .filter(|(module, _)| !module.iter().any(|name| name.contains("test")))
            .collect();
        let used = |module: &Module, path: &Path| {
            let text = code(&fs::read_to_string(path).unwrap());
            let paths = uses(&text).into_iter().chain(inline(&text));
            paths
                .filter_map(|path| resolve(module, &path, &files))
                .filter(|other| !module.starts_with(other) && !other.starts_with(module))
                .collect()
        };
        Self(files.iter().map(|(module, path)| (module.clone(), used(module, path))).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A file that uses itself through others, with these.
    pub fn circle(&self) -> Option<String> {
        self.0.keys().find_map(|start| {
            let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
            let mut open = vec![start];
            while let Some(module) = open.pop() {
                for next in self.0.get(module).into_iter().flatten() {
                    if next == start {
                        let way = std::iter::successors(Some(module), |at| from.get(at).copied());
                        let names = way.map(|module| module.join("::")).collect::<Vec<_>>();
                        return Some(format!("{} -> {}", start.join("::"), names.join(" <- ")));
                    }
                    if !from.contains_key(next) {
                        from.insert(next, module);
                        open.push(next);
                    }
                }
            }
            None
        })
    }
}

fn module_of(path: &Path) -> Module {
    let mut names: Module = path
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if names.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        names.pop();
    }
    names
}

/// A source without its comments and the tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines();
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Each path of the `use` lines.
fn uses(text: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for part in text.split("use ").skip(1) {
        if let Some((tree, _)) = part.split_once(';') {
            expand(&[], tree, &mut paths);
        }
    }
    paths
}

/// The paths of a tree such as `super::{a, b::{c, d as e}}`.
fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Module>) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let names = |path: &str| {
            let path = path.split(" as ").next().unwrap_or_default();
            let names = path.split("::").map(|name| name.trim().to_owned());
            prefix.iter().cloned().chain(names.filter(|name| !name.is_empty())).collect::<Module>()
        };
        match part.split_once('{') {
            Some((head, rest)) => {
                expand(&names(head), rest.rsplit_once('}').map_or(rest, |(inner, _)| inner), paths);
            }
            None => paths.push(names(part)),
        }
    }
}

/// Paths in the code itself that begin with `crate` or `super`.
fn inline(text: &str) -> Vec<Module> {
    let is_part = |character: char| character.is_alphanumeric() || "_:".contains(character);
    let words = text.split(|character| !is_part(character));
    words
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(|word| word.split("::").map(str::to_owned).collect())
        .collect()
}

/// The file that a path in a module leads to.
fn resolve(module: &Module, path: &Module, files: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = path.as_slice();
    match rest.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "super" | "self" => {
            while let Some((first, others)) = rest.split_first() {
                match first.as_str() {
                    "super" => drop(base.pop()),
                    "self" => {}
                    _ => break,
                }
                rest = others;
            }
        }
        child => {
            base.push(child.to_owned());
            files.contains_key(&base).then_some(())?;
            rest = &rest[1..];
        }
    }
    base.extend(rest.iter().cloned());
    while !base.is_empty() && !files.contains_key(&base) {
        base.pop();
    }
    (!base.is_empty()).then_some(base)
}
