//! Asks all that may know a container.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::api::{self, Client};
use super::memory::Memory;
use super::runtime::Versions;
use super::{Description, EngineKind, Identity, bundle, lineage, storage, watch};
use crate::recording::Container;

/// How long not to ask an engine that did not answer.
const LEAVE_ALONE: Duration = Duration::from_secs(30);

/// How long to wait for an event about a container that its engine does not know any more.
const HEARSAY: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The container engines of this machine. To be used within a tokio runtime.
pub struct Engines {
    endpoints: Vec<Endpoint>,
    memory: Memory,
    versions: Versions,
    listeners: Vec<JoinHandle<()>>,
    /// `/`, but for tests.
    root: PathBuf,
}

/// A socket at which an engine may answer.
struct Endpoint {
    socket: PathBuf,
    /// The variable that names it; it is an error then if nobody answers.
    variable: Option<&'static str>,
    client: Option<Client>,
    ask_again: Option<Instant>,
}

impl Default for Engines {
    fn default() -> Self {
        Self::new()
    }
}

impl Engines {
    /// The engines that the environment names, and those at the usual places; none is connected to
    /// yet.
    pub fn new() -> Self {
        let memory = Memory::default();
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for found in sockets(|variable| env::var_os(variable).filter(|value| !value.is_empty())) {
            match found {
                Ok((socket, variable)) => {
                    let is_same = |other: &Endpoint| same(&other.socket, &socket);
                    if !endpoints.iter().any(is_same) {
                        endpoints.push(Endpoint {
                            socket,
                            variable,
                            client: None,
                            ask_again: None,
                        });
                    }
                }
                Err(note) => memory.note(note),
            }
        }
        Self {
            endpoints,
            memory,
            versions: Versions::default(),
            listeners: Vec::new(),
            root: "/".into(),
        }
    }

    /// What people should know: which engine could not be used and why. Of engines that are not there
    /// nothing is said, unless a variable names them.
    pub fn notes(&self) -> Vec<String> {
        self.memory.notes()
    }

    /// Begins to listen to all engines, also those that are started later. To be called before
    /// anything starts containers; what engines say while nobody polls the runtime is not lost.
    pub async fn watch(&mut self) {
        let since = Timestamp::now().as_second();
        for endpoint in &mut self.endpoints {
            let client = endpoint.client(&self.memory).await.cloned();
            let socket = endpoint.socket.clone();
            let listening = watch::listen(socket, client, since, self.memory.clone());
            self.listeners.push(tokio::spawn(listening));
        }
    }

    /// Finds out what can be found out about a container; `None` if nobody knows anything. May be
    /// called for a container that is gone.
    ///
    /// Never takes longer than a few seconds, and that only once for an engine that does not answer.
    pub async fn describe(&mut self, identity: &Identity) -> Option<Description> {
        // What is gone first is read first.
        let on_host = self.on_host(identity);
        let told = self.told(identity).await;
        let mut description = match told {
            Some(mut told) => {
                told.fill(on_host);
                told
            }
            None => on_host,
        };
        let container = &mut description.container;
        if let Some(runtime) = identity.runtime {
            container.runtime = runtime.to_owned();
        } else if let Some(path) =
            description.runtime_path.as_ref().filter(|_| container.runtime.is_empty())
        {
            container.runtime = api::runtime_name(&path.to_string_lossy());
        }
        if container.engine.is_empty() {
            container.engine = identity.engine.map(EngineKind::name).unwrap_or_default().to_owned();
        }
        if description.sources.is_empty() {
            return None;
        }
        let path = description.runtime_path.clone();
        let path = path.unwrap_or_else(|| PathBuf::from(&container.runtime));
        container.runtime_version = self.versions.of(&path).await;
        Some(description)
    }

    /// What the container's monitor and files tell.
    fn on_host(&self, Identity { id, pid, .. }: &Identity) -> Description {
        let monitors = lineage::of(*pid);
        let bundle = monitors.iter().find_map(|monitor| monitor.bundle_of(id));
        let bundle = bundle.as_deref();
        let mut description = Description {
            container: Container { id: id.clone(), ..Container::default() },
            ..Description::default()
        };
        let storage = storage::describe(&self.root, id, bundle);
        let of_monitors = monitors.iter().filter_map(|monitor| monitor.describe(id));
        let files = bundle::describe(&self.root, id, bundle);
        storage
            .into_iter()
            .chain(of_monitors)
            .chain(files)
            .for_each(|found| description.fill(found));
        description
    }

