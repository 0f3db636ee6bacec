//! Bundles: which of the profiles that lie side by side are in use.

use std::collections::BTreeSet;

use super::name::{hash, release_and_hash};
use super::tree::{Kind, Tree};

/// Whether a name is one that a bundle gives: `app/release-hash.json`.
pub fn is_versioned(name: &str) -> bool {
    match name.split_once('/') {
        Some((app, file)) => !app.is_empty() && release_and_hash(file).is_some(),
        None => false,
    }
}

/// Whether a file's content is still the one that its name says.
pub fn is_true(name: &str, bytes: &[u8]) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    release_and_hash(file).is_some_and(|(_, written)| written == hash(bytes))
}

/// The profiles that a file uses, each with the names that it may have in a bundle below any prefix.
///
/// Every string in the file counts, wherever it is: a kind that we do not know may use a profile too, and
/// one that stays for nothing does less harm than one that is gone.
pub fn used(tree: &Tree) -> BTreeSet<String> {
    let scalars = tree.ids().filter_map(|id| match &tree.node(id).kind {
        Kind::Scalar { value, .. } => Some(value.as_str()),
        _ => None,
    });
    scalars.flat_map(used_in_text).collect()
}

/// The profiles that a text names, whatever it is.
pub fn used_in_text(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for word in text.split(|one: char| one.is_whitespace() || "\"'`,;=".contains(one)) {
        let mut parts = word.rsplitn(3, '/');
        if let (Some(file), Some(app)) = (parts.next(), parts.next()) {
            let name = format!("{app}/{file}");
            if is_versioned(&name) {
                used.insert(name);
            }
        }
    }
    used
}

/// What is there, is not new, and is not used.
pub fn unused(
    there: &BTreeSet<String>,
    new: &BTreeSet<String>,
    used: &BTreeSet<String>,
) -> BTreeSet<String> {
    there.iter().filter(|name| !new.contains(*name) && !used.contains(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_used_wherever_its_name_is() {
        let text = "a: {localhostProfile: nginx/1.27-44136fa355b3.json}\n\
                    b: localhost/profiles/redis/7-000000000000.json\n\
                    c: [--profile=app/1-ffffffffffff.json, x/y.json]\n";
        let found = used(&Tree::parse(text).unwrap());
        let expected = [
            "app/1-ffffffffffff.json",
            "nginx/1.27-44136fa355b3.json",
            "redis/7-000000000000.json",
        ];
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_changed_is_not_what_its_name_says() {
        assert!(is_true("nginx/1.27-44136fa355b3.json", b"{}"));
        assert!(!is_true("nginx/1.27-44136fa355b3.json", b"{ }"));
        assert!(!is_versioned("1.27-44136fa355b3.json") && !is_versioned("nginx/1.27.json"));
    }
}
