//! `strait scan`: what programs on disk can call.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::support::run::{Outcome, STRAIT};
use crate::support::{scratch, strait};

fn scan(dir: &Path, args: &[&str], status: i32) -> Outcome {
    strait().arg("scan").args(args.to_vec()).in_dir(dir).expect_exit(status).run()
}

fn report(dir: &Path, args: &[&str]) -> Value {
    let outcome = scan(dir, &[args, &["--format", "json"]].concat(), 0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let schema: Value = serde_json::from_str(strait_profiles::schema::SCAN_V1).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    report
}

fn names(program: &Value) -> Vec<&str> {
    let calls = program["calls"].as_array().unwrap();
    calls.iter().filter_map(|call| call["syscall"].as_str()).collect()
}

#[test]
fn a_program_is_scanned_with_its_libraries() {
    let dir = scratch();
    let report = report(dir.path(), &[STRAIT]);
    let program = &report["programs"][0];
    let names = names(program);
    for name in ["read", "openat", "mmap", "clone3", "bpf", "seccomp", "exit_group", "rt_sigreturn"]
    {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    for name in ["reboot", "init_module", "swapon", "pivot_root", "kexec_load"] {
        assert!(!names.contains(&name), "{name}");
    }
    assert_eq!(program["linkage"], "dynamic");
    assert!(!program["libraries"].as_array().unwrap().is_empty());
}

#[test]
fn of_a_script_its_interpreter_is_scanned() {
    let dir = scratch();
    let script = dir.path().join("run");
    std::fs::write(&script, "#! /bin/sh -e\ntrue\n").unwrap();
    let report = report(dir.path(), &["run"]);
    let program = &report["programs"][0];
    assert_eq!(program["executable"], "/bin/sh");
    assert!(names(program).contains(&"wait4"), "{program}");
    let text = scan(dir.path(), &["run"], 0).stdout;
    assert!(text.contains("a script for /bin/sh") && text.contains("low risk: "), "{text}");
}

#[test]
fn what_cannot_be_scanned_is_said_in_a_line() {
    let dir = scratch();
    let whole = std::fs::read(STRAIT).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("empty", b"");
    write("text", b"hello");
    write("cut", &whole[..4096]);
    write("script", b"#!\n");
    let mut other = whole[..64].to_vec();
    other[18] = 8;
    write("mips", &other);
    write("loop", format!("#!{}\n", dir.path().join("loop").display()).as_bytes());
    nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (file, why) in [
        ("empty", "it is empty"),
        ("/proc/version", "it is empty"),
        ("text", "not an ELF file"),
        ("cut", "damaged or was cut off"),
        ("script", "first line names no program"),
        ("mips", "a machine that is not supported"),
        ("loop", "script"),
        ("fifo", "not a regular file"),
        (".", "it is a folder"),
        ("none", "No such file"),
    ] {
        let outcome = scan(dir.path(), &[file], 1);
        assert!(
            outcome.stderr.contains(why) && outcome.stderr.lines().count() == 1,
            "{file}: {outcome:?}"
        );
        assert_eq!(outcome.stdout, "", "{file}");
    }
    let outcome = scan(dir.path(), &["text", STRAIT], 1);
    assert!(outcome.stdout.contains("system calls"), "the others are scanned: {outcome:?}");
}

#[test]
fn nothing_outside_of_the_root_is_read() {
    let dir = scratch();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy(STRAIT, root.join("bin/app")).unwrap();
    symlink("/bin/app", root.join("link")).unwrap();
    symlink("../../../../../../bin/sh", root.join("out")).unwrap();
    symlink("/proc/self/exe", root.join("magic")).unwrap();
    let report = report(dir.path(), &["--root", "root", "/link"]);
    let program = &report["programs"][0];
    // Its libraries are outside, so it is not known what it can call.
    assert_eq!(program["closed"], false);
    assert!(program["libraries"].as_array().unwrap().is_empty(), "{program}");
    let open = program["open"].to_string();
    assert!(open.contains("libc.so.6 was not found"), "{open}");
    for file in ["/out", "/magic", "/../../bin/sh"] {
        let outcome = scan(dir.path(), &["--root", "root", file], 1);
        assert!(outcome.stderr.contains("No such file"), "{outcome:?}");
    }
}

#[test]
fn names_are_not_obeyed() {
    let dir = scratch();
    let name = "a\u{1b}[2J\n::error::x";
    std::fs::copy("/bin/true", dir.path().join(name)).unwrap();
    let outcome = scan(dir.path(), &[name], 0);
    let text = outcome.stdout;
    assert!(
        !text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("::")),
        "{text:?}"
    );
}