    /// What engines tell or have told.
    async fn told(&mut self, identity: &Identity) -> Option<Description> {
        use EngineKind::{Docker, Podman};
        let id = &identity.id;
        let served = matches!(identity.engine, None | Some(Docker | Podman));
        if !served || id.len() != 64 {
            return None;
        }
        let asked = |known: &Description| {
            known
                .sources
                .iter()
                .any(|source| [Docker, Podman].map(EngineKind::name).contains(&&**source))
        };
        let known = self.memory.recall(id);
        if known.as_ref().is_some_and(asked) {
            return known;
        }
        let mut answered = false;
        for endpoint in &mut self.endpoints {
            let Some(client) = endpoint.client(&self.memory).await else { continue };
            if identity.engine.is_some_and(|engine| engine != client.kind()) {
                continue;
            }
            match client.inspect(id).await {
                Ok(Some(found)) => {
                    self.memory.remember(found);
                    return self.memory.recall(id);
                }
                Ok(None) => answered = true,
                Err(error) => endpoint.failed(&error, &self.memory),
            }
        }
        if answered && !self.listeners.is_empty() && known.is_none() {
            let deadline = Instant::now() + HEARSAY;
            while self.memory.recall(id).is_none() && Instant::now() < deadline {
                sleep(LOOK_AGAIN).await;
            }
        }
        self.memory.recall(id)
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

impl Endpoint {
    /// Connects if that has not been done yet.
    async fn client(&mut self, memory: &Memory) -> Option<&Client> {
        if self.ask_again.is_some_and(|time| Instant::now() < time) {
            return None;
        }
        self.ask_again = None;
        if self.client.is_none() && (self.variable.is_some() || self.socket.exists()) {
            match Client::connect(&self.socket).await {
                Ok(client) => self.client = Some(client),
                Err(error) => self.failed(&error, memory),
            }
        }
        self.client.as_ref()
    }

    /// Notes why, and leaves an engine alone that would make everyone wait again.
    fn failed(&mut self, error: &bollard::errors::Error, memory: &Memory) {
        self.client = None;
        if api::is_slow(error) {
            self.ask_again = Some(Instant::now() + LEAVE_ALONE);
        }
        let socket = self.socket.display();
        let why = api::explain(error);
        // A socket that an engine has left behind is no engine.
        let is_left_behind = why.contains("Connection refused") || why.contains("No such file");
        match self.variable {
            None if is_left_behind => {}
            None => memory.note(format!(
                "cannot ask the container engine at {socket}: {why}. Names and images of its \
                 containers may be missing"
            )),
            Some(variable) => memory.note(format!(
                "cannot ask the container engine at {socket}, which {variable} names: {why}. Names and \
                 images of its containers may be missing"
            )),
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// Sockets at which engines answer, each with the variable that names it, or a note about a variable that
/// names another kind of endpoint.
///
/// Sources: docker `cli/context/docker`; `dockerd-rootless.sh` (`$XDG_RUNTIME_DIR/docker.sock`);
/// podman-system-service(1). Sudo takes `XDG_RUNTIME_DIR` away, but says whose it was.
fn sockets(
    get: impl Fn(&str) -> Option<OsString>,
) -> Vec<Result<(PathBuf, Option<&'static str>), String>> {
    let mut found = Vec::new();
    for variable in ["DOCKER_HOST", "CONTAINER_HOST"] {
        let Some(value) = get(variable) else { continue };
        let value = value.to_string_lossy();
        found.push(match value.strip_prefix("unix:") {
            Some(path) => Ok((Path::new("/").join(path.trim_start_matches('/')), Some(variable))),
            None => Err(format!(
                "{variable} is {value}, which is no socket of this machine (unix://PATH): names and \
                 images of its containers may be missing"
            )),
        });
    }
    let users = get("SUDO_UID").map(|uid| Path::new("/run/user").join(uid));
    let users = get("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().chain(users);
    let mut usual = vec!["/var/run/docker.sock".into(), "/run/podman/podman.sock".into()];
    for folder in users {
        usual.push(folder.join("docker.sock"));
        usual.push(folder.join("podman/podman.sock"));
    }
    found.extend(usual.into_iter().map(|socket| Ok((socket, None))));
    found
}

#[cfg(test)]
#[path = "engines_tests.rs"]
mod tests;
