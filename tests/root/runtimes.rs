//! A profile of commands starts them as containers, under the real runtimes.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{kernel, scratch, scrub, strait, wait};

const BUSYBOX: &str = "/bin/busybox";
const ECHO: [&str; 3] = [BUSYBOX, "echo", "started"];
const SLEEP: [&str; 3] = [BUSYBOX, "sleep", "600"];

#[derive(Clone, Copy, Debug)]
pub enum Runtime {
    Runc,
    Crun,
}

impl Runtime {
    pub const ALL: [Self; 2] = [Self::Runc, Self::Crun];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    /// A command of the runtime. crun refuses hosts that have cgroup v1 and v2 side by side if v2
    /// has a controller, so it gets a view of the machine in which there is only v1.
    pub fn command(self) -> Command {
        let name = self.name();
        let mut command = match self {
            Self::Runc => Command::new(name),
            Self::Crun => {
                let hide = "! test -e /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; \
                            exec \"$@\"";
                let mut command = Command::new("unshare");
                command.args([
                    "--mount",
                    "--propagation",
                    "private",
                    "sh",
                    "-ec",
                    hide,
                    "sh",
                    name,
                ]);
                command
            }
        };
        scrub(&mut command, Path::new("/"));
        command.stdin(Stdio::null());
        command
    }
}

/// How a container is started.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    no_new_privs: bool,
    uid: u32,
}

impl Way {
    const NO_NEW_PRIVS: [Self; 2] =
        [Self { no_new_privs: true, uid: 0 }, Self { no_new_privs: true, uid: 1000 }];
    pub const ALL: [Self; 4] = [
        Self { no_new_privs: false, uid: 0 },
        Self { no_new_privs: false, uid: 1000 },
        Self::NO_NEW_PRIVS[0],
        Self::NO_NEW_PRIVS[1],
    ];
}

/// A bundle with busybox as its image. Whatever runs of it is removed with it.
pub struct Bundle {
    directory: TempDir,
    runtime: Runtime,
    way: Way,
}

impl Bundle {
    pub fn new(runtime: Runtime, way: Way, profile: Option<&Value>, arguments: &[&str]) -> Self {
        kernel::require_root();
        kernel::require(runtime.name(), runtime.name());
        kernel::require("runc", "runc");
        kernel::require("busybox", "busybox-static");
        let directory = scratch();
        let root = directory.path().join("rootfs");
        for name in ["bin", "proc", "dev", "sys"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        let spec = Command::new("runc").arg("spec").current_dir(directory.path()).status().unwrap();
        assert!(spec.success(), "runc spec: {spec}");
        let file = directory.path().join("config.json");
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let process = &mut config["process"];
        process["terminal"] = json!(false);
        process["args"] = json!(arguments);
        process["noNewPrivileges"] = json!(way.no_new_privs);
        process["user"] = json!({"uid": way.uid, "gid": way.uid});
        if let Some(profile) = profile {
            config["linux"]["seccomp"] = profile.clone();
        }
        std::fs::write(file, config.to_string()).unwrap();
        Self { directory, runtime, way }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What its container is called.
    pub fn id(&self) -> &str {
        self.directory.path().file_name().unwrap().to_str().unwrap()
    }

    /// Runs the container to its end.
    pub fn run(&self) -> Output {
        let mut command = self.runtime.command();
        command.arg("run").arg("--bundle").arg(self.directory.path()).arg(self.id());
        command.output().unwrap()
    }

    /// Starts the container and leaves it running.
    pub fn start(&self) {
        let errors = self.directory.path().join("stderr");
        let status = self
            .runtime
            .command()
            .args(["run", "--detach", "--pid-file"])
            .arg(self.directory.path().join("pid"))
            .arg("--bundle")
            .arg(self.directory.path())
            .arg(self.id())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).unwrap())
            .status()
            .unwrap();
        let errors = std::fs::read_to_string(errors).unwrap();
        assert!(status.success(), "{:?}, {:?}: {status}\n{errors}", self.runtime, self.way);
        self.until_executed();
    }

