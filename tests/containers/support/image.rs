//! Images made of Debian's packages, since no registry may be reachable.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::output;
use crate::common::fixtures::Fixture;

/// Debian with real servers in it.
pub const DEBIAN: &str = "strait-test/debian";
/// Nothing but a few programs that need no library, in `/bin`.
pub const SMALL: &str = "strait-test/small";

/// What is in it.
pub const SMALL_PROGRAMS: [&str; 3] = ["static", "marker", "pause"];

const PACKAGES: &str = "nginx-light,redis-server,redis-tools,postgresql,python3,gunicorn";

/// The file system of [`DEBIAN`], made by the first test run and kept below `target`.
pub fn archive() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    let suite = suite();
    let archive = directory.join(format!("{suite}.tar"));
    let contents = directory.join(format!("{suite}.packages"));
    if archive.exists() && std::fs::read_to_string(&contents).is_ok_and(|text| text == PACKAGES) {
        return archive;
    }
    eprintln!("making an image of Debian {suite} with {PACKAGES}: this takes minutes, once");
    let fresh = tempfile::Builder::new()
        .prefix(&suite)
        .suffix(".tar")
        .tempfile_in(&directory)
        .expect("the target directory is writable")
        .into_temp_path();
    bootstrap(&suite, &fresh);
    fresh.persist(&archive).expect("renaming the archive");
    std::fs::write(&contents, PACKAGES).expect("the target directory is writable");
    archive
}

/// The release of the machine, since its apt has signed sources for that.
fn suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").expect("the machine has an os-release");
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("these tests need a Debian release as their host").trim_matches('"').to_owned()
}

fn bootstrap(suite: &str, archive: &Path) {
    // Only Debian's own of the machine's sources, wherever they are written down.
    let sources = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
        "Origin: Debian",
    ]));
    assert!(!sources.is_empty(), "apt knows no package of Debian: run `apt-get update`");
    let mut child = Command::new("mmdebstrap")
        // As root, and not in a user namespace, which a sandbox may forbid.
        .args(["--quiet", "--mode=root", "--variant=essential"])
        .arg(format!("--include={PACKAGES}"))
        .args(
            ["doc", "man", "locale"]
                .map(|unread| format!("--dpkgopt=path-exclude=/usr/share/{unread}/*")),
        )
        .arg(r#"--aptopt=Acquire::Languages "none""#)
        .arg(suite)
        .arg(archive)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mmdebstrap is installed");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(sources.as_bytes()).expect("mmdebstrap reads its sources");
    drop(stdin);
    let output = child.wait_with_output().expect("the child is ours");
    assert!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
}

/// The file system of [`SMALL`].
pub fn small(directory: &Path) -> PathBuf {
    let root = directory.join("small");
    std::fs::create_dir_all(root.join("bin")).expect("the directory is ours");
    for name in SMALL_PROGRAMS {
        std::fs::copy(Fixture::Bare(name).build(), root.join("bin").join(name))
            .expect("the directory is ours");
    }
    let archive = directory.join("small.tar");
    output(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&root).arg("."));
    archive
}
