//! That `strait-generator` needs no Linux: it is compiled for systems that are none.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{self, Tool};
use crate::{tree, ui};

/// What it is compiled for: pointers of 32 bits and no system at all, and a system that is not Unix.
pub const TARGETS: [&str; 2] = ["wasm32-wasip1", "x86_64-pc-windows-gnu"];

/// Compiles it, without linking.
pub fn run(root: &Path) -> Result<()> {
    ui::step("compiling the generator for systems without Linux");
    let targets = TARGETS.iter().flat_map(|target| ["--target", target]);
    Tool::new(tree::cargo())
        .args(["check", "--quiet", "--package", "strait-generator", "--lib"])
        .args(targets)
        .without_env("RUSTFLAGS")
        .current_dir(root)
        .show("compiling strait-generator for systems without Linux")
}

/// Installs Rust's standard library for them where it is missing.
pub fn install(root: &Path) -> Result<()> {
    for target in TARGETS {
        if has_library(root, target)? {
            continue;
        }
        anyhow::ensure!(
            run::which("rustup").is_some(),
            "this compiler has no standard library for {target}, and there is no rustup to install it with. Install it \
             as this system does (on Debian: libstd-rust-dev-wasm32, libstd-rust-dev-windows), or use rustup"
        );
        ui::step(format_args!(
            "installing: Rust's standard library for {target} (for the checks, with rustup)"
        ));
        Tool::new("rustup")
            .args(["--quiet", "target", "add", target])
            .current_dir(root)
            .quiet(&format!("installing the standard library for {target}"))?;
    }
    Ok(())
}

fn has_library(root: &Path, target: &str) -> Result<bool> {
    let folder = Tool::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(root)
        .stdout("asking rustc for its libraries")?;
    let folder = Path::new(folder.trim());
    if !folder.exists() {
        return Ok(false);
    }
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}
