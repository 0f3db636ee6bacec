//! Who is connected, and how many may be: when there is no room, the client that has been silent for the
//! longest time has to go, so that those which never finish a request cannot keep others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections of one socket.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    all: BTreeMap<u64, Client>,
}

#[derive(Debug)]
struct Client {
    /// How many of its requests are being answered.
    requests: usize,
    /// When it last began to wait for a request of its own, in the order of events.
    since: u64,
    end: Arc<Notify>,
}

impl State {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Clients {
    /// Room for as many as `most`.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in; `None` if all that are there are being served.
    pub fn admit(self: &Arc<Self>) -> Option<Seat> {
        let mut state = self.state();
        if state.all.len() >= self.most {
            let silent = state.all.iter().filter(|(_, client)| client.requests == 0);
            let longest = silent.min_by_key(|(_, client)| client.since).map(|(&id, _)| id)?;
            state.all.remove(&longest)?.end.notify_one();
        }
        let id = state.tick();
        let end = Arc::new(Notify::new());
        state.all.insert(id, Client { requests: 0, since: id, end: end.clone() });
        drop(state);
        Some(Seat { id, end, clients: self.clone() })
    }
}

/// The place of one client, for as long as it is connected.
#[derive(Debug)]
pub struct Seat {
    id: u64,
    end: Arc<Notify>,
    clients: Arc<Clients>,
}

impl Seat {
    /// Returns when the client has to go.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    /// Says that a request has come in, which is being answered until the result is dropped.
    pub fn request(self: &Arc<Self>) -> Busy {
        if let Some(client) = self.clients.state().all.get_mut(&self.id) {
            client.requests += 1;
        }
        Busy(self.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.state().all.remove(&self.id);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.clients.state();
        let now = state.tick();
        if let Some(client) = state.all.get_mut(&self.0.id) {
            client.requests = client.requests.saturating_sub(1);
            client.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn admitted(clients: &Arc<Clients>) -> Arc<Seat> {
        Arc::new(clients.admit().expect("room"))
    }

    fn has_ended(seat: &Seat) -> bool {
        seat.ended().now_or_never().is_some()
    }

    #[test]
    fn the_one_that_was_silent_for_the_longest_time_goes() {
        let clients = Clients::new(3);
        let [first, second, third] = [(); 3].map(|()| admitted(&clients));
        // The first one is being served, and the second one was.
        let served = first.request();
        drop(second.request());
        let fourth = admitted(&clients);
        assert_eq!(
            [&first, &second, &third, &fourth].map(|seat| has_ended(seat)),
            [false, false, true, false]
        );
        drop(served);
        let _fifth = admitted(&clients);
        assert_eq!([&first, &second, &fourth].map(|seat| has_ended(seat)), [false, true, false]);
    }

    #[test]
    fn those_that_are_served_stay() {
        let clients = Clients::new(2);
        let seats = [(); 2].map(|()| admitted(&clients));
        let served = seats.each_ref().map(|seat| seat.request());
        assert!(clients.admit().is_none());
        assert!(seats.iter().all(|seat| !has_ended(seat)));
        drop(served);
        drop(seats);
        let _others = [(); 2].map(|()| admitted(&clients));
    }
}
