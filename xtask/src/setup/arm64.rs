//! What it takes to build Strait for arm64, and to boot a machine of that kind: Debian's packages, below
//! `target/`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::debian::{self, Debian};
use super::kernels;
use crate::run::Tool;
use crate::{tree, ui};

/// As Rust calls it.
pub const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Depends on the kernel that is booted.
const KERNEL: &str = "linux-image-cloud-arm64";

/// What the machine runs.
const PROGRAMS: [&str; 4] = ["busybox-static", "crun", "libseccomp2", "runc"];

/// Where the linker looks for libraries, and the loader.
pub const LIBRARIES: &str = "root/usr/lib/aarch64-linux-gnu";

/// The compiler of Debian, and the package of which it is.
const RUSTC: (&str, &str) = ("/usr/bin/rustc", "rustc-web");

/// A compiler that has Rust's standard library for arm64.
pub enum Compiler {
    /// The one that builds everything else: `rustup target add` has been there.
    Usual,
    /// This one, with the library that lies here.
    Distribution(&'static str, PathBuf),
}

/// Where all of it is: `kernel`, the machine's files in `root`, and perhaps Rust's library in `rust`.
pub fn folder(root: &Path) -> PathBuf {
    tree::target(root).join("tools/arm64")
}

/// Which compiler is to be used.
pub fn compiler(root: &Path) -> Compiler {
    let libraries = Tool::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output("asking rustc");
    let is_there = libraries
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).exists());
    if is_there {
        Compiler::Usual
    } else {
        Compiler::Distribution(RUSTC.0, folder(root).join("rust"))
    }
}

/// Downloads what is missing.
pub fn install(root: &Path) -> Result<()> {
    let folder = folder(root);
    if folder.exists() {
        return Ok(());
    }
    ui::step(
        "downloading: Debian's Linux, runc, crun and busybox for arm64 (for a virtual machine)",
    );
    let tools = folder.parent().context("a folder has a parent")?;
    std::fs::create_dir_all(tools).with_context(|| format!("cannot make {}", tools.display()))?;
    // Beside its place, so that it is there as a whole or not at all.
    let staged = tempfile::tempdir_in(tools).context("cannot make a temporary directory")?;
    let here = staged.path();
    let sources = debian::sources()?;
    let sources: Vec<_> = sources.iter().map(|(uri, of)| format!("{uri} {of} main")).collect();
    let debian = Debian::new(&sources, "arm64")?;

    debian.unpack_with_dependencies(&PROGRAMS, &here.join("root"))?;
    // What the linker wants to see, without the headers that come with it.
    symlink("libseccomp.so.2", here.join(LIBRARIES).join("libseccomp.so"))
        .context("cannot make a link")?;

    let shown = debian.ask(&["show", "--no-all-versions", KERNEL])?;
    let image = kernels::image_of(&shown).with_context(|| format!("{KERNEL} names no kernel"))?;
    debian.unpack(&[image], &here.join("linux"))?;
    let kernel = debian::find(&here.join("linux/boot"), |name| name.starts_with("vmlinuz"))?;
    std::fs::rename(&kernel, here.join("kernel"))
        .and_then(|()| std::fs::remove_dir_all(here.join("linux")))
        .context("cannot keep the kernel")?;

    if matches!(compiler(root), Compiler::Distribution(..)) {
        ui::step("downloading: Rust's standard library for arm64 (of Debian's own compiler)");
        let version = Tool::new("dpkg-query")
            .args(["--show", "--showformat", "${Version}", RUSTC.1])
            .stdout("asking for the version of Debian's Rust")?;
        let library = format!("libstd-rust-web-dev={version}");
        debian.unpack(&[&library], &here.join("rust-web"))?;
        std::fs::rename(here.join("rust-web/usr"), here.join("rust"))
            .context("cannot keep Rust's standard library")?;
    }
    std::fs::rename(here, &folder).with_context(|| format!("cannot make {}", folder.display()))
}
