//! A child that runs while the test looks at it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::run::status;

/// A running child. It is killed if the test ends before it.
#[derive(Debug)]
pub struct Spawned {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Option<std::thread::JoinHandle<String>>,
}

impl Spawned {
    /// Starts `command` with pipes for standard input, output and error.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("stdout is a pipe")),
            stderr: Some(std::thread::spawn(move || {
                let mut text = String::new();
                let _ = stderr.read_to_string(&mut text);
                text
            })),
            child,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for a line on its standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line).expect("a readable pipe");
        if length == 0 {
            let status = self.child.wait().expect("the child is ours");
            panic!("it ended with {status} and no further line\n{}", self.stderr());
        }
        line.trim_end().to_owned()
    }

    /// Writes to its standard input.
    pub fn write(&mut self, text: &str) {
        self.stdin
            .as_mut()
            .expect("stdin is open")
            .write_all(text.as_bytes())
            .expect("the child reads");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the child is ours");
    }

    /// Waits for its end only. Others may still hold its standard error open.
    pub fn status(&mut self) -> i32 {
        status(self.child.wait().expect("the child is ours"))
    }

    /// Closes its standard input, waits for its end, and returns its exit status (128+N for a
    /// signal) and standard error.
    pub fn finish(mut self) -> (i32, String) {
        self.stdin = None;
        self.end()
    }

    /// Closes its standard input.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end, with its standard input as it is, and returns its exit status (128+N for a
    /// signal) and standard error; fails the test if it takes longer than this. What it has started and left
    /// behind sees its standard input end then.
    pub fn end_within(&mut self, limit: Duration) -> (i32, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(ended) = self.child.try_wait().expect("the child is ours") {
                break status(ended);
            }
            if started.elapsed() > limit {
                // What it started may hold its standard error open, so that this cannot be shown.
                self.child.kill().expect("the child is ours");
                panic!("it has not ended within {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // Or else what still reads it would keep standard error open.
        self.close();
        (status, self.stderr())
    }

    /// Waits for its end with its standard input open.
    pub fn end(&mut self) -> (i32, String) {
        let code = status(self.child.wait().expect("the child is ours"));
        (code, self.stderr())
    }

    /// Everything else that comes on its standard output.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("UTF-8");
        text
    }

    fn stderr(&mut self) -> String {
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
