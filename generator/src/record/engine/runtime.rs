//! Versions of runtimes.

use std::collections::HashMap;
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a runtime may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Where runtimes are, should `PATH` not say so: as that of a user does not on Debian.
const FOLDERS: [&str; 5] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin"];

/// Versions that runtimes have told, by path, each asked once.
#[derive(Default)]
pub struct Versions(HashMap<PathBuf, String>);

impl Versions {
    /// The version of the runtime that has this path, or, for a name alone, that is found by it; empty
    /// if it does not say.
    pub async fn of(&mut self, runtime: &Path) -> String {
        let Some(path) = find(runtime) else { return String::new() };
        if let Some(version) = self.0.get(&path) {
            return version.clone();
        }
        let version = ask(&path).await.unwrap_or_default();
        self.0.insert(path, version.clone());
        version
    }
}

fn find(runtime: &Path) -> Option<PathBuf> {
    if runtime.components().count() > 1 {
        return runtime.is_file().then(|| runtime.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(runtime))
        .find(|path| path.is_file())
}

/// Not with tokio's own processes: they would want SIGCHLD, which the recorder needs for itself.
async fn ask(path: &Path) -> Option<String> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let succeeded = wait(&mut child).await;
    let mut text = String::new();
    // What it has written fits into the pipe.
    child.stdout.take()?.take(4096).read_to_string(&mut text).ok()?;
    if succeeded { parse(&text) } else { None }
}

async fn wait(child: &mut Child) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            _ => {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// `runc version 1.1.5+ds1`, `crun version 1.8.1`, `youki version: 0.4.1`, on a line of its own. What
/// a distribution has added is left out.
fn parse(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("version"))?;
    let version =
        line.split_once("version")?.1.trim_start_matches(':').split_whitespace().next()?;
    let version = version.split(['+', '~']).next()?.trim_start_matches('v');
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn versions_are_read_as_each_runtime_writes_them() {
        let of = |text| parse(text).unwrap_or_default();
        assert_eq!(
            of("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n"),
            "1.1.5"
        );
        assert_eq!(of("runc version 1.0.0~rc93+ds1\n"), "1.0.0");
        assert_eq!(of("runc version 1.3.0-rc.2\n"), "1.3.0-rc.2");
        assert_eq!(of("crun version 1.8.1\ncommit: f8a096\nrundir: /run/crun\n"), "1.8.1");
        assert_eq!(of("youki version: 0.4.1\ncommit: 123\n"), "0.4.1");
        assert_eq!(of("youki 0.4.1\n"), "");
        assert_eq!(of("version unknown\n"), "");
        assert_eq!(of(""), "");
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_runtime_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fakec");
        let script = "#!/bin/sh\necho asked >>\"$0.log\"\necho fakec version 9.8.7\n";
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut versions = Versions::default();
        assert_eq!(block_on(versions.of(&path)), "9.8.7");
        assert_eq!(block_on(versions.of(&path)), "9.8.7");
        assert_eq!(fs::read_to_string(folder.path().join("fakec.log")).unwrap(), "asked\n");
    }

    #[test]
    fn a_runtime_that_fails_or_is_not_there_has_no_version() {
        let mut versions = Versions::default();
        assert_eq!(block_on(versions.of(Path::new("/bin/false"))), "");
        assert_eq!(block_on(versions.of(Path::new("/nowhere/runc"))), "");
        assert_eq!(block_on(versions.of(Path::new("no-such-runtime"))), "");
    }
}
