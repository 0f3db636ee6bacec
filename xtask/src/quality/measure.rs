//! The stages of all applications, some at the same time, and what they say put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::app::{App, Class};
use super::policy::{self, Policy};
use super::results::{self, Measured, Outcome};
use super::stage::{DONE, Done, Mode, Spec};
use crate::run::{self, Tool};
use crate::ui;

/// What a stage may take. Each of its parts has a limit of its own.
const STAGE: Duration = Duration::from_secs(1200);

/// Below the ports that the kernel gives to clients (32768 and up).
const FIRST_PORT: u16 = 10_000;

/// How many ports each of the applications that run at the same time has.
const PORTS: u16 = 600;

pub struct Lab {
    pub strait: PathBuf,
    pub xtask: PathBuf,
    pub root: PathBuf,
    /// A folder for each application, and in it for each stage.
    pub folder: PathBuf,
    pub policies: Vec<Policy>,
}

impl Lab {
    /// Measures the applications, this many at the same time.
    pub fn measure(&self, apps: &[App], jobs: u16) -> Result<Vec<Measured>> {
        let mut measured = each(apps, jobs, |app, port| self.app(app, port))?;
        measured.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(measured)
    }

    /// Copies, so that all stages run the same although someone edits the files meanwhile.
    pub fn copy(&self, app: &App) -> Result<PathBuf> {
        let folder = self.folder.join(&app.name);
        std::fs::create_dir_all(&folder)?;
        for name in [format!("{}.toml", app.name), "functions.sh".to_owned()] {
            let source = self.root.join("tests/quality").join(&name);
            std::fs::copy(&source, folder.join(&name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        Ok(folder)
    }

    fn app(&self, app: &App, port: u16) -> Result<Measured> {
        let folder = self.copy(app)?;
        ui::step(format_args!(
            "{}: {} events and {} configurations, without a filter and recorded",
            app.name,
            app.count(Class::Event),
            app.count(Class::Configuration)
        ));
        let control = self.stage(app, Mode::Control, &folder.join("control"), port)?;
        report_trouble(app, "without a filter", &control);
        let not_counted: Vec<String> = control
            .checks
            .iter()
            .filter(|check| !check.held)
            .map(|check| check.name.clone())
            .collect();
        if !not_counted.is_empty() {
            ui::step(format_args!("{}: not counted: {}", app.name, not_counted.join(", ")));
        }
        let recorded = self.stage(app, Mode::Record, &folder.join("record"), port)?;
        ensure!(
            recorded.trouble.is_empty(),
            "the recorded test failed: {}",
            recorded.trouble.join("; ")
        );
        let recordings = folder.join("record/reports");
        let mut outcomes = BTreeMap::new();
        for policy in &self.policies {
            let outcome = self.policy(app, *policy, &folder, &recordings, &control, port)?;
            ui::step(format_args!(
                "{}, {}: {} calls, {} of risk, broken {} of {} events, {} of {} configurations",
                app.name,
                policy.title(),
                outcome.calls,
                outcome.risky(),
                outcome.broken(Class::Event),
                held(&control, Class::Event),
                outcome.broken(Class::Configuration),
                held(&control, Class::Configuration),
            ));
            outcomes.insert(*policy, outcome);
        }
        Ok(Measured {
            name: app.name.clone(),
            title: app.title.clone(),
            packages: versions(&app.packages)?,
            recorded: policy::recorded_names(&recordings)?.len(),
            counted: control
                .checks
                .iter()
                .filter(|check| check.held)
                .map(|check| (check.name.clone(), check.class))
                .collect(),
            not_counted,
            policies: outcomes,
        })
    }

    fn policy(
        &self,
        app: &App,
        policy: Policy,
        folder: &Path,
        recordings: &Path,
        control: &Done,
        port: u16,
    ) -> Result<Outcome> {
        let profile = folder.join(format!("{}.json", policy.key()));
        policy.make(&self.strait, recordings, &profile)?;
        let stage = folder.join(policy.key());
        let done = self.stage(app, Mode::Verify(profile.clone()), &stage, port)?;
        report_trouble(app, policy.title(), &done);
        let (calls, risks) = self.count(&profile)?;
        let recorded = policy::recorded_names(recordings)?;
        let of = |level: &str| risks.values().filter(|risk| risk.as_str() == level).count();
        Ok(Outcome {
            calls,
            medium: of("medium"),
            high: of("high"),
            risky_not_recorded: risks
                .keys()
                .filter(|call| !recorded.contains(*call))
                .cloned()
                .collect(),
            broken: results::broken(control, &done),
            refused: results::add_up(reports(&stage.join("reports"))?),
            trouble: done.trouble,
        })
    }

    /// How many calls of the machine's own ABI a profile allows, and the risk of those that have one, as
    /// `strait diff` says of a profile that allows nothing and this one.
    fn count(&self, profile: &Path) -> Result<(usize, BTreeMap<String, String>)> {
        let nothing = self.folder.join("nothing.json");
        let empty = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#;
        std::fs::write(&nothing, empty).context("cannot write a profile")?;
        let text = Tool::new(&self.strait)
            .args(["--quiet", "diff", "--format", "json", "--fail-on", "never"])
            .args([&nothing, profile])
            .stdout("counting what a profile allows")?;
        allowed(&serde_json::from_str(&text).context("`strait diff` wrote no JSON")?)
    }

    /// Runs a stage in a process of its own.
    fn stage(&self, app: &App, mode: Mode, folder: &Path, port: u16) -> Result<Done> {
        self.run_of(app, mode, folder, port, None)
    }

    /// The same with one run only.
    pub fn run_of(
        &self,
        app: &App,
        mode: Mode,
        folder: &Path,
        port: u16,
        only: Option<usize>,
    ) -> Result<Done> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder)?;
        let spec = Spec {
            app: self.folder.join(&app.name).join(format!("{}.toml", app.name)),
            mode,
            strait: self.strait.clone(),
            folder: folder.to_owned(),
            port,
            only,
        };
        let file = folder.join("spec.json");
        std::fs::write(&file, serde_json::to_string(&spec)?)?;
        let mut running =
            Tool::new(&self.xtask).arg("__quality-stage").arg(&file).start("a stage")?;
        let status = running.wait(STAGE)?;
        ensure!(status.success(), "a stage failed: see {}", folder.display());
        let done = std::fs::read_to_string(folder.join(DONE)).context("a stage left no results")?;
        serde_json::from_str(&done).context("a stage's results are not readable")
    }
}

/// Does something with each application, with this many at the same time, and the first of the ports that it may use.
pub fn each<T: Send>(
    apps: &[App],
    jobs: u16,
    action: impl Fn(&App, u16) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    // Another measurement at the same time is likely to have other ports.
    let first = FIRST_PORT + u16::try_from(std::process::id() % 8)? * 2 * PORTS;
    let (queue, done) = (Mutex::new(apps.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|job| {
                let (queue, done, action) = (&queue, &done, &action);
                scope.spawn(move || -> Result<()> {
                    // In a function of its own, so that the lock is not held while the application runs.
                    let next = || lock(queue).next();
                    while let Some(app) = next() {
                        let port = first + job * PORTS;
                        match action(app, port).with_context(|| app.name.clone()) {
                            Ok(one) => lock(done).push(one),
                            // One application that fails here leaves the others their results.
                            Err(error) => ui::error(&error),
                        }
                        run::check_interrupt()?;
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("a thread panicked"),
        })
    })?;
    Ok(done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn held(control: &Done, class: Class) -> usize {
    control.checks.iter().filter(|check| check.held && check.class == class).count()
}

fn report_trouble(app: &App, what: &str, done: &Done) {
    for trouble in &done.trouble {
        ui::step(format_args!("{}, {what}: {trouble}", app.name));
    }
}

/// The refused calls of all reports of a stage.
pub fn reports(folder: &Path) -> Result<Vec<results::Refused>> {
    let mut refused = Vec::new();
    for entry in std::fs::read_dir(folder).context("no reports")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".verify.json") {
            continue;
        }
        // A server that had to be killed may have left none.
        let text = std::fs::read_to_string(&path)?;
        if let Ok(report) = serde_json::from_str::<Value>(&text) {
            refused.extend(results::refused(&name, &report));
        }
    }
    Ok(refused)
}

/// The number of calls that a comparison with nothing shows as allowed, and the risk of each that has one.
fn allowed(diff: &Value) -> Result<(usize, BTreeMap<String, String>)> {
    let changes = diff["changes"].as_array().context("a comparison without changes")?;
    let mut calls = std::collections::BTreeSet::new();
    let mut risks = BTreeMap::new();
    for change in changes {
        let own = change["abi"] == std::env::consts::ARCH && change["direction"] == "widened";
        let Some(call) = change["syscall"].as_str().filter(|_| own) else {
            continue;
        };
        calls.insert(call);
        if let Some(level @ ("medium" | "high")) = change["risk"]["level"].as_str() {
            let risk: &mut String = risks.entry(call.to_owned()).or_default();
            // A call may be listed with several arguments.
            if risk != "high" {
                level.clone_into(risk);
            }
        }
    }
    Ok((calls.len(), risks))
}

/// The versions of Debian packages; none where there is no dpkg.
fn versions(packages: &[String]) -> Result<BTreeMap<String, String>> {
    if run::which("dpkg-query").is_none() {
        return Ok(BTreeMap::new());
    }
    let text = Tool::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${Version}\n"])
        .args(packages)
        .stdout("asking for versions")?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_counts_once_and_with_its_highest_risk() {
        let change = |abi: &str, call: &str, direction: &str, level: &str| json!({"abi": abi, "syscall": call, "direction": direction, "risk": {"level": level}});
        let own = std::env::consts::ARCH;
        let diff = json!({"changes": [
            change(own, "read", "widened", "low"),
            change(own, "socket", "widened", "medium"),
            change(own, "socket", "widened", "high"),
            change(own, "socket", "widened", "medium"),
            change(own, "ptrace", "refused_otherwise", "high"),
            change("x32", "write", "widened", "low"),
        ]});
        let (calls, risks) = allowed(&diff).unwrap();
        assert_eq!(calls, 2);
        assert_eq!(risks, [("socket".to_owned(), "high".to_owned())].into());
    }
}
