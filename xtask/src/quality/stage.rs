//! One stage of one application, in a process of its own: its test or its events, without a filter, recorded, or
//! under a profile.
//!
//! The process adopts what loses its parent, so that it can end all that the stage started, daemons too.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use super::app::{App, Class, Run};
use super::shell::{self, Server, Shell};
use crate::run;

/// What a server may take to become ready, or to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one check may take.
const CHECK: Duration = Duration::from_secs(20);

/// What a test may take.
const TEST: Duration = Duration::from_secs(120);

/// How the application runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Without a filter: which checks hold at all.
    Control,
    /// The test, recorded.
    Record,
    /// The events, under this profile.
    Verify(PathBuf),
}

/// What the process of a stage is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spec {
    pub app: PathBuf,
    pub mode: Mode,
    pub strait: PathBuf,
    /// Where results, reports and logs go.
    pub folder: PathBuf,
    /// The first of the ports that this stage may use.
    pub port: u16,
    /// Only this run, and not beyond what hangs.
    pub only: Option<usize>,
}

/// A check, and whether it held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub class: Class,
    pub held: bool,
    /// Which of the runs it belongs to, as its reports are called.
    pub run: usize,
}

/// What the process of a stage says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Done {
    pub checks: Vec<Check>,
    /// What went wrong besides, as a test that failed.
    pub trouble: Vec<String>,
    /// What did not end in time.
    #[serde(default)]
    pub hung: Vec<String>,
    /// The seconds that it took, and the CPU seconds of all that it started.
    #[serde(default)]
    pub seconds: f64,
    #[serde(default)]
    pub cpu: f64,
}

/// The name of the file with [`Done`], in the stage's folder.
pub const DONE: &str = "done.json";

