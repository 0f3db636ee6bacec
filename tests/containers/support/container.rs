//! One container: how it is started, what is done to it, and that it goes away.

use std::path::Path;
use std::process::Command;

use super::{Engine, output, try_output};
use crate::common::wait;

/// How to start a container.
#[derive(Clone, Debug)]
pub struct Options {
    engine: Engine,
    name: String,
    args: Vec<String>,
}

/// A container that is removed when this goes out of scope.
#[derive(Debug)]
pub struct Container {
    engine: Engine,
    /// What the test calls it.
    pub name: String,
    /// What the engine calls it: 64 hexadecimal digits.
    pub id: String,
}

impl Options {
    pub(super) fn new(engine: Engine, name: &str) -> Self {
        // There is no bridge: ports are the host's.
        let args = ["--name", name, "--network", "host"].map(str::to_owned).to_vec();
        Self { engine, name: name.to_owned(), args }
    }

    /// Adds an option of `docker run`, which is one of `podman run` too.
    pub fn option(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|word| (*word).to_owned()));
        self
    }

    /// With this seccomp profile and not the engine's default.
    pub fn profile(self, file: &Path) -> Self {
        self.option(&["--security-opt", &format!("seccomp={}", file.display())])
    }

    /// With `no_new_privs`.
    pub fn no_new_privs(self) -> Self {
        self.option(&["--security-opt", "no-new-privileges"])
    }

    /// With a directory of the host's as `/srv`, to read.
    pub fn files(self, directory: &Path) -> Self {
        self.option(&["--volume", &format!("{}:/srv:ro", directory.display())])
    }

    /// With a command of a shell that tells whether it is well.
    pub fn health(self, command: &str) -> Self {
        let interval = if self.engine.checks_health() { "250ms" } else { "disable" };
        self.option(&["--health-cmd", command, "--health-interval", interval])
    }

    /// The client's command that runs it, for others to run.
    pub fn command<W: AsRef<str>>(&self, image: &str, command: &[W]) -> Command {
        let mut run = self.engine.command();
        run.args(self.engine.run()).args(&self.args).arg(image);
        run.args(command.iter().map(AsRef::as_ref));
        run
    }

    /// Starts it and leaves it running.
    pub fn start<W: AsRef<str>>(mut self, image: &str, command: &[W]) -> Container {
        self.args.push("--detach".to_owned());
        let printed = output(&mut self.command(image, command));
        let id = printed.lines().last().unwrap_or_default().to_owned();
        assert_eq!(id.len(), 64, "the engine prints the container's id: {printed}");
        Container { engine: self.engine, name: self.name, id }
    }

    /// Runs it to its end, and returns it with its exit status.
    pub fn run<W: AsRef<str>>(self, image: &str, command: &[W]) -> (Container, i32) {
        let container = self.start(image, command);
        let status = container.wait();
        (container, status)
    }
}

impl Container {
    fn client(&self, verb: &str) -> Command {
        let mut command = self.engine.command();
        command.arg(verb);
        command
    }

    /// Runs a command in it, which has to succeed, and returns its output.
    pub fn exec<W: AsRef<str>>(&self, command: &[W]) -> String {
        self.try_exec(command).unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// Runs a command in it.
    pub fn try_exec<W: AsRef<str>>(&self, command: &[W]) -> Result<String, String> {
        try_output(self.client("exec").arg(&self.id).args(command.iter().map(AsRef::as_ref)))
    }

    /// Sends its first process a signal.
    pub fn kill(&self, signal: &str) {
        output(self.client("kill").args(["--signal", signal, &self.id]));
    }

    /// Asks it to stop, and checks that it did not have to be killed.
    pub fn stop(&self) {
        output(self.client("stop").args(["--time", "60", &self.id]));
        let status = self.inspect("{{.State.ExitCode}}");
        assert_ne!(status, "137", "{} had to be killed\n{}", self.name, self.logs());
    }

    /// Stops it and starts it again.
    pub fn restart(&self) {
        output(self.client("restart").args(["--time", "60", &self.id]));
    }

    /// Waits for its end, and returns its exit status.
    pub fn wait(&self) -> i32 {
        let status = output(self.client("wait").arg(&self.id));
        status.parse().unwrap_or_else(|error| panic!("{status:?}: {error}"))
    }

    /// Waits until its health check says that it is well.
    pub fn wait_until_healthy(&self) {
        wait::until(&format!("{} is healthy", self.name), || {
            if self.engine.checks_health() {
                self.inspect("{{.State.Health.Status}}") == "healthy"
            } else {
                try_output(self.client("healthcheck").args(["run", &self.id])).is_ok()
            }
        });
    }

    /// Answers a Go template.
    pub fn inspect(&self, template: &str) -> String {
        output(self.client("inspect").args(["--format", template, &self.id]))
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.inspect("{{.State.Running}}") == "true"
    }

    /// Its first process, as the host numbers it.
    pub fn pid(&self) -> i32 {
        let pid = self.inspect("{{.State.Pid}}");
        pid.parse().unwrap_or_else(|error| panic!("{pid:?}: {error}"))
    }

    /// What it wrote, for messages.
    pub fn logs(&self) -> String {
        let output = self.client("logs").args(["--tail", "20", &self.id]).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| {
                [output.stdout, output.stderr]
                    .map(|text| String::from_utf8_lossy(&text).into_owned())
                    .concat()
            },
        )
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.engine.remove(&self.id);
    }
}
