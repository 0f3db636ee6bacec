//! A user of the machine without any privilege, and what this user can make: see `forge.c`.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::unistd::{setresgid, setresuid};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixtures::Fixture;
use super::spawned::Spawned;
use super::{kernel, scratch, scrub};

/// The call by which a forged container is known again: Linux 6.8 has removed it, and no other program calls it.
pub const CALL: &str = "lookup_dcookie";

/// What a forged container calls itself, and its image.
pub const NAME: &str = "forged-web";
/// See [`NAME`].
pub const IMAGE: &str = "forged/image";

/// A user of the machine with a folder and nothing else.
#[derive(Debug)]
pub struct Attacker {
    uid: u32,
    folder: TempDir,
}

/// By which processes a container is said to have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    Runc,
    Crun,
    Youki,
    Conmon,
    Shim,
}

impl Lineage {
    pub const ALL: [Self; 5] = [Self::Runc, Self::Crun, Self::Youki, Self::Conmon, Self::Shim];

    /// How the tasks are named that become the container's first process.
    const fn names(self) -> &'static str {
        match self {
            Self::Crun => "crun,crun",
            Self::Youki => "youki:[1:INTER],youki:[2:INIT]",
            Self::Runc | Self::Conmon | Self::Shim => "runc:[1:CHILD],runc:[2:INIT]",
        }
    }
}

impl Attacker {
    /// A user that no other test has.
    pub fn new() -> Self {
        static USERS: AtomicU32 = AtomicU32::new(0);
        kernel::require_root();
        let of_process = 100_000 + std::process::id() % 10_000 * 100;
        let uid = of_process + USERS.fetch_add(1, Ordering::Relaxed);
        let attacker = Self { uid, folder: scratch() };
        // Not written by this process: what it forks meanwhile would have the file open, and then it cannot be
        // executed.
        let copied = Command::new("cp")
            .arg(Fixture::Dynamic("forge").build())
            .arg(attacker.path("forge"))
            .status();
        assert!(copied.expect("cp runs").success());
        for name in ["bin", "traces", "state"] {
            attacker.make_folder(name);
        }
        let traces = attacker.path("traces");
        std::fs::set_permissions(&traces, std::fs::Permissions::from_mode(0o777)).expect("ours");
        for runtime in ["runc", "crun", "youki"] {
            let script = format!(
                "#!/bin/sh\necho \"$0 as user $(id -u)\" >>{}/ran\necho {runtime} version 1.2.3\n",
                traces.display()
            );
            let program = attacker.path("bin").join(runtime);
            std::fs::write(&program, script).expect("ours");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
                .expect("ours");
        }
        chown(attacker.folder(), Some(uid), Some(uid)).expect("we are root");
        attacker
    }

