//! `strait record --containers` around what a test does.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Recordings, engine, lab};
use crate::common::run::Strait;
use crate::common::spawned::Spawned;
use crate::common::strait;

/// `strait` with the engines of this test run in its environment.
pub fn strait_with_engines() -> Strait {
    engine::environment(lab().directory())
        .into_iter()
        .fold(strait(), |strait, (name, value)| strait.env(name, value))
}

/// A recorder that records every container that is started while it runs.
#[derive(Debug)]
pub struct Recorder {
    spawned: Spawned,
    directory: TempDir,
}

impl Recorder {
    /// Starts to record all containers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with more options.
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_as(strait_with_engines(), options)
    }

    /// As [`start_with`](Self::start_with), in another environment.
    pub fn start_as(strait: Strait, options: &[&str]) -> Self {
        let directory = lab().scratch();
        Self::start_into(strait, directory, options)
    }

    /// As [`start_as`](Self::start_as), with recordings in this directory.
    pub fn start_into(strait: Strait, directory: TempDir, options: &[&str]) -> Self {
        // The command is told to end by its input; what happens meanwhile is the test's.
        let mut spawned = strait
            .args(["record", "--containers", "--refusals", "-o"])
            .arg(directory.path())
            .args(options.iter().map(OsString::from))
            .args(["--", "sh", "-c", "echo recording; cat"])
            .spawn();
        assert_eq!(spawned.line().trim(), "recording");
        Self { spawned, directory }
    }

    /// Ends the recorder and reads what it wrote.
    pub fn finish(self) -> Recordings {
        self.finish_saying(&[])
    }

    /// As [`finish`](Self::finish), with each of these texts on standard error.
    pub fn finish_saying(self, texts: &[&str]) -> Recordings {
        let (status, stderr) = self.spawned.finish();
        assert_eq!(status, 0, "strait record --containers:\n{stderr}");
        for word in texts {
            assert!(stderr.contains(word), "stderr does not say {word:?}:\n{stderr}");
        }
        Recordings::read(self.directory)
    }

    /// Ends the recorder, whatever it makes of it; returns its exit status, what it said, and what it wrote.
    pub fn close(self) -> (i32, String, TempDir) {
        let (status, stderr) = self.spawned.finish();
        (status, stderr, self.directory)
    }

    /// Asks for what there is.
    pub fn flush(&self) {
        self.spawned.signal(Signal::SIGUSR1);
    }

    /// Sends it a signal that ends it, which may take so long; returns its exit status, what it said, and what it
    /// wrote.
    pub fn stop(mut self, signal: Signal, limit: Duration) -> (i32, String, TempDir) {
        self.spawned.signal(signal);
        let (status, stderr) = self.spawned.end_within(limit);
        (status, stderr, self.directory)
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.spawned.pid()
    }

    /// Where it writes to.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
