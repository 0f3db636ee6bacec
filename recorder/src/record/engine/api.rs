//! The HTTP API that Docker defines and podman serves too, through bollard.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, EventMessage, ImageInspect};
use bollard::query_parameters::{EventsOptionsBuilder, InspectContainerOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::Stream;
use tokio::time::timeout;

use super::runtime::upstream;
use super::{Description, EngineKind};
use strait_generator::recording::Container;

/// How long an engine may take to answer. Podman has been seen to take more than three seconds on a
/// machine that had more to do than it could.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// An engine that answers.
#[derive(Clone)]
pub struct Client {
    docker: Docker,
    kind: EngineKind,
    /// Path by name, of the runtimes that it knows.
    runtimes: HashMap<String, PathBuf>,
    /// Versions by name, of its parts: the runtime that it comes with is one.
    versions: HashMap<String, String>,
}

impl Client {
    /// Connects. Bollard 0.21 puts no version into the paths of its requests, so that each engine
    /// speaks its own; there is nothing to negotiate, which podman takes a second for.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let path = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&path, PATIENCE.as_secs(), API_DEFAULT_VERSION)?;
        let version = limited(docker.version()).await?;
        let components = version.components.unwrap_or_default();
        let is_podman = components.iter().any(|part| part.name.starts_with("Podman"));
        let versions = components.into_iter().map(|part| (part.name, part.version)).collect();
        if is_podman {
            // It takes seconds to tell about itself, and tells its runtime to conmon.
            return Ok(Self {
                docker,
                kind: EngineKind::Podman,
                runtimes: HashMap::new(),
                versions,
            });
        }
        // What it would tell can be done without.
        let info = limited(docker.info()).await.unwrap_or_default();
        let runtimes = info.runtimes.unwrap_or_default().into_iter();
        let runtimes = runtimes.filter_map(|(name, of)| Some((name, of.path?.into()))).collect();
        Ok(Self { docker, kind: EngineKind::Docker, runtimes, versions })
    }

    /// Which engine it is.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Asks for a container; `None` if the engine has no such container.
    pub async fn inspect(&self, id: &str) -> Result<Option<Description>, Error> {
        let options = None::<InspectContainerOptions>;
        let found = match limited(self.docker.inspect_container(id, options)).await {
            Ok(found) => found,
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Engines also take names, and beginnings of ids.
        if found.id.as_deref() != Some(id) {
            return Ok(None);
        }
        let image = found.image.clone().unwrap_or_default();
        let mut description = describe(found, self.kind);
        description.container.image_digest = self.digest(&image).await;
        let runtime = &description.container.runtime;
        description.runtime_path = self.runtimes.get(runtime).cloned();
        let name = runtime_name(runtime);
        // Another path may be another build of it.
        let is_its_own =
            description.runtime_path.as_deref().is_none_or(|path| path == Path::new(&name));
        let version = self.versions.get(&name).filter(|_| is_its_own);
        description.container.runtime_version =
            version.and_then(|version| upstream(version)).unwrap_or_default();
        description.container.runtime = name;
        Ok(Some(description))
    }

    /// Digest of an image, by name or id; empty if the engine has no such image any more.
    pub async fn digest(&self, image: &str) -> String {
        match limited(self.docker.inspect_image(image)).await {
            Ok(found) => digest(&found),
            Err(_) => String::new(),
        }
    }

    /// What happens to containers, from `since` on, which is in seconds since 1970.
    pub fn events(
        &self,
        since: i64,
    ) -> impl Stream<Item = Result<EventMessage, Error>> + Send + use<> {
        let containers = HashMap::from([("type", vec!["container"])]);
        let since = since.to_string();
        let options = EventsOptionsBuilder::new().since(&since).filters(&containers).build();
        // Not the events themselves, but the beginning of the answer has a time limit. Podman begins
        // to answer with the first event.
        let docker = self.docker.clone().with_timeout(Duration::from_secs(u32::MAX.into()));
        docker.events(Some(options))
    }
}

/// Bollard limits the time to the beginning of an answer only.
async fn limited<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, answer).await.unwrap_or(Err(Error::RequestTimeoutError))
}

/// Whether an engine did not answer in time, or cannot be reached.
pub fn is_slow(error: &Error) -> bool {
    matches!(error, Error::RequestTimeoutError)
}

/// In words, without the layers of the HTTP client.
pub fn explain(error: &Error) -> String {
    if is_slow(error) {
        return format!("it did not answer within {} s", PATIENCE.as_secs());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

pub(super) fn describe(found: ContainerInspectResponse, kind: EngineKind) -> Description {
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
fn digest(image: &ImageInspect) -> String {
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

/// What is in an event beside labels (moby `daemon/events.go`; podman
/// `pkg/domain/entities/events.go`).
const NO_LABELS: [&str; 8] =
    ["name", "image", "exitCode", "containerExitCode", "signal", "execID", "execDuration", "podId"];

/// What an event tells about the container that comes to life with it; `None` for other events.
pub fn describe_event(event: &EventMessage, kind: EngineKind) -> Option<Description> {
    if !matches!(event.action.as_deref(), Some("create" | "init" | "start" | "restart")) {
        return None;
    }
    let actor = event.actor.as_ref()?;
    let id = actor.id.as_ref().filter(|id| !id.is_empty())?;
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
            digest(&ImageInspect {
                id: Some(id.to_owned()),
                repo_digests: Some(digests.iter().map(|digest| (*digest).to_owned()).collect()),
                ..ImageInspect::default()
            })
        };
        assert_eq!(of("sha256:cd", &["nginx@sha256:ab"]), "sha256:ab");
        assert_eq!(of("sha256:cd", &[]), "sha256:cd");
        assert_eq!(of("cd", &[]), "sha256:cd");
        assert_eq!(digest(&ImageInspect::default()), "");
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
        let event = |action: &str| -> EventMessage {
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
        assert_eq!(describe_event(&EventMessage::default(), EngineKind::Docker), None);
    }
}