    /// User and group.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// A folder of the user's.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Makes a folder there, and those above it.
    pub fn make_folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("ours");
        for part in path.ancestors().take_while(|part| *part != self.folder()) {
            self.own(part);
        }
        path
    }

    /// Gives the user a file or folder.
    pub fn own(&self, path: &Path) {
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.uid)).expect("we are root");
    }

    /// What sudo says of the user who has called it.
    pub fn sudo(&self) -> [(&'static str, String); 2] {
        [("SUDO_UID", self.uid.to_string()), ("SUDO_GID", self.uid.to_string())]
    }

    /// A command that the user runs, in the root of each cgroup hierarchy: what the tests are run in may be
    /// named as a container's is.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        scrub(&mut command, self.folder());
        let (uid, roots) = (self.uid, cgroup_roots());
        let become_user = move || {
            for root in &roots {
                // SAFETY: a buffer of one byte. A hierarchy that does not take the process has it already.
                unsafe { libc::write(root.as_raw_fd(), b"0".as_ptr().cast(), 1) };
            }
            // SAFETY: takes no group.
            Errno::result(unsafe { libc::setgroups(0, std::ptr::null()) })?;
            setresgid(uid.into(), uid.into(), uid.into())?;
            setresuid(uid.into(), uid.into(), uid.into())?;
            Ok(())
        };
        // SAFETY: between fork and exec only calls are made that are safe there.
        unsafe { command.pre_exec(become_user) };
        command
    }

    /// A command that the user runs in a shell.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-ec", script]);
        command
    }

    /// Starts `forge` with this command line, in this role.
    pub fn start(&self, line: &[&str], role: &str, variables: &[(&str, &str)]) -> Spawned {
        let mut command = self.command(&self.path("forge"));
        let (first, rest) = line.split_first().expect("a command line");
        command.arg0(first).args(rest).env("FORGE", role).envs(variables.iter().copied());
        let mut spawned = Spawned::start(command);
        assert_eq!(spawned.line(), "ready", "{line:?}");
        spawned
    }

    /// Starts what looks like the container `id`, which has made [`CALL`] `count` times when this returns, and
    /// then goes on until its standard input ends, with all that it says about itself in place.
    pub fn forge(&self, lineage: Lineage, id: &str, count: u32) -> Spawned {
        let line = self.line(lineage, id);
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        let count = count.to_string();
        self.start(
            &line,
            "container",
            &[
                ("FORGE_NAMES", lineage.names()),
                ("FORGE_CALL", &libc::SYS_lookup_dcookie.to_string()),
                ("FORGE_COUNT", &count),
            ],
        )
    }

    /// The command line of the process that says that it makes the container, or watches over it.
    pub fn line(&self, lineage: Lineage, id: &str) -> Vec<String> {
        let bundle = self.bundle(id);
        let program = |name: &str| self.path("bin").join(name).display().to_string();
        let bundle = bundle.display();
        let line = match lineage {
            Lineage::Runc => {
                let (runc, state) = (program("runc"), self.path("state"));
                format!("{runc} --root {} run --bundle {bundle} {id}", state.display())
            }
            Lineage::Crun => format!("{} run --bundle {bundle} {id}", program("crun")),
            Lineage::Youki => format!("{} run --bundle {bundle} {id}", program("youki")),
            Lineage::Conmon => format!(
                "/usr/bin/conmon --api-version 1 -c {id} -u {id} -n {NAME} -b {bundle} -r {} \
                 --exit-dir /run/libpod/exits --exit-command /usr/bin/podman",
                program("runc")
            ),
            Lineage::Shim => format!(
                "/usr/bin/containerd-shim-runc-v2 -namespace moby -id {id} -address /run/containerd/c.sock"
            ),
        };
        line.split(' ').map(str::to_owned).collect()
    }

    /// A bundle in a storage like podman's; both say that the container has [`NAME`] and [`IMAGE`].
    fn bundle(&self, id: &str) -> PathBuf {
        let bundle = self.make_folder(&format!("storage/overlay-containers/{id}/userdata"));
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {"args": ["web"]},
            "annotations": {
                "io.container.manager": "libpod", "nerdctl/name": NAME, "nerdctl/image-name": IMAGE,
                "com.docker.compose.service": NAME, "io.podman.annotations.seccomp": "p.json",
            },
            // The one that the tests have it verified with.
            "linux": {"seccomp": super::profiles::base()},
        });
        let list = json!([{
            "id": id, "names": [NAME], "image": "",
            "metadata": json!({"name": NAME, "image-name": IMAGE}).to_string(),
        }]);
        let lists = self.path("storage/overlay-containers/containers.json");
        for (path, value) in [(bundle.join("config.json"), config), (lists, list)] {
            std::fs::write(&path, value.to_string()).expect("ours");
            self.own(&path);
        }
        bundle
    }

    /// That no program of the user's was executed by anybody.
    pub fn assert_nothing_ran(&self) {
        let ran = std::fs::read_to_string(self.path("traces/ran"));
        assert!(
            ran.is_err(),
            "a program of user {} was executed: {:?}",
            self.uid,
            ran.unwrap_or_default()
        );
    }
}

/// The lists of processes in the root of each cgroup hierarchy, opened by root.
fn cgroup_roots() -> Vec<File> {
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let roots = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    // With cgroup v2 only the last is one: the others are cgroups that systemd has made.
    let is_root = |root: &PathBuf| !root.join("cgroup.type").exists();
    let procs = roots.filter(is_root).map(|root| root.join("cgroup.procs"));
    procs.filter_map(|procs| OpenOptions::new().write(true).open(procs).ok()).collect()
}

/// The recordings in a folder, by the name of the file.
pub fn recordings(folder: &Path) -> Vec<(String, Value)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a readable folder"))
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".recording.json"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(entry.path()).expect("a readable recording");
            let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, value)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// How often [`CALL`] was made in a recording.
pub fn forged_calls(recording: &Value) -> u64 {
    let abis = recording["abis"].as_object().expect("a recording has tables");
    abis.values().filter_map(|abi| abi["syscalls"][CALL]["count"].as_u64()).sum()
}
