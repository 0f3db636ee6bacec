//! What a virtual machine finds in its memory when it starts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use strait_generator::abi::Abi;
use tempfile::TempDir;

use crate::platform::Platform;
use crate::support::fixtures::Fixture;
use crate::support::scratch;

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

/// A file system: Strait, busybox, runc, a call to be found again, and what is added.
#[derive(Debug)]
pub struct Image<'a> {
    platform: &'a Platform,
    work: TempDir,
}

/// Number of a call that nothing else makes.
pub fn marker(abi: Abi) -> u32 {
    abi.syscall_number("sched_rr_get_interval").unwrap()
}

impl<'a> Image<'a> {
    /// Begins one, with a bundle whose container makes three marks under this filter.
    pub fn new(platform: &'a Platform, filter: &Value) -> Self {
        let image = Self { platform, work: scratch() };
        for folder in ["bin", "new", "sbin", "bundle/rootfs/bin", "bundle/rootfs/proc"] {
            fs::create_dir_all(image.root().join(folder)).unwrap();
        }
        let strait = platform.strait();
        run(Command::new(platform.strip())
            .arg("-o")
            .arg(image.root().join("bin/strait"))
            .arg(strait));
        image.add_libraries(strait);
        for program in ["busybox", "runc"] {
            image.add_program(&platform.program(program));
        }
        for applet in APPLETS {
            image.link("busybox", &format!("bin/{applet}"));
        }
        let marker = platform.build(Fixture::Bare("marker"));
        image.add_program(&marker);
        copy(&marker, &image.root().join("bundle/rootfs/bin/marker"));
        image.write_bundle(filter);
        image.add_script("init.sh", "init");
        image.add_script("steps.sh", "steps.sh");
        image
    }

    /// What it is for.
    pub const fn platform(&self) -> &Platform {
        self.platform
    }

    fn root(&self) -> PathBuf {
        self.work.path().join("root")
    }

    /// A program, and what it is linked with.
    pub fn add_program(&self, program: &Path) {
        copy(program, &self.root().join("bin").join(program.file_name().unwrap()));
        self.add_libraries(program);
    }

    /// A file of this machine, at the same place, and what it is linked with.
    pub fn add_own(&self, file: &Path) {
        copy(file, &self.root().join(file.strip_prefix("/").unwrap()));
        self.add_libraries(file);
    }

    /// A file from `tests/fixtures/kernels`.
    pub fn add_fixture(&self, name: &str, place: &str) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/kernels");
        copy(&fixtures.join(name), &self.root().join(place));
    }

    /// The same, to be executed.
    pub fn add_script(&self, name: &str, place: &str) {
        self.add_fixture(name, place);
        run(Command::new("chmod").arg("+x").arg(self.root().join(place)));
    }

    /// A symbolic link.
    pub fn link(&self, target: &str, place: &str) {
        symlink(target, self.root().join(place)).unwrap();
    }

    fn add_libraries(&self, program: &Path) {
        for (library, place) in self.platform.libraries(program) {
            let place = self.root().join(place.strip_prefix("/").unwrap());
            if !place.exists() {
                copy(&library, &place);
            }
        }
    }

    /// Also `before` and `after` of what it says of the filter, so that another one can be put between them.
    fn write_bundle(&self, filter: &Value) {
        let bundle = self.root().join("bundle");
        run(Command::new("runc").arg("spec").current_dir(&bundle));
        const HERE: &str = "the filter";
        let path = bundle.join("config.json");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] =
            json!(["/bin/marker", marker(self.platform.abi()).to_string(), "3"]);
        config["linux"]["seccomp"] = json!(HERE);
        let text = config.to_string();
        let (before, after) = text.split_once(&json!(HERE).to_string()).unwrap();
        fs::write(bundle.join("before"), before).unwrap();
        fs::write(bundle.join("after"), after).unwrap();
        fs::write(&path, format!("{before}{filter}{after}")).unwrap();
    }

    /// As an archive for the kernel.
    pub fn pack(&self) -> PathBuf {
        let pack = "find . | busybox cpio -o -H newc >../initrd";
        run(Command::new("sh").args(["-e", "-c", pack]).current_dir(self.root()));
        self.work.path().join("initrd")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}
