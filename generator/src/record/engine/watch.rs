//! Listens to an engine, so that a container which is gone before anyone can ask for it has a name
//! all the same.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt;
use tokio::time::sleep;

use super::api::{Client, describe_event};
use super::memory::Memory;

/// How soon to try again with an engine that is not there, or has gone: it may be started by the very
/// command that is recorded.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Listens for as long as it is polled. Nothing that happens from the second `since` (since 1970) on is
/// missed, as engines keep what happened last.
pub async fn listen(socket: PathBuf, client: Option<Client>, since: i64, memory: Memory) {
    let mut client = client;
    let mut since = since;
    loop {
        if client.is_none() && socket.exists() {
            // Whoever asks for a container says what is wrong with the engine.
            client = Client::connect(&socket).await.ok();
        }
        if let Some(client) = client.take() {
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
    if memory.recall(&id).is_some() {
        return;
    }
    memory.remember(told);
    // The engine knows more, and now it can still be asked: a container is created some time before
    // its first process is.
    let (client, memory) = (client.clone(), memory.clone());
    tokio::spawn(async move {
        if let Ok(Some(found)) = client.inspect(&id).await {
            memory.remember(found);
        }
    });
}
