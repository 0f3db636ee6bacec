//! Packages of Debian for other machines than this one: downloaded and unpacked, never installed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::run::Tool;
use crate::ui;

/// An apt that knows some sources and one architecture, and nothing of this system but its keys.
pub struct Debian {
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Debian {
    /// From sources as `sources.list` has them, without the `deb`; refreshed.
    pub fn new(sources: &[String], architecture: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
        let path = |name: &str| folder.path().join(name);
        for name in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(path(name)).context("cannot make a folder")?;
        }
        let lines: String = sources.iter().map(|source| format!("deb {source}\n")).collect();
        std::fs::write(path("sources.list"), lines).context("cannot write a temporary file")?;
        let set = |name: &str, value: PathBuf| format!("{name}={}", value.display());
        let options = vec![
            set("Dir::Etc::SourceList", path("sources.list")),
            set("Dir::Etc::SourceParts", "/dev/null".into()),
            set("Dir::State::Lists", path("lists")),
            set("Dir::State::status", "/dev/null".into()),
            set("Dir::Cache", path("cache")),
            "Acquire::Languages=none".to_owned(),
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures={architecture}"),
            "APT::Sandbox::User=".to_owned(),
        ];
        let debian = Self { folder, options };
        debian.apt_get().arg("update").quiet("asking Debian for its packages")?;
        Ok(debian)
    }

    fn tool(&self, program: &str) -> Tool {
        let options = self.options.iter().flat_map(|option| ["-o", option]);
        Tool::new(program).args(options).current_dir(&self.packages())
    }

    fn apt_get(&self) -> Tool {
        self.tool("apt-get").arg("-qq")
    }

    fn packages(&self) -> PathBuf {
        self.folder.path().join("packages")
    }

    /// What `apt-cache` has to say.
    pub fn ask(&self, args: &[&str]) -> Result<String> {
        self.tool("apt-cache").args(args).stdout("asking for packages")
    }

    /// Unpacks packages (`NAME` or `NAME=VERSION`) into a folder, without what they depend on.
    pub fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        self.apt_get().arg("download").args(packages).quiet("downloading packages")?;
        unpack_all(&self.packages(), into)
    }

    /// Unpacks packages with all that they depend on.
    pub fn unpack_with_dependencies(&self, packages: &[&str], into: &Path) -> Result<()> {
        self.apt_get()
            .args(["--yes", "--no-install-recommends", "--download-only", "install"])
            .args(packages)
            .quiet("downloading packages")?;
        unpack_all(&self.folder.path().join("cache/archives"), into)
    }
}

/// Something that each of some releases has, with a version for each, to be had below `target/`. Old releases leave the
/// mirrors one day, so what is not there any more is said and left out.
pub struct OfReleases<'a> {
    /// Names of releases, and of what each has.
    pub releases: &'a [(&'a str, &'a str)],
    /// What it is, by its version.
    pub what: &'a dyn Fn(&str) -> String,
    /// Where it is kept, by its version.
    pub place: &'a dyn Fn(&str) -> PathBuf,
    /// Puts that of a release into a file.
    pub get: &'a dyn Fn(&Debian, &str, &Path) -> Result<()>,
}

impl OfReleases<'_> {
    /// Downloads what is missing. Fails if nothing is there in the end.
    pub fn install(&self) -> Result<()> {
        let is_there = |(_, version): &&(&str, &str)| (self.place)(version).exists();
        let missing: Vec<_> = self.releases.iter().filter(|one| !is_there(one)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mirror = mirror()?;
        for (release, version) in &missing {
            let what = (self.what)(version);
            ui::step(format_args!("downloading: {what} (for the tests)"));
            if let Err(error) = self.download(&mirror, release, &(self.place)(version)) {
                ui::step(format_args!("{what} is left out: {error:#}"));
            }
        }
        ensure!(
            self.releases.iter().any(|one| is_there(&one)),
            "nothing of that could be downloaded from {mirror}"
        );
        Ok(())
    }

    fn download(&self, mirror: &str, release: &str, place: &Path) -> Result<()> {
        let debian = Debian::new(&[format!("{mirror} {release} main")], "amd64")?;
        // Beside its place, so that it can be renamed, and where it is not taken for one of them.
        let staged = place.with_file_name(".new");
        place.parent().map_or(Ok(()), std::fs::create_dir_all).context("cannot make a folder")?;
        (self.get)(&debian, release, &staged)?;
        std::fs::rename(&staged, place).with_context(|| format!("cannot write {}", place.display()))
    }
}

fn unpack_all(archives: &Path, into: &Path) -> Result<()> {
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "deb");
    for archive in entries(archives)?.filter(is_archive) {
        Tool::new("dpkg-deb").arg("-x").args([&archive, into]).quiet("unpacking a package")?;
        std::fs::remove_file(&archive)
            .with_context(|| format!("cannot remove {}", archive.display()))?;
    }
    Ok(())
}

/// What apt gets this system's packages of Debian from: address and release, updates and security
/// fixes too.
pub fn sources() -> Result<Vec<(String, String)>> {
    let targets = Tool::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"])
        .args(["Created-By: Packages", "Origin: Debian", "Component: main"])
        .stdout("asking apt for its sources")?;
    let pair = |line: &str| line.split_once(' ').map(|(uri, of)| (uri.to_owned(), of.to_owned()));
    let sources: Vec<_> = targets.lines().filter_map(pair).collect();
    ensure!(
        !sources.is_empty(),
        "apt knows no Debian release here, and the tests take packages from there. They run on Debian 12 and newer; \
         `cargo test --workspace` has those that need nothing, on any Linux"
    );
    Ok(sources)
}

/// The address of Debian's own packages, which has all of its releases.
pub fn mirror() -> Result<String> {
    let mut sources = sources()?.into_iter();
    // Updates and security fixes are elsewhere, and of this release alone.
    let main = sources.find(|(_, release)| !release.contains('-'));
    Ok(main.context("apt knows Debian's updates only")?.0)
}

/// The file in a folder whose name is such.
pub fn find(folder: &Path, is_it: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let is_it =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_it);
    let mut entries = entries(folder)?;
    entries.find(is_it).with_context(|| format!("{} has not what was expected", folder.display()))
}

fn entries(folder: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()))
}
