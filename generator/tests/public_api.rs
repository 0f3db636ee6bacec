//! The public items of the crate are those in `public-api.txt`, so that none is added or lost unseen.
//!
//! The list is made of the sources: what is `pub` in modules that are, or is named by a `pub use` in one. To accept a
//! change: `STRAIT_BLESS=1 cargo test -p strait-generator --test public_api`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use quote::ToTokens;
use syn::{Fields, ImplItem, Item, Meta, Type, UseTree, Visibility};

/// The path of a module or item, without `crate`.
type Name = Vec<String>;

/// All items of the crate by module, tests left out.
#[derive(Default)]
struct Crate(BTreeMap<Name, Vec<Item>>);

fn is_test(item: &impl ToTokens) -> bool {
    let text = item.to_token_stream().to_string();
    text.starts_with("# [cfg (test)]") || text.starts_with("# [cfg (any (test")
}

impl Crate {
    fn read(&mut self, module: Name, file: &Path) {
        let text = fs::read_to_string(file).unwrap();
        let items = syn::parse_file(&text).unwrap().items;
        // Modules of `x.rs` are in `x/`, those of `mod.rs` and `lib.rs` beside it.
        let folder = match file.file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" => file.parent().unwrap().to_owned(),
            stem => file.with_file_name(stem),
        };
        self.add(module, items, &folder, file.parent().unwrap());
    }

    /// Modules of these items are in `folder`, or where their `#[path]` says, from `here` on.
    fn add(&mut self, module: Name, items: Vec<Item>, folder: &Path, here: &Path) {
        for item in items.iter().filter(|item| !is_test(item)) {
            let Item::Mod(inner) = item else { continue };
            let name = inner.ident.to_string();
            let path = [module.clone(), vec![name.clone()]].concat();
            if let Some((_, items)) = &inner.content {
                self.add(path, items.clone(), &folder.join(name), here);
                continue;
            }
            let given = inner.attrs.iter().find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => Some(&pair.value),
                _ => None,
            });
            let given =
                given.map(|value| here.join(value.to_token_stream().to_string().trim_matches('"')));
            let usual = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
            let mut files = given.into_iter().chain(usual);
            let file: Option<PathBuf> = files.find(|file| file.exists());
            self.read(path, &file.expect("a module has a file"));
        }
        self.0.insert(module, items.into_iter().filter(|item| !is_test(item)).collect());
    }

    /// Where the first part of a path in a module leads.
    fn start(&self, module: &[String], path: &[String]) -> Name {
        match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("self") => self.start(module, &path[1..]),
            Some("super") => {
                let parent = &module[..module.len().saturating_sub(1)];
                self.start(parent, &path[1..])
            }
            _ => [module, path].concat(),
        }
    }

    /// What a name means in a module: the item itself, or what a `use` there names.
    fn resolve(&self, path: Name) -> Option<Name> {
        let (last, module) = path.split_last()?;
        let items = self.0.get(module)?;
        if items.iter().any(|item| name_of(item).as_deref() == Some(last)) {
            return Some(path);
        }
        let used = items.iter().flat_map(used);
        let found = used.into_iter().find(|(_, name, _)| name == last);
        found.and_then(|(_, _, from)| self.resolve(self.start(module, &from)))
    }
}

/// The names that a `use` brings, whether they are public, and where they are.
fn used(item: &Item) -> Vec<(bool, String, Name)> {
    fn walk(tree: &UseTree, path: &[String], found: &mut Vec<(String, Name)>) {
        let with = |name: &syn::Ident| [path, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(inner) => walk(&inner.tree, &with(&inner.ident), found),
            UseTree::Name(inner) if inner.ident == "self" => {
                found.push((path.last().unwrap().clone(), path.to_vec()));
            }
            UseTree::Name(inner) => found.push((inner.ident.to_string(), with(&inner.ident))),
            UseTree::Rename(inner) => found.push((inner.rename.to_string(), with(&inner.ident))),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, path, found)),
            UseTree::Glob(_) => {}
        }
    }
    let Item::Use(item) = item else { return Vec::new() };
    let mut found = Vec::new();
    walk(&item.tree, &[], &mut found);
    let public = matches!(item.vis, Visibility::Public(_));
    found.into_iter().map(|(name, path)| (public, name, path)).collect()
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Mod(item) => item.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

