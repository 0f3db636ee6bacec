//! Answers of engines in the API that Docker defines and podman serves too, as far as Strait uses them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Description, EngineKind};
use strait_generator::recording::Container;

/// What is of use of the answer to `/version`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Version {
    /// Its parts.
    pub components: Option<Vec<Component>>,
}

/// A part of an engine.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Component {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The same of `/info`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Info {
    /// Runtimes by name.
    pub runtimes: Option<HashMap<String, Runtime>>,
}

/// A runtime that an engine knows.
#[derive(Deserialize)]
pub struct Runtime {
    /// Where it is, or by which name it is found.
    pub path: Option<PathBuf>,
}

/// The same of `/containers/ID/json`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Inspected {
    /// Its id, whatever it was asked for by.
    pub id: Option<String>,
    name: Option<String>,
    /// The id of its image.
    pub image: Option<String>,
    path: Option<String>,
    args: Option<Vec<String>>,
    config: Option<Config>,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    runtime: Option<String>,
    privileged: Option<bool>,
    security_opt: Option<Vec<String>>,
}

/// The same of `/images/NAME/json`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Image {
    id: Option<String>,
    repo_digests: Option<Vec<String>>,
}

/// The same of an event.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
pub struct Event {
    action: Option<String>,
    actor: Option<Actor>,
    /// When it was, in seconds since 1970.
    #[serde(rename = "time")]
    pub time: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Actor {
    #[serde(rename = "ID")]
    id: Option<String>,
    attributes: Option<HashMap<String, String>>,
}

/// What there is to know about a container.
pub fn describe(found: Inspected, kind: EngineKind) -> Description {
    let config = found.config.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let options = host.security_opt.unwrap_or_default();
    let path = found.path.filter(|path| !path.is_empty());
    Description {
        container: Container {
            id: found.id.unwrap_or_default(),
            engine: kind.name().to_owned(),
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            runtime: host.runtime.unwrap_or_default(),
            no_new_privs: options.iter().any(|option| is_no_new_privs(option)),
            profile: profile(&options, host.privileged == Some(true)),
            ..Container::default()
        },
        command: path.into_iter().chain(found.args.unwrap_or_default()).collect(),
        sources: vec![kind.name().to_owned()],
        ..Description::default()
    }
}

/// moby `daemon/daemon_unix.go`, `parseSecurityOpt`: alone, or with a boolean after `=` or `:`.
fn is_no_new_privs(option: &str) -> bool {
    match option.strip_prefix("no-new-privileges") {
        Some("") => true,
        Some(value) => matches!(value.trim_start_matches(['=', ':']), "true" | "1" | "t" | "T"),
        None => false,
    }
}

/// The profile that a container's security options choose. The docker command sends the contents of
/// a file and not its path.
fn profile(options: &[String], privileged: bool) -> String {
    let chosen = options.iter().find_map(|option| option.strip_prefix("seccomp"));
    match chosen.map(|value| value.trim_start_matches(['=', ':'])) {
        Some("" | "builtin" | "default") => "default".to_owned(),
        Some(text) if text.trim_start().starts_with('{') => "custom".to_owned(),
        Some(name) => name.to_owned(),
        // moby `daemon/seccomp_linux.go`, `WithSeccomp`: a privileged container has no filter.
        None if privileged => "unconfined".to_owned(),
        None => "default".to_owned(),
    }
}

/// The digest in a registry, by which everyone can find the image; for one that was never in any, its
/// id.
pub fn digest(image: &Image) -> String {
    let digests = image.repo_digests.iter().flatten();
    let of_registry = digests.filter_map(|name| Some(name.split_once('@')?.1.to_owned())).next();
    of_registry.unwrap_or_else(|| match image.id.as_deref() {
        None | Some("") => String::new(),
        Some(id) if id.contains(':') => id.to_owned(),
        // podman leaves out the algorithm.
        Some(id) => format!("sha256:{id}"),
    })
}

/// `runc` for containerd's `io.containerd.runc.v2` and for a path; empty for podman's `oci`, which
/// stands for whichever it is.
pub fn runtime_name(name: &str) -> String {
    let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.strip_prefix("io.containerd.").and_then(|name| name.split_once('.')) {
        Some((shim, _)) => shim.to_owned(),
        None if name == "oci" => String::new(),
        None => name,
    }
}

/// Bytes of an id: 32, in hexadecimal.
const LONGEST_ID: usize = 64;

/// What is in an event beside labels (moby `daemon/events.go`; podman
/// `pkg/domain/entities/events.go`).
const NO_LABELS: [&str; 8] =
    ["name", "image", "exitCode", "containerExitCode", "signal", "execID", "execDuration", "podId"];

/// What an event says about the container that it starts; `None` for other events.
pub fn describe_event(event: &Event, kind: EngineKind) -> Option<Description> {
    if !matches!(event.action.as_deref(), Some("create" | "init" | "start" | "restart")) {
        return None;
    }
    let actor = event.actor.as_ref()?;
    let id = actor.id.as_ref().filter(|id| (1..=LONGEST_ID).contains(&id.len()))?;
    let attributes = actor.attributes.clone().unwrap_or_default();
    let get = |key| attributes.get(key).cloned().unwrap_or_default();
    Some(Description {
        container: Container {
            id: id.clone(),
            engine: kind.name().to_owned(),
            name: get("name"),
            image: get("image"),
            labels: attributes
                .iter()
                .filter(|(key, _)| !NO_LABELS.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            ..Container::default()
        },
        sources: vec![format!("events of {}", kind.name())],
        ..Description::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_described_as_docker_tells_it() {
        let found = serde_json::from_value(json!({
            "Id": "1a99", "Name": "/shop-web-1", "Image": "sha256:350e",
            "Path": "/docker-entrypoint.sh", "Args": ["nginx", "-g", "daemon off;"],
            "Config": {"Image": "nginx:1.27", "Labels": {"com.docker.compose.service": "web"}},
            "HostConfig": {"Runtime": "runc", "Privileged": false,
                "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]},
        }));
        let Description { container, command, sources, .. } =
            describe(found.unwrap(), EngineKind::Docker);
        assert_eq!(container.name, "shop-web-1");
        assert_eq!(container.image, "nginx:1.27");
        assert_eq!(container.labels["com.docker.compose.service"], "web");
        assert_eq!((&*container.runtime, &*container.profile), ("runc", "unconfined"));
        assert!(container.no_new_privs);
        assert_eq!(command, ["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"]);
        assert_eq!(sources, ["docker"]);
    }

    #[test]
    fn what_is_missing_is_empty() {
        let described = describe(serde_json::from_value(json!({})).unwrap(), EngineKind::Podman);
        assert_eq!(described.container.name, "");
        assert!(described.command.is_empty());
    }

    #[test]
    fn the_profile_is_the_one_that_is_used() {
        let of = |options: &[&str], privileged| {
            let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
            profile(&options, privileged)
        };
        assert_eq!(of(&[], false), "default");
        assert_eq!(of(&["seccomp=builtin"], false), "default");
        assert_eq!(of(&[], true), "unconfined");
        assert_eq!(of(&["apparmor=x", "seccomp:unconfined"], false), "unconfined");
        assert_eq!(of(&["seccomp=/p.json"], false), "/p.json");
        assert_eq!(of(&[r#"seccomp={"defaultAction":"SCMP_ACT_ERRNO"}"#], false), "custom");
    }

    #[test]
    fn no_new_privileges_is_read_in_every_form() {
        for option in ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"] {
            assert!(is_no_new_privs(option), "{option}");
        }
        for option in ["no-new-privileges=false", "no-new-privileges:false", "seccomp=x"] {
            assert!(!is_no_new_privs(option), "{option}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_registry_if_there_is_one() {
        let of = |id: &str, digests: &[&str]| {
            digest(&Image {
                id: Some(id.to_owned()),
                repo_digests: Some(digests.iter().map(|digest| (*digest).to_owned()).collect()),
            })
        };
        assert_eq!(of("sha256:cd", &["nginx@sha256:ab"]), "sha256:ab");
        assert_eq!(of("sha256:cd", &[]), "sha256:cd");
        assert_eq!(of("cd", &[]), "sha256:cd");
        assert_eq!(digest(&Image::default()), "");
    }

    #[test]
    fn runtimes_have_one_name() {
        for name in ["runc", "/usr/sbin/runc", "io.containerd.runc.v2"] {
            assert_eq!(runtime_name(name), "runc");
        }
        assert_eq!(runtime_name("oci"), "");
        assert_eq!(runtime_name(""), "");
    }

    #[test]
    fn an_event_tells_name_image_and_labels() {
        let event = |action: &str| -> Event {
            serde_json::from_value(json!({
                "Type": "container", "Action": action, "time": 1,
                "Actor": {"ID": "1a99", "Attributes":
                    {"name": "web", "image": "bb:1", "tier": "front", "exitCode": "0"}},
            }))
            .unwrap()
        };
        let told = describe_event(&event("create"), EngineKind::Docker).unwrap();
        assert_eq!((&*told.container.id, &*told.container.name), ("1a99", "web"));
        assert_eq!(told.container.labels, [("tier".to_owned(), "front".to_owned())].into());
        assert_eq!(told.sources, ["events of docker"]);
        assert_eq!(describe_event(&event("die"), EngineKind::Docker), None);
        let mut long = event("create");
        long.actor.as_mut().unwrap().id = Some("1".repeat(65));
        assert_eq!(describe_event(&long, EngineKind::Docker), None);
        assert_eq!(describe_event(&Event::default(), EngineKind::Docker), None);
    }
}
