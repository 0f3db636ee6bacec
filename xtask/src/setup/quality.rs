//! The applications that `cargo xtask quality` measures: the packages that the files of `tests/quality` name.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use super::apt;
use crate::run::Tool;
use crate::{quality, ui};

/// Installs what is missing.
pub fn install(root: &Path) -> Result<()> {
    let packages = quality::packages(root)?;
    if !apt::is_usable() {
        ui::step("no apt here: the applications of tests/quality must be there already");
        return Ok(());
    }
    let missing: BTreeSet<&String> =
        packages.iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt::update()?;
    if let Some(package) = missing.iter().find(|package| !apt::has(package)) {
        bail!(
            "this release has no package `{package}`: the applications are those of Debian 12; \
             measure others with `--only`"
        );
    }
    for package in &missing {
        ui::step(format_args!("installing: {package} (an application to measure)"));
    }
    apt::install(missing.into_iter())
}

fn is_installed(package: &str) -> bool {
    Tool::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .output("looking for a package")
        .is_ok_and(|output| output.stdout == b"installed")
}
