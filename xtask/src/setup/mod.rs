//! `cargo xtask setup`: what the build, the tests and the bench need, installed where it is missing.
//!
//! Whether something is there is decided by looking for its files, so a second run costs nothing.

mod apt;
pub mod arm64;
mod bpf_linker;
mod debian;
mod kernels;
mod needs;
mod profiles;
mod python;
mod quality;

use std::path::Path;

use anyhow::{Result, bail};

use crate::{portable, run::Tool, tree, ui};
pub use bpf_linker::{VERSION as BPF_LINKER_VERSION, find as find_bpf_linker};
pub use needs::Level;
use needs::Need;

/// Installs what the level lacks, or fails saying what that is.
pub fn run(root: &Path, level: Level) -> Result<()> {
    let missing: Vec<&Need> = needs::of_level(level).filter(|need| !need.is_there()).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    if matches!(level, Level::Test) {
        add_components(root)?;
        portable::install(root)?;
        python::install(root)?;
        kernels::install(root)?;
        profiles::install(root)?;
    }
    if matches!(level, Level::Quality) {
        quality::install(root)?;
    }
    if matches!(level, Level::Arm64) {
        arm64::install(root)?;
    }
    if matches!(level, Level::Ebpf) {
        bpf_linker::install(root)?;
    }
    Ok(())
}

fn install(missing: &[&Need]) -> Result<()> {
    if !apt::is_usable() {
        list(missing, "install what provides it on this system");
        return settle(missing);
    }
    apt::update()?;
    let (available, unavailable): (Vec<&Need>, Vec<&Need>) =
        missing.iter().partition(|need| apt::has(need.package));
    if !available.is_empty() {
        list(&available, "installing");
        apt::install(available.iter().map(|need| need.package))?;
    }
    if !unavailable.is_empty() {
        list(&unavailable, "this release has no such package");
    }
    settle(missing)
}

fn list(needs: &[&Need], what: &str) {
    for need in needs {
        ui::step(format_args!("{what}: {} ({})", need.package, need.why));
    }
}

/// Fails if something that is not optional is still missing.
fn settle(needs: &[&Need]) -> Result<()> {
    let lacking: Vec<String> = needs
        .iter()
        .filter(|need| !need.optional && !need.is_there())
        .map(|need| format!("  {} for {} (on Debian: {})", need.what, need.why, need.package))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let hint = if needs.iter().any(|need| need.level == Level::Ebpf) {
        "\nOnly rebuilding the eBPF object needs these; all else uses the committed one. \
         A rustup nightly with rust-src and bpf-linker do as well."
    } else {
        ""
    };
    bail!("these are missing, and setup cannot install them here:\n{}{hint}", lacking.join("\n"))
}

/// rustfmt and clippy live beside cargo; rustup's minimal profile leaves them out.
fn add_components(root: &Path) -> Result<()> {
    let cargo = tree::cargo();
    for (binary, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        let beside = cargo.parent().is_some_and(|dir| dir.join(binary).exists());
        if beside || (crate::run::which("rustup").is_none() && crate::run::which(binary).is_some())
        {
            continue;
        }
        ui::step(format_args!("installing: {component} (for the checks, with rustup)"));
        Tool::new("rustup")
            .args(["--quiet", "component", "add", component])
            .current_dir(root)
            .quiet(&format!("installing {component}"))?;
    }
    Ok(())
}
