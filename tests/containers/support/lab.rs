//! The engines and images of this test run, made when the first test asks for them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use super::guard::Guard;
use super::{Engine, image};
use crate::common::kernel;

static LAB: OnceLock<Result<Lab, String>> = OnceLock::new();

/// What all tests share.
#[derive(Debug)]
pub struct Lab {
    directory: PathBuf,
    guard: Mutex<Guard>,
}

/// The lab of this test run.
///
/// # Panics
///
/// If it could not be set up; for every test that asks, without trying again.
pub fn lab() -> &'static Lab {
    let lab = LAB.get_or_init(|| {
        std::panic::catch_unwind(Lab::open).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned()))
                .unwrap_or_default()
        })
    });
    lab.as_ref().unwrap_or_else(|error| panic!("no containers can be run: {error}"))
}

/// Ends the lab, if a test has asked for it.
pub fn close() {
    if let Some(Ok(lab)) = LAB.get() {
        lab.guard.lock().expect("nobody panics with it").stop();
    }
}

impl Lab {
    fn open() -> Self {
        kernel::require_root();
        for (program, package) in [
            ("dockerd", "docker.io"),
            ("docker", "docker.io"),
            ("docker-init", "docker.io tini"),
            ("containerd", "containerd"),
            ("ctr", "containerd"),
            ("docker-compose", "docker-compose"),
            ("setpriv", "util-linux"),
            ("podman", "podman"),
            ("conmon", "conmon"),
            ("catatonit", "catatonit"),
            ("curl", "curl"),
            ("runc", "runc"),
            ("crun", "crun"),
            ("mmdebstrap", "mmdebstrap"),
        ] {
            kernel::require(program, package);
        }
        let archive = image::archive();
        // Not /tmp, which may be in memory: the images are half a gigabyte each. A short name,
        // since a socket's may have 107 bytes at most.
        let directory = tempfile::Builder::new()
            .prefix("strait-")
            .tempdir_in("/var/tmp")
            .expect("/var/tmp is writable")
            .keep();
        let guard = Guard::start(&directory);
        std::fs::create_dir(directory.join("scratch")).expect("the directory is ours");
        let small = image::small(&directory);
        std::thread::scope(|scope| {
            for engine in [Engine::docker_in(&directory), Engine::podman_in(&directory)] {
                let (archive, small) = (&archive, &small);
                scope.spawn(move || {
                    engine.import(archive, image::DEBIAN);
                    engine.import(small, image::SMALL);
                });
            }
        });
        Self { directory, guard: Mutex::new(guard) }
    }

    /// Where the engines have their data.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A directory that goes with the value, or else with the lab, and that other users may enter.
    pub fn scratch(&self) -> TempDir {
        use std::os::unix::fs::PermissionsExt;
        tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(self.directory.join("scratch"))
            .expect("the directory is ours")
    }
}
