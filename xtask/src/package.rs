//! `cargo xtask package`: what would be published is packaged, and builds from its packages alone.

use std::path::Path;

use anyhow::Result;

use crate::run::Tool;
use crate::{tree, ui};

/// The crates that are not published.
const PRIVATE: &str = "xtask";

/// Packages the crates below `target/package`, unpacks them there, and builds each from what was unpacked: cargo resolves
/// their dependencies on each other from a registry that it makes of the packages.
pub fn run(root: &Path) -> Result<()> {
    ui::step("packaging the crates, and building them from their packages");
    Tool::new(tree::cargo())
        // What is not committed yet is tried as well.
        .args(["package", "--quiet", "--workspace", "--exclude", PRIVATE, "--allow-dirty"])
        .current_dir(root)
        .show("packaging")
}
