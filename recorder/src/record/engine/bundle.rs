//! What runtimes and engines write to disk about a container: its OCI bundle, and the runtime's own
//! state, which says where the bundle is.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::docker::{self, Mount};
use super::{Description, EngineKind, trusted};
use strait_generator::recording::Container;

/// Folders in which a container's bundle is named by its id. A `*` is any one folder.
///
/// Sources: containerd `runtime/v2` (`STATE/io.containerd.runtime.v2.task/NAMESPACE/ID`); dockerd with
/// a containerd of its own, `libcontainerd/supervisor`; CRI-O `RunDir/overlay-containers/ID/userdata`.
const BUNDLES: [&str; 3] = [
    "run/containerd/io.containerd.runtime.v2.task/*/ID",
    "run/docker/containerd/daemon/io.containerd.runtime.v2.task/*/ID",
    "run/containers/storage/*/ID/userdata",
];

/// Files in which a runtime keeps the state of a container, with the path of its bundle.
///
/// Those below `/run/user` are not among them: they say what a user likes.
///
/// Sources: runc `--root` (default `/run/runc`); containerd `runtime/v2/runc`
/// (`/run/containerd/runc/NAMESPACE`); moby `daemon/daemon_unix.go` (`EXEC-ROOT/runtime-NAME/moby`, later
/// `runtime-runc`); crun `src/libcrun/status.c`; youki `libcontainer/src/container/state.rs`.
const STATES: [&str; 5] = [
    "run/runc/ID/state.json",
    "run/containerd/runc/*/ID/state.json",
    "run/docker/*/moby/ID/state.json",
    "run/crun/ID/status",
    "run/youki/ID/state.json",
];

/// What files tell about the container `id`: those of its bundle if it is known, else those under
/// `root`.
pub fn describe(root: &Path, id: &str, bundle: Option<&Path>) -> Option<Description> {
    if !is_safe(id) {
        return None;
    }
    let known = BUNDLES.iter().flat_map(|pattern| expand(root, pattern, id));
    let of_states =
        STATES.iter().flat_map(|pattern| expand(root, pattern, id)).filter_map(of_state);
    let folders = bundle.map(Path::to_owned).into_iter().chain(known).chain(of_states);
    folders.into_iter().find_map(|folder| read_bundle(&folder, id))
}

/// Whether a runtime keeps the state of a container with this id.
pub fn has_state(root: &Path, id: &str) -> bool {
    is_safe(id) && STATES.iter().any(|pattern| !expand(root, pattern, id).is_empty())
}

/// Ids come from cgroup names, and must not lead out of a folder.
pub fn is_safe(id: &str) -> bool {
    !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\0'])
}

/// The files or folders that match a pattern, in order of their names.
pub fn expand(root: &Path, pattern: &str, id: &str) -> Vec<PathBuf> {
    let mut paths = vec![root.to_owned()];
    for part in pattern.split('/') {
        if part == "*" {
            paths = paths.iter().flat_map(|path| children(path)).collect();
        } else {
            let part = part.replace("ID", id);
            paths.iter_mut().for_each(|path| path.push(&part));
        }
    }
    paths.retain(|path| trusted::exists(path));
    paths
}

fn children(folder: &Path) -> Vec<PathBuf> {
    trusted::names(folder).into_iter().map(|name| folder.join(name)).collect()
}

/// A JSON file, if it is there, is what it should be, and only root can have written it.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&trusted::read(path)?).ok()
}

/// The bundle that a runtime's state names: crun and youki in `bundle`, runc in a label.
fn of_state(path: PathBuf) -> Option<PathBuf> {
    let state: Value = read_json(&path)?;
    if let Some(bundle) = state["bundle"].as_str() {
        return Some(bundle.into());
    }
    let labels = state["config"]["labels"].as_array()?;
    labels
        .iter()
        .filter_map(Value::as_str)
        .find_map(|label| label.strip_prefix("bundle="))
        .map(Into::into)
}

/// The part of an OCI `config.json` that is of use here; see the runtime specification, `config.md`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Config {
    process: Process,
    annotations: std::collections::BTreeMap<String, String>,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    args: Vec<String>,
    no_new_privileges: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Linux {
    seccomp: Option<Value>,
}

