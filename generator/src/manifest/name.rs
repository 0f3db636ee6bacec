//! The name by which a node finds a profile: `localhostProfile`.
//!
//! A node reads a profile only when a container starts, so a new release needs a new name, and a name must
//! never get new content: `nginx/1.27-3f9a2c41d08e.json` carries the release and the content's hash.

use std::path::Path;

use thiserror::Error;

use crate::digest::sha256;

/// Hexadecimal digits of the hash in a name: as many as tell apart all profiles that anybody has.
pub const HASH_DIGITS: usize = 12;

/// A name that a node could not use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Part of a name has characters that a file name or a URL gives a meaning to.
    #[error(
        "`{part}` cannot be the {what} in a profile's name: letters, digits, `.`, `_` and `-` can, and it has to \
         begin with a letter or a digit"
    )]
    Part {
        /// The application, or the release.
        what: &'static str,
        /// What was given.
        part: String,
    },
    /// It would lead out of the kubelet's folder.
    #[error(
        "`{name}` cannot be a localhostProfile: {reason}. It is the path of the file below the kubelet's seccomp \
         folder (/var/lib/kubelet/seccomp), such as nginx/1.27.json"
    )]
    Place {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The first digits of the SHA-256 of a profile's bytes, as `sha256sum` prints it.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    sha256(bytes)[..HASH_DIGITS].to_owned()
}

/// `app/release-hash.json`.
///
/// # Errors
///
/// [`NameError::Part`] if the application or the release cannot be part of a name.
pub fn versioned(app: &str, release: &str, bytes: &[u8]) -> Result<String, NameError> {
    check_part("application", app)?;
    check_part("release", release)?;
    Ok(format!("{app}/{release}-{}.json", hash(bytes)))
}

/// The release and hash of a file name such as `1.27-3f9a2c41d08e.json`.
pub(crate) fn release_and_hash(file_name: &str) -> Option<(&str, &str)> {
    let (release, hash) = file_name.strip_suffix(".json")?.rsplit_once('-')?;
    let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(is_hex);
    (is_hash && check_part("release", release).is_ok()).then_some((release, hash))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn check_part(what: &'static str, part: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let starts_well = part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && part.bytes().all(allowed) && part.len() <= 128 {
        return Ok(());
    }
    Err(NameError::Part { what, part: part.to_owned() })
}

/// Whether a node can use this as `localhostProfile`.
///
/// # Errors
///
/// [`NameError::Place`] if it is absolute, leads upwards, or is not a plain path.
pub fn check_place(name: &str) -> Result<(), NameError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.starts_with('/') {
        "it is absolute"
    } else if name.starts_with("localhost/") {
        "`localhost/` belonged to the old annotations"
    } else if name.split('/').any(|part| part == "..") {
        "`..` leads out of the folder"
    } else if name.contains('\\') || name.chars().any(char::is_control) {
        "it has a backslash or a control character in it"
    } else {
        return Ok(());
    };
    Err(NameError::Place { name: name.to_owned(), reason })
}

/// What the name of a profile's file says about its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The application: the file's name without `.json` and without a version.
    pub app: String,
    /// The file's name without `.json`.
    pub stem: String,
    /// Its name in a bundle, if that is where it is and its hash is true.
    pub bundled: Option<String>,
}

impl Named {
    /// From a path and what is there.
    pub fn new(path: &Path, bytes: &[u8]) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let file_name = text(path.file_name());
        let folder = text(path.parent().and_then(Path::file_name));
        let stem = file_name.strip_suffix(".json").unwrap_or(&file_name).to_owned();
        let is_true = |(_, written): (&str, &str)| written == hash(bytes);
        if release_and_hash(&file_name).is_some_and(is_true)
            && check_part("application", &folder).is_ok()
        {
            return Self { bundled: Some(format!("{folder}/{file_name}")), app: folder, stem };
        }
        Self { app: without_version(&stem).to_owned(), stem, bundled: None }
    }
}

/// `nginx` for `nginx-1.27`, `nginx_v2.0.1-rc1` and `nginx-1.27-3f9a2c41d08e`; `web-2-frontend` stays.
fn without_version(stem: &str) -> &str {
    let is_version = |text: &str| {
        let text = text.strip_prefix('v').unwrap_or(text);
        let is_part = |part: &str| {
            let pre = ["alpha", "beta", "rc"].iter().any(|name| part.starts_with(name));
            let number = part.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
            number || pre || (part.len() >= 6 && part.bytes().all(is_hex))
        };
        text.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
            && text.split(['.', '-', '_', '+']).all(is_part)
    };
    stem.match_indices(['-', '_', '@'])
        .map(|(at, _)| at)
        .find(|at| *at > 0 && is_version(&stem[at + 1..]))
        .map_or(stem, |at| &stem[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_its_files_name_without_the_version() {
        for (stem, app) in [
            ("nginx", "nginx"),
            ("nginx-1.27", "nginx"),
            ("nginx_v2.0.1-rc1", "nginx"),
            ("nginx-1.27-3f9a2c41d08e", "nginx"),
            ("redis@7", "redis"),
            ("web-2-frontend", "web-2-frontend"),
            ("-1", "-1"),
            ("my-app", "my-app"),
        ] {
            assert_eq!(without_version(stem), app, "{stem}");
        }
    }

    #[test]
    fn a_name_carries_application_release_and_hash() {
        let name = versioned("nginx", "1.27", b"{}").unwrap();
        assert_eq!(name, "nginx/1.27-44136fa355b3.json");
        assert_eq!(release_and_hash("1.27-44136fa355b3.json"), Some(("1.27", "44136fa355b3")));
        assert_eq!(release_and_hash("nginx.json"), None);
        let path = Path::new("bundle/nginx/1.27-44136fa355b3.json");
        assert_eq!(Named::new(path, b"{}").bundled.as_deref(), Some(name.as_str()));
        assert_eq!(Named::new(path, b"{}").app, "nginx");
        assert_eq!(Named::new(path, b"other").bundled, None, "the hash is not that of the content");
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for release in ["", "../x", "a/b", ".hidden", "1 2", "-1", "ü"] {
            assert!(versioned("nginx", release, b"").is_err(), "{release}");
        }
        for name in ["", "/etc/x.json", "a/../b.json", "..", "localhost/x.json", "a\\b", "a\nb"] {
            assert!(check_place(name).is_err(), "{name:?}");
        }
        for name in ["x.json", "profiles/..x.json", "a/b/c.json"] {
            assert!(check_place(name).is_ok(), "{name:?}");
        }
    }
}
