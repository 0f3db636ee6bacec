//! The walls between the crates, and that files need each other in one direction only.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::modules::{Modules, sources};

/// What `generator` must not depend on, directly or not.
const IMPURE: [&str; 13] = [
    "aya",
    "bollard",
    "caps",
    "hyper",
    "libseccomp",
    "nix",
    "probe-common",
    "libseccomp-sys",
    "strait-recorder",
    // Makes calls, and so is compiled on Linux only; numbers of calls are in `profiles/`.
    "syscalls",
    "tempfile",
    "tokio",
    "clap",
];

/// All that a package is built of, for this machine.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}"])
        .args(["--edges", "normal,build", "--package", package])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_generator_is_pure() {
    let all = dependencies("strait-generator");
    assert!(all.iter().any(|name| name == "serde_json"), "{all:?}");
    for name in IMPURE {
        assert!(!all.iter().any(|found| found == name), "strait-generator depends on {name}");
    }
    let of_recorder = dependencies("strait-recorder");
    assert!(of_recorder.iter().any(|name| name == "strait-generator"));
    assert!(!of_recorder.iter().any(|name| name == "strait" || name == "clap"));
}

/// What a generator that does no I/O has no use for.
const OUTSIDE: [&str; 13] = [
    "std::fs",
    "std::process",
    "std::net",
    "std::env::",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "println!",
    // Nor with what only some systems have: `cargo xtask test` compiles it for others.
    "std::os::",
    "target_os",
    "cfg(unix",
    "libc::c_",
];

#[test]
fn the_generator_does_no_io_and_reads_no_clock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generator/src");
    let files = sources(&root);
    assert!(files.len() > 150);
    for path in files.iter().filter(|path| !path.to_string_lossy().contains("test")) {
        let text = fs::read_to_string(path).unwrap();
        let end = text.find("#[cfg(test)]").unwrap_or(text.len());
        for line in text[..end].lines().filter(|line| !line.trim_start().starts_with("//")) {
            let found = OUTSIDE.iter().find(|outside| line.contains(*outside));
            assert!(found.is_none(), "{}: {line}", path.display());
        }
    }
}

#[test]
fn no_file_needs_itself_through_others() {
    for name in ["generator", "recorder", "cli"] {
        let modules =
            Modules::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"));
        assert!(modules.len() > 25, "{name}: {} files", modules.len());
        assert_eq!(modules.circle(), None, "{name}");
    }
}

/// What may ask: it loads programs or filters into this machine's kernel, or starts what does.
const PRIVILEGED: [&str; 2] = ["cli/src/inspect.rs", "cli/src/verify.rs"];

/// How the machine could be asked for.
const ASKING: [&str; 7] = [
    "host::",
    "Abi::NATIVE",
    "target_arch",
    "target_pointer_width",
    "target_endian",
    "consts::ARCH",
    "uname(",
];

/// The lines that ask, without comments.
fn asking(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.filter(|line| ASKING.iter().any(|asking| line.contains(asking))).collect()
}

#[test]
fn nothing_pure_asks_what_machine_it_runs_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut pure, mut found) = (0, Vec::new());
    for path in ["generator/src", "cli/src"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if PRIVILEGED.iter().any(|privileged| name.starts_with(privileged)) {
            continue;
        }
        pure += 1;
        let text = fs::read_to_string(&path).unwrap();
        found.extend(asking(&text).into_iter().map(|line| format!("{name}: {line}")));
    }
    assert!(pure > 100, "{pure} files were read");
    assert!(found.is_empty(), "a machine is a parameter there:\n{}", found.join("\n"));
}

#[test]
fn each_way_of_asking_is_seen() {
    for asking_one in ASKING {
        assert_eq!(asking(&format!("    let x = {asking_one}X;\n    // {asking_one}")).len(), 1);
    }
}
