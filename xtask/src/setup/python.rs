//! Python packages for the tests, in an environment of their own below target/.

use std::path::Path;

use anyhow::Result;

use crate::run::Tool;
use crate::{tree, ui};

/// From PyPI. `kubernetes-validate` carries Kubernetes' published schemas, and brings PyYAML.
const PACKAGES: [&str; 1] = ["kubernetes-validate==1.37.0"];

/// Makes the environment, unless it has these packages already.
pub fn install(root: &Path) -> Result<()> {
    let folder = tree::target(root).join("tmp/python");
    let list = folder.join("strait-packages");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&list).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    ui::step(format_args!("installing: {} (from PyPI, for the tests)", PACKAGES.join(", ")));
    Tool::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .quiet("making a Python environment")?;
    Tool::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES)
        .quiet("installing Python packages")?;
    std::fs::write(list, wanted)?;
    Ok(())
}
