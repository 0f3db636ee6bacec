//! Docker's default profile as Debian's packages of its source have it, below `target/`: what the tables under
//! `profiles/baselines` are held against. It is Docker's, and no part of this project.

use std::path::Path;

use anyhow::{Context, Result};

use super::debian::{Debian, OfReleases};
use crate::tree;

/// Debian's releases with the version of Docker that each has.
const RELEASES: [(&str, &str); 2] = [("bookworm", "20.10"), ("trixie", "26.1")];

/// Has Docker's source, for all architectures.
const PACKAGE: &str = "golang-github-docker-docker-dev";

/// Where the profile is in it.
const FILE: &str = "usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json";

/// Downloads what is missing. Fails if nothing is there in the end.
pub fn install(root: &Path) -> Result<()> {
    let folder = tree::target(root).join("tools/profiles");
    OfReleases {
        releases: &RELEASES,
        what: &|version| format!("Docker {version}'s default profile"),
        place: &|version| folder.join(format!("docker-{version}.json")),
        get: &get,
    }
    .install()
}

fn get(debian: &Debian, _: &str, into: &Path) -> Result<()> {
    let unpacked = tempfile::tempdir().context("cannot make a temporary directory")?;
    debian.unpack(&[PACKAGE], unpacked.path())?;
    std::fs::copy(unpacked.path().join(FILE), into).context("cannot copy the profile")?;
    Ok(())
}
