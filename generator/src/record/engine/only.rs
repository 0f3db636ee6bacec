//! Which containers are wanted: `--only`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::recording::Container;

/// A choice among containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    /// By service, container name, id, or at least the first 12 digits of an id.
    Name(String),
    /// By image; without a tag or digest, whatever they are.
    Image(String),
    /// By a label that it has, or that has this value.
    Label(String, Option<String>),
}

/// What is wrong with an `--only`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OnlyError {
    /// Nothing chosen.
    #[error("`{0}` chooses nothing; write NAME, image=NAME[:TAG] or label=KEY[=VALUE]")]
    Empty(String),
    /// A key that is none.
    #[error(
        "a container cannot be chosen by `{0}`; write NAME, image=NAME[:TAG] or label=KEY[=VALUE]"
    )]
    Key(String),
}

impl FromStr for Only {
    type Err = OnlyError;

    fn from_str(text: &str) -> Result<Self, OnlyError> {
        let empty = || OnlyError::Empty(text.to_owned());
        let given = |value: &str| match value.trim() {
            "" => Err(empty()),
            value => Ok(value.to_owned()),
        };
        match text.split_once('=') {
            None => Ok(Self::Name(given(text)?.trim_start_matches('/').to_owned())),
            Some(("name", value)) => {
                Ok(Self::Name(given(value)?.trim_start_matches('/').to_owned()))
            }
            Some(("image", value)) => Ok(Self::Image(given(value)?)),
            Some(("label", value)) => match value.split_once('=') {
                None => Ok(Self::Label(given(value)?, None)),
                Some((key, value)) => Ok(Self::Label(given(key)?, Some(value.to_owned()))),
            },
            Some((key, _)) => Err(OnlyError::Key(key.to_owned())),
        }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Image(image) => write!(f, "image={image}"),
            Self::Label(key, None) => write!(f, "label={key}"),
            Self::Label(key, Some(value)) => write!(f, "label={key}={value}"),
        }
    }
}

impl Only {
    /// Whether it chooses a container, which is called `name`
    /// ([`display_name`](super::display_name)).
    pub fn matches(&self, container: &Container, name: &str) -> bool {
        match self {
            Self::Name(wanted) => {
                wanted == name
                    || *wanted == container.name
                    || *wanted == container.id
                    || wanted.len() >= 12 && container.id.starts_with(wanted.as_str())
            }
            Self::Image(wanted) => match wanted.split_once('@') {
                Some((wanted, digest)) => {
                    is_image(wanted, &container.image)
                        && (container.image_digest == digest || container.image.ends_with(digest))
                }
                None => is_image(wanted, &container.image),
            },
            Self::Label(key, value) => container
                .labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found)),
        }
    }
}

/// Whether `image` is the one that is asked for as `wanted`: both may leave out the registry that is
/// meant if there is none, and `wanted` may leave out tag and digest.
fn is_image(wanted: &str, image: &str) -> bool {
    let (wanted, image) = (familiar(wanted), familiar(image));
    if image.is_empty() {
        return false;
    }
    let (repository, tag) = split(image);
    let (wanted_repository, wanted_tag) = split(wanted);
    // With a tag and a digest the tag has no meaning, and is what people know it by.
    wanted == image
        || wanted_repository == repository
            && (wanted_tag.is_none() || wanted_tag == tag.or(Some("latest")))
}

/// As Docker shortens names; podman adds `localhost/` to those that were built here.
fn familiar(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    image.strip_prefix("localhost/").unwrap_or(image)
}

/// Repository and tag, without digest.
fn split(image: &str) -> (&str, Option<&str>) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // The port of a registry.
        Some((_, tag)) if tag.contains('/') => (image, None),
        Some((repository, tag)) => (repository, Some(tag)),
        None => (image, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

    fn container() -> Container {
        Container {
            id: ID.into(),
            name: "shop-web-1".into(),
            image: "nginx:1.27".into(),
            image_digest: "sha256:1d".into(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            ..Container::default()
        }
    }

    fn chosen(only: &str) -> bool {
        only.parse::<Only>().unwrap().matches(&container(), "web")
    }

    #[test]
    fn by_name() {
        for only in ["web", "name=web", "shop-web-1", "/shop-web-1", ID, &ID[..12], &ID[..20]] {
            assert!(chosen(only), "{only}");
        }
        for only in ["we", "shop", &ID[..11], "1a99"] {
            assert!(!chosen(only), "{only}");
        }
    }

    #[test]
    fn by_image() {
        for only in ["nginx", "nginx:1.27", "docker.io/library/nginx", "library/nginx:1.27"] {
            assert!(chosen(&format!("image={only}")), "{only}");
        }
        for only in ["nginx@sha256:1d", "nginx:1.27@sha256:1d"] {
            assert!(chosen(&format!("image={only}")), "{only}");
        }
        for only in ["nginx:1.26", "ngin", "other/nginx", "nginx@sha256:ab", "a@sha256:1d"] {
            assert!(!chosen(&format!("image={only}")), "{only}");
        }
        assert!(is_image("nginx:latest", "nginx"));
        assert!(is_image("reg:5000/a/b", "reg:5000/a/b:2"));
        assert!(is_image("bb", "localhost/bb:1"));
        assert!(is_image("nginx", "docker.io/library/nginx@sha256:ab"));
        assert!(!is_image("reg:5000/a/b:1", "reg:5000/a/b:2"));
        assert!(!is_image("nginx", ""));
    }

    #[test]
    fn by_label() {
        assert!(chosen("label=tier"));
        assert!(chosen("label=tier=front"));
        assert!(!chosen("label=tier=back"));
        assert!(!chosen("label=tie"));
    }

    #[test]
    fn what_chooses_nothing_is_refused() {
        for text in ["", "  ", "image=", "label=", "label==x", "name="] {
            assert_eq!(text.parse::<Only>(), Err(OnlyError::Empty(text.to_owned())), "{text}");
        }
        let error = "images=nginx".parse::<Only>().unwrap_err();
        assert!(error.to_string().contains("image=NAME"), "{error}");
    }

    #[test]
    fn it_is_printed_as_it_was_written() {
        for text in ["web", "image=nginx:1.27", "label=tier", "label=tier=front"] {
            assert_eq!(text.parse::<Only>().unwrap().to_string(), text);
        }
    }
}
