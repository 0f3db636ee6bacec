//! What a recorder needs, and what it says when it does not have it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::calls::read_complete_recording;
use crate::support::run::Strait;
use crate::support::{kernel, scratch, strait};

/// The user nobody, with these capabilities and no others.
pub fn as_nobody(capabilities: &str) -> Vec<String> {
    kernel::require_root();
    kernel::require("setpriv", "util-linux");
    let mut args = vec![
        "setpriv".to_owned(),
        "--reuid=65534".into(),
        "--regid=65534".into(),
        "--clear-groups".into(),
    ];
    let set = format!("-all{capabilities}");
    for which in ["inh-caps", "ambient-caps", "bounding-set"] {
        args.push(format!("--{which}={set}"));
    }
    args
}

/// A directory that the user nobody may write to.
fn for_nobody() -> tempfile::TempDir {
    let dir = scratch();
    std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).unwrap();
    dir
}

fn record(dir: &Path) -> Strait {
    strait()
        .args(["record", "--backend", "ebpf", "-o", "r.json", "--", "/bin/echo", "hello"])
        .in_dir(dir)
}

#[test]
fn without_privilege_the_missing_capabilities_are_named() {
    let dir = for_nobody();
    let outcome = record(dir.path())
        .through(as_nobody(""))
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["CAP_BPF", "CAP_PERFMON"]);
    assert_eq!(outcome.stdout, "", "the command must not have run");
    assert!(!dir.path().join("r.json").exists());
}

#[test]
fn only_the_capability_that_is_missing_is_named() {
    let dir = for_nobody();
    let outcome = record(dir.path())
        .through(as_nobody(",+bpf"))
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["CAP_PERFMON"]);
    assert!(!outcome.stderr.contains("CAP_BPF"), "{}", outcome.stderr);
}

#[test]
fn two_capabilities_are_enough() {
    let dir = for_nobody();
    let outcome = record(dir.path()).through(as_nobody(",+bpf,+perfmon")).run();
    assert_eq!(outcome.stdout, "hello\n");
    let recording = read_complete_recording(&dir.path().join("r.json"));
    assert!(!recording.is_empty());
}

#[test]
fn files_belong_to_the_user_who_called_sudo() {
    kernel::require_root();
    let dir = for_nobody();
    let sudo = |run: Strait| run.env("SUDO_UID", "65534").env("SUDO_GID", "65533").run();
    sudo(record(dir.path()));
    sudo(strait().args(["generate", "r.json", "-o", "p.json"]).in_dir(dir.path()));
    for file in ["r.json", "p.json"] {
        let owner = dir.path().join(file).metadata().unwrap();
        assert_eq!((owner.uid(), owner.gid()), (65534, 65533), "{file}");
    }
}

#[test]
fn a_kernel_without_type_information_is_a_clear_error() {
    kernel::require_root();
    let dir = scratch();
    let outcome = record(dir.path())
        .env("STRAIT_BTF", dir.path().join("none"))
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["BTF", "5.8"]);
    assert_eq!(outcome.stdout, "", "the command must not have run");
}

#[test]
fn damaged_type_information_is_a_clear_error() {
    kernel::require_root();
    let dir = scratch();
    let btf = dir.path().join("btf");
    std::fs::write(&btf, [0x9f, 0xeb, 1, 0]).unwrap();
    record(dir.path())
        .env("STRAIT_BTF", &btf)
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["type information", "[DIR]/btf"]);
}

#[test]
fn a_command_that_is_not_found_is_127() {
    kernel::require_root();
    let dir = scratch();
    for command in ["/no/such/command", "no-such-command"] {
        strait()
            .args(["record", "-o", "r.json", "--", command])
            .in_dir(dir.path())
            .expect_exit(127)
            .run()
            .says_one_paragraph()
            .says(&[command]);
        assert!(!dir.path().join("r.json").exists());
    }
}

#[test]
fn a_command_that_is_not_executable_is_126() {
    kernel::require_root();
    let dir = scratch();
    std::fs::write(dir.path().join("text"), "no program").unwrap();
    strait()
        .args(["record", "-o", "r.json", "--", "./text"])
        .in_dir(dir.path())
        .expect_exit(126)
        .run()
        .says_one_paragraph()
        .says(&["./text"]);
    assert!(!dir.path().join("r.json").exists());
}

#[test]
fn an_unknown_user_is_named_before_anything_runs() {
    kernel::require_root();
    let dir = scratch();
    let outcome = strait()
        .args(["record", "-o", "r.json", "--user", "no-such-user"])
        .args(["--", "/bin/echo", "hello"])
        .in_dir(dir.path())
        .expect_exit(125)
        .run()
        .says_one_paragraph()
        .says(&["no-such-user"]);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_command_runs() {
    kernel::require_root();
    let dir = scratch();
    for path in ["/no/such/directory/r.json", "/proc/r.json"] {
        let outcome = strait()
            .args(["record", "-o", path, "--", "/bin/echo", "hello"])
            .in_dir(dir.path())
            .expect_exit(125)
            .run()
            .says_one_paragraph()
            .says(&[path]);
        assert_eq!(outcome.stdout, "", "a long run for nothing");
    }
}
