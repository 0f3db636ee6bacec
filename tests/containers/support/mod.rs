//! What the tests of containers share.

pub mod bundle;
pub mod cleanup;
pub mod container;
pub mod engine;
pub mod filter;
pub mod guard;
pub mod http;
pub mod image;
pub mod lab;
pub mod profile;
pub mod recorder;
pub mod recording;
pub mod within;

use std::process::{Command, Stdio};

pub use bundle::Bundle;
pub use container::Container;
pub use engine::{Engine, Runtime};
pub use lab::lab;
pub use recorder::Recorder;
pub use recording::{Recording, Recordings};

/// Runs a command that has to succeed, and returns what it wrote to standard output.
pub fn output(command: &mut Command) -> String {
    try_output(command).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a command, and returns what it wrote to standard output, or how it failed.
pub fn try_output(command: &mut Command) -> Result<String, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{command:?}: {}\n{}", output.status, text(&output.stderr)))
    }
}

/// Does the same with each of them at once, and returns what comes of it in their order.
pub fn at_once<T: Sync, R: Send>(these: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = these.iter().map(|this| scope.spawn(|| each(this))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
