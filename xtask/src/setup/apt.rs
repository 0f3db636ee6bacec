//! Installing with apt, quietly, and without starting the servers that a package brings.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::run::{self, Tool};
use crate::ui;

/// Read by invoke-rc.d before a package starts a service: 101 means "do not".
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether this system installs with apt.
pub fn is_usable() -> bool {
    run::which("apt-get").is_some() && run::which("dpkg").is_some()
}

/// Refreshes the package lists.
pub fn update() -> Result<()> {
    ui::step("refreshing the package lists");
    as_root("apt-get")?.args(["-qq", "update"]).quiet("refreshing the package lists")
}

/// Whether the package lists offer this package.
pub fn has(package: &str) -> bool {
    Tool::new("apt-cache")
        .args(["show", "--no-all-versions", package])
        .quiet("looking for a package")
        .is_ok()
}

/// Installs the packages.
pub fn install(packages: impl Iterator<Item: AsRef<OsStr>>) -> Result<()> {
    let _quiet = NoServices::begin()?;
    as_root("env")?
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "install", "--yes"])
        .args(["--no-install-recommends", "-o", "Dpkg::Use-Pty=0"])
        .args(packages)
        .quiet("installing packages")
}

fn as_root(program: &str) -> Result<Tool> {
    if run::is_root() {
        return Ok(Tool::new(program));
    }
    ensure!(
        run::which("sudo").is_some(),
        "installing packages needs root, and there is no sudo here: run this command as root"
    );
    Ok(Tool::new("sudo").with_stdin().arg(program))
}

/// As long as this lives, installing a package starts no service. A policy of the system's own is
/// left in place.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let mut script = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        script.write_all(b"#!/bin/sh\nexit 101\n").context("cannot write a temporary file")?;
        let guard = Self { ours: true };
        as_root("install")?
            .args(["-m", "755"])
            .arg(script.path())
            .arg(POLICY)
            .quiet("keeping services from starting")?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if !self.ours || !Path::new(POLICY).exists() {
            return;
        }
        // Straight, not through `Tool`: this must work after an interrupt too.
        let removed = as_root("rm")
            .and_then(|mut tool| Ok(tool.command().args(["-f", POLICY]).status()?.success()));
        if !removed.unwrap_or(false) {
            ui::step(format_args!("could not remove {POLICY}: remove it by hand"));
        }
    }
}
