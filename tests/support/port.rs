//! Ports for servers of the tests.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// Below the ports that the kernel gives to clients (`ip_local_port_range`), so that no connection
/// is on one between its choice and the server's start.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The first that was not handed out, once one was.
static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// A port of the loopback interface that nothing listens on, and that this process did not hand out
/// before: two servers that start at once would else both take the one that answers for theirs.
pub fn free() -> u16 {
    let mut next = NEXT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Processes begin at different places, since one sees of another's ports only those in use.
    let mut port = next.unwrap_or_else(|| {
        let places = PORTS.step_by(100).collect::<Vec<_>>();
        places[std::process::id() as usize % places.len()]
    });
    while TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
        port += 1;
        assert!(port < PORTS.end, "no port is free");
    }
    *next = Some(port + 1);
    port
}
