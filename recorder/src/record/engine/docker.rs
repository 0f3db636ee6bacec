//! Files that a dockerd writes about a container, for one whose socket is not known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Description, EngineKind, trusted};
use strait_generator::recording::Container;

/// The part of `DATA-ROOT/containers/ID/config.v2.json` that is of use here (moby
/// `container/container.go`).
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct State {
    name: String,
    path: String,
    args: Vec<String>,
    config: Config,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Config {
    image: String,
    labels: Option<BTreeMap<String, String>>,
}

/// Reads such a file.
pub(super) fn parse(bytes: &[u8]) -> Option<State> {
    serde_json::from_slice(bytes).ok()
}

/// A mount of an OCI `config.json`.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Mount {
    /// Path within the container.
    pub destination: PathBuf,
    /// Path on the host.
    pub source: PathBuf,
}

/// What is in the folder from which Docker mounts `/etc/hostname` or `/etc/hosts`: the one that it
/// keeps for the container, wherever its data is.
pub fn describe(mounts: &[Mount], id: &str) -> Option<Description> {
    let own = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"].map(Path::new);
    let mounts = mounts.iter().filter(|mount| own.contains(&&*mount.destination));
    let mut folders = mounts.filter_map(|mount| mount.source.parent());
    let folder = folders.find(|folder| folder.ends_with(Path::new("containers").join(id)))?;
    let path = folder.join("config.v2.json");
    let State { name, path: program, args, config } = parse(&trusted::read(&path)?)?;
    let program = Some(program).filter(|program| !program.is_empty());
    Some(Description {
        container: Container {
            id: id.to_owned(),
            engine: EngineKind::Docker.name().to_owned(),
            name: name.trim_start_matches('/').to_owned(),
            image: config.image,
            labels: config.labels.unwrap_or_default(),
            ..Container::default()
        },
        command: program.into_iter().chain(args).collect(),
        sources: vec![path.display().to_string()],
        ..Description::default()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_folder_is_found_by_its_mounts() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("containers/1a99");
        fs::create_dir_all(&folder).unwrap();
        let state = r#"{"State": {"Running": true}, "Path": "nginx", "Args": ["-g"], "Name": "/web",
            "Image": "sha256:350e", "Config": {"Image": "nginx:1", "Labels": {"a": "b"}}}"#;
        fs::write(folder.join("config.v2.json"), state).unwrap();
        let mount = |destination: &str, source: &str| Mount {
            destination: destination.into(),
            source: folder.join(source),
        };
        let mounts = [mount("/data", "../data"), mount("/etc/hostname", "hostname")];
        let found = describe(&mounts, "1a99").unwrap();
        assert_eq!((&*found.container.name, &*found.container.image), ("web", "nginx:1"));
        assert_eq!(found.container.labels["a"], "b");
        assert_eq!(found.command, ["nginx", "-g"]);
        assert_eq!(describe(&mounts, "other"), None);
        assert_eq!(describe(&mounts[..1], "1a99"), None);
    }
}
