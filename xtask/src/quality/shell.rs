//! Scripts with a time limit, servers that are started and ended, and no process left behind.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::app::App;
use super::stage::Mode;
use crate::run;

const TICK: Duration = Duration::from_millis(10);

/// A word for the shell.
pub fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Where scripts run, and with which environment.
pub struct Shell {
    scratch: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    /// What comes before a command: nothing, or strait.
    prefix: String,
    /// Whether what is started is the server itself and not strait.
    direct: bool,
}

/// A server, and the process that it is started by.
pub struct Server {
    child: Child,
    status: Option<ExitStatus>,
    /// The server itself.
    pid: Option<Pid>,
}

impl Shell {
    pub fn new(scratch: &Path, folder: &Path, functions: &Path) -> Result<Self> {
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin)?;
        std::fs::create_dir_all(folder.join("reports"))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Self {
            scratch: scratch.to_owned(),
            folder: folder.to_owned(),
            environment: Vec::new(),
            prefix: "exec ".to_owned(),
            direct: true,
        };
        shell.set("W", &scratch.display().to_string());
        shell.set("STAGE", &folder.display().to_string());
        shell.set("BASH_ENV", &functions.display().to_string());
        shell.set("PATH", &format!("{}:/usr/sbin:/usr/bin:/sbin:/bin:{path}", bin.display()));
        shell.set("HOME", &scratch.display().to_string());
        shell.set("LC_ALL", "C.UTF-8");
        Ok(shell)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Has commands run in this mode from now on, with reports that bear the run's number.
    pub fn under(&mut self, mode: &Mode, strait: &Path, run: usize, app: &App) -> Result<()> {
        let (reports, strait) = (self.folder.join("reports"), quote(strait));
        let user = app.user.as_ref().map(|user| format!("--user {user} ")).unwrap_or_default();
        // The name is made by the script, since it may start many commands.
        let report = format!("$(mktemp {}/{run}-XXXXXX)", quote(&reports));
        let (prefix, rest) = match mode {
            Mode::Control => {
                let user = app
                    .user
                    .as_ref()
                    .map(|user| format!("setpriv --reuid={user} --regid={user} --init-groups "));
                (user.unwrap_or_default(), "exec $PREFIX \"$@\"")
            }
            Mode::Record => (
                format!(
                    "{strait} --quiet record --linger 3s {user}--name {} -o \"$R.recording.json\" -- ",
                    app.name
                ),
                "eval \"$PREFIX\"'\"$@\"'; exit $?",
            ),
            Mode::Verify(profile) => (
                format!(
                    "{strait} --quiet verify --linger 3s {user}--format json -o \"$R.verify.json\" {} -- ",
                    quote(profile)
                ),
                // 125: strait could not run it. 12: something was refused; 4: something may have been. Either way the command has a status.
                "eval \"$PREFIX\"'\"$@\"'; s=$?\n\
                 case $s in 4|12) s=$(sed -n 's/^  \"command_status\": *\\([0-9]*\\).*/\\1/p' \"$R.verify.json\");; esac\n\
                 [ \"$s\" = 125 ] && echo \"strait could not run $1\" >>\"$STAGE/unusable\"\n\
                 exit ${s:-99}",
            ),
        };
        self.direct = *mode == Mode::Control;
        // No subshell here: strait's only child is to be the server.
        self.prefix = format!("R={}; exec {prefix}", quote(&reports.join(format!("{run}-server"))));
        let script =
            format!("#!/bin/bash\nR={report}\nPREFIX={}\n{rest}\n", quote(Path::new(&prefix)));
        let file = self.folder.join("bin/under");
        std::fs::write(&file, script)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn bash(&self, script: &str) -> Result<Command> {
        let log = self.append()?;
        let mut command = Command::new("bash");
        command
            .args(["-e", "-c", script])
            .current_dir(&self.scratch)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(command)
    }

    fn append(&self) -> Result<File> {
        let log = self.log();
        let opened = OpenOptions::new().create(true).append(true).open(&log);
        opened.with_context(|| format!("cannot write {}", log.display()))
    }

    fn note(&self, text: &str) -> Result<()> {
        use std::io::Write;
        writeln!(self.append()?, "## {text}").context("cannot write the log")
    }

    /// Runs a script to its end. Whether it succeeded in time, and while the server lived.
    pub fn run(
        &self,
        what: &str,
        script: &str,
        limit: Duration,
        mut server: Option<&mut Server>,
    ) -> Result<bool> {
        if script.is_empty() {
            return Ok(true);
        }
        run::check_interrupt()?;
        if let Some(server) = &mut server
            && server.ended()?
        {
            self.note(&format!("{what}: the server has ended"))?;
            return Ok(false);
        }
        let mut command = self.bash(script)?;
        if let Some(pid) = server.and_then(|server| server.pid) {
            command.env("APP", pid.to_string());
        }
        self.note(what)?;
        let held = self.finish(command.spawn().context("cannot start bash")?, limit)?;
        self.note(&format!("{what}: {}", if held { "ok" } else { "FAILED" }))?;
        Ok(held)
    }

    /// Waits for a script, but no longer than the limit, and ends what it left in its group.
    fn finish(&self, mut child: Child, limit: Duration) -> Result<bool> {
        let (group, deadline) = (Pid::from_raw(child.id().cast_signed()), Instant::now() + limit);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() > deadline || run::check_interrupt().is_err() {
                self.note("out of time")?;
                break None;
            }
            std::thread::sleep(TICK);
        };
        // There may be nothing left to end.
        let _ = killpg(group, Signal::SIGKILL);
        if status.is_none() {
            child.wait()?;
        }
        run::check_interrupt()?;
        Ok(status.is_some_and(|status| status.success()))
    }

