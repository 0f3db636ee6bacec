//! Asks all engines that may know a container.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::api::{self, Client};
use super::cache::Cache;
use super::http::Error;
use super::watch::Shared;
use super::{
    Description, EngineKind, Identity, answers, bundle, lineage, runtime, storage, trusted, watch,
};
use strait_generator::recording::Container;

/// How long not to ask an engine that did not answer.
const LEAVE_ALONE: Duration = Duration::from_secs(30);

/// How long to wait, for all containers together, for events about those that their engine does not know
/// any more, and how long at least for each.
const LOOKUP: Duration = Duration::from_secs(10);
const LOOKUP_EACH: Duration = Duration::from_millis(50);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The container engines of this machine. To be used within a tokio runtime.
pub struct Engines {
    endpoints: Vec<Endpoint>,
    cache: Cache,
    /// Versions of runtimes by path: the list of a machine's packages is long.
    versions: HashMap<PathBuf, String>,
    listeners: Vec<JoinHandle<()>>,
    /// What is left of [`LOOKUP`].
    lookup: Duration,
    /// `/`, but for tests.
    root: PathBuf,
}

/// A socket at which an engine may answer.
struct Endpoint {
    socket: PathBuf,
    /// The variable that names it; it is an error then if nothing answers.
    variable: Option<&'static str>,
    client: Shared,
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
        let cache = Cache::default();
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for found in sockets(|variable| env::var_os(variable).filter(|value| !value.is_empty())) {
            match found {
                Ok((socket, None)) if is_untrusted(&socket) => cache.note(format!(
                    "the container engine at {} belongs to another user and was not asked. If its \
                     containers are to be recorded, name it: CONTAINER_HOST=unix://PATH",
                    socket.display()
                )),
                Ok((socket, variable)) => {
                    let is_same = |other: &Endpoint| same(&other.socket, &socket);
                    if !endpoints.iter().any(is_same) {
                        endpoints.push(Endpoint {
                            socket,
                            variable,
                            client: Shared::default(),
                            ask_again: None,
                        });
                    }
                }
                Err(note) => cache.note(note),
            }
        }
        Self {
            endpoints,
            cache,
            versions: HashMap::new(),
            listeners: Vec::new(),
            lookup: LOOKUP,
            root: "/".into(),
        }
    }

    /// What people should know: which engine could not be used and why. Of engines that are not there
    /// nothing is said, unless a variable names them.
    pub fn notes(&self) -> Vec<String> {
        self.cache.notes()
    }

    /// Begins to listen to all engines, also those that are started later. To be called before
    /// anything starts containers; what engines send while the runtime is not polled is not lost.
    pub fn watch(&mut self) {
        let since = Timestamp::now().as_second();
        self.listeners.extend(self.endpoints.iter().map(|endpoint| {
            let place = watch::Place {
                socket: endpoint.socket.clone(),
                is_named: endpoint.variable.is_some(),
            };
            tokio::spawn(watch::listen(place, endpoint.client.clone(), since, self.cache.clone()))
        }));
    }

    /// What has been told up to now, and will be.
    pub fn cache(&self) -> Cache {
        self.cache.clone()
    }

    /// Whether an engine was named that belongs to another user, so that it takes `CAP_DAC_OVERRIDE` to ask it.
    pub fn are_of_other_users(&self) -> bool {
        self.endpoints.iter().any(|endpoint| is_untrusted(&endpoint.socket))
    }

    /// Reads what will be gone with the container, for a later [`describe`](Self::describe): what its
    /// monitor and the files of its runtime say. To be called as soon as a container is seen; never
    /// blocks.
    pub fn poll(&self, identity: &Identity) {
        if identity.is_trusted() {
            self.cache.add(self.on_host(identity));
        }
    }

    /// Finds out what can be found out about a container. May be called for one that is gone.
    ///
    /// Docker does not answer while it starts the container that it is asked for, so this may take as
    /// long as that, but never more than the time that an engine is given, and that only once for one that
    /// does not answer.
    pub async fn describe(&mut self, identity: &Identity) -> Description {
        let found = Description::from_identity(identity);
        let mut description = if identity.is_trusted() {
            // What is gone first is read first, and once: it takes a look at every process.
            if self.cache.get(&identity.id).is_none() {
                self.poll(identity);
            }
            self.ask(identity).await;
            self.cache.get(&identity.id).unwrap_or_default()
        } else {
            self.ask_its_owner(identity).await
        };
        if !identity.is_trusted() && !description.confirmed {
            return Description::default();
        }
        let container = &mut description.container;
        container.id.clone_from(&found.container.id);
        if !found.container.runtime.is_empty() {
            container.runtime.clone_from(&found.container.runtime);
        }
        let path = description.runtime_path.clone();
        let path = path.unwrap_or_else(|| PathBuf::from(&container.runtime));
        if container.runtime.is_empty() {
            container.runtime = answers::runtime_name(&path.to_string_lossy());
        }
        if container.engine.is_empty() {
            container.engine = found.container.engine;
        }
        if container.runtime_version.is_empty() {
            let version = self.versions.entry(path);
            let version = version.or_insert_with_key(|path| runtime::version(&self.root, path));
            container.runtime_version.clone_from(version);
        }
        description
    }

    /// What the container's monitor and files tell.
    fn on_host(&self, Identity { id, pid, began, .. }: &Identity) -> Description {
        let mut monitors = lineage::monitors(*pid, *began);
        if monitors.is_empty() {
            monitors.extend(lineage::watching(id));
        }
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

    /// Asks the engines, unless they have told already, and remembers what they say.
    async fn ask(&mut self, identity: &Identity) {
        use EngineKind::{Docker, Podman};
        let id = &identity.id;
        let is_served = matches!(identity.engine, None | Some(Docker | Podman)) && id.len() == 64;
        if !is_served || self.knows(id, &[Docker, Podman]) {
            return;
        }
        let mut is_gone = false;
        for endpoint in &mut self.endpoints {
            let Some(client) = endpoint.trusted(&self.cache).await else { continue };
            if identity.engine.is_some_and(|engine| engine != client.kind()) {
                continue;
            }
            match client.inspect(id).await {
                Ok(Some(found)) => return self.cache.remember(found),
                Ok(None) => is_gone = true,
                Err(error) => {
                    endpoint.failed(&error, &self.cache);
                    is_gone = true;
                }
            }
        }
        // It may still have told about it, or tell when it is less busy.
        if is_gone {
            self.lookup(identity).await;
        }
    }

    /// What is told about a container of another user by an engine of that user, if the caller named it. What is
    /// known of others is not used, since such a container can claim to be any.
    async fn ask_its_owner(&mut self, Identity { id, owner, .. }: &Identity) -> Description {
        for endpoint in &mut self.endpoints {
            let is_its = trusted::owner(&endpoint.socket) == Some(*owner);
            if endpoint.variable.is_none() || !is_its || id.len() != 64 {
                continue;
            }
            let Some(client) = endpoint.client(&self.cache).await else { continue };
            match client.inspect(id).await {
                Ok(Some(found)) => {
                    let mut description = Description { confirmed: true, ..Description::default() };
                    description.fill(found);
                    return description;
                }
                Ok(None) => {}
                Err(error) => endpoint.failed(&error, &self.cache),
            }
        }
        Description::default()
    }

    /// Whether one of these engines was asked for a container and knew it.
    fn knows(&self, id: &str, engines: &[EngineKind]) -> bool {
        let known = self.cache.get(id);
        known.is_some_and(|known| engines.iter().any(|engine| known.is_from(*engine)))
    }

    /// For a container that is gone: waits until the events that its engine sent about it have been
    /// read, and asks for the image that they name.
    async fn lookup(&mut self, Identity { id, engine, .. }: &Identity) {
        let is_cached =
            |cache: &Cache| cache.get(id).is_some_and(|known| !known.container.image.is_empty());
        let started = Instant::now();
        let deadline = started + self.lookup.max(LOOKUP_EACH);
        while !self.listeners.is_empty() && !is_cached(&self.cache) && Instant::now() < deadline {
            sleep(LOOK_AGAIN).await;
        }
        self.lookup = self.lookup.saturating_sub(started.elapsed());
        let Some(mut known) = self.cache.get(id) else { return };
        if known.container.image.is_empty() || !known.container.image_digest.is_empty() {
            return;
        }
        for endpoint in &mut self.endpoints {
            let Some(client) = endpoint.trusted(&self.cache).await else { continue };
            if engine.is_none_or(|engine| engine == client.kind()) {
                known.container.image_digest = client.digest(&known.container.image).await;
                return self.cache.add(known);
            }
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

impl Endpoint {
    /// Connects if that has not been done yet.
    async fn client(&mut self, cache: &Cache) -> Option<Client> {
        if self.ask_again.is_some_and(|time| Instant::now() < time) {
            return None;
        }
        self.ask_again = None;
        let is_named = self.variable.is_some();
        if self.client.get().is_none() && (is_named || watch::is_roots(&self.socket)) {
            match Client::connect(&self.socket).await {
                Ok(client) => self.client.set(Some(client)),
                Err(error) => self.failed(&error, cache),
            }
        }
        self.client.get()
    }

    /// The same, if it is believed about the containers of trusted users.
    async fn trusted(&mut self, cache: &Cache) -> Option<Client> {
        self.client(cache).await.filter(Client::is_trusted)
    }

    /// Notes why, and leaves an engine alone that would make everyone wait again.
    fn failed(&mut self, error: &Error, cache: &Cache) {
        self.client.set(None);
        if matches!(error, Error::Slow) {
            self.ask_again = Some(Instant::now() + LEAVE_ALONE);
        }
        let socket = self.socket.display();
        let why = api::explain(error);
        // A socket that an engine has left behind is no engine.
        let is_left_behind = why.contains("Connection refused") || why.contains("No such file");
        match self.variable {
            None if is_left_behind => {}
            None => cache.note(format!(
                "cannot ask the container engine at {socket}: {why}. Names and images of its \
                 containers may be missing"
            )),
            Some(variable) => cache.note(format!(
                "cannot ask the container engine at {socket}, which {variable} names: {why}. Names and \
                 images of its containers may be missing"
            )),
        }
    }
}

/// Whether there is a socket of another user, who can answer through it what he likes.
fn is_untrusted(socket: &Path) -> bool {
    trusted::owner(socket).is_some_and(|owner| !trusted::is_trusted(owner))
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
                "{variable} is {value}, which is not a socket on this machine (unix://PATH): names and images \
                 of its containers may be missing"
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
