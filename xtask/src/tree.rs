//! The places in the source tree.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{self, Tool};

/// The workspace's root.
pub fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("xtask/ has no parent")?;
    root.canonicalize()
        .with_context(|| format!("{} is gone; rebuild xtask with `cargo xtask`", root.display()))
}

/// Where cargo puts what it builds.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// Where cargo keeps what it has downloaded.
pub fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// The cargo that started xtask.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Builds `strait` as users get it, and returns the binary's path.
pub fn build_strait(root: &Path) -> Result<PathBuf> {
    build(root, &["--release", "--package", "strait", "--bin", "strait"])
}

/// Builds the example that runs a command under a filter, with what the tests are built with.
pub fn build_filter(root: &Path) -> Result<PathBuf> {
    build(root, &["--package", "strait-recorder", "--example", "filter"])
}

fn build(root: &Path, what: &[&str]) -> Result<PathBuf> {
    let messages = Tool::new(cargo())
        .args(["build", "--quiet"])
        .args(what)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root)
        .stdout("building strait")?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo built strait but named no binary: is there a [[bin]] in cli/?")
}

/// This program, for its helpers.
pub fn myself() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the xtask binary")
}

/// Fails unless this process may load eBPF programs.
pub fn require_root(what: &str) -> Result<()> {
    anyhow::ensure!(
        run::is_root(),
        "{what} loads eBPF programs: run it as root (`sudo -E env PATH=\"$PATH\" cargo xtask …`)"
    );
    Ok(())
}
