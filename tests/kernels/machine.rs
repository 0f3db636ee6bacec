//! A virtual machine that is thrown away: a kernel, a file system in memory, and a console.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fixtures::Fixture;
use crate::support::run::STRAIT;
use crate::support::scratch;

/// Long enough for any machine: a guest that hangs shall not hang the tests.
const SECONDS: &str = "600";

/// What the scripts in the guest need of busybox.
const APPLETS: [&str; 13] = [
    "base64",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "mount",
    "reboot",
    "sh",
    "switch_root",
    "tar",
    "true",
    "uname",
    "wc",
];

fn folder() -> PathBuf {
    Path::new(STRAIT).ancestors().nth(2).unwrap().join("tools/kernels")
}

/// The versions of the kernels that there are.
pub fn kernels() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kernels: BTreeSet<String> = names.filter(|name| !name.starts_with('.')).collect();
    assert!(!kernels.is_empty(), "{} has no kernel: run `cargo xtask setup`", folder().display());
    kernels
}

/// Runs `tests/fixtures/kernels/run.sh` on a kernel, and returns the folder with what it wrote.
pub fn boot(version: &str) -> TempDir {
    let kernel = folder().join(version);
    let work = scratch();
    let archive = initial_file_system(work.path());
    let output = Command::new("timeout")
        .args([SECONDS, "qemu-system-x86_64"])
        // Hardware that is not there on every machine is asked for nowhere.
        .args(["-accel", "tcg", "-m", "1024", "-smp", "2", "-nic", "none"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot"])
        .args(["-append", "console=ttyS0 panic=-1 quiet", "-kernel"])
        .arg(&kernel)
        .arg("-initrd")
        .arg(&archive)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need qemu-system-x86_64: apt-get install qemu-system-x86");
    let console = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let complaint = || {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("Linux {version} did not come to the end:\n{console}\n{stderr}")
    };
    let written = console.split_once("<<<\n").and_then(|(_, rest)| rest.split_once("\n>>>"));
    let (encoded, _) = written.unwrap_or_else(complaint);
    let out = scratch();
    fs::write(work.path().join("encoded"), encoded).unwrap();
    let unpack = "base64 -d <encoded | tar -x -C \"$0\"";
    run(Command::new("sh").args(["-e", "-c", unpack]).arg(out.path()).current_dir(work.path()));
    out
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/kernels").join(name)
}

/// Strait, runtimes, workloads, the libraries of all, and the scripts, as an archive for the kernel.
fn initial_file_system(work: &Path) -> PathBuf {
    let root = work.join("root");
    for folder in ["bin", "new", "bundle/rootfs/bin", "bundle/rootfs/proc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let bin = root.join("bin");
    run(Command::new("strip").arg("-o").arg(bin.join("strait")).arg(STRAIT));
    let mut programs: Vec<PathBuf> =
        ["/usr/bin/busybox", "/usr/sbin/runc", "/usr/bin/crun"].map(PathBuf::from).into();
    programs
        .extend([Fixture::Dynamic("arguments"), Fixture::Dynamic("attack")].map(Fixture::build));
    let marker = Fixture::Bare("marker").build();
    for program in programs.iter().chain([&marker]) {
        copy(program, &bin.join(program.file_name().unwrap()));
    }
    copy(&marker, &root.join("bundle/rootfs/bin/marker"));
    for applet in APPLETS {
        symlink("busybox", bin.join(applet)).unwrap();
    }
    for library in libraries(programs.iter().map(PathBuf::as_path).chain([Path::new(STRAIT)])) {
        let place = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        copy(&library, &place);
    }
    write_bundle(&root.join("bundle"));
    copy(&fixture("init.sh"), &root.join("init"));
    copy(&fixture("run.sh"), &root.join("run.sh"));
    run(Command::new("chmod").arg("+x").arg(root.join("init")));
    let pack = "find . | busybox cpio -o -H newc >../initrd";
    run(Command::new("sh").args(["-e", "-c", pack]).current_dir(&root));
    work.join("initrd")
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// What the loader will look for. Programs that need nothing have none.
fn libraries<'a>(programs: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    let mut libraries = BTreeSet::new();
    for program in programs {
        let output = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        libraries.extend(text.split_whitespace().filter(|w| w.starts_with('/')).map(PathBuf::from));
    }
    libraries
}

/// A container that makes three marks under a filter.
fn write_bundle(bundle: &Path) {
    run(Command::new("runc").arg("spec").current_dir(bundle));
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/marker", crate::MARKER.to_string(), "3"]);
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["vhangup"], "action": "SCMP_ACT_ERRNO"}],
    });
    fs::write(&path, config.to_string()).unwrap();
}