/// Code on one line, with spaces where people write them.
fn code(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    let tight =
        [" :: ", " < ", " >", "& ", " ,", " :", " (", "( ", " )", " ;", "' ", "[ ", " ]", " ?"];
    for spaced in tight {
        text = text.replace(spaced, spaced.trim());
    }
    let arrows = [("->", " -> "), ("=", " = "), ("  ", " "), ("- >", "->"), (" -  >", " ->")];
    arrows.into_iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// An item, and what can be seen of its inside.
fn lines(item: &Item, name: &str) -> Vec<String> {
    let fields = |fields: &Fields, of: &str, all: bool| -> Vec<String> {
        let is_seen = |field: &&syn::Field| all || matches!(field.vis, Visibility::Public(_));
        let line = |(nth, field): (usize, &syn::Field)| {
            let name = field.ident.as_ref().map_or_else(|| nth.to_string(), ToString::to_string);
            format!("{of}.{name}: {}", code(&field.ty))
        };
        fields.iter().filter(is_seen).enumerate().map(line).collect()
    };
    match item {
        Item::Const(item) => vec![format!("const {name}: {}", code(&item.ty))],
        Item::Static(item) => vec![format!("static {name}: {}", code(&item.ty))],
        Item::Fn(item) => vec![function(&item.sig, name)],
        Item::Type(item) => vec![format!("type {name} = {}", code(&item.ty))],
        Item::Struct(item) => {
            [vec![format!("struct {name}")], fields(&item.fields, name, false)].concat()
        }
        Item::Enum(item) => {
            let variants = item.variants.iter().flat_map(|variant| {
                let name = format!("{name}::{}", variant.ident);
                [vec![name.clone()], fields(&variant.fields, &name, true)].concat()
            });
            std::iter::once(format!("enum {name}")).chain(variants).collect()
        }
        Item::Trait(item) => {
            let functions = item.items.iter().filter_map(|inner| match inner {
                syn::TraitItem::Fn(inner) => {
                    Some(function(&inner.sig, &format!("{name}::{}", inner.sig.ident)))
                }
                _ => None,
            });
            std::iter::once(format!("trait {name}")).chain(functions).collect()
        }
        _ => Vec::new(),
    }
}

fn function(signature: &syn::Signature, name: &str) -> String {
    let inputs: Vec<String> = signature.inputs.iter().map(code).collect();
    format!("fn {name}({}){}", inputs.join(", "), code(&signature.output))
}

/// The public items, each by the paths by which it can be reached.
fn public(tree: &Crate) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // The types that can be named, by where they are defined.
    let mut types: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![(Vec::new(), Vec::new())];
    let mut seen = BTreeSet::new();
    while let Some((module, shown)) = open.pop() {
        if !seen.insert((module.clone(), shown.clone())) {
            continue;
        }
        let Some(items) = tree.0.get(&module) else { continue };
        let own = items.iter().filter(|item| is_public(item)).filter_map(|item| {
            let name = name_of(item)?;
            Some((name.clone(), [module.clone(), vec![name]].concat()))
        });
        let others = items.iter().flat_map(used).filter(|(public, ..)| *public);
        let others = others
            .filter_map(|(_, name, path)| Some((name, tree.resolve(tree.start(&module, &path))?)));
        for (name, at) in own.chain(others) {
            let shown = [shown.clone(), vec![name]].concat();
            let item =
                tree.0[&at[..at.len() - 1]].iter().find(|item| name_of(item).as_ref() == at.last());
            let item = item.unwrap();
            found.extend(lines(item, &shown.join("::")));
            types.entry(at.clone()).or_default().insert(shown.join("::"));
            if matches!(item, Item::Mod(_)) {
                open.push((at, shown));
            }
        }
    }
    for (module, items) in &tree.0 {
        for item in items {
            let Item::Impl(block) = item else { continue };
            let Type::Path(of) = &*block.self_ty else { continue };
            let Some(last) = of.path.segments.last().filter(|_| block.trait_.is_none()) else {
                continue;
            };
            let path = [module.clone(), vec![last.ident.to_string()]].concat();
            let Some(names) = tree.resolve(path).and_then(|at| types.get(&at)) else { continue };
            for inner in &block.items {
                for name in names {
                    match inner {
                        ImplItem::Fn(inner) if matches!(inner.vis, Visibility::Public(_)) => {
                            let name = format!("{name}::{}", inner.sig.ident);
                            found.insert(function(&inner.sig, &name));
                        }
                        ImplItem::Const(inner) if matches!(inner.vis, Visibility::Public(_)) => {
                            let ty = code(&inner.ty);
                            found.insert(format!("const {name}::{}: {ty}", inner.ident));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn the_public_items_are_those_of_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Crate::default();
    tree.read(Vec::new(), &root.join("src/lib.rs"));
    let found = public(&tree);
    assert!(found.iter().any(|line| line.starts_with("fn generate::generate(")), "{found:?}");
    let file = root.join("public-api.txt");
    let text: String = found.iter().map(|line| format!("{line}\n")).collect();
    if env::var_os("STRAIT_BLESS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let listed = fs::read_to_string(&file).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();
    let found: BTreeSet<&str> = text.lines().collect();
    let added: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        added.is_empty() && gone.is_empty(),
        "public-api.txt is not what is public: {added:#?} are new, {gone:#?} are gone. Narrow what need not be public, \
         then run this test with STRAIT_BLESS=1 and commit the file"
    );
}
