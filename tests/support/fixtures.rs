//! The programs under `tests/fixtures/workloads`, built with the machine's C compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/workloads");

/// Where a script or a configuration of a workload is.
pub fn source(name: &str) -> PathBuf {
    Path::new(SOURCES)
        .join(name)
        .canonicalize()
        .unwrap_or_else(|error| panic!("fixture {name}: {error}"))
}

/// How a C fixture is linked.
#[derive(Clone, Copy, Debug)]
pub enum Fixture {
    /// With the C library and threads, dynamically: what most programs are.
    Dynamic(&'static str),
    /// With nothing at all.
    Bare(&'static str),
    /// For i386, with nothing at all, so that no 32-bit libraries are needed.
    BareI386(&'static str),
}

const BARE: [&str; 6] =
    ["-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie", "-fno-stack-protector"];

impl Fixture {
    /// Builds the program and returns where it is.
    pub fn build(self) -> PathBuf {
        self.build_with("cc", "apt-get install gcc libc6-dev")
    }

    /// Builds it with a compiler that may be for another architecture; `hint` says where that is had from.
    ///
    /// It is renamed into place, so that tests in other processes may build it at the same time.
    pub fn build_with(self, compiler: &str, hint: &str) -> PathBuf {
        let (name, flags) = match self {
            Self::Dynamic(name) => (name, vec!["-pthread"]),
            Self::Bare(name) => (name, BARE.to_vec()),
            Self::BareI386(name) => (name, [&["-m32"][..], &BARE].concat()),
        };
        let source = source(&format!("{name}.c"));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures").join(compiler);
        std::fs::create_dir_all(&directory).expect("the target directory is writable");
        let program = directory.join(name);
        if newer(&program, &source) {
            return program;
        }
        let fresh = tempfile::NamedTempFile::new_in(&directory)
            .expect("the target directory is writable")
            .into_temp_path();
        let output = Command::new(compiler)
            .args(["-O1", "-Wall", "-Wextra", "-Werror"])
            .args(&flags)
            .arg(&source)
            .arg("-o")
            .arg(&fresh)
            .output()
            .unwrap_or_else(|error| panic!("these tests need {compiler} ({hint}): {error}"));
        assert!(
            output.status.success(),
            "{compiler} {}: {}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        fresh.persist(&program).expect("renaming the fixture");
        program
    }

    /// [`build`](Self::build), as text for a command line.
    pub fn path(self) -> String {
        text(&self.build())
    }
}

/// A path as text for a command line.
pub fn text(path: &Path) -> String {
    path.to_str().expect("the path is UTF-8").to_owned()
}

fn newer(product: &Path, source: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified());
    match (changed(product), changed(source)) {
        (Ok(product), Ok(source)) => product > source,
        _ => false,
    }
}
