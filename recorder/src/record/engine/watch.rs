//! Listens to an engine, so that a container which is gone before anyone can ask for it has a name
//! all the same.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::answers::{Event, describe_event};
use super::api::{self, Client};
use super::cache::Cache;
use super::http::Error;
use super::trusted;

/// How soon to try again with an engine that is not there, or has gone: it may be started by the very
/// command that is recorded.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// For how many containers of which an engine has told it is asked at a time. It does not answer about one that it is
/// starting; while it starts so many, the next events wait in its socket.
const ASKED_AT_ONCE: usize = 16;

/// An engine that answers, if there is one: shared by who listens and who asks.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Option<Client>>>);

impl Shared {
    /// The engine.
    pub fn get(&self) -> Option<Client> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another engine, or none.
    pub fn set(&self, client: Option<Client>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

/// Where an engine may answer.
pub struct Place {
    /// Its socket.
    pub socket: PathBuf,
    /// Whether the caller named it, so that it is asked even if another user owns it.
    pub is_named: bool,
}

/// Whether there is a socket at this path of which only root can decide who answers.
pub fn is_roots(socket: &Path) -> bool {
    trusted::exists(socket) && trusted::owner(socket).is_some_and(trusted::is_trusted)
}

/// Listens for as long as it is polled, but not to an engine of another user, which is believed about that user's
/// containers only, and only when it is asked. Nothing that happens from the second `since` (since 1970) on is
/// missed, as engines keep what happened last.
pub async fn listen(place: Place, shared: Shared, since: i64, cache: Cache) {
    let Place { socket, is_named } = place;
    let mut since = since;
    let room = Arc::new(Semaphore::new(ASKED_AT_ONCE));
    loop {
        // The code that asks for a container reports what is wrong with the engine.
        let is_there = if is_named { socket.exists() } else { is_roots(&socket) };
        if is_there && let Ok(client) = Client::connect(&socket).await {
            shared.set(Some(client.clone()));
            if !client.is_trusted() {
                return;
            }
            let result = handle_events(&client, &mut since, &cache, &room).await;
            // Engines also end in the middle of an answer.
            if let Err(error @ (Error::TooLarge | Error::Json(_))) = result {
                cache.note(format!(
                    "cannot listen to the container engine at {}: {}. Names and images of containers that are \
                     gone soon may be missing",
                    socket.display(),
                    api::explain(&error)
                ));
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Listens until the engine ends.
async fn handle_events(
    client: &Client,
    since: &mut i64,
    cache: &Cache,
    room: &Arc<Semaphore>,
) -> Result<(), Error> {
    let mut events = client.events(*since).await?;
    while let Some(event) = events.next().await? {
        *since = event.time.unwrap_or(*since);
        handle_event(&event, client, cache, room).await;
    }
    Ok(())
}

async fn handle_event(event: &Event, client: &Client, cache: &Cache, room: &Arc<Semaphore>) {
    let Some(told) = describe_event(event, client.kind()) else { return };
    let id = told.container.id.clone();
    if cache.get(&id).is_some_and(|known| known.is_from(client.kind())) {
        return;
    }
    cache.add(told);
    // The engine knows more, and now it can still be asked: a container is created some time before
    // its first process is.
    let Ok(place) = room.clone().acquire_owned().await else { return };
    let (client, cache) = (client.clone(), cache.clone());
    tokio::spawn(async move {
        if let Ok(Some(found)) = client.inspect(&id).await {
            cache.remember(found);
        }
        drop(place);
    });
}