fn read_bundle(folder: &Path, id: &str) -> Option<Description> {
    let path = folder.join("config.json");
    let config: Config = read_json(&path)?;
    let of_docker = docker::describe(&config.mounts, id);
    let mut description = describe_config(config, id, &path);
    if let Some(of_docker) = of_docker {
        description.fill(of_docker);
    }
    Some(description)
}

/// Annotations in which engines keep what is a label elsewhere, best first.
///
/// Sources: containerd `internal/cri/annotations`; CRI-O `pkg/annotations`; nerdctl `pkg/labels`; podman
/// `libpod/define/annotations.go`.
const NAMES: [&str; 3] =
    ["nerdctl/name", "io.kubernetes.cri-o.Name", "io.kubernetes.cri.container-name"];
const IMAGES: [&str; 4] = [
    "io.kubernetes.cri.image-name",
    "io.kubernetes.cri-o.ImageName",
    "nerdctl/image-name",
    "org.opencontainers.image.ref.name",
];
/// What podman was told with `--security-opt seccomp=` (podman `libpod/define/annotations.go`).
const PODMANS_PROFILE: &str = "io.podman.annotations.seccomp";
/// The label that Kubernetes gives, and the annotations that stand for it.
const LABELS: [(&str, &[&str]); 3] = [
    ("io.kubernetes.container.name", &["io.kubernetes.cri.container-name"]),
    ("io.kubernetes.pod.name", &["io.kubernetes.cri.sandbox-name"]),
    ("io.kubernetes.pod.namespace", &["io.kubernetes.cri.sandbox-namespace"]),
];

