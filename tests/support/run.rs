//! A builder for one run of `strait`, and what came of it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::signal::{SigHandler, Signal};

use super::scrub;
use super::spawned::Spawned;

/// The binary under test.
pub const STRAIT: &str = env!("CARGO_BIN_EXE_strait");

/// A run of `strait` with a scrubbed environment.
#[derive(Debug)]
pub struct Strait {
    through: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    directory: PathBuf,
    stdin: Vec<u8>,
    exit: i32,
}

/// What a run left, with everything that differs from machine to machine redacted.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Starts to describe a run. It has to exit with 0 unless [`Strait::expect_exit`] says otherwise.
pub fn strait() -> Strait {
    Strait {
        through: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: PathBuf::from("/"),
        stdin: Vec::new(),
        exit: 0,
    }
}

impl Strait {
    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an argument.
    pub fn arg(self, argument: impl Into<OsString>) -> Self {
        self.args([argument.into()])
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs in this directory, which is redacted as `[DIR]`.
    pub fn in_dir(mut self, directory: &Path) -> Self {
        self.directory = directory.to_owned();
        self
    }

    /// What `strait` reads on its standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs `strait` through another program, which gets its path as its next argument.
    pub fn through<A: Into<OsString>>(mut self, program: impl IntoIterator<Item = A>) -> Self {
        self.through.extend(program.into_iter().map(Into::into));
        self
    }

    /// The exit status that the run has to have; 128+N for a signal.
    pub fn expect_exit(mut self, status: i32) -> Self {
        self.exit = status;
        self
    }

    /// Runs to the end.
    ///
    /// # Panics
    ///
    /// If the exit status is not the expected one.
    pub fn run(self) -> Outcome {
        let mut command = self.command();
        if self.stdin.is_empty() {
            command.stdin(Stdio::null());
        } else {
            command.stdin(Stdio::piped());
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut input = child.stdin.take();
        let output = std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Some(mut pipe) = input.take() {
                    // A run that fails early does not read what it was given.
                    let _ = pipe.write_all(&self.stdin);
                }
            });
            child.wait_with_output().expect("the child is ours")
        });
        let outcome =
            Outcome { stdout: self.redact(&output.stdout), stderr: self.redact(&output.stderr) };
        assert_eq!(
            status(output.status),
            self.exit,
            "exit status of {command:?}\n--- stdout\n{}\n--- stderr\n{}",
            outcome.stdout,
            outcome.stderr,
        );
        outcome
    }

    /// Starts the run with standard input and output in the test's hands.
    pub fn spawn(self) -> Spawned {
        Spawned::start(self.command())
    }

    /// The command that this describes.
    pub fn command(&self) -> Command {
        let mut args = self
            .through
            .iter()
            .cloned()
            .chain([OsString::from(STRAIT)])
            .chain(self.arguments.iter().cloned());
        let mut command = Command::new(args.next().expect("there is at least the binary"));
        command.args(args);
        scrub(&mut command, &self.directory);
        heed_sigint(&mut command);
        command.envs(self.environment.iter().cloned());
        command
    }

    fn redact(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).replace(STRAIT, "[STRAIT]");
        match self.directory.to_str() {
            Some(directory) if directory != "/" => text.replace(directory, "[DIR]"),
            _ => text,
        }
    }
}

/// Has a command end at SIGINT, as one that is started in a terminal does: what runs in a shell's background, as
/// these tests may, is started with SIGINT ignored.
pub fn heed_sigint(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let heed = || {
        // SAFETY: sets a default action, which is safe between fork and exec.
        unsafe { nix::sys::signal::signal(Signal::SIGINT, SigHandler::SigDfl) }?;
        Ok(())
    };
    // SAFETY: it makes one system call and allocates nothing.
    unsafe { command.pre_exec(heed) };
}

/// An exit status as a shell reports it.
pub fn status(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .expect("a process that ended has a code or a signal")
}

impl Outcome {
    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{}", self.stdout))
    }

    /// That standard error mentions each of `texts`.
    pub fn says(self, texts: &[&str]) -> Self {
        for word in texts {
            assert!(self.stderr.contains(word), "stderr does not say {word:?}:\n{}", self.stderr);
        }
        self
    }

    /// That standard error is one clear paragraph: something is said, without a blank line in
    /// between, a panic, a backtrace or the insides of the program.
    pub fn says_one_paragraph(self) -> Self {
        let message = self.stderr.trim();
        assert!(!message.is_empty(), "nothing on stderr");
        for noise in ["\n\n", "panicked", "backtrace", "RUST_", "Os {", "::"] {
            assert!(!message.contains(noise), "stderr contains {noise:?}:\n{message}");
        }
        self
    }
}
