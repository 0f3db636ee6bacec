//! `cargo xtask test --arm64`: builds Strait for arm64 and tests it in a virtual machine of that kind.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::Tool;
use crate::setup::arm64::{Compiler, LIBRARIES, TARGET, compiler, folder};
use crate::{setup, test, tree, ui};

/// Names the binary to the tests of kernels.
const VARIABLE: &str = "STRAIT_ARM64";

pub fn run(root: &Path) -> Result<()> {
    setup::run(root, setup::Level::Arm64)?;
    ui::step("building Strait for arm64");
    let strait = build(root)?;
    ui::step("testing it in a virtual machine");
    Tool::new(tree::cargo())
        .args(["test", "--quiet", "--package", "strait", "--features", test::PRIVILEGED])
        .args(["--test", "kernels", "--", "arm64"])
        .env(VARIABLE, strait)
        .current_dir(root)
        .show("the tests")
}

fn build(root: &Path) -> Result<PathBuf> {
    let libraries = folder(root).join(LIBRARIES);
    let mut flags = format!("-L native={}", libraries.display());
    let mut cargo = Tool::new(tree::cargo());
    if let Compiler::Distribution(rustc, library) = compiler(root) {
        flags = format!("--sysroot {} {flags}", library.display());
        cargo = cargo.env("RUSTC", rustc);
    }
    let target = tree::target(root).join("arm64");
    cargo
        .args(["build", "--quiet", "--package", "strait", "--bin", "strait", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .without_env("RUSTFLAGS")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS", flags)
        .env("LIBSECCOMP_LIB_PATH", &libraries)
        .current_dir(root)
        .show("building Strait for arm64")?;
    let strait = target.join(TARGET).join("debug/strait");
    strait.canonicalize().with_context(|| format!("{} was not built", strait.display()))
}
