//! Requests of the command to container engines, from their beginnings as the probe saw them.

use std::collections::BTreeSet;

use crate::record::engine::EngineKind;
use crate::record::inject::create::parts;
use strait_generator::recording::Container;

/// Containers that are remembered by what the command called them: more than a recording has room for.
const MOST: usize = 8192;

/// Digits of an id that an engine has made up; one that a person has chosen says nothing.
const ID: usize = 64;

/// The shortest part of an id that stands for a container; as for `--only`.
const SHORTEST: usize = 12;

/// What the command has asked for.
#[derive(Debug, Default)]
pub(super) struct EngineRequests {
    /// Containers, by name, id, or the beginning of an id.
    containers: BTreeSet<String>,
    /// Builds, whose containers have ids that no request names.
    builds: bool,
    /// Containers of which the request does not say what they are called: a pod's, or a service's.
    unnamed: bool,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    /// That this container be started.
    Container(String),
    /// That an image be built.
    Build,
    /// That something be started which has containers.
    Unnamed,
    /// Anything else.
    Other,
}

impl EngineRequests {
    /// Takes note of a request that begins so.
    pub fn handle_request(&mut self, start: &[u8]) {
        match request(start) {
            Request::Container(name) if self.containers.len() < MOST => {
                self.containers.insert(name);
            }
            Request::Container(_) | Request::Unnamed => self.unnamed = true,
            Request::Build => self.builds = true,
            Request::Other => {}
        }
    }

    /// Takes note that not all requests are known.
    pub fn lose(&mut self) {
        self.unnamed = true;
    }

    /// Whether the command has asked for this container.
    pub fn has(&self, container: &Container) -> bool {
        let Container { id, name, engine, .. } = container;
        let is_it = |asked: &String| asked.len() >= SHORTEST && id.starts_with(asked);
        if id.len() == ID && self.containers.iter().any(is_it) {
            return true;
        }
        // Containers of others may have names that an engine's have too.
        let engines = [EngineKind::Docker, EngineKind::Podman].map(EngineKind::name);
        engines.contains(&engine.as_str()) && !name.is_empty() && self.containers.contains(name)
    }

    /// Whether the command has asked for something of which this container may be a part.
    pub fn may_have(&self, container: &Container) -> bool {
        self.unnamed || self.builds && container.engine == EngineKind::Buildkit.name()
    }
}

/// What a request asks for that begins so. Sources: moby `api/server/router`; podman `pkg/api/server/register_*.go`.
fn request(start: &[u8]) -> Request {
    let text = String::from_utf8_lossy(start);
    let Some(target) = text.strip_prefix("POST ") else { return Request::Other };
    // A line that does not end has no room, and its path may go on.
    let path = target.split([' ', '?']).next().unwrap_or_default();
    let is_whole = path.len() < target.len();
    let Some(parts) = parts(path) else { return Request::Other };
    let parts: Vec<_> = parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        parts if !is_whole && parts.contains(&"containers") => Request::Unnamed,
        [.., "containers", name, "start" | "restart" | "restore" | "init"] => {
            Request::Container((*name).to_owned())
        }
        [.., "pods", _, "start" | "restart"]
        | [.., "play", "kube"]
        | [.., "kube", "play" | "apply"]
        | [.., "services", "create"]
        | [.., "services", _, "update"] => Request::Unnamed,
        [.., "build" | "grpc" | "session"] => Request::Build,
        _ => Request::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

    fn parsed(line: &str) -> Request {
        request(format!("{line} HTTP/1.1\r\nHost: api.moby.localhost\r\n").as_bytes())
    }

    fn requests(lines: &[&str]) -> EngineRequests {
        let mut requests = EngineRequests::default();
        for line in lines {
            requests.handle_request(format!("POST {line} HTTP/1.1\r\n").as_bytes());
        }
        requests
    }

    fn container(id: &str, name: &str, engine: &str) -> Container {
        let [id, name, engine] = [id, name, engine].map(str::to_owned);
        Container { id, name, engine, ..Container::default() }
    }

    #[test]
    fn a_container_that_is_started_is_named() {
        let named = |name: &str| Request::Container(name.to_owned());
        assert_eq!(parsed(&format!("POST /v1.41/containers/{WEB}/start")), named(WEB));
        assert_eq!(parsed("POST /containers/web/restart?t=5"), named("web"));
        assert_eq!(parsed("POST /v5.4.2/libpod/containers/web/start?detachKeys="), named("web"));
        assert_eq!(parsed("POST /v1.41/containers/%77eb/start"), named("web"));
    }

    #[test]
    fn what_starts_containers_without_naming_them_is_recognized() {
        for path in ["/libpod/pods/p/start", "/v5/libpod/play/kube", "/v1.41/services/create"] {
            assert_eq!(parsed(&format!("POST {path}")), Request::Unnamed, "{path}");
        }
        for path in ["/build?t=x", "/v1.41/grpc", "/session"] {
            assert_eq!(parsed(&format!("POST {path}")), Request::Build, "{path}");
        }
        for cut in ["a-very-long-na", "a-very-long-name/sta"] {
            let start = format!("POST /v1.41/containers/{cut}");
            assert_eq!(request(start.as_bytes()), Request::Unnamed, "{cut}");
        }
    }

    #[test]
    fn other_requests_are_other_requests() {
        for line in [
            "POST /containers/create?name=web",
            "POST /exec/web/start",
            "POST /containers/web/stop",
            "POST /containers/web/exec",
            "GET /containers/web/start",
            "POST /containers/%zz/start",
            "",
        ] {
            assert_eq!(parsed(line), Request::Other, "{line}");
        }
    }

    #[test]
    fn a_container_is_known_by_what_it_was_called() {
        let web = container(WEB, "web", "docker");
        for name in ["web", WEB, &WEB[..12]] {
            assert!(requests(&[&format!("/containers/{name}/start")]).has(&web), "{name}");
        }
        for name in [&WEB[..11], "db", &WEB[1..]] {
            assert!(!requests(&[&format!("/containers/{name}/start")]).has(&web), "{name}");
        }
    }

    #[test]
    fn what_is_called_the_same_elsewhere_was_not_asked_for() {
        let requests = requests(&["/containers/web/start", "/containers/chosen-by-hand/start"]);
        for stranger in [
            container("web", "", ""),
            container("chosen-by-hand", "", ""),
            container("web", "", "containerd"),
            container(WEB, "web", "containerd"),
            container(WEB, "", "docker"),
            container("pid-7", "", ""),
        ] {
            assert!(!requests.has(&stranger), "{stranger:?}");
        }
    }

    #[test]
    fn what_may_be_the_commands_follows_from_its_requests() {
        let (web, step) = (container(WEB, "web", "docker"), container("x", "", "buildkit"));
        let may = |lines: &[&str]| [&web, &step].map(|one| requests(lines).may_have(one));
        assert_eq!(may(&["/containers/db/start"]), [false, false]);
        assert_eq!(may(&["/build"]), [false, true]);
        assert_eq!(may(&["/libpod/kube/play"]), [true, true]);
        let mut lost = EngineRequests::default();
        lost.lose();
        assert!(lost.may_have(&web));
    }
}
