//! Docker and podman, each with data, sockets and settings of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::container::Options;
use super::{cleanup, lab, output, try_output};

/// What makes a container of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// `/usr/sbin/runc`
    Runc,
    /// `/usr/bin/crun`
    Crun,
}

impl Runtime {
    /// What engines call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Runc => Self::Crun,
            Self::Crun => Self::Runc,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Docker,
    Podman,
}

/// An engine that is private to this test run.
#[derive(Clone, Debug)]
pub struct Engine {
    kind: Kind,
    directory: PathBuf,
    runtime: Runtime,
}

impl Engine {
    /// Docker, with runc.
    pub fn docker() -> Self {
        Self::docker_in(lab().directory())
    }

    /// podman, with runc.
    pub fn podman() -> Self {
        Self::podman_in(lab().directory())
    }

    pub(super) fn docker_in(directory: &Path) -> Self {
        Self { kind: Kind::Docker, directory: directory.to_owned(), runtime: Runtime::Runc }
    }

    pub(super) fn podman_in(directory: &Path) -> Self {
        Self { kind: Kind::Podman, directory: directory.to_owned(), runtime: Runtime::Runc }
    }

    /// The same engine with another runtime.
    pub fn with(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Docker => "docker",
            Kind::Podman => "podman",
        }
    }

    /// What its containers are made by.
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// Whether its daemon runs health checks. podman leaves that to systemd's timers, which not
    /// every machine has, or to the caller of `podman healthcheck run`.
    pub fn checks_health(&self) -> bool {
        self.kind == Kind::Docker
    }

    /// Describes a container. Names are the test's to choose and must be unique in a test run:
    /// recorders that run at the same time see the containers of each other's tests.
    pub fn container(&self, name: &str) -> Options {
        Options::new(self.clone(), name)
    }

    /// Its command line client.
    pub fn command(&self) -> Command {
        let path = |name: &str| self.directory.join(name);
        match self.kind {
            Kind::Docker => {
                // Debian's: another one in PATH may be too new for Debian's daemon.
                let mut command = Command::new("/usr/bin/docker");
                command
                    .env("DOCKER_CONFIG", path("docker-client"))
                    .env_remove("DOCKER_CONTEXT")
                    .arg("--host")
                    .arg(format!("unix://{}", path("docker.sock").display()));
                command
            }
            Kind::Podman => {
                let mut command = Command::new("/usr/bin/podman");
                command
                    .env("CONTAINERS_CONF", path("containers.conf"))
                    .env_remove("CONTAINER_HOST")
                    .arg("--root")
                    .arg(path("podman/root"))
                    .arg("--runroot")
                    .arg(path("podman/run"))
                    .arg("--tmpdir")
                    .arg(path("podman/tmp"))
                    .args(["--runtime", self.runtime.name()]);
                command
            }
        }
    }

    /// The words of the client that start a container.
    pub(super) fn run(&self) -> Vec<&'static str> {
        match self.kind {
            Kind::Docker => vec!["run", "--runtime", self.runtime.name()],
            Kind::Podman => vec!["run", "--init-path", "/usr/bin/docker-init"],
        }
    }

    /// Removes a container, whatever its state.
    pub(super) fn remove(&self, id: &str) -> Result<(), String> {
        let mut command = self.command();
        command.args(["rm", "--force", "--volumes"]);
        if self.kind == Kind::Podman {
            command.args(["--time", "0"]);
        }
        try_output(command.arg(id)).map(drop)
    }

    /// Makes an image of a tar archive.
    pub fn import(&self, archive: &Path, image: &str) {
        output(self.command().arg("import").arg(archive).arg(image));
    }
}

/// The variables that tell strait where the private engines are.
pub fn environment(directory: &Path) -> [(&'static str, String); 2] {
    let unix = |socket: PathBuf| format!("unix://{}", socket.display());
    [
        ("DOCKER_HOST", unix(directory.join("docker.sock"))),
        ("CONTAINER_HOST", unix(podman_socket(directory))),
    ]
}

pub(super) fn podman_socket(directory: &Path) -> PathBuf {
    directory.join("podman.sock")
}

/// Writes the settings of all engines.
pub(super) fn configure(directory: &Path) -> std::io::Result<()> {
    let place = directory.display();
    let crun = crun(directory)?;
    let crun = crun.display();
    std::fs::write(
        directory.join("containerd.toml"),
        format!(
            r#"version = 2
root = "{place}/containerd/root"
state = "{place}/containerd/state"
# Looks after Kubernetes' containers, and wants a network plug-in for them.
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{place}/containerd.sock"
"#
        ),
    )?;
    std::fs::write(
        directory.join("daemon.json"),
        format!(r#"{{"runtimes": {{"crun": {{"path": "{crun}"}}}}}}"#),
    )?;
    std::fs::create_dir_all(directory.join("docker-client"))?;
    std::fs::write(
        directory.join("containers.conf"),
        format!(
            r#"[containers]
# Where CAP_SYS_RESOURCE is missing, as in many sandboxes, limits cannot be raised.
default_ulimits = []
[network]
network_config_dir = "{place}/podman/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
# The default, shared memory, is shared with every other podman of the machine.
lock_type = "file"
[engine.runtimes]
runc = ["/usr/sbin/runc"]
crun = ["{crun}"]
"#
        ),
    )
}

/// The crun that works here.
pub fn crun_path(directory: &Path) -> PathBuf {
    let wrapper = directory.join("crun");
    if wrapper.exists() { wrapper } else { "/usr/bin/crun".into() }
}

/// Makes a crun that works here. On a hybrid host (cgroup v1, and v2 with controllers of its own) it
/// refuses, "cgroups in hybrid mode not supported", so there it is started where only v1 is to be
/// seen: in a mount namespace without `/sys/fs/cgroup/unified`.
fn crun(directory: &Path) -> std::io::Result<PathBuf> {
    const UNIFIED: &str = "/sys/fs/cgroup/unified";
    if !cleanup::hierarchies().iter().any(|hierarchy| hierarchy == Path::new(UNIFIED)) {
        return Ok(crun_path(directory));
    }
    let wrapper = directory.join("crun");
    std::fs::write(
        &wrapper,
        format!(
            r#"#!/bin/sh
exec unshare --mount sh -c 'umount {UNIFIED} && exec /usr/bin/crun "$@"' crun "$@"
"#
        ),
    )?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
    Ok(wrapper)
}

/// A client of the engines' containerd, which Docker stands in front of.
pub fn ctr() -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(lab().directory().join("containerd.sock"));
    command
}

/// The command of a daemon of our own, which leaves the machine's network as it is.
pub(super) fn dockerd(directory: &Path, storage: &str) -> Command {
    let option = |name: &str, file: &str| format!("--{name}={}", directory.join(file).display());
    let mut command = Command::new("dockerd");
    command
        .arg(option("config-file", "daemon.json"))
        .arg(option("containerd", "containerd.sock"))
        .arg(option("data-root", "docker"))
        .arg(option("exec-root", "docker-exec"))
        .arg(option("pidfile", "docker.pid"))
        .arg(format!("--host=unix://{}", directory.join("docker.sock").display()))
        .arg(format!("--storage-driver={storage}"))
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
    command
}

/// The command of the service that answers for podman's containers.
pub(super) fn podman_service(directory: &Path) -> Command {
    let mut command = Engine::podman_in(directory).command();
    command
        .args(["system", "service", "--time", "0"])
        .arg(format!("unix://{}", podman_socket(directory).display()));
    command
}
