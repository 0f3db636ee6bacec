//! That `strait-generator` needs no Linux: it is compiled for systems that are none.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{self, Tool};
use crate::{tree, ui};

/// What it is compiled for: pointers of 32 bits and no system at all, and a system that is not Unix.
pub const TARGETS: [&str; 2] = ["wasm32-wasip1", "x86_64-pc-windows-gnu"];

/// Compiles it, without linking, for those whose standard library is there. That its sources and dependencies ask for
/// no Linux is tested without them, too (`tests/cli/wall.rs`).
pub fn run(root: &Path) -> Result<()> {
    let mut there = Vec::new();
    for target in TARGETS {
        if has_library(root, target)? {
            there.push(target);
        }
    }
    if there.is_empty() {
        ui::step(
            "not compiling the generator for systems without Linux: their standard libraries are missing",
        );
        return Ok(());
    }
    ui::step("compiling the generator for systems without Linux");
    let targets = there.iter().flat_map(|target| ["--target", target]);
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
        if run::which("rustup").is_none() {
            ui::step(format_args!(
                "no standard library for {target} and no rustup: install it as this system does (on Debian: \
                 libstd-rust-dev-wasm32, libstd-rust-dev-windows) for the generator to be compiled for it"
            ));
            continue;
        }
        ui::step(format_args!(
            "installing: Rust's standard library for {target} (for the checks, with rustup)"
        ));
        let added = Tool::new("rustup")
            .args(["--quiet", "target", "add", target])
            .current_dir(root)
            .quiet(&format!("installing the standard library for {target}"));
        if let Err(error) = added {
            ui::step(format_args!("without it, since rustup cannot get it: {error:#}"));
        }
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
