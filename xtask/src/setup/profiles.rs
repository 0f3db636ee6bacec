//! Docker's default profile as Debian's packages of its source have it, below `target/`: what the tables under
//! `profiles/baselines` are held against. It is Docker's, and no part of this project.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::debian::{self, Debian};
use crate::{tree, ui};

/// Debian's releases with the version of Docker that each has.
const RELEASES: [(&str, &str); 2] = [("bookworm", "20.10"), ("trixie", "26.1")];

/// Has Docker's source, for all architectures.
const PACKAGE: &str = "golang-github-docker-docker-dev";

/// Where the profile is in it.
const FILE: &str = "usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json";

/// Downloads what is missing. Fails if nothing is there in the end.
pub fn install(root: &Path) -> Result<()> {
    let folder = tree::target(root).join("tools/profiles");
    let place = |version: &str| folder.join(format!("docker-{version}.json"));
    let missing: Vec<_> =
        RELEASES.into_iter().filter(|(_, version)| !place(version).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mirror = debian::mirror()?;
    for (release, version) in &missing {
        ui::step(format_args!("downloading: Docker {version}'s default profile (for the tests)"));
        if let Err(error) = download(&mirror, release, &place(version)) {
            ui::step(format_args!("Docker {version} is left out: {error:#}"));
        }
    }
    let is_there = |(_, version): &(&str, &str)| place(version).exists();
    ensure!(RELEASES.iter().any(is_there), "no profile could be downloaded from {mirror}");
    Ok(())
}

fn download(mirror: &str, release: &str, place: &Path) -> Result<()> {
    let debian = Debian::new(&[format!("{mirror} {release} main")], "amd64")?;
    let unpacked = tempfile::tempdir().context("cannot make a temporary directory")?;
    debian.unpack(&[PACKAGE], unpacked.path())?;
    // Beside its place, so that it can be renamed.
    let staged = place.with_extension("new");
    std::fs::copy(unpacked.path().join(FILE), &staged)
        .and_then(|_| std::fs::rename(&staged, place))
        .with_context(|| format!("cannot write {}", place.display()))
}