pub(super) fn describe_config(config: Config, id: &str, path: &Path) -> Description {
    let Config { process, annotations, linux, mounts: _ } = config;
    let first = |keys: &[&str]| keys.iter().find_map(|key| annotations.get(*key)).cloned();
    let engine = match annotations.get("io.container.manager").map(String::as_str) {
        Some("libpod") => EngineKind::Podman.name(),
        Some("cri-o") => EngineKind::Crio.name(),
        _ => "",
    };
    let mut labels = std::collections::BTreeMap::new();
    for (label, keys) in LABELS {
        if let Some(value) = annotations.get(label).cloned().or_else(|| first(keys)) {
            labels.insert(label.to_owned(), value);
        }
    }
    let kinds = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"];
    if first(&kinds).as_deref() == Some("sandbox") {
        // As the kubelet's own Docker support had it.
        labels.insert("io.kubernetes.container.name".to_owned(), "POD".to_owned());
    }
    labels.extend(
        annotations
            .iter()
            .filter(|(key, _)| {
                key.starts_with("com.docker.compose.") || key.starts_with("nerdctl/")
            })
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let profile = match annotations.get(PODMANS_PROFILE) {
        _ if linux.seccomp.is_none() => "unconfined",
        Some(chosen) => chosen,
        // So does podman itself answer who asks for it.
        None if engine == EngineKind::Podman.name() => "default",
        None => "",
    };
    let profile = profile.to_owned();
    Description {
        container: Container {
            id: id.to_owned(),
            engine: engine.to_owned(),
            name: first(&NAMES).unwrap_or_default(),
            image: first(&IMAGES).unwrap_or_default(),
            labels,
            no_new_privs: process.no_new_privileges,
            profile,
            ..Container::default()
        },
        command: process.args,
        seccomp: linux.seccomp,
        sources: vec![path.display().to_string()],
        ..Description::default()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    const CONFIG: &str = r#"{"ociVersion": "1.0.2", "process": {"args": ["nginx", "-g"],
        "noNewPrivileges": true}, "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}"#;

    #[test]
    fn a_bundle_is_found_by_id() {
        let root = tempfile::tempdir().unwrap();
        let path = "run/containerd/io.containerd.runtime.v2.task/k8s.io/ab12/config.json";
        write(root.path(), path, CONFIG);
        let found = describe(root.path(), "ab12", None).unwrap();
        assert_eq!(found.command, ["nginx", "-g"]);
        assert!(found.container.no_new_privs);
        assert_eq!(found.container.profile, "");
        assert_eq!(found.sources, [root.path().join(path).display().to_string()]);
        assert_eq!(describe(root.path(), "cd34", None), None);
    }

    #[test]
    fn a_bundle_is_found_by_the_state_of_any_runtime() {
        for (path, state) in [
            ("run/runc/web/state.json", r#"{"config": {"labels": ["a=b", "bundle=BUNDLE"]}}"#),
            (
                "run/docker/runtime-runc/moby/web/state.json",
                r#"{"config": {"labels": ["bundle=BUNDLE"]}}"#,
            ),
            ("run/crun/web/status", r#"{"pid": 7, "bundle": "BUNDLE"}"#),
            ("run/youki/web/state.json", r#"{"id": "web", "bundle": "BUNDLE"}"#),
        ] {
            let root = tempfile::tempdir().unwrap();
            let bundle = root.path().join("my-bundle");
            write(root.path(), "my-bundle/config.json", CONFIG);
            write(root.path(), path, &state.replace("BUNDLE", bundle.to_str().unwrap()));
            let found = describe(root.path(), "web", None);
            assert_eq!(found.unwrap().command, ["nginx", "-g"], "{path}");
        }
    }

    #[test]
    fn a_bundle_that_is_known_is_read_first() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "elsewhere/config.json", CONFIG);
        write(root.path(), "run/runc/web/state.json", r#"{"bundle": "/nowhere"}"#);
        let bundle = root.path().join("elsewhere");
        let found = describe(root.path(), "web", Some(&bundle)).unwrap();
        assert_eq!(found.command, ["nginx", "-g"]);
    }

    #[test]
    fn annotations_name_pods_and_images() {
        let config = serde_json::from_str(
            r#"{"annotations": {"io.kubernetes.cri.container-name": "web",
            "io.kubernetes.cri.sandbox-name": "shop-1", "io.kubernetes.cri.sandbox-namespace": "prod",
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.27"}}"#,
        );
        let found = describe_config(config.unwrap(), "ab12", Path::new("/c.json")).container;
        assert_eq!((&*found.name, &*found.image), ("web", "docker.io/library/nginx:1.27"));
        assert_eq!(found.labels["io.kubernetes.container.name"], "web");
        assert_eq!(found.labels["io.kubernetes.pod.name"], "shop-1");
        assert_eq!(found.labels["io.kubernetes.pod.namespace"], "prod");
        assert_eq!(found.profile, "unconfined");
        let pause = r#"{"annotations": {"io.kubernetes.cri-o.ContainerType": "sandbox",
            "io.container.manager": "cri-o"}}"#;
        let found = describe_config(serde_json::from_str(pause).unwrap(), "x", Path::new("/c"));
        assert_eq!(found.container.labels["io.kubernetes.container.name"], "POD");
        assert_eq!(found.container.engine, "cri-o");
    }

    #[test]
    fn podman_keeps_its_setting_of_the_profile() {
        let profile = |annotation: &str, linux: &str| {
            let text = format!(
                r#"{{"annotations": {{"io.container.manager": "libpod"{annotation}}}, "linux": {linux}}}"#
            );
            let config = serde_json::from_str(&text).unwrap();
            describe_config(config, "x", Path::new("/c")).container.profile
        };
        let chosen = r#", "io.podman.annotations.seccomp": "web.json""#;
        let filter = r#"{"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}"#;
        assert_eq!(profile("", filter), "default");
        assert_eq!(profile(chosen, filter), "web.json");
        assert_eq!(profile("", "{}"), "unconfined");
        assert_eq!(profile(chosen, "{}"), "unconfined");
    }

    #[test]
    fn rubbish_is_no_bundle_and_an_id_leads_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "run/runc/web/state.json", "{");
        write(root.path(), "run/crun/web/status", r#"{"bundle": 7}"#);
        assert_eq!(describe(root.path(), "web", None), None);
        write(root.path(), "run/config.json", CONFIG);
        for id in ["..", ".", "", "a/../..", "/"] {
            assert_eq!(describe(root.path(), id, None), None, "{id}");
        }
    }
}
