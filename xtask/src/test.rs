//! `cargo xtask test`: every check and every test. Whatever is missing is a failure, never a skip.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{self, Tool};
use crate::{package, portable, setup, tree, ui};

/// The feature that compiles the tests which need root and a real kernel.
pub const PRIVILEGED: &str = "strait/privileged-tests";

pub fn run(root: &Path) -> Result<()> {
    setup::run(root, setup::Level::Test)?;
    let cargo = || Tool::new(tree::cargo()).current_dir(root);

    ui::step("checking the format");
    cargo().args(["fmt", "--all", "--check"]).show("`cargo fmt --check` (repair: `cargo fmt`)")?;
    ui::step("linting");
    cargo()
        .args(["clippy", "--quiet", "--workspace", "--all-targets", "--features", PRIVILEGED])
        .args(["--", "-D", "warnings"])
        .show("clippy")?;
    portable::run(root)?;
    compile_fuzz_targets(root)?;
    ui::step("testing");
    as_root(cargo().args(["test", "--quiet", "--workspace", "--features", PRIVILEGED]))?
        .show("the tests")?;
    package::run(root)?;
    ui::step("trying the properties of policies on ten thousand cases each");
    cargo()
        .args(["test", "--release", "--quiet", "--package", "strait", "--test", "pipeline"])
        .args(["--", "properties::", "compiled::", "oracle::"])
        .env("PROPTEST_CASES", "10000")
        .show("the properties")
}

/// Compiles the fuzz targets, which are a workspace of their own: any compiler and no libFuzzer are enough for that.
fn compile_fuzz_targets(root: &Path) -> Result<()> {
    ui::step("compiling the fuzz targets");
    Tool::new(tree::cargo())
        .args(["check", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target-dir", "target"])
        // Nothing is linked: with this, the build script of `libfuzzer-sys` needs no compiler for C++.
        .env("CUSTOM_LIBFUZZER_PATH", "none/libfuzzer.a")
        .current_dir(root)
        .show("the fuzz targets")
}

/// Has cargo run tests as root, while it builds them as the caller.
pub fn as_root(cargo: Tool) -> Result<Tool> {
    if run::is_root() {
        return Ok(cargo);
    }
    anyhow::ensure!(
        run::which("sudo").is_some(),
        "the privileged tests need root, and there is no sudo here: run this command as root"
    );
    ui::step("the privileged tests need root: running the built tests with sudo");
    Tool::new("sudo").arg("-v").with_stdin().show("asking sudo for root")?;
    Ok(cargo.env(&runner_variable()?, "sudo -E"))
}

/// The variable that names cargo's runner for this machine's target.
fn runner_variable() -> Result<String> {
    let version = Tool::new("rustc").arg("-vV").stdout("asking rustc for its host")?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace(['-', '.'], "_")))
}
