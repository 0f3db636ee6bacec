//! The versions of Kubernetes whose Pod Security Standards are known.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use super::standard;

/// A minor version of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(u32);

impl Version {
    /// The newest that is known.
    #[must_use]
    pub fn newest() -> Self {
        standard::facts().newest
    }

    /// The oldest that is known.
    #[must_use]
    pub fn oldest() -> Self {
        standard::facts().oldest
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A text that names no known version.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UnknownVersion {
    /// It is no version of Kubernetes at all.
    #[error("`{0}` is not a version of Kubernetes, such as 1.34")]
    NotOne(String),
    /// It is too old or too new.
    #[error("the Pod Security Standards of Kubernetes {0} are not known, only those of {1} to {2}")]
    OutOfRange(Version, Version, Version),
}

/// `1.34`, `v1.34` or `1.34.2`.
fn parse(text: &str) -> Result<Version, UnknownVersion> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let number = |part: Option<&str>| {
        part.filter(|part| part.bytes().all(|one| one.is_ascii_digit()))?.parse().ok()
    };
    let (major, minor): (Option<u32>, Option<u32>) = (number(parts.next()), number(parts.next()));
    let patch = parts.next().is_none_or(|patch| number(Some(patch)).is_some());
    match (major, minor, patch, parts.next()) {
        (Some(1), Some(minor), true, None) => Ok(Version(minor)),
        _ => Err(UnknownVersion::NotOne(text.to_owned())),
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let version = parse(text)?;
        let (oldest, newest) = (Self::oldest(), Self::newest());
        if (oldest..=newest).contains(&version) {
            Ok(version)
        } else {
            Err(UnknownVersion::OutOfRange(version, oldest, newest))
        }
    }
}

/// For the facts, which name versions before the oldest.
impl TryFrom<String> for Version {
    type Error = UnknownVersion;

    fn try_from(text: String) -> Result<Self, UnknownVersion> {
        parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_in_several_ways() {
        for text in ["1.34", "v1.34", "1.34.2"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), "1.34", "{text}");
        }
        for text in
            ["", "1", "2.0", "1.x", "1.34.x", "1.34.1.2", "1.+34", "latest", "1.", "1.99999999999"]
        {
            assert!(matches!(text.parse::<Version>(), Err(UnknownVersion::NotOne(_))), "{text}");
        }
        for text in ["1.24", "1.0", "1.99"] {
            let error = text.parse::<Version>().unwrap_err();
            assert!(error.to_string().contains("1.25 to 1."), "{error}");
        }
        assert!(Version::newest() > Version::oldest());
    }
}