/// The hidden command: runs the stage that the file describes.
pub fn main(spec: &Path) -> Result<ExitCode> {
    run::catch_interrupts()?;
    let spec: Spec = serde_json::from_slice(&std::fs::read(spec)?)?;
    nix::sys::prctl::set_child_subreaper(true).context("cannot adopt orphans")?;
    let app = App::read(&spec.app)?;
    let begun = Instant::now();
    let done = Stage::new(&spec, &app).and_then(|stage| stage.run());
    shell::end_descendants();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot ask for the CPU time")?;
    let done = Done { seconds: begun.elapsed().as_secs_f64(), cpu: cpu(&usage), ..done? };
    let done = serde_json::to_string_pretty(&done)?;
    std::fs::write(spec.folder.join(DONE), done).context("cannot write the results")?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and microseconds")]
fn cpu(usage: &Usage) -> f64 {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

struct Stage<'a> {
    spec: &'a Spec,
    app: &'a App,
    shell: Shell,
    done: Done,
    /// Goes with the stage.
    _scratch: tempfile::TempDir,
}

impl<'a> Stage<'a> {
    fn new(spec: &'a Spec, app: &'a App) -> Result<Self> {
        let scratch = tempfile::Builder::new()
            .prefix("strait-quality-")
            // Other users' processes read what lies here.
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()
            .context("cannot make a scratch folder")?;
        std::fs::create_dir_all(&spec.folder)?;
        let functions = spec.folder.join("functions.sh");
        let common = spec.app.with_file_name("functions.sh");
        std::fs::write(
            &functions,
            format!("unset BASH_ENV\n. {}\n{}\n", shell::quote(&common), app.functions),
        )?;
        let mut shell = Shell::new(scratch.path(), &spec.folder, &functions)?;
        for (index, port) in free_ports(spec.port, 6)?.into_iter().enumerate() {
            let name = if index == 0 { "PORT".to_owned() } else { format!("PORT{}", index + 1) };
            shell.set(&name, &port.to_string());
        }
        Ok(Self { spec, app, shell, done: Done::default(), _scratch: scratch })
    }

    fn run(mut self) -> Result<Done> {
        let runs = if self.spec.mode == Mode::Record { &self.app.test } else { &self.app.events };
        let prepared = self.shell.run("prepare", &self.app.prepare, CHECK, None)?;
        ensure!(
            prepared,
            "`prepare` of {} failed: see {}",
            self.app.name,
            self.shell.log().display()
        );
        let wanted = |index: &usize| self.spec.only.is_none_or(|only| only == *index);
        for (index, run) in (0..).zip(runs).filter(|(index, _)| wanted(index)).collect::<Vec<_>>() {
            self.life(index, run)?;
        }
        let unusable = self.spec.folder.join("unusable");
        if let Ok(text) = std::fs::read_to_string(unusable) {
            self.done.trouble.extend(text.lines().map(str::to_owned));
        }
        Ok(self.done)
    }

    /// One run from its start to its end.
    fn life(&mut self, index: usize, run: &Run) -> Result<()> {
        self.shell.under(&self.spec.mode, &self.spec.strait, index, self.app)?;
        if !self.shell.run("before", &run.before, CHECK, None)? {
            self.done.trouble.push(format!("run {index}: `before` failed"));
        }
        let Some(command) = &run.command else {
            self.script(index, run, None)?;
            for (name, script) in run.scripts() {
                let held = self.check(name, script, None)?;
                self.note(index, run, name, held);
            }
            return Ok(());
        };
        let mut server = self.shell.start(command)?;
        let begun = Instant::now();
        let ready = self.shell.until(&mut server, &run.ready, PATIENCE)?;
        if !ready && begun.elapsed() >= PATIENCE {
            self.done.hung.push("the start".to_owned());
        }
        if let Some(name) = &run.starts {
            self.note(index, run, name, ready);
        }
        if !ready {
            let what = format!("run {index}: `{command}` did not become ready");
            if self.spec.mode == Mode::Control || self.spec.mode == Mode::Record {
                self.done.trouble.push(what);
            }
        }
        self.script(index, run, Some(&mut server))?;
        for (name, script) in run.scripts() {
            let held = ready && self.check(name, script, Some(&mut server))?;
            self.note(index, run, name, held);
        }
        let stop = run.stop.as_deref().unwrap_or("kill -TERM $APP");
        let ended = self.shell.stop(server, stop, PATIENCE)?;
        if !ended {
            self.done.hung.push("the end".to_owned());
        }
        let after = ended && self.shell.run("after", &run.after, CHECK, None)?;
        if let Some(name) = &run.ends {
            self.note(index, run, name, ready && after);
        } else if !ended && self.spec.mode == Mode::Record {
            self.done.trouble.push(format!("run {index}: `{command}` did not end"));
        }
        Ok(())
    }

    fn script(&mut self, index: usize, run: &Run, server: Option<&mut Server>) -> Result<()> {
        if !self.shell.run("the test", &run.script, TEST, server)? {
            self.done.trouble.push(format!("run {index}: the test failed"));
        }
        Ok(())
    }

    fn check(&mut self, name: &str, script: &str, server: Option<&mut Server>) -> Result<bool> {
        if self.spec.only.is_some() && !self.done.hung.is_empty() {
            return Ok(false);
        }
        let begun = Instant::now();
        let held = self.shell.run(name, script, CHECK, server)?;
        if !held && begun.elapsed() >= CHECK {
            self.done.hung.push(name.to_owned());
        }
        Ok(held)
    }

    fn note(&mut self, index: usize, run: &Run, name: &str, held: bool) {
        self.done.checks.push(Check { name: name.to_owned(), class: run.class, held, run: index });
    }
}

/// Ports of the loopback that nobody listens on, from this one up.
fn free_ports(first: u16, count: usize) -> Result<Vec<u16>> {
    let free = |port: &u16| {
        let tcp = ["127.0.0.1", "::1"].iter().all(|host| TcpListener::bind((*host, *port)).is_ok());
        tcp && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    let ports: Vec<u16> = (first..first.saturating_add(500)).filter(free).take(count).collect();
    ensure!(ports.len() == count, "no free ports from {first} up");
    Ok(ports)
}
