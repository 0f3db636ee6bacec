//! Names of images.

/// As Docker shortens names; podman adds `localhost/` to those that were built here.
#[must_use]
pub fn familiar(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    image.strip_prefix("localhost/").unwrap_or(image)
}

/// Repository and tag, without digest.
#[must_use]
pub fn split(image: &str) -> (&str, Option<&str>) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // The port of a registry.
        Some((_, tag)) if tag.contains('/') => (image, None),
        Some((repository, tag)) => (repository, Some(tag)),
        None => (image, None),
    }
}

/// What stays the same from release to release: the name without tag and digest. Empty if an image was asked for
/// by its id.
#[must_use]
pub fn repository(image: &str) -> &str {
    match split(familiar(image)) {
        ("sha256", Some(_)) => "",
        (repository, _) => repository,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_changes_tag_and_digest_alone() {
        for image in [
            "web",
            "web:1",
            "docker.io/library/web:2",
            "localhost/web",
            "web:1@sha256:ab",
            "web@sha256:ab",
        ] {
            assert_eq!(repository(image), "web", "{image}");
        }
        assert_eq!(repository("reg:5000/a/web:1"), "reg:5000/a/web");
        assert_eq!(repository("reg:5000/a/web"), "reg:5000/a/web");
        assert_eq!(repository("sha256:1a99aac7137e"), "");
        assert_eq!(repository(""), "");
    }
}
