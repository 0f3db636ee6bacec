//! bpf-linker: from PATH if it is the right version, else built once into target/tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{self, Tool};
use crate::{tree, ui};

/// The version that links the committed object.
pub const VERSION: &str = "0.13.0";

/// Debian's LLVM 22, which rustc-web's own LLVM matches.
const LLVM: &str = "/usr/lib/llvm-22";

/// The linker of the right version, if there is one.
pub fn find(root: &Path) -> Option<PathBuf> {
    [Some(tools(root).join("bin/bpf-linker")), run::which("bpf-linker")]
        .into_iter()
        .flatten()
        .find(|path| path.exists() && version(path).is_ok_and(|found| found == VERSION))
}

fn version(linker: &Path) -> Result<String> {
    let answer = Tool::new(linker).arg("--version").stdout("asking bpf-linker for its version")?;
    answer.split_whitespace().nth(1).map(str::to_owned).context("bpf-linker names no version")
}

fn tools(root: &Path) -> PathBuf {
    tree::target(root).join("tools")
}

/// Builds the linker unless there is one.
pub fn install(root: &Path) -> Result<()> {
    if find(root).is_some() {
        return Ok(());
    }
    ui::step(format_args!("building bpf-linker {VERSION} (some minutes, once)"));
    let mut cargo = Tool::new(tree::cargo())
        .args(["install", "--quiet", "--locked", &format!("bpf-linker@{VERSION}")])
        .arg("--root")
        .arg(tools(root))
        .current_dir(root);
    if Path::new(LLVM).exists() {
        cargo =
            cargo.env("LLVM_PREFIX", LLVM).args(["--no-default-features", "--features", "llvm-22"]);
    }
    cargo.quiet("building bpf-linker")
}
