//! The process that owns the engines, and removes them and all that they made.
//!
//! Containers are children of their engine, not of the test, so nothing ends them when a test run
//! is interrupted or killed. The guard does: it is a child of the test run, in a session of its own
//! so that Ctrl-C does not reach it, and waits for its standard input to end, which it does however
//! the test run ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{Pid, setsid};

use super::engine::{self, Engine};
use super::{cleanup, try_output};

/// The first argument of the guard, which is this binary too.
pub const ROLE: &str = "--keep-engines-in";

const READY: &str = "ready";

/// Against hanging forever, not a measure of speed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The guard, as the test run sees it.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    /// Closing it tells the guard to clean up.
    stdin: Option<ChildStdin>,
}

impl Guard {
    /// Starts the engines in `directory`, and waits until they answer.
    pub fn start(directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary is there"))
            .arg(ROLE)
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let stdin = child.stdin.take();
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a readable pipe");
        let guard = Self { child, stdin };
        assert_eq!(line.trim(), READY, "the engines did not start: see above");
        guard
    }

    /// Stops the engines and removes everything.
    pub fn stop(&mut self) {
        self.stdin = None;
        let status = self.child.wait().expect("the guard is ours");
        assert!(status.success(), "not everything could be removed: see above");
    }
}

/// What the guard does.
pub fn main(directory: &Path) -> ExitCode {
    // SAFETY: ignoring a signal runs no code of ours.
    let ignored = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE]
        .map(|number| unsafe { signal(number, SigHandler::SigIgn) });
    assert!(ignored.iter().all(Result::is_ok));
    setsid().expect("a child leads no process group");
    let traces = cleanup::Traces::before();
    let mut daemons = Vec::new();
    let started = start(directory, &mut daemons);
    match &started {
        Ok(()) => {
            let mut stdout = std::io::stdout();
            let _ = writeln!(stdout, "{READY}").and_then(|()| stdout.flush());
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
        }
        Err(error) => eprintln!("{error}"),
    }
    let removed = stop(directory, daemons, &traces);
    if let Err(error) = &removed {
        eprintln!("{error}");
    }
    if started.is_ok() && removed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(directory: &Path, name: &'static str, command: &mut Command) -> Result<Self, String> {
        let log = directory.join(format!("{name}.log"));
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = file.try_clone().map_err(|error| error.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            // Ends with SIGTERM as a daemon should: what the guard ignores is inherited.
            .process_group(0);
        // SAFETY: between fork and exec only `signal` is called, which is async-signal-safe.
        let child = unsafe {
            child.pre_exec(|| {
                for number in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGPIPE] {
                    signal(number, SigHandler::SigDfl)?;
                }
                Ok(())
            })
        }
        .spawn()
        .map_err(|error| format!("cannot start {name}: {error} (`cargo xtask setup`)"))?;
        Ok(Self { name, child, log })
    }

    /// Waits until `answers`, as long as the daemon lives.
    fn wait_until(&mut self, mut answers: impl FnMut() -> bool) -> Result<(), String> {
        let started = Instant::now();
        while !answers() {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<_> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(10)..].join("\n");
                return Err(format!("{} does not answer:\n{tail}", self.name));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.wait_until(|| false);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path, daemons: &mut Vec<Daemon>) -> Result<(), String> {
    engine::configure(directory)
        .map_err(|error| format!("cannot write to {directory:?}: {error}"))?;

    // A containerd of its own: dockerd would join one that the system runs, and share its
    // containers' namespace `moby` with the user's own dockerd.
    let socket = directory.join("containerd.sock");
    let mut command = Command::new("containerd");
    command.arg("--config").arg(directory.join("containerd.toml"));
    let mut containerd = Daemon::start(directory, "containerd", &mut command)?;
    let ready = containerd.wait_until(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
    daemons.push(containerd);
    ready?;

    let mut problem = String::new();
    for driver in ["overlay2", "vfs"] {
        let mut dockerd =
            Daemon::start(directory, "dockerd", &mut engine::dockerd(directory, driver))?;
        let ready = dockerd.wait_until(|| {
            try_output(Engine::docker_in(directory).command().arg("version")).is_ok()
        });
        match ready {
            Ok(()) => {
                daemons.push(dockerd);
                problem.clear();
                break;
            }
            Err(error) => {
                dockerd.stop();
                problem = error;
            }
        }
    }
    if !problem.is_empty() {
        return Err(problem);
    }

    let mut podman = Daemon::start(directory, "podman", &mut engine::podman_service(directory))?;
    let socket = engine::podman_socket(directory);
    let ready = podman.wait_until(|| std::os::unix::net::UnixStream::connect(&socket).is_ok());
    daemons.push(podman);
    ready
}

fn stop(
    directory: &Path,
    mut daemons: Vec<Daemon>,
    traces: &cleanup::Traces,
) -> Result<(), String> {
    for engine in [Engine::docker_in(directory), Engine::podman_in(directory)] {
        let containers = try_output(engine.command().args(["ps", "--all", "--quiet"]));
        for id in containers.unwrap_or_default().lines() {
            let _ = engine.remove(id);
        }
    }
    while let Some(daemon) = daemons.pop() {
        daemon.stop();
    }
    cleanup::processes_of(directory);
    cleanup::mounts_below(directory)?;
    traces.remove_new();
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}
