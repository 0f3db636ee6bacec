//! Listens to an engine, so that a container which is gone before anyone can ask for it has a name
//! all the same.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt;
use tokio::time::sleep;

use super::api::{Client, describe_event};
use super::memory::Memory;

/// How soon to try again with an engine that is not there, or has gone: it may be started by the very
/// command that is recorded.
const TRY_AGAIN: Duration = Duration::from_millis(500);

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

/// Listens for as long as it is polled. Nothing that happens from the second `since` (since 1970) on is
/// missed, as engines keep what happened last.
pub async fn listen(socket: PathBuf, shared: Shared, since: i64, memory: Memory) {
    let mut since = since;
    loop {
        // Whoever asks for a container says what is wrong with the engine.
        if socket.exists()
            && let Ok(client) = Client::connect(&socket).await
        {
            shared.set(Some(client.clone()));
            let mut events = pin!(client.events(since));
            while let Some(Ok(event)) = events.next().await {
                since = event.time.unwrap_or(since);
                hear(&event, &client, &memory);
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

fn hear(event: &EventMessage, client: &Client, memory: &Memory) {
    let Some(told) = describe_event(event, client.kind()) else { return };
    let id = told.container.id.clone();
    if memory.recall(&id).is_some_and(|known| known.is_from(client.kind())) {
        return;
    }
    memory.add(told);
    // The engine knows more, and now it can still be asked: a container is created some time before
    // its first process is.
    let (client, memory) = (client.clone(), memory.clone());
    tokio::spawn(async move {
        if let Ok(Some(found)) = client.inspect(&id).await {
            memory.remember(found);
        }
    });
}