    /// Waits for the workload: the runtime's own process executes it a moment after the runtime has gone. The process's
    /// id is in the bundle's file `pid`.
    pub fn until_executed(&self) {
        let pid = std::fs::read_to_string(self.directory.path().join("pid")).unwrap();
        let exe = Path::new("/proc").join(pid.trim()).join("exe");
        wait::until("the workload has started", || {
            exe.read_link().is_ok_and(|path| path.ends_with("bin/busybox"))
        });
    }

    /// Runs a command in the container, as engines do: with the container's own `no_new_privs`.
    fn exec(&self, arguments: &[&str]) -> Output {
        let mut command = self.runtime.command();
        command.args(["exec", "--user", &format!("{0}:{0}", self.way.uid)]);
        if self.way.no_new_privs {
            command.arg("--no-new-privs");
        }
        command.arg(self.id()).args(arguments).output().unwrap()
    }

    fn assert_started(&self, what: &str, output: &Output) {
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success() && stdout == "started\n",
            "{what} under {:?}, {:?}: {}\n{stdout}\n{stderr}",
            self.runtime,
            self.way,
            output.status,
        );
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let mut command = self.runtime.command();
        let _ = command.args(["delete", "--force", self.id()]).output();
    }
}

/// Says why, if a runtime starts no container at all on this machine.
pub fn require_working(runtime: Runtime) {
    let bundle = Bundle::new(runtime, Way::ALL[0], None, &ECHO);
    bundle.assert_started("without any profile, a container", &bundle.run());
}

/// Records two commands and generates one profile for both.
fn profile(options: &[&str]) -> Value {
    kernel::require_root();
    kernel::require("busybox", "busybox-static");
    let directory = scratch();
    let record = |file: &str, command: &[&str]| {
        let run = strait().args(["record", "-o", file, "--"]).args(command);
        run.in_dir(directory.path()).run();
    };
    record("echo.json", &ECHO);
    record("sleep.json", &[BUSYBOX, "sleep", "0.1"]);
    let generate = strait().args(["generate", "echo.json", "sleep.json"]).args(options);
    generate.in_dir(directory.path()).run().json()
}

fn assert_starts_and_executes(profile: &Value, runtime: Runtime, way: Way) {
    let bundle = Bundle::new(runtime, way, Some(profile), &ECHO);
    bundle.assert_started("run", &bundle.run());
    let bundle = Bundle::new(runtime, way, Some(profile), &SLEEP);
    bundle.start();
    bundle.assert_started("exec", &bundle.exec(&ECHO));
}

#[test]
fn a_profile_of_commands_starts_them_under_every_runtime() {
    let profile = profile(&[]);
    for runtime in Runtime::ALL {
        require_working(runtime);
        for way in Way::ALL {
            assert_starts_and_executes(&profile, runtime, way);
        }
    }
}

#[test]
fn a_profile_for_one_runtime_starts_under_that_one() {
    for runtime in Runtime::ALL {
        require_working(runtime);
        let profile = profile(&["--runtime", runtime.name()]);
        for way in Way::ALL {
            assert_starts_and_executes(&profile, runtime, way);
        }
    }
}

#[test]
fn a_profile_for_no_new_privs_starts_with_it() {
    let profile = profile(&["--no-new-privs"]);
    for runtime in Runtime::ALL {
        require_working(runtime);
        for way in Way::NO_NEW_PRIVS {
            assert_starts_and_executes(&profile, runtime, way);
        }
    }
}

#[test]
fn a_profile_that_refuses_with_eperm_starts_too() {
    let profile = profile(&["--refuse-with", "eperm"]);
    for runtime in Runtime::ALL {
        require_working(runtime);
        for way in Way::ALL {
            assert_starts_and_executes(&profile, runtime, way);
        }
    }
}

#[test]
fn without_what_runc_itself_calls_nothing_starts() {
    require_working(Runtime::Runc);
    let recorded = profile(&["--runtime", "recorded"]);
    for way in Way::ALL {
        let output = Bundle::new(Runtime::Runc, way, Some(&recorded), &ECHO).run();
        assert!(!output.status.success(), "{way:?}: the sets are there for nothing");
    }
    let no_new_privs = profile(&["--runtime", "runc", "--no-new-privs"]);
    let output = Bundle::new(Runtime::Runc, Way::ALL[0], Some(&no_new_privs), &ECHO).run();
    assert!(!output.status.success(), "the smaller set is for no_new_privs only");
}
