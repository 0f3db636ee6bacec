//! A virtual machine that is thrown away: a kernel, a file system in memory, and a console.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::image::{Image, run};
use crate::support::scratch;

/// Long enough for any machine: a guest that hangs must not hang the tests.
const SECONDS: &str = "600";

/// Runs what is in the image on a kernel, and returns the folder that it has handed over.
pub fn boot(kernel: &Path, image: &Image<'_>, arguments: &str) -> TempDir {
    let platform = image.platform();
    let work = scratch();
    let archive = image.pack();
    let line = format!("console={} panic=-1 quiet {arguments}", platform.console());
    let output = Command::new("timeout")
        .arg(SECONDS)
        .args(platform.emulator())
        // Hardware that is not there on every machine is asked for nowhere. The two processors take turns:
        // one that changes the kernel's code while another one runs it is emulated wrongly (qemu 7.2;
        // "Oops: int3").
        .args(["-accel", "tcg,thread=single", "-m", "2048", "-smp", "2", "-nic", "none"])
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
