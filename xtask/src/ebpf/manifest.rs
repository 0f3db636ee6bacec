//! What is known about the committed object: which sources made it, and with which toolchain.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const SCHEMA: &str = "strait.probe-manifest/v1";
const REMEDY: &str = "run cargo xtask build-ebpf and commit probe-ebpf/prebuilt";

/// Everything that decides what is in the object, apart from the toolchain.
const SOURCES: [&str; 6] = [
    "probe-common/Cargo.toml",
    "probe-common/src",
    "probe-ebpf/.cargo/config.toml",
    "probe-ebpf/Cargo.lock",
    "probe-ebpf/Cargo.toml",
    "probe-ebpf/src",
];

/// `probe-ebpf/prebuilt/manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: String,
    /// Of `probe.bpf.o`, in hexadecimal.
    pub object_sha256: String,
    /// Of the sources, in hexadecimal.
    sources_sha256: String,
    /// What built the object.
    pub toolchain: Versions,
}

/// The versions that decide an object's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// As `rustc --version` says it.
    pub rustc: String,
    pub bpf_linker: String,
    pub llvm: String,
}

impl Manifest {
    /// Describes an object that was just built from the sources in the tree.
    pub fn new(root: &Path, object: &[u8], toolchain: Versions) -> Result<Self> {
        Ok(Self {
            schema: SCHEMA.to_owned(),
            object_sha256: hex(&Sha256::digest(object)),
            sources_sha256: hash_sources(root)?,
            toolchain,
        })
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}: {REMEDY}", path.display()))?;
        let manifest: Self = serde_json::from_str(&text)
            .with_context(|| format!("cannot understand {}: {REMEDY}", path.display()))?;
        ensure!(manifest.schema == SCHEMA, "{} is no {SCHEMA}: {REMEDY}", path.display());
        Ok(manifest)
    }

    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Fails unless the committed object is this one, and was built from the sources in the tree.
    pub fn verify(&self, root: &Path) -> Result<()> {
        let object = super::object(root);
        let bytes = std::fs::read(&object)
            .with_context(|| format!("cannot read {}: {REMEDY}", object.display()))?;
        ensure!(
            hex(&Sha256::digest(&bytes)) == self.object_sha256,
            "{} is not the object that manifest.json describes: {REMEDY}",
            object.display()
        );
        ensure!(
            hash_sources(root)? == self.sources_sha256,
            "the probe's sources changed and its object did not: {REMEDY}"
        );
        Ok(())
    }
}

/// The hash over the path and content of every source, by path.
fn hash_sources(root: &Path) -> Result<String> {
    let mut paths = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut paths)?;
    }
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        let content =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        // Lengths first, so that no two lists of files read the same.
        hash.update(name.len().to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(content.len().to_le_bytes());
        hash.update(&content);
    }
    Ok(hex(&hash.finalize()))
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        paths.push(path.to_owned());
        return Ok(());
    }
    let entries = path.read_dir().with_context(|| format!("cannot list {}", path.display()))?;
    for entry in entries {
        collect(&entry?.path(), paths)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_object_is_built_from_the_committed_sources() {
        let root = crate::tree::root().unwrap();
        let manifest = Manifest::read(&super::super::manifest_path(&root)).unwrap();
        manifest.verify(&root).unwrap();
    }

    /// A tree with one file per source, and the object beside them.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for source in SOURCES {
            let file = match source {
                "probe-common/src" | "probe-ebpf/src" => format!("{source}/main.rs"),
                file => file.to_owned(),
            };
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, source).unwrap();
        }
        let object = super::super::object(dir.path());
        std::fs::create_dir_all(object.parent().unwrap()).unwrap();
        std::fs::write(object, b"object").unwrap();
        dir
    }

    fn manifest(root: &Path) -> Manifest {
        let versions = Versions { rustc: "r".into(), bpf_linker: "b".into(), llvm: "l".into() };
        Manifest::new(root, b"object", versions).unwrap()
    }

    #[test]
    fn a_changed_added_or_renamed_source_is_noticed() {
        let main = "probe-ebpf/src/main.rs";
        let changes: [fn(&Path); 3] = [
            |main| std::fs::write(main, "changed").unwrap(),
            |main| std::fs::write(main.with_file_name("new.rs"), "").unwrap(),
            |main| std::fs::rename(main, main.with_file_name("other.rs")).unwrap(),
        ];
        for change in changes {
            let dir = tree();
            let manifest = manifest(dir.path());
            manifest.verify(dir.path()).unwrap();
            change(&dir.path().join(main));
            let error = manifest.verify(dir.path()).unwrap_err().to_string();
            assert!(error.contains("run cargo xtask build-ebpf and commit"), "{error}");
        }
    }

    #[test]
    fn a_changed_object_is_noticed() {
        let dir = tree();
        let manifest = manifest(dir.path());
        std::fs::write(super::super::object(dir.path()), b"other").unwrap();
        let error = manifest.verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("run cargo xtask build-ebpf and commit"), "{error}");
    }

    #[test]
    fn where_the_tree_lies_does_not_matter() {
        let (one, other) = (tree(), tree());
        assert_eq!(hash_sources(one.path()).unwrap(), hash_sources(other.path()).unwrap());
    }
}
