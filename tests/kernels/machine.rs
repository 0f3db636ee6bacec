//! A virtual machine that is thrown away: a kernel, a file system in memory, and a console.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use strait::abi::Abi;
use strait::profile::Architecture;
use tempfile::TempDir;

use crate::platform::{Platform, run};
use crate::support::fixtures::Fixture;
use crate::support::scratch;

/// Long enough for any machine: a guest that hangs shall not hang the tests.
const SECONDS: &str = "600";

/// What the scripts in the guest need of busybox.
const APPLETS: [&str; 14] = [
    "base64",
    "cat",
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

/// Number of a call that nothing else makes.
pub fn marker(abi: Abi) -> u32 {
    abi.syscall_number("sched_rr_get_interval").unwrap()
}

/// Runs `tests/fixtures/kernels/run.sh` on a kernel, and returns the folder with what it wrote.
pub fn boot(platform: &Platform, kernel: &Path) -> TempDir {
    let work = scratch();
    let archive = initial_file_system(platform, work.path());
    // The shell in the guest finds what the kernel does not know in its environment.
    let marker = marker(platform.abi());
    let line = format!("console={} panic=-1 quiet marker={marker}", platform.console());
    let output = Command::new("timeout")
        .arg(SECONDS)
        .args(platform.emulator())
        // Hardware that is not there on every machine is asked for nowhere.
        .args(["-accel", "tcg", "-m", "1024", "-smp", "2", "-nic", "none"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot"])
        .args(["-append", &line, "-kernel"])
        .arg(kernel)
        .arg("-initrd")
        .arg(&archive)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need `timeout`, of coreutils");
    let console = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let complaint = || {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{} did not come to the end:\n{console}\n{stderr}", kernel.display())
    };
    let written = console.split_once("<<<\n").and_then(|(_, rest)| rest.split_once("\n>>>"));
    let (encoded, _) = written.unwrap_or_else(complaint);
    let out = scratch();
    fs::write(work.path().join("encoded"), encoded).unwrap();
    let unpack = "base64 -d <encoded | tar -x -C \"$0\"";
    run(Command::new("sh").args(["-e", "-c", unpack]).arg(out.path()).current_dir(work.path()));
    out
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/kernels").join(name)
}

/// Strait, runtimes, workloads, the libraries of all, and the scripts, as an archive for the kernel.
fn initial_file_system(platform: &Platform, work: &Path) -> PathBuf {
    let root = work.join("root");
    for folder in ["bin", "new", "bundle/rootfs/bin", "bundle/rootfs/proc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let bin = root.join("bin");
    run(Command::new(platform.strip()).arg("-o").arg(bin.join("strait")).arg(platform.strait()));
    let build = |fixture| platform.build(fixture);
    let fixtures = [Fixture::Dynamic("arguments"), Fixture::Dynamic("attack")].map(build);
    let marker = build(Fixture::Bare("marker"));
    let programs: Vec<PathBuf> = platform.programs().into_iter().chain(fixtures).collect();
    for program in programs.iter().chain([&marker]) {
        copy(program, &bin.join(program.file_name().unwrap()));
    }
    copy(&marker, &root.join("bundle/rootfs/bin/marker"));
    for applet in APPLETS {
        symlink("busybox", bin.join(applet)).unwrap();
    }
    for (library, place) in platform.libraries(&programs) {
        let place = root.join(place.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        copy(&library, &place);
    }
    write_bundle(platform.abi(), &root.join("bundle"));
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

/// A container that makes three marks: under a filter that allows them, and `before` and `after` what it says
/// of the filter.
fn write_bundle(abi: Abi, bundle: &Path) {
    const HERE: &str = "the filter";
    run(Command::new("runc").arg("spec").current_dir(bundle));
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/marker", marker(abi).to_string(), "3"]);
    config["linux"]["seccomp"] = json!(HERE);
    let text = config.to_string();
    let (before, after) = text.split_once(&json!(HERE).to_string()).unwrap();
    fs::write(bundle.join("before"), before).unwrap();
    fs::write(bundle.join("after"), after).unwrap();
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [Architecture::from(abi).name()],
        "syscalls": [{"names": ["vhangup"], "action": "SCMP_ACT_ERRNO"}],
    });
    fs::write(&path, format!("{before}{filter}{after}")).unwrap();
}
