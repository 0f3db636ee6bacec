//! Bundles: which of the profiles that lie side by side are in use.

use std::collections::BTreeSet;

use super::name::{hash, release_and_hash};
use super::tree::{Kind, Tree};
use super::{Manifest, ManifestError};

/// Whether a name is one that a bundle gives: `app/release-hash.json`.
#[must_use]
pub fn is_versioned(name: &str) -> bool {
    match name.split_once('/') {
        Some((app, file)) => !app.is_empty() && release_and_hash(file).is_some(),
        None => false,
    }
}

/// Whether a file's content is still the one that its name says.
#[must_use]
pub fn is_true(name: &str, bytes: &[u8]) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    release_and_hash(file).is_some_and(|(_, written)| written == hash(bytes))
}

/// The profiles that a file uses, each with the names that it may have in a bundle below any prefix.
///
/// Every string in the file counts, wherever it is: a kind that we do not know may use a profile too, and
/// one that stays for nothing does less harm than one that is gone.
pub(crate) fn used(tree: &Tree) -> BTreeSet<String> {
    let scalars = tree.ids().filter_map(|id| match &tree.node(id).kind {
        Kind::Scalar { value, .. } => Some(value.as_str()),
        _ => None,
    });
    scalars.flat_map(used_in_text).collect()
}

/// The profiles that a text names, whatever it is.
pub(crate) fn used_in_text(text: &str) -> BTreeSet<String> {
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
#[must_use]
pub fn unused(
    there: &BTreeSet<String>,
    new: &BTreeSet<String>,
    used: &BTreeSet<String>,
) -> BTreeSet<String> {
    there.iter().filter(|name| !new.contains(*name) && !used.contains(*name)).cloned().collect()
}

/// What manifests use of a bundle.
#[derive(Debug, Default)]
pub struct Usage {
    /// Names of profiles, as they may be in the bundle.
    pub used: BTreeSet<String>,
    /// Manifests of which it is not clear what they use: as they are called, and why, if they could not be read.
    pub unclear: Vec<(String, Option<ManifestError>)>,
}

impl Usage {
    /// Adds what a manifest uses. Of one that cannot be read, all names in its text count.
    pub fn add(&mut self, called: &str, text: &str) {
        match Manifest::parse(text) {
            Ok(manifest) => {
                if manifest.pods.is_empty() {
                    self.unclear.push((called.to_owned(), None));
                }
                self.used.extend(used(&manifest.tree));
            }
            Err(error) => {
                self.unclear.push((called.to_owned(), Some(error)));
                self.used.extend(used_in_text(text));
            }
        }
    }

    /// The profiles that manifests use by a name of this bundle, and that it does not have.
    pub fn missing<'a>(
        &'a self,
        there: &'a BTreeSet<String>,
        new: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a str> {
        let is_here = |name: &&String| there.contains(*name) || new.contains(*name);
        self.used.iter().filter(move |name| !is_here(name)).map(String::as_str)
    }

    /// Whether profiles may be removed that nothing here uses.
    ///
    /// # Errors
    ///
    /// [`KeepAll`] if that could remove one that is in use.
    pub fn may_prune(&self) -> Result<(), KeepAll<'_>> {
        let unread =
            self.unclear.iter().find_map(|(called, error)| Some((called, error.as_ref()?)));
        match unread {
            Some((called, error)) => Err(KeepAll::Unread { called, error }),
            None if self.used.is_empty() => Err(KeepAll::NoneUsed),
            None => Ok(()),
        }
    }
}

/// Why nothing may be removed from a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepAll<'a> {
    /// A manifest could not be read.
    #[error("{called}:{error}. Nothing is removed, since it may use a profile")]
    Unread {
        /// The manifest.
        called: &'a str,
        /// What is wrong with it.
        error: &'a ManifestError,
    },
    /// The bundle would be empty.
    #[error(
        "these manifests use no profile at all, so --prune would empty the bundle: nothing is removed. Name the \
         manifests that are in use, or remove the folder yourself"
    )]
    NoneUsed,
}

/// The profile that two files would be in a release of an application.
#[must_use]
pub fn same_app<'a>(new: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let app = |name: &str| name.split('/').next().map(str::to_owned);
    let others = new.iter().map(|(other, _)| other.as_str());
    others.filter(|other| *other != name).find(|other| app(other) == app(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  securityContext:\n    \
        seccompProfile: {type: Localhost, localhostProfile: web/1-44136fa355b3.json}\n  containers: [{name: a}]\n";

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn nothing_is_removed_for_a_manifest_that_cannot_be_read_or_that_uses_nothing() {
        let mut usage = Usage::default();
        assert!(matches!(usage.may_prune(), Err(KeepAll::NoneUsed)));
        usage.add("pod.yaml", POD);
        assert!(usage.may_prune().is_ok() && usage.unclear.is_empty());
        usage.add("broken.yaml", "a: [ app/2-000000000000.json");
        let error = usage.may_prune().unwrap_err().to_string();
        assert!(
            error.starts_with("broken.yaml:") && error.contains("Nothing is removed"),
            "{error}"
        );
        assert_eq!(usage.used, names(&["app/2-000000000000.json", "web/1-44136fa355b3.json"]));
    }

    #[test]
    fn what_is_used_and_in_no_bundle_is_missing() {
        let mut usage = Usage::default();
        usage.add("pod.yaml", POD);
        usage.add("notes.yaml", "a: b\n");
        assert!(matches!(usage.unclear.as_slice(), [(called, None)] if called == "notes.yaml"));
        let none = BTreeSet::new();
        let web = names(&["web/1-44136fa355b3.json"]);
        assert_eq!(usage.missing(&none, &none).collect::<Vec<_>>(), ["web/1-44136fa355b3.json"]);
        assert_eq!(usage.missing(&web, &none).next(), None);
        assert_eq!(usage.missing(&none, &web).next(), None);
    }

    #[test]
    fn two_profiles_of_an_application_are_seen() {
        let new = [("web/1-44136fa355b3.json".to_owned(), String::new())];
        assert_eq!(same_app(&new, "web/1-000000000000.json"), Some("web/1-44136fa355b3.json"));
        assert_eq!(same_app(&new, "web/1-44136fa355b3.json"), None);
        assert_eq!(same_app(&new, "db/1-000000000000.json"), None);
    }

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
