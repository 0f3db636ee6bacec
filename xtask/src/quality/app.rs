//! An application of `tests/quality`: what its test does, and the events that the test does not have.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// What an event differs in from the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The same deployment and configuration: another request, a reload, a crash.
    #[default]
    Event,
    /// Another configuration: another socket, TLS, more threads.
    Configuration,
}

impl Class {
    pub const ALL: [Self; 2] = [Self::Event, Self::Configuration];
}

/// The file `tests/quality/NAME.toml`. All strings but titles and names are shell.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What the application is.
    pub title: String,
    /// Debian's packages that it needs.
    pub packages: Vec<String>,
    /// The user that it runs as. Root if it is not given.
    pub user: Option<String>,
    /// Functions for all other scripts.
    #[serde(default)]
    pub functions: String,
    /// Writes configurations and data before the test, and again before the events.
    #[serde(default)]
    pub prepare: String,
    /// What is recorded.
    pub test: Vec<Run>,
    /// What the profile of the test must bear.
    pub events: Vec<Run>,
}

/// One life of a program, or a few of programs that end by themselves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    #[serde(default)]
    pub class: Class,
    /// The server. Without it, the scripts start programs with `under`.
    pub command: Option<String>,
    /// Before the server is started.
    #[serde(default)]
    pub before: String,
    /// Tried until it succeeds: the server is ready.
    #[serde(default)]
    pub ready: String,
    /// The name of a check: the server becomes ready.
    pub starts: Option<String>,
    /// What the test does.
    #[serde(default)]
    pub script: String,
    /// Checks by name, in the order of the file.
    #[serde(default)]
    pub checks: toml::Table,
    /// Ends the server. SIGTERM if it is not given.
    pub stop: Option<String>,
    /// The name of a check: the server ends when it is stopped.
    pub ends: Option<String>,
    /// What must be true for that check when the server has ended.
    #[serde(default)]
    pub after: String,
}

impl Run {
    /// The checks by name with their scripts.
    pub fn scripts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.checks
            .iter()
            .map(|(name, script)| (name.as_str(), script.as_str().unwrap_or_default()))
    }

    /// The names of all checks.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let starts = self.starts.as_deref().into_iter();
        starts.chain(self.checks.keys().map(String::as_str)).chain(self.ends.as_deref())
    }
}

impl App {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name =
            path.file_stem().and_then(|stem| stem.to_str()).context("a file without a name")?;
        Self::parse(name, &text).with_context(|| path.display().to_string())
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let mut app: Self = toml::from_str(text)?;
        app.name = name.to_owned();
        ensure!(!app.test.is_empty() && !app.events.is_empty(), "no test or no events");
        for run in &app.test {
            ensure!(run.names().next().is_none(), "the test has checks: they belong to `events`");
        }
        let mut seen = std::collections::HashSet::new();
        for run in &app.events {
            ensure!(run.script.is_empty(), "events have a script: they are judged by `checks`");
            ensure!(run.names().next().is_some(), "a run without a check");
            for name in run.names() {
                ensure!(seen.insert(name), "two checks have the name `{name}`");
            }
            if let Some((name, _)) = run.checks.iter().find(|(_, script)| !script.is_str()) {
                bail!("the check `{name}` is not a script");
            }
        }
        for run in app.test.iter().chain(&app.events) {
            let server = run.command.is_some();
            ensure!(
                server || run.starts.is_none() && run.ends.is_none(),
                "`starts` and `ends` are checks of a command"
            );
            ensure!(!server || !run.ready.is_empty(), "a command without `ready`");
        }
        Ok(app)
    }

    /// How many checks of a class it has.
    pub fn count(&self, class: Class) -> usize {
        self.events.iter().filter(|run| run.class == class).flat_map(Run::names).count()
    }
}

/// All applications of the folder, or those with these names, by name.
pub fn read_all(folder: &Path, only: &[String]) -> Result<Vec<App>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut apps = Vec::new();
    for path in entries.iter().map(std::fs::DirEntry::path) {
        if path.extension().is_some_and(|extension| extension == "toml") {
            apps.push(App::read(&path)?);
        }
    }
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    for name in only {
        let names = || apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(", ");
        ensure!(
            apps.iter().any(|app| app.name == *name),
            "no application `{name}`; there are {}",
            names()
        );
    }
    apps.retain(|app| only.is_empty() || only.contains(&app.name));
    Ok(apps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = r#"
        title = "a server"
        packages = ["server"]
        [[test]]
        command = "server"
        ready = "ask"
        script = "ask"
        [[events]]
        command = "server"
        ready = "ask"
        starts = "starts again"
        ends = "ends"
        [events.checks]
        "z first" = "true"
        "a second" = "true"
        [[events]]
        class = "configuration"
        [events.checks]
        "a tool" = "under tool"
    "#;

    #[test]
    fn checks_keep_their_order() {
        let app = App::parse("server", SERVER).unwrap();
        let names: Vec<&str> = app.events[0].names().collect();
        assert_eq!(names, ["starts again", "z first", "a second", "ends"]);
        assert_eq!(app.count(Class::Event), 4);
        assert_eq!(app.count(Class::Configuration), 1);
    }

    #[test]
    fn mistakes_are_found_before_anything_runs() {
        for (from, to, why) in [
            ("a second", "ends", "two checks"),
            ("ready = \"ask\"\n        starts", "starts", "without `ready`"),
            ("\"under tool\"", "3", "not a script"),
            ("script = \"ask\"", "ends = \"ends\"", "belong to `events`"),
            ("title = ", "titel = ", "titel"),
        ] {
            assert!(SERVER.contains(from), "{from}");
            let error =
                format!("{:#}", App::parse("server", &SERVER.replace(from, to)).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_projects_own_files_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/quality");
        let apps = read_all(&folder, &[]).unwrap();
        assert!(apps.len() >= 12, "{}", apps.len());
        for app in apps {
            let (events, configurations) =
                (app.count(Class::Event), app.count(Class::Configuration));
            assert!(events >= 8 && configurations >= 3, "{}: {events}, {configurations}", app.name);
        }
    }
}
