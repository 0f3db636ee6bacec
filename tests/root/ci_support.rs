//! What the tests of the gate share: a step of a job, and a repository with a base that others own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::run::STRAIT;
use crate::support::{kernel, scratch, scrub};

/// The repository of Strait.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// One step of a job on a release.
pub fn gate(dir: &Path, release: u32, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(Path::new(ROOT).join("ci/gate.sh"));
    scrub(&mut command, dir);
    command
        .env("STRAIT", STRAIT)
        .env("STRAIT_PROFILE", "app.json")
        .env("RELEASE", release.to_string())
        .envs(environment.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// Fails the test unless the step has passed.
pub fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// Fails the test unless the step has failed with this status and these texts.
pub fn fails(output: &Output, status: i32, texts: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for word in texts {
        assert!(said.contains(word), "{word:?} is not said:\n{said}");
    }
}

/// What a step has printed.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// A file of JSON.
pub fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A command of the job that is there for the test: what it is given it notes in `calls`.
pub fn put_command(dir: &Path, name: &str, script: &str) {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let script = format!("#!/bin/sh\necho \"{name} $*\" >>calls\n{script}\n");
    std::fs::write(bin.join(name), script).unwrap();
    std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The `PATH` with such commands in front.
pub fn path_with_commands(dir: &Path) -> String {
    format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap())
}

/// What such commands were given.
pub fn calls(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("calls")).unwrap_or_default()
}

/// Runs git, which has to succeed, and returns what it prints.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    scrub(&mut command, dir);
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@shop.example"];
    let output = command.args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A checkout, and the repository that it comes from, which only people who review push to.
pub struct Repository {
    dir: TempDir,
    /// What every step of the job has in its environment.
    pub environment: Vec<(String, String)>,
}

impl Repository {
    /// One whose base has the profile of release 1, if `profile` is a path. All steps are those of one run.
    pub fn new(profile: &str) -> Self {
        kernel::require_root();
        kernel::require("git", "git");
        let dir = scratch();
        git(dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
        git(dir.path(), &["clone", "--quiet", "origin.git", "checkout"]);
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![set("STRAIT_RUN", "run 7"), set("STRAIT_PROFILE", profile)];
        let repository = Self { dir, environment };
        git(&repository.path(), &["checkout", "--quiet", "-b", "main"]);
        repository.record(1);
        // There is nothing to compare with, but there is a profile to be committed.
        fails(&repository.compare(), 1, &["there is no commit to compare with"]);
        repository.accept();
        repository.commit_and_push();
        repository
    }

    /// The checkout.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    /// Where the branches are fetched.
    pub fn origin(&self) -> PathBuf {
        self.dir.path().join("origin.git")
    }

    /// The committed profile in the checkout.
    pub fn profile(&self) -> PathBuf {
        self.path().join(self.variable("STRAIT_PROFILE"))
    }

    fn variable(&self, name: &str) -> &str {
        &self.environment.iter().rev().find(|(key, _)| key == name).unwrap().1
    }

    /// Sets what every step of the job has in its environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A step of the job.
    pub fn gate(&self, release: u32, arguments: &[&str]) -> Output {
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        gate(&self.path(), release, &environment, arguments)
    }

    /// Records the tests of a release.
    pub fn record(&self, release: u32) {
        let tests = format!("{ROOT}/tests/fixtures/ci/run-tests.sh");
        succeeds(&self.gate(release, &["record", "--", &tests, "all"]));
    }

    /// Compares what was recorded.
    pub fn compare(&self) -> Output {
        self.gate(0, &["compare"])
    }

    /// Takes the new profile for the committed one.
    pub fn accept(&self) {
        let profile = self.profile();
        std::fs::create_dir_all(profile.parent().unwrap()).unwrap();
        std::fs::copy(self.work(profile.file_name().unwrap().to_str().unwrap()), profile).unwrap();
    }

    /// A file below the gate's own folder.
    pub fn work(&self, name: &str) -> PathBuf {
        self.path().join(".strait").join(name)
    }

    /// The report that becomes the comment.
    pub fn report(&self) -> String {
        std::fs::read_to_string(self.work("diff.markdown")).unwrap()
    }

    /// Commits all but the gate's own folder. Returns the commit.
    pub fn commit(&self) -> String {
        git(&self.path(), &["add", "--", ".", ":!.strait"]);
        git(&self.path(), &["commit", "--quiet", "--allow-empty", "--message=A change"]);
        git(&self.path(), &["rev-parse", "HEAD"])
    }

    /// Commits, as people do who may push to the base.
    pub fn commit_and_push(&self) -> String {
        let commit = self.commit();
        git(&self.path(), &["push", "--quiet", "origin", "HEAD"]);
        commit
    }

    /// Begins a pull request for `main`, with the environment that GitHub gives to its jobs.
    pub fn begin_pull_request(&mut self) {
        git(&self.path(), &["checkout", "--quiet", "-b", "change", "main"]);
        self.set("GITHUB_EVENT_NAME", "pull_request");
        self.set("GITHUB_BASE_REF", "main");
    }
}
