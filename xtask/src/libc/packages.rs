//! Debian's packages of C libraries, downloaded below `target/` by an apt of its own, which leaves the system's alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::Tool;
use crate::ui;

/// Releases of Debian, and so versions of the libraries: what differs between them is united.
const SUITES: [&str; 2] = ["bookworm", "trixie"];

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

const NAMES: [&str; 2] = ["libc6", "musl"];

/// Names of the files that are read.
const LIBRARIES: [&str; 5] =
    ["libc.so.6", "libresolv.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so"];

/// A package, unpacked.
pub struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// The C library first.
    pub libraries: Vec<PathBuf>,
}

/// Downloads and unpacks what is not there yet.
pub fn fetch(folder: &Path) -> Result<Vec<Package>> {
    let debs = folder.join("debs");
    let apt = folder.join("apt");
    for path in ["state/lists/partial", "cache/archives/partial", "etc"] {
        fs::create_dir_all(apt.join(path)).context("cannot make a folder for apt")?;
    }
    fs::create_dir_all(&debs).context("cannot make a folder for packages")?;
    if fs::read_dir(&debs)?.count() < SUITES.len() * ARCHITECTURES.len() * NAMES.len() {
        download(&apt, &debs)?;
    }
    let mut packages = Vec::new();
    for entry in fs::read_dir(&debs)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let [name, version, architecture] = stem.split('_').collect::<Vec<_>>()[..] else {
            continue;
        };
        let unpacked = folder.join(stem);
        if !unpacked.exists() {
            let tool = Tool::new("dpkg-deb").arg("-x").arg(&path).arg(&unpacked);
            tool.quiet("unpacking a package")?;
        }
        let mut libraries = Vec::new();
        find(&unpacked, &mut libraries)?;
        libraries.sort_by_key(|path| {
            let name = path.file_name().unwrap_or_default();
            LIBRARIES.iter().position(|library| name == *library)
        });
        packages.push(Package {
            name: name.to_owned(),
            // apt writes `:` as an escape.
            version: version.replace("%3a", ":"),
            architecture: architecture.to_owned(),
            libraries,
        });
    }
    packages.sort_by(|a, b| {
        (&a.name, &a.version, &a.architecture).cmp(&(&b.name, &b.version, &b.architecture))
    });
    Ok(packages)
}

fn download(apt: &Path, debs: &Path) -> Result<()> {
    ui::step("downloading Debian's packages of C libraries");
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let sources = SUITES.map(|suite| {
        let architectures = ARCHITECTURES.join(",");
        format!(
            "deb [arch={architectures} signed-by={key}] http://deb.debian.org/debian {suite} main\n"
        )
    });
    fs::write(apt.join("etc/sources.list"), sources.concat())?;
    fs::write(apt.join("state/status"), "")?;
    let tool = || {
        let settings = [
            format!("Dir::State={}", apt.join("state").display()),
            format!("Dir::State::status={}", apt.join("state/status").display()),
            format!("Dir::Cache={}", apt.join("cache").display()),
            format!("Dir::Etc::sourcelist={}", apt.join("etc/sources.list").display()),
            "Dir::Etc::sourceparts=-".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            format!("APT::Architectures={}", ARCHITECTURES.join(",")),
        ];
        let settings = settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]);
        Tool::new("apt-get").args(settings).current_dir(debs)
    };
    tool().arg("update").quiet("reading Debian's lists")?;
    for suite in SUITES {
        for architecture in ARCHITECTURES {
            let names = NAMES.map(|name| format!("{name}:{architecture}/{suite}"));
            tool().arg("download").args(names).quiet("downloading packages")?;
        }
    }
    Ok(())
}

/// The libraries below a folder; links are passed over.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find(&entry.path(), found)?;
        } else if kind.is_file() && LIBRARIES.iter().any(|library| entry.file_name() == *library) {
            found.push(entry.path());
        }
    }
    Ok(())
}
