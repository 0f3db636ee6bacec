//! Kernels that tests boot in a virtual machine: those of Debian's releases, below `target/`. The tests boot what there
//! is.

use std::path::Path;

use anyhow::{Context, Result};

use super::debian::{self, Debian, OfReleases};
use crate::tree;

/// Debian's releases with their kernels: the oldest that there is for download, and some between it and now.
const RELEASES: [(&str, &str); 3] = [("bullseye", "5.10"), ("bookworm", "6.1"), ("trixie", "6.12")];

/// Depends on the kernel of a release, made for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Downloads what is missing. Fails if nothing is there in the end.
pub fn install(root: &Path) -> Result<()> {
    let folder = tree::target(root).join("tools/kernels");
    OfReleases {
        releases: &RELEASES,
        what: &|version| format!("Linux {version}"),
        place: &|version| folder.join(version),
        get: &get,
    }
    .install()
}

fn get(debian: &Debian, release: &str, into: &Path) -> Result<()> {
    let offered = debian.ask(&["madison", PACKAGE])?;
    let version = version_of(&offered, release)
        .with_context(|| format!("Debian {release} has no {PACKAGE}"))?;
    let package = format!("{PACKAGE}={version}");
    let shown = debian.ask(&["show", &package])?;
    let image = image_of(&shown).with_context(|| format!("{package} names no kernel"))?;
    let unpacked = tempfile::tempdir().context("cannot make a temporary directory")?;
    debian.unpack(&[image], unpacked.path())?;
    let kernel = debian::find(&unpacked.path().join("boot"), |name| name.starts_with("vmlinuz"))?;
    std::fs::copy(&kernel, into).context("cannot copy the kernel")?;
    Ok(())
}

/// ` PACKAGE | VERSION | MIRROR RELEASE/main amd64 Packages`
fn version_of<'a>(offered: &'a str, release: &str) -> Option<&'a str> {
    let component = format!(" {release}/main ");
    let line = offered.lines().find(|line| line.contains(&component))?;
    Some(line.split('|').nth(1)?.trim())
}

/// The first package on which it depends.
pub fn image_of(shown: &str) -> Option<&str> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    depends.split([' ', ',']).next().filter(|name| name.starts_with("linux-image-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_its_own_version() {
        let offered = "p | 6.12.1-1 | https://example.org/debian trixie/main amd64 Packages\n\
                       p |  6.1.9-1 | https://example.org/debian bookworm/main amd64 Packages\n";
        assert_eq!(version_of(offered, "bookworm"), Some("6.1.9-1"));
        assert_eq!(version_of(offered, "sid"), None);
    }

    #[test]
    fn a_package_names_its_kernel() {
        let shown = "Package: p\nDepends: linux-image-6.1.0-9-cloud-amd64 (= 6.1.9-1), kmod\n";
        assert_eq!(image_of(shown), Some("linux-image-6.1.0-9-cloud-amd64"));
        assert_eq!(image_of("Depends: libc6\n"), None);
    }
}
