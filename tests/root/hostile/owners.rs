//! Whose files are, and which may be written, when root writes for a user; and outputs that are FIFOs.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::{AT_ONCE, PATIENCE, with_sudo};
use crate::support::attacker::Attacker;
use crate::support::{kernel, scratch, strait};

#[test]
fn where_the_invoking_user_may_not_write_nothing_is_run() {
    let (attacker, other) = (Attacker::new(), Attacker::new());
    for command in [&["record", "-o"][..], &["record", "--containers", "-o"]] {
        let outcome = with_sudo(strait(), &attacker)
            .args(command.iter().copied())
            .arg(other.path("r.json"))
            .args(["--", "/bin/echo", "hello"])
            .in_dir(attacker.folder())
            .expect_exit(125)
            .run()
            .says_one_paragraph()
            .says(&["r.json"]);
        assert_eq!(outcome.stdout, "", "the command was run");
        assert!(!other.path("r.json").exists());
    }
}

/// A folder that only root can change, as all those above it.
fn of_root_alone() -> TempDir {
    kernel::require_root();
    tempfile::Builder::new().prefix("strait-test-").tempdir_in("/run").unwrap()
}

fn owner(path: &Path) -> (u32, u32, u32) {
    let data = path.symlink_metadata().unwrap();
    (data.uid(), data.gid(), data.mode() & 0o7777)
}

#[test]
fn what_sudo_writes_where_only_root_may_belongs_to_root() {
    let attacker = Attacker::new();
    let dir = of_root_alone();
    with_sudo(strait(), &attacker)
        .args(["record", "-o", "r.json", "--", "/bin/echo"])
        .in_dir(dir.path())
        .run();
    assert_eq!(owner(&dir.path().join("r.json")).0, 0);
    std::fs::write(dir.path().join("p.json"), "old").unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(dir.path().join("p.json"), mode).unwrap();
    for file in ["p.json", "new.json"] {
        with_sudo(strait(), &attacker)
            .args(["generate", "r.json", "-o", file])
            .in_dir(dir.path())
            .run();
        assert_eq!(owner(&dir.path().join(file)).0, 0, "{file}");
    }
    assert_eq!(owner(&dir.path().join("p.json")), (0, 0, 0o640));
}

#[test]
fn what_root_replaces_stays_the_users_and_loses_its_set_id_bits() {
    let attacker = Attacker::new();
    let file = attacker.path("r.json");
    for (before, after) in [(0o640, 0o640), (0o6755, 0o755)] {
        std::fs::write(&file, "old").unwrap();
        chown(&file, Some(attacker.uid()), Some(attacker.uid())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(before)).unwrap();
        strait().args(["record", "-o"]).arg(&file).args(["--", "/bin/echo"]).run();
        assert_eq!(owner(&file), (attacker.uid(), attacker.uid(), after), "{before:o}");
    }
}

#[test]
fn a_fifo_without_a_reader_is_an_error_at_once() {
    kernel::require_root();
    let dir = scratch();
    mkfifo(&dir.path().join("pipe"), Mode::S_IRWXU).unwrap();
    std::fs::write(dir.path().join("p.json"), crate::support::profiles::base().to_string())
        .unwrap();
    for command in [&["record"][..], &["verify", "p.json"]] {
        let mut spawned = strait()
            .args(command.iter().copied())
            .args(["-o", "pipe", "--", "/bin/touch", "ran"])
            .in_dir(dir.path())
            .spawn();
        let (status, stderr) = spawned.end_within(PATIENCE);
        assert_eq!(status, 125, "{stderr}");
        assert!(stderr.contains("FIFO") && stderr.contains("pipe"), "{stderr}");
        assert!(!dir.path().join("ran").exists(), "the command was run");
    }
    let input = dir.path().join("r.json");
    strait().args(["record", "-o"]).arg(&input).args(["--", "/bin/echo"]).run();
    let mut spawned =
        strait().args(["generate", "r.json", "-o", "pipe"]).in_dir(dir.path()).spawn();
    let (status, stderr) = spawned.end_within(AT_ONCE);
    assert_ne!(status, 0);
    assert!(stderr.contains("FIFO"), "{stderr}");
}

#[test]
fn a_fifo_that_is_read_gets_the_recording() {
    kernel::require_root();
    let dir = scratch();
    mkfifo(&dir.path().join("pipe"), Mode::S_IRWXU).unwrap();
    // A pipe holds more than this recording, so that it can be read afterwards.
    let mut reader = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(dir.path().join("pipe"))
        .unwrap();
    let mut spawned =
        strait().args(["record", "-o", "pipe", "--", "/bin/echo"]).in_dir(dir.path()).spawn();
    let (status, stderr) = spawned.end_within(PATIENCE);
    assert_eq!(status, 0, "{stderr}");
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    strait_generator::recording::v1::parse(&text).unwrap();
}
