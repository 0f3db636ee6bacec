//! Python packages that tests need, in an environment of their own below `target/`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt;
use crate::run::Tool;
use crate::{tree, ui};

/// What is installed, and why. Pinned, so that tests mean the same everywhere.
const PACKAGES: [(&str, &str); 2] = [
    ("kubernetes-validate==1.37.0", "the schemas of Kubernetes, for many versions"),
    ("zizmor==1.32.0", "finding what is unsafe in the GitHub action"),
];

/// The interpreter that has the packages.
fn interpreter(root: &Path) -> PathBuf {
    folder(root).join("bin/python")
}

fn folder(root: &Path) -> PathBuf {
    tree::target(root).join("tools/python")
}

/// Installs what is missing.
pub fn install(root: &Path) -> Result<()> {
    let folder = folder(root);
    // Written last, so that an installation that was interrupted is begun again.
    let done = folder.join("strait-packages");
    let wanted: String = PACKAGES.iter().map(|(package, _)| format!("{package}\n")).collect();
    if std::fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    for (package, why) in PACKAGES {
        ui::step(format_args!("installing: {package} ({why}, with pip)"));
    }
    if Tool::new("python3").args(["-c", "import ensurepip"]).quiet("looking for venv").is_err() {
        apt::install(["python3-venv"].into_iter())?;
    }
    Tool::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .quiet("making a Python environment")?;
    Tool::new(interpreter(root))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES.map(|(package, _)| package))
        .quiet("installing Python packages")?;
    std::fs::write(&done, wanted).with_context(|| format!("cannot write {}", done.display()))
}
