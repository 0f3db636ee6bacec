//! The oracle: what `strace -f` sees of a command.

mod log;

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Calls, scrub};

pub use log::parse;

/// Runs `command` in `dir` under strace, and returns every call that it and all it started made.
///
/// The run has to succeed: a workload that fails proves nothing.
pub fn trace(command: &[String], dir: &Path, user: Option<&str>) -> Calls {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut strace = Command::new("strace");
    scrub(&mut strace, dir);
    strace
        // `--quiet=none` keeps the changes of personality in the log, which `-o` would leave out.
        .args(["-f", "-n", "--quiet=none", "--signal=none", "-s", "0", "-o"])
        .arg(log.path());
    if let Some(user) = user {
        strace.args(["-u", user]);
    }
    let output = strace
        .args(command)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need strace 6.1 or later: apt-get install strace");
    assert!(
        output.status.success(),
        "{command:?} under strace: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read(log.path()).expect("strace wrote its log");
    parse(&String::from_utf8_lossy(&text)).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
