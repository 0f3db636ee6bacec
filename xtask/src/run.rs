//! Running other programs: found by name, quiet while they succeed, ended with their starter.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT and SIGTERM do not end xtask at once: what waits returns an error instead,
/// so that every guard still cleans up behind itself.
pub fn catch_interrupts() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot catch signals")?;
    }
    Ok(())
}

/// Fails if xtask was asked to end.
pub fn check_interrupt() -> Result<()> {
    let interrupted = INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed));
    ensure!(!interrupted, "interrupted");
    Ok(())
}

/// Whether this process has root's user id.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The executable of this name in PATH, or where only root's PATH looks.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A program to run to its end.
pub struct Tool(Command);

impl Tool {
    /// The program, found in PATH unless it is a path, with nothing on its standard input.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self(command)
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Lets the program ask the user, for a password.
    pub fn with_stdin(mut self) -> Self {
        self.0.stdin(Stdio::inherit());
        self
    }

    /// Runs it with its output shown.
    pub fn show(mut self, doing: &str) -> Result<()> {
        let status = self.0.status().with_context(|| self.cannot_start(doing))?;
        check_interrupt()?;
        ensure!(status.success(), "{doing} failed: `{}` ended with {status}", self.line());
        Ok(())
    }

    /// Runs it with its output shown only if it fails.
    pub fn quiet(self, doing: &str) -> Result<()> {
        self.output(doing).map(drop)
    }

    /// Runs it and returns what it wrote to its standard output; its stderr is shown as it comes.
    pub fn stdout(mut self, doing: &str) -> Result<String> {
        self.0.stderr(Stdio::inherit());
        text(&self.output(doing)?.stdout, doing)
    }

    /// Runs it and returns what it wrote, failing with that if it fails.
    pub fn output(mut self, doing: &str) -> Result<Output> {
        let output = self.0.output().with_context(|| self.cannot_start(doing))?;
        check_interrupt()?;
        if !output.status.success() {
            bail!(
                "{doing} failed: `{}` ended with {}\n{}{}",
                self.line(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(output)
    }

    /// Starts it, to be ended when the guard goes.
    pub fn start(mut self, doing: &str) -> Result<Running> {
        let child = self.0.spawn().with_context(|| self.cannot_start(doing))?;
        Ok(Running { child, what: doing.to_owned(), done: false })
    }

    /// The command underneath, for what this type does not offer.
    pub fn command(&mut self) -> &mut Command {
        &mut self.0
    }

    fn cannot_start(&self, doing: &str) -> String {
        format!("{doing} failed: cannot start `{}`", self.line())
    }

    fn line(&self) -> String {
        std::iter::once(self.0.get_program())
            .chain(self.0.get_args())
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn text(bytes: &[u8], doing: &str) -> Result<String> {
    String::from_utf8(bytes.to_vec()).with_context(|| format!("{doing}: the output is not UTF-8"))
}

/// A program that runs beside xtask, and no longer than its guard: it is asked to end, then killed.
pub struct Running {
    child: Child,
    what: String,
    done: bool,
}

impl Running {
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status =
            self.child.try_wait().with_context(|| format!("lost sight of {}", self.what))?;
        self.done |= status.is_some();
        Ok(status)
    }

    /// Waits for its end.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.what);
        wait_for(&what, timeout, || self.ended())
    }

    /// Waits for something that it will bring about, or for its untimely end.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut ready: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_for(what, timeout, || {
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status} before {what}", self.what);
            }
            ready()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Best effort: there is no place left to report it.
        let _ = kill(self.pid(), Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TICK: Duration = Duration::from_millis(2);

/// Asks again until there is an answer, the time is over, or it is interrupted.
pub fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(answer) = ready()? {
            return Ok(answer);
        }
        check_interrupt()?;
        ensure!(Instant::now() < deadline, "waited {} s for {what} in vain", timeout.as_secs());
        std::thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step_and_shows_the_output_of_the_tool() {
        let tool = Tool::new("sh").args(["-c", "echo no luck >&2; exit 3"]);
        let error = tool.quiet("trying").unwrap_err().to_string();
        assert!(error.contains("trying failed") && error.contains("no luck"), "{error}");
    }

    #[test]
    fn a_guard_ends_what_it_guards() {
        let running = Tool::new("sleep").arg("1000").start("sleep").unwrap();
        let pid = running.pid();
        drop(running);
        assert!(kill(pid, None).is_err());
    }

    #[test]
    fn an_early_end_is_distinguished_from_a_slow_start() {
        let mut running = Tool::new("false").start("a server").unwrap();
        let error =
            running.wait_until("its port", Duration::from_secs(5), || Ok(None::<()>)).unwrap_err();
        assert!(error.to_string().contains("before its port"), "{error}");
    }
}
