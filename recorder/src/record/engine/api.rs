//! Asks an engine through the HTTP API that Docker defines and podman serves too.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answers::{self, Event, Image, Info, Inspected, Version, describe, runtime_name};
use super::http::{Error, Lines, PATIENCE, Socket, escaped};
use super::runtime::upstream;
use super::{Description, EngineKind};

/// The most of an engine's own words that is in a note.
const LONGEST_REASON: usize = 300;

/// An engine that answers.
#[derive(Clone)]
pub struct Client {
    socket: Socket,
    kind: EngineKind,
    /// Path by name, of the runtimes that it knows.
    runtimes: HashMap<String, PathBuf>,
    /// Versions by name, of its parts: the runtime that it comes with is one.
    versions: HashMap<String, String>,
}

impl Client {
    /// Connects. There is no version in the paths of requests, so that each engine speaks its own; there is
    /// nothing to negotiate, which podman takes a second for.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let socket = Socket::new(socket);
        let version: Version = get(&socket, "/version").await?;
        let components = version.components.unwrap_or_default();
        let is_podman = components.iter().any(|part| part.name.starts_with("Podman"));
        let versions = components.into_iter().map(|part| (part.name, part.version)).collect();
        if is_podman {
            // It takes seconds to tell about itself, and tells its runtime to conmon.
            return Ok(Self {
                socket,
                kind: EngineKind::Podman,
                runtimes: HashMap::new(),
                versions,
            });
        }
        // What it would tell can be done without.
        let info: Info = get(&socket, "/info").await.unwrap_or_default();
        let runtimes = info.runtimes.unwrap_or_default().into_iter();
        let runtimes = runtimes.filter_map(|(name, of)| Some((name, of.path?))).collect();
        Ok(Self { socket, kind: EngineKind::Docker, runtimes, versions })
    }

    /// Which engine it is.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Whether it is believed about every container: no one but a trusted user answers.
    pub fn is_trusted(&self) -> bool {
        self.socket.is_trusted()
    }

    /// Asks for a container; `None` if the engine has no such container.
    pub async fn inspect(&self, id: &str) -> Result<Option<Description>, Error> {
        let path = format!("/containers/{}/json", escaped(id));
        let found: Inspected = match get(&self.socket, &path).await {
            Ok(found) => found,
            Err(Error::Refused { status: 404, .. }) => return Ok(None),
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
        let found: Result<Image, _> =
            get(&self.socket, &format!("/images/{}/json", escaped(image))).await;
        found.map(|found| answers::digest(&found)).unwrap_or_default()
    }

    /// What happens to containers, from `since` on, which is in seconds since 1970. There is no time limit: podman
    /// begins to answer with the first event.
    pub async fn events(&self, since: i64) -> Result<Events, Error> {
        let filters = escaped(r#"{"type":["container"]}"#);
        let path = format!("/events?since={since}&filters={filters}");
        Ok(Events(self.socket.lines(&path).await?))
    }
}

/// Events, as they happen.
pub struct Events(Lines);

impl Events {
    /// The next one; `None` when the engine has ended.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        while let Some(line) = self.0.next().await? {
            if !line.trim_ascii().is_empty() {
                return Ok(Some(serde_json::from_slice(&line)?));
            }
        }
        Ok(None)
    }
}

async fn get<T: DeserializeOwned>(socket: &Socket, path: &str) -> Result<T, Error> {
    let answer = timeout(PATIENCE, socket.get(path)).await.unwrap_or(Err(Error::Slow))?;
    Ok(serde_json::from_slice(&answer)?)
}

/// In words, without the layers of the HTTP client, and not longer than anyone reads: some of it is the engine's.
pub fn explain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