    /// Starts a server as the mode has it.
    pub fn start(&self, command: &str) -> Result<Server> {
        let script = format!("{}{command}", self.prefix);
        self.note(&script)?;
        let child = self.bash(&script)?.spawn().context("cannot start bash")?;
        Ok(Server { child, status: None, pid: None })
    }

    /// Waits until the server is ready. Whether it became so in time.
    pub fn until(&self, server: &mut Server, ready: &str, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            run::check_interrupt()?;
            if server.ended()? {
                break;
            }
            server.find(self.direct);
            if server.pid.is_some() {
                let mut command = self.bash(ready)?;
                command.stdout(Stdio::null()).stderr(Stdio::null());
                if let Some(pid) = server.pid {
                    command.env("APP", pid.to_string());
                }
                if self.finish(command.spawn()?, Duration::from_secs(5))? {
                    server.find(self.direct);
                    return Ok(true);
                }
            }
            std::thread::sleep(TICK * 5);
        }
        self.note("did not become ready")?;
        Ok(false)
    }

    /// Stops the server. Whether it ended in time; if not, it is killed.
    pub fn stop(&self, mut server: Server, stop: &str, limit: Duration) -> Result<bool> {
        if !server.ended()? {
            self.run("stop", stop, limit, Some(&mut server))?;
        }
        let ended = server.wait(limit)?;
        if !ended {
            self.note("did not end")?;
            let wrapper = Pid::from_raw(server.child.id().cast_signed());
            // The server first, so that strait still writes its report.
            for pid in descendants(wrapper) {
                let _ = kill(pid, Signal::SIGKILL);
            }
            if !server.wait(Duration::from_secs(8))? {
                server.child.kill()?;
                server.child.wait()?;
            }
        }
        if server.status.and_then(|status| status.code()) == Some(125) {
            std::fs::write(self.folder.join("unusable"), "strait could not run the command\n")?;
        }
        Ok(ended)
    }
}

impl Server {
    fn ended(&mut self) -> Result<bool> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status.is_some())
    }

    fn wait(&mut self, limit: Duration) -> Result<bool> {
        let deadline = Instant::now() + limit;
        while !self.ended()? {
            if Instant::now() > deadline || run::check_interrupt().is_err() {
                return Ok(false);
            }
            std::thread::sleep(TICK);
        }
        Ok(true)
    }

    /// Finds the server itself: strait's only child, or what was started. Asked again until the server is ready,
    /// since strait has other children before it starts the command.
    fn find(&mut self, direct: bool) {
        let own = Pid::from_raw(self.child.id().cast_signed());
        self.pid = if direct { Some(own) } else { children(own).pop() };
    }
}

/// The children of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let texts =
        tasks.flatten().flat_map(|task| std::fs::read_to_string(task.path().join("children")));
    let all: Vec<String> = texts.collect();
    all.iter()
        .flat_map(|text| text.split_whitespace())
        .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
        .collect()
}

/// All that a process started and that still runs, children before grandchildren.
fn descendants(pid: Pid) -> Vec<Pid> {
    let mut all = children(pid);
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children(*pid));
        next += 1;
    }
    all
}

/// Ends all that this process started or adopted, and returns when nothing is left.
pub fn end_descendants() {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        for pid in descendants(Pid::this()) {
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGKILL);
        }
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            _ => std::thread::sleep(TICK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path) -> Shell {
        let functions = folder.join("functions.sh");
        std::fs::write(&functions, "unset BASH_ENV\nten() { echo 10; }\n").unwrap();
        Shell::new(folder, folder, &functions).unwrap()
    }

    #[test]
    fn a_script_succeeds_only_if_each_line_does_and_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let shell = shell(folder.path());
        let run = |script, limit| shell.run("it", script, limit, None).unwrap();
        let second = Duration::from_secs(1);
        assert!(run("test $(ten) = 10", second * 10));
        assert!(!run("false\ntrue", second * 10));
        assert!(!run("sleep 600", second / 5));
    }

    #[test]
    fn what_a_server_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let shell = shell(folder.path());
        let mut server =
            shell.start("bash -c 'trap \"\" TERM; sleep 600 & echo $! >pid; wait; wait'").unwrap();
        assert!(shell.until(&mut server, "test -s pid", Duration::from_secs(10)).unwrap());
        assert!(!shell.stop(server, "kill -TERM $APP", Duration::from_millis(100)).unwrap());
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        let pid: i32 = pid.trim().parse().unwrap();
        let gone = || (kill(Pid::from_raw(pid), None).is_err()).then_some(());
        run::wait_for("its end", Duration::from_secs(5), || Ok(gone())).unwrap();
    }

    #[test]
    fn words_with_quotes_stay_words() {
        assert_eq!(quote(Path::new("it's")), r"'it'\''s'");
    }
}
