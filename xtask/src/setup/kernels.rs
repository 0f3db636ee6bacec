//! Kernels that tests boot in a virtual machine: those of Debian's releases, below `target/`. Old releases
//! leave the mirrors one day, so what is not there any more is said and left out, and the tests boot
//! what there is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::run::Tool;
use crate::{tree, ui};

/// Debian's releases with their kernels: the oldest that there is for download, and some between it and now.
const RELEASES: [(&str, &str); 3] = [("bullseye", "5.10"), ("bookworm", "6.1"), ("trixie", "6.12")];

/// Depends on the kernel of a release, made for virtual machines.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Downloads what is missing. Fails if nothing is there in the end.
pub fn install(root: &Path) -> Result<()> {
    let folder = tree::target(root).join("tools/kernels");
    let missing: Vec<_> =
        RELEASES.into_iter().filter(|(_, version)| !folder.join(version).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let mirror = mirror()?;
    for (release, version) in &missing {
        ui::step(format_args!("downloading: Linux {version} (to be booted by tests)"));
        if let Err(error) = download(&mirror, release, &folder.join(version)) {
            ui::step(format_args!("Linux {version} is left out: {error:#}"));
        }
    }
    let is_there = |(_, version): &(&str, &str)| folder.join(version).exists();
    ensure!(RELEASES.iter().any(is_there), "no kernel could be downloaded from {mirror}");
    Ok(())
}

fn download(mirror: &str, release: &str, place: &Path) -> Result<()> {
    let apt = Apt::new(mirror, release)?;
    let fresh = apt.kernel(release)?;
    // Beside its place, so that it can be renamed, and where it is not taken for a kernel.
    let staged = place.with_file_name(".new");
    std::fs::copy(&fresh, &staged)
        .and_then(|_| std::fs::rename(&staged, place))
        .with_context(|| format!("cannot write {}", place.display()))
}

/// An apt that knows one release of Debian and nothing of this system but its keys.
struct Apt {
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Apt {
    fn new(mirror: &str, release: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
        let path = |name: &str| folder.path().join(name);
        for name in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(path(name)).context("cannot make a folder")?;
        }
        std::fs::write(path("sources.list"), format!("deb {mirror} {release} main\n"))
            .context("cannot write a temporary file")?;
        let set = |name: &str, value: PathBuf| format!("{name}={}", value.display());
        let options = vec![
            set("Dir::Etc::SourceList", path("sources.list")),
            set("Dir::Etc::SourceParts", "/dev/null".into()),
            set("Dir::State::Lists", path("lists")),
            set("Dir::State::status", "/dev/null".into()),
            set("Dir::Cache", path("cache")),
            "Acquire::Languages=none".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ];
        let apt = Self { folder, options };
        apt.tool("apt-get").args(["-qq", "update"]).quiet("asking Debian for its kernels")?;
        Ok(apt)
    }

    fn tool(&self, program: &str) -> Tool {
        let options = self.options.iter().flat_map(|option| ["-o", option]);
        Tool::new(program).args(options).current_dir(&self.folder.path().join("packages"))
    }

    /// The kernel of a release, in the temporary folder.
    fn kernel(&self, release: &str) -> Result<PathBuf> {
        let offered =
            self.tool("apt-cache").args(["madison", PACKAGE]).stdout("looking for a kernel")?;
        let version = version_of(&offered, release)
            .with_context(|| format!("Debian {release} has no {PACKAGE}"))?;
        let package = format!("{PACKAGE}={version}");
        let shown =
            self.tool("apt-cache").args(["show", &package]).stdout("asking for a kernel")?;
        let image = image_of(&shown).with_context(|| format!("{package} names no kernel"))?;
        self.tool("apt-get").args(["-qq", "download", image]).quiet("downloading a kernel")?;
        let packages = self.folder.path().join("packages");
        let prefix = format!("{image}_");
        let archive = find(&packages, |name| name.starts_with(&prefix))?;
        let unpacked = self.folder.path().join(release);
        Tool::new("dpkg-deb").arg("-x").args([&archive, &unpacked]).quiet("unpacking a kernel")?;
        find(&unpacked.join("boot"), |name| name.starts_with("vmlinuz"))
    }
}

/// Where this system gets its own packages of Debian from.
fn mirror() -> Result<String> {
    let sources = Tool::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"])
        .args(["Created-By: Packages", "Origin: Debian", "Component: main"])
        .stdout("asking apt for its sources")?;
    let main = sources.lines().filter_map(|line| line.split_once(' '));
    // Updates and security fixes are elsewhere, and of this release alone.
    let mirror =
        main.filter(|(_, release)| !release.contains('-')).map(|(mirror, _)| mirror).next();
    ensure!(mirror.is_some(), "apt knows no Debian release here, and kernels are taken from there");
    Ok(mirror.unwrap_or_default().to_owned())
}

/// ` PACKAGE | VERSION | MIRROR RELEASE/main amd64 Packages`
fn version_of<'a>(offered: &'a str, release: &str) -> Option<&'a str> {
    let component = format!(" {release}/main ");
    let line = offered.lines().find(|line| line.contains(&component))?;
    Some(line.split('|').nth(1)?.trim())
}

/// The first package on which it depends.
fn image_of(shown: &str) -> Option<&str> {
    let depends = shown.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    depends.split([' ', ',']).next().filter(|name| name.starts_with("linux-image-"))
}

fn find(folder: &Path, is_it: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_it))
        .with_context(|| format!("{} has not what was expected", folder.display()))
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
