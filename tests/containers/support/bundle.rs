//! Containers that runc or crun make by themselves, without any engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Runtime, image, lab, output};

/// An OCI bundle whose root has what [`image::SMALL`] has. It may be run again and again.
#[derive(Debug)]
pub struct Bundle {
    directory: TempDir,
    config: Value,
}

impl Bundle {
    /// With a container that runs `command` under a filter which refuses one call that is never made.
    pub fn new<W: AsRef<str>>(command: &[W]) -> Self {
        let directory = lab().scratch();
        let root = directory.path().join("rootfs");
        for name in ["bin", "proc", "dev", "sys"] {
            std::fs::create_dir_all(root.join(name)).expect("the directory is ours");
        }
        for name in image::SMALL_PROGRAMS {
            std::fs::copy(
                lab().directory().join("small/bin").join(name),
                root.join("bin").join(name),
            )
            .expect("the directory is ours");
        }
        output(Command::new("runc").arg("spec").current_dir(directory.path()));
        let text = std::fs::read_to_string(directory.path().join("config.json"));
        let mut config: Value =
            serde_json::from_str(&text.expect("runc wrote it")).expect("it is JSON");
        let args: Vec<_> = command.iter().map(AsRef::as_ref).collect();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(args);
        // Where CAP_SYS_RESOURCE is missing, as in many sandboxes, limits cannot be raised.
        config["process"]["rlimits"] = json!([]);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["vhangup"], "action": "SCMP_ACT_ERRNO"}],
        });
        let bundle = Self { directory, config };
        bundle.write();
        bundle
    }

    fn write(&self) {
        std::fs::write(self.path().join("config.json"), self.config.to_string())
            .expect("the directory is ours");
    }

    /// Without any filter.
    pub fn unfiltered(self) -> Self {
        self.changed(|config| {
            config["linux"].as_object_mut().expect("an object").remove("seccomp");
        })
    }

    /// With other settings.
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self.write();
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs it to its end as the container `id`, with the runtime's options before.
    pub fn run(&self, runtime: Runtime, options: &[&str], id: &str) {
        output(&mut self.command(runtime, options, id));
    }

    /// The command that runs it, for others to run.
    pub fn command(&self, runtime: Runtime, options: &[&str], id: &str) -> Command {
        let mut command = Command::new(program(runtime));
        command.args(options).arg("run").arg("--bundle").arg(self.path()).arg(id);
        command
    }
}

/// The runtime as the engines of this test run start it.
fn program(runtime: Runtime) -> PathBuf {
    match runtime {
        Runtime::Runc => "/usr/sbin/runc".into(),
        Runtime::Crun => super::engine::crun_path(lab().directory()),
    }
}
