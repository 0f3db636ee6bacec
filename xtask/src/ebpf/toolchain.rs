//! A compiler for the BPF target: a distribution's, which matches a packaged LLVM, or a nightly.
//!
//! `core` has to be built for that target, which stable Rust does not offer: a distribution's
//! rustc is therefore told to accept unstable options.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::manifest::Versions;
use crate::run::{self, Tool};
use crate::{setup, tree};

const TARGET: &str = "bpfel-unknown-none";
/// Stands between cargo and rustc. cargo derives `-C metadata` of probe-common, and so of the probe
/// itself, from where the tree lies, since it is outside of the probe's workspace; rustc puts it
/// into the names of symbols. One fixed value for those two crates keeps it out of the object.
const WRAPPER: &str = r#"#!/bin/sh
case " $* " in *" --crate-name probe "*|*" --crate-name probe_common "*) ours=yes ;; *) ours= ;; esac
for arg; do
    shift
    case "$ours$arg" in yesmetadata=*) arg=metadata=strait ;; esac
    set -- "$@" "$arg"
done
exec "$@"
"#;

const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";

/// A compiler, the linker for it, and what they call themselves.
pub struct Toolchain {
    compiler: Compiler,
    sysroot: PathBuf,
    linker: PathBuf,
    versions: Versions,
}

enum Compiler {
    Distribution,
    Nightly,
}

impl Compiler {
    fn rustc(&self) -> Tool {
        match self {
            Self::Distribution => Tool::new(DISTRIBUTION_RUSTC),
            Self::Nightly => Tool::new("rustup").args(["run", "nightly", "rustc"]),
        }
    }

    fn cargo(&self) -> Tool {
        match self {
            Self::Distribution => Tool::new(tree::cargo())
                .env("RUSTC", DISTRIBUTION_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1"),
            Self::Nightly => Tool::new("rustup").args(["run", "nightly", "cargo"]),
        }
    }

    fn might_exist(&self) -> bool {
        match self {
            Self::Distribution => Path::new(DISTRIBUTION_RUSTC).exists(),
            Self::Nightly => run::which("rustup").is_some(),
        }
    }
}

impl Toolchain {
    /// The toolchain whose rustc is the preferred one, else the first that works.
    pub fn find(root: &Path, preferred: Option<&str>) -> Result<Self> {
        let Some(linker) = setup::find_bpf_linker(root) else {
            bail!("there is no bpf-linker {}", setup::BPF_LINKER_VERSION);
        };
        let mut found: Vec<Self> = [Compiler::Distribution, Compiler::Nightly]
            .into_iter()
            .filter(Compiler::might_exist)
            .filter_map(|compiler| Self::probe(compiler, &linker).ok())
            .collect();
        let index = found
            .iter()
            .position(|toolchain| Some(toolchain.rustc_version()) == preferred)
            .unwrap_or(0);
        if found.is_empty() {
            bail!("there is neither a distribution's rustc with its sources nor a nightly's");
        }
        Ok(found.swap_remove(index))
    }

    fn probe(compiler: Compiler, linker: &Path) -> Result<Self> {
        let ask = |option: &[&str]| -> Result<String> {
            let output = compiler.rustc().args(option).output("asking rustc")?;
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let core = sysroot.join("lib/rustlib/src/rust/library/core");
        if !core.exists() {
            bail!("{} does not exist", core.display());
        }
        let verbose = ask(&["--version", "--verbose"])?;
        let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name));
        let versions = Versions {
            rustc: verbose.lines().next().context("rustc says nothing")?.to_owned(),
            bpf_linker: setup::BPF_LINKER_VERSION.to_owned(),
            llvm: field("LLVM version: ").context("rustc names no LLVM")?.to_owned(),
        };
        Ok(Self { compiler, sysroot, linker: linker.to_owned(), versions })
    }

    pub fn rustc_version(&self) -> &str {
        &self.versions.rustc
    }

    pub fn versions(&self) -> Versions {
        self.versions.clone()
    }

    /// Builds the object and returns its bytes.
    pub fn build(&self, root: &Path) -> Result<Vec<u8>> {
        let target = tree::target(root).join("ebpf");
        self.compiler
            .cargo()
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .args(["-Z", "build-std=core", "--target-dir"])
            .arg(&target)
            // What a user's own configuration adds must not change the object.
            .without_env("RUSTFLAGS")
            .env("RUSTC_WRAPPER", wrapper(&target)?)
            .without_env("RUSTC_WORKSPACE_WRAPPER")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(root))
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &self.linker)
            // The object is the same for every machine; aya's register names are not used.
            .env("AYA_BPF_TARGET_ARCH", "x86_64")
            .current_dir(&root.join("probe-ebpf"))
            .show("building the eBPF object")?;
        let object = target.join(TARGET).join("release/probe");
        std::fs::read(&object).with_context(|| format!("cannot read {}", object.display()))
    }

    /// Flags that keep this machine's paths out of the object.
    fn flags(&self, root: &Path) -> OsString {
        let home = tree::cargo_home();
        let mut flags = OsString::new();
        let mut remap = |from: &Path, to: &str| {
            if !flags.is_empty() {
                flags.push("\u{1f}");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push(to);
        };
        remap(root, "=/strait");
        remap(&self.sysroot.join("lib/rustlib/src/rust"), "=/rust");
        if let Some(home) = home {
            remap(&home, "=/cargo");
        }
        flags
    }
}

fn wrapper(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("rustc-wrapper");
    super::replace(&path, WRAPPER.as_bytes(), 0o755)?;
    Ok(path)
}
