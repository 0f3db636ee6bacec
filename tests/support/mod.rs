//! What the integration tests share: running `strait` and `strace`, building fixtures, waiting for
//! events, and comparing what the two saw.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of it")]

pub mod attack;
pub mod attacker;
pub mod calls;
pub mod fixtures;
pub mod helpers;
pub mod kernel;
pub mod manifests;
pub mod modules;
pub mod port;
pub mod profiles;
pub mod reachable;
pub mod run;
pub mod spawned;
pub mod strace;
pub mod wait;

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub use calls::{Calls, Explained};
pub use run::strait;

/// A directory of its own that other users may enter, since workloads give up their privileges.
pub fn scratch() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir =
        tempfile::Builder::new().prefix("strait-test-").tempdir().expect("a temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))
        .expect("the directory is ours");
    dir
}

/// A program of the Python packages that `cargo xtask setup` installs below `target/`.
///
/// # Panics
///
/// If it is not there.
pub fn python_tool(name: &str) -> PathBuf {
    let target = Path::new(run::STRAIT).ancestors().nth(2).expect("cargo builds below target/");
    let tool = target.join("tools/python/bin").join(name);
    assert!(tool.exists(), "{} is missing: run `cargo xtask setup`", tool.display());
    tool
}

/// Gives `command` an environment that is the same on every machine.
pub fn scrub(command: &mut Command, dir: &Path) {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/")
        .env("LANG", "C.UTF-8")
        .current_dir(dir);
}
