//! podman's storage on disk, for hosts on which its service does not run.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::bundle::{expand, is_safe, read_json};
use super::{Description, trusted};
use strait_generator::recording::Container;

/// Where containers/storage keeps its lists: `GRAPHROOT/DRIVER-containers/containers.json`
/// (containers/storage `store.go`, `containers.go`). Those of other users are not among them: they say what a user likes.
const LISTS: [&str; 2] = [
    "var/lib/containers/storage/*/containers.json",
    "root/.local/share/containers/storage/*/containers.json",
];

/// An entry of `containers.json`.
#[derive(Deserialize)]
pub(super) struct Entry {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    /// JSON in a string: podman's `storage.RuntimeContainerMetadata`.
    #[serde(default)]
    metadata: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Metadata {
    image_name: String,
    name: String,
}

/// An entry of `images.json`.
#[derive(Deserialize)]
struct Image {
    id: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    names: Vec<String>,
}

/// What the storage under `root`, and that in which the bundle is, tell about the container `id`.
pub fn describe(root: &Path, id: &str, bundle: Option<&Path>) -> Option<Description> {
    if !is_safe(id) {
        return None;
    }
    // DRIVER-containers/ID/userdata
    let own = bundle.and_then(|bundle| bundle.ancestors().nth(2));
    let own = own.map(|folder| folder.join("containers.json"));
    let known = LISTS.iter().flat_map(|pattern| expand(root, pattern, id));
    own.into_iter().chain(known).find_map(|list| find(&list, id))
}

/// The entries of such a list, with what podman has written into them.
pub(super) fn entries(list: &[u8]) -> Option<Vec<(Entry, Metadata)>> {
    let entries: Vec<Entry> = serde_json::from_slice(list).ok()?;
    let with_metadata = |entry: Entry| {
        let metadata = serde_json::from_str(&entry.metadata).unwrap_or_default();
        (entry, metadata)
    };
    Some(entries.into_iter().map(with_metadata).collect())
}

fn find(list: &Path, id: &str) -> Option<Description> {
    let mut entries = entries(&trusted::read(list)?)?.into_iter();
    let (entry, metadata) = entries.find(|(entry, _)| entry.id == id)?;
    let image = images_of(list).and_then(|path| {
        let images: Vec<Image> = read_json(&path)?;
        images.into_iter().find(|image| image.id == entry.image)
    });
    let (digest, tags) = image.map(|image| (image.digest, image.names)).unwrap_or_default();
    let or = |text: String, other: Option<String>| {
        if text.is_empty() { other.unwrap_or_default() } else { text }
    };
    Some(Description {
        container: Container {
            id: entry.id,
            engine: "podman".to_owned(),
            name: or(metadata.name, entry.names.into_iter().next()),
            image: or(metadata.image_name, tags.into_iter().next()),
            image_digest: digest,
            ..Container::default()
        },
        sources: vec![list.display().to_string()],
        ..Description::default()
    })
}

/// `GRAPHROOT/DRIVER-images/images.json`
fn images_of(list: &Path) -> Option<PathBuf> {
    let folder = list.parent()?;
    let driver = folder.file_name()?.to_str()?.strip_suffix("-containers")?;
    Some(folder.parent()?.join(format!("{driver}-images")).join("images.json"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CONTAINERS: &str = r#"[{"id": "aa"}, {"id": "9af8", "names": ["pweb"], "image": "f145",
        "layer": "4390", "metadata":
        "{\"image-name\":\"localhost/bb:1\",\"image-id\":\"f145\",\"name\":\"pweb\"}"}]"#;
    const IMAGES: &str =
        r#"[{"id": "f145", "digest": "sha256:ab5b", "names": ["localhost/bb:1"]}]"#;

    fn storage(root: &Path, at: &str) -> PathBuf {
        let storage = root.join(at);
        for (path, text) in [
            ("overlay-containers/containers.json", CONTAINERS),
            ("overlay-images/images.json", IMAGES),
        ] {
            let path = storage.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        storage
    }

    #[test]
    fn name_and_image_are_found() {
        let root = tempfile::tempdir().unwrap();
        storage(root.path(), "var/lib/containers/storage");
        let found = describe(root.path(), "9af8", None).unwrap().container;
        assert_eq!((&*found.name, &*found.image), ("pweb", "localhost/bb:1"));
        assert_eq!((&*found.image_digest, &*found.engine), ("sha256:ab5b", "podman"));
        assert_eq!(describe(root.path(), "aa", None).unwrap().container.name, "");
        assert_eq!(describe(root.path(), "bb", None), None);
        assert_eq!(describe(root.path(), "..", None), None);
    }

    #[test]
    fn storage_in_another_place_is_found_by_the_bundle() {
        let root = tempfile::tempdir().unwrap();
        let storage = storage(root.path(), "elsewhere");
        let bundle = storage.join("overlay-containers/9af8/userdata");
        let found = describe(root.path(), "9af8", Some(&bundle)).unwrap();
        assert_eq!(found.container.name, "pweb");
    }
}
