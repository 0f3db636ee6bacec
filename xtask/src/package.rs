//! `cargo xtask package`: what would be published is packaged, and builds from its packages alone.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::Tool;
use crate::{tree, ui};

/// The crates that are not published.
const PRIVATE: &str = "xtask";

/// Packages the crates below `target/package`, unpacks them there, and builds each from what was unpacked: cargo resolves
/// their dependencies on each other from a registry that it makes of the packages.
pub fn run(root: &Path) -> Result<()> {
    ui::step("packaging the crates, and building them from their packages");
    if let Some(home) = tree::cargo_home() {
        remove(&home.join("registry/src"), "-")?;
    }
    for ours in ["strait-", "probe-common-"] {
        remove(&root.join("target/debug/.fingerprint"), ours)?;
    }
    Tool::new(tree::cargo())
        // What is not committed yet is tried as well.
        .args(["package", "--quiet", "--workspace", "--exclude", PRIVATE, "--allow-dirty"])
        .current_dir(root)
        .show("packaging")
}

/// Removes the folders in another whose names begin so. Cargo unpacks and builds a version from a registry once, and the
/// version of ours is the same until it is published, whatever has changed. A registry in a folder has a name without a
/// host.
fn remove(folder: &Path, prefix: &str) -> Result<()> {
    let Ok(entries) = folder.read_dir() else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            let path = entry.path();
            let cannot = || format!("cannot remove {}", path.display());
            std::fs::remove_dir_all(&path).with_context(cannot)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unpacked_of_our_own_crates_is_unpacked_again() {
        let home = tempfile::tempdir().unwrap();
        let of = |name: &str| home.path().join(name);
        for name in ["-0123", "index.crates.io-4567"] {
            std::fs::create_dir_all(of(name).join("a-0.1.0")).unwrap();
        }
        remove(home.path(), "-").unwrap();
        assert!(!of("-0123").exists() && of("index.crates.io-4567").exists());
        remove(&of("none"), "-").unwrap();
    }
}
