//! Values that are inserted into manifests.

/// A value that is put into a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// Keys and values.
    Map(Entries),
}

/// Keys and values, in the order in which they are written.
pub type Entries = Vec<(String, Value)>;

impl Value {
    /// A mapping of one entry.
    #[must_use]
    pub fn map(key: &str, value: Self) -> Self {
        Self::Map(vec![(key.to_owned(), value)])
    }

    /// `{type: …, localhostProfile: …}`.
    #[must_use]
    pub fn seccomp_profile(kind: &str, localhost_profile: Option<&str>) -> Self {
        let mut entries = vec![("type".to_owned(), Self::Text(kind.to_owned()))];
        if let Some(name) = localhost_profile {
            entries.push(("localhostProfile".to_owned(), Self::Text(name.to_owned())));
        }
        Self::Map(entries)
    }
}

/// Whether a text can stand in YAML without quotes and still be that text, to YAML 1.1 too.
pub(super) fn is_plain(text: &str) -> bool {
    let mut characters = text.chars();
    let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphabetic());
    starts_well
        && characters.all(|one| one.is_ascii_alphanumeric() || "._-/+".contains(one))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null"
        )
}

/// A text in double quotes, as YAML and JSON both read it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
