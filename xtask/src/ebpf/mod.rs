//! `cargo xtask build-ebpf`: the eBPF object, from its sources to `probe-ebpf/prebuilt/`.

mod manifest;
mod toolchain;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{run::Tool, setup, test, tree, ui};
use manifest::Manifest;
use toolchain::Toolchain;

/// Where the committed object and what is known about it live.
const PREBUILT: &str = "probe-ebpf/prebuilt";

/// The committed object.
pub fn object(root: &Path) -> PathBuf {
    root.join(PREBUILT).join("probe.bpf.o")
}

fn manifest_path(root: &Path) -> PathBuf {
    root.join(PREBUILT).join("manifest.json")
}

/// Builds the object, and either commits it to the tree or checks the one that is there.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let recorded = Manifest::read(&manifest_path(root)).ok();
    let preferred = recorded.as_ref().map(|manifest| manifest.toolchain.rustc.as_str());
    let toolchain = match Toolchain::find(root, preferred) {
        Ok(toolchain) => toolchain,
        Err(_) => {
            setup::run(root, setup::Level::Ebpf)?;
            Toolchain::find(root, preferred)?
        }
    };
    ui::step(format_args!("building the eBPF object with {}", toolchain.rustc_version()));
    let bytes = toolchain.build(root)?;
    let fresh = Manifest::new(root, &bytes, toolchain.versions())?;
    if check {
        return self::check(root, &bytes, &fresh, recorded.as_ref());
    }
    replace(&object(root), &bytes, 0o644)?;
    replace(&manifest_path(root), fresh.to_json()?.as_bytes(), 0o644)?;
    ui::good(format_args!("{PREBUILT}: {} bytes; commit it", bytes.len()));
    Ok(())
}

fn check(root: &Path, bytes: &[u8], fresh: &Manifest, recorded: Option<&Manifest>) -> Result<()> {
    let Some(recorded) = recorded else {
        bail!("{PREBUILT}/manifest.json is missing: run cargo xtask build-ebpf and commit");
    };
    recorded.verify(root)?;
    if fresh.toolchain != recorded.toolchain {
        ui::step("another toolchain than the committed object's: its bytes are not compared");
    } else if fresh.object_sha256 == recorded.object_sha256 {
        ui::good("the committed object is what its sources build, byte for byte");
    } else {
        bail!(
            "the sources build {} with the very toolchain of the committed object, which is {}: \
             the build depends on something else; find out what before you commit",
            fresh.object_sha256,
            recorded.object_sha256
        );
    }
    let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
    let object = dir.path().join("probe.bpf.o");
    std::fs::write(&object, bytes).with_context(|| format!("cannot write {}", object.display()))?;
    ui::step("running the privileged tests with the fresh object");
    let cargo = Tool::new(tree::cargo())
        .args(["test", "--quiet", "--package", "strait", "--features", "privileged-tests"])
        .args(["--test", "root"])
        .env("STRAIT_PROBE_OBJECT", &object)
        .current_dir(root);
    test::as_root(cargo)?.show("the privileged tests with the fresh object")
}

/// Replaces a file as a whole or not at all.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let dir = path.parent().context("a file without a directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let write = || -> Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
