//! What is known about kinds that have no pod template in one place: `profiles/kubernetes/kinds.json`.

use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Table {
    no_pods: Vec<Entry>,
    elsewhere: Vec<Entry>,
    patterns: Vec<Entry>,
    references: Vec<References>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    groups: Vec<String>,
    /// Separated by spaces.
    kinds: String,
    #[serde(default)]
    why: String,
}

#[derive(Debug, Deserialize)]
struct References {
    groups: Vec<String>,
    /// Separated by spaces.
    keys: String,
}

/// What there is in an object of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holds {
    /// No pods.
    NoPods,
    /// Not all that runs because of it, and why.
    Elsewhere(&'static str),
    /// What looks like pods and is none, and what there may be besides.
    Patterns(&'static str),
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = strait_profiles::kubernetes::KINDS;
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|listed| listed == word)
}

/// What is known about a kind; `None` if nothing is.
pub fn find(group: &str, kind: &str) -> Option<Holds> {
    let find = |entries: &'static [Entry]| {
        entries.iter().find(|entry| {
            entry.groups.iter().any(|name| name == group) && lists(&entry.kinds, kind)
        })
    };
    let table = &*TABLE;
    find(&table.no_pods)
        .map(|_| Holds::NoPods)
        .or_else(|| find(&table.elsewhere).map(|entry| Holds::Elsewhere(&entry.why)))
        .or_else(|| find(&table.patterns).map(|entry| Holds::Patterns(&entry.why)))
}

/// Whether a key, in objects of a group, brings in what is not in the object.
pub fn is_reference(group: &str, key: &str) -> bool {
    let of_group = |entry: &&References| entry.groups.iter().any(|name| name == group);
    TABLE.references.iter().filter(of_group).any(|entry| lists(&entry.keys, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_group() {
        assert_eq!(find("", "ConfigMap"), Some(Holds::NoPods));
        assert_eq!(find("", "Service"), Some(Holds::NoPods));
        assert_eq!(find("serving.knative.dev", "Service"), None);
        assert_eq!(find("example.org", "ConfigMap"), None);
        assert!(matches!(find("helm.toolkit.fluxcd.io", "HelmRelease"), Some(Holds::Elsewhere(_))));
        assert!(matches!(find("kyverno.io", "ClusterPolicy"), Some(Holds::Patterns(_))));
        assert!(is_reference("tekton.dev", "taskRef") && !is_reference("apps", "taskRef"));
    }

    #[test]
    fn every_kind_that_is_not_understood_has_a_reason() {
        for entry in TABLE.elsewhere.iter().chain(&TABLE.patterns) {
            assert!(!entry.why.is_empty(), "{entry:?}");
        }
    }
}
