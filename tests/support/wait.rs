//! Waiting for what happens elsewhere, without guessing how long it takes.

use std::time::{Duration, Instant};

/// Against hanging forever, not a measure of speed.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until `happened`, for things that can only be asked for.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < DEADLINE, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
