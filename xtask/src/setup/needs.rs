//! What each level needs, how to tell that it is there, and what Debian calls it.

use std::path::Path;

use crate::run;

/// What a system has to be good for. A level includes the ones it builds on, but `Ebpf` stands for
/// itself: the committed object makes it optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// Build Strait
    Build,
    /// Run the demo
    Demo,
    /// Run all tests
    Test,
    /// Run the bench
    Bench,
    /// Measure the quality of profiles
    Quality,
    /// Build for arm64, and test that in a virtual machine
    Arm64,
    /// Rebuild the eBPF object
    Ebpf,
}

impl Level {
    fn includes(self, other: Self) -> bool {
        match self {
            Self::Build | Self::Ebpf => other == self,
            Self::Demo => matches!(other, Self::Build | Self::Demo),
            Self::Test => matches!(other, Self::Build | Self::Demo | Self::Test),
            Self::Bench => matches!(other, Self::Build | Self::Demo | Self::Bench),
            Self::Quality => matches!(other, Self::Build | Self::Quality),
            Self::Arm64 => matches!(other, Self::Build | Self::Arm64),
        }
    }
}

/// How to tell that something is there.
#[derive(Clone, Copy)]
enum Sign {
    /// One of these commands is in PATH.
    Command(&'static [&'static str]),
    /// One of these files exists.
    File(&'static [&'static str]),
}

/// Something that a level needs from the system.
#[derive(Clone, Copy)]
pub struct Need {
    pub level: Level,
    /// What to look for, in words.
    pub what: &'static str,
    sign: Sign,
    /// The package on Debian and Ubuntu.
    pub package: &'static str,
    pub why: &'static str,
    /// Whether the level still works without it, with less to show.
    pub optional: bool,
}

impl Need {
    /// Whether the system has it.
    pub fn is_there(&self) -> bool {
        match self.sign {
            Sign::Command(names) => names.iter().any(|name| run::which(name).is_some()),
            Sign::File(paths) => paths.iter().any(|path| Path::new(path).exists()),
        }
    }
}

/// What a level needs, its own foundations first.
pub fn of_level(level: Level) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(move |need| level.includes(need.level))
}

const fn command(
    level: Level,
    names: &'static [&'static str],
    package: &'static str,
    why: &'static str,
) -> Need {
    Need { level, what: names[0], sign: Sign::Command(names), package, why, optional: false }
}

const fn file(
    level: Level,
    what: &'static str,
    paths: &'static [&'static str],
    package: &'static str,
    why: &'static str,
) -> Need {
    Need { level, what, sign: Sign::File(paths), package, why, optional: false }
}

const fn optional(need: Need) -> Need {
    Need { optional: true, ..need }
}

const NEEDS: &[Need] = &[
    command(Level::Build, &["cc", "gcc", "clang"], "gcc", "linking Rust programs"),
    file(Level::Build, "libc's headers", &["/usr/include/stdio.h"], "libc6-dev", "linking"),
    file(
        Level::Build,
        "libseccomp's headers",
        &["/usr/include/seccomp.h"],
        "libseccomp-dev",
        "compiling profiles into kernel filters",
    ),
    command(Level::Build, &["pkg-config", "pkgconf"], "pkg-config", "finding libseccomp"),
    command(Level::Demo, &["nginx"], "nginx-light", "a real server to record"),
    command(Level::Test, &["redis-server"], "redis-server", "a second real server to record"),
    command(Level::Test, &["redis-cli"], "redis-tools", "driving redis"),
    command(Level::Test, &["curl"], "curl", "a client to record"),
    command(Level::Test, &["sshd"], "openssh-server", "a server with a login to record"),
    command(Level::Test, &["ssh"], "openssh-client", "driving sshd"),
    command(Level::Test, &["strace"], "strace", "the oracle that recordings are compared with"),
    command(Level::Test, &["python3"], "python3", "a workload with threads and subprocesses"),
    command(Level::Test, &["stress-ng"], "stress-ng", "workloads that make unusual calls"),
    command(Level::Test, &["runc"], "runc", "starting containers under generated profiles"),
    command(Level::Test, &["crun"], "crun", "starting them under another runtime"),
    command(Level::Test, &["busybox"], "busybox-static", "an image for these containers"),
    command(
        Level::Test,
        &["qemu-system-x86_64"],
        "qemu-system-x86",
        "virtual machines with other kernels",
    ),
    command(Level::Test, &["bpftool"], "bpftool", "seeing that nothing stays attached"),
    command(Level::Test, &["dockerd"], "docker.io", "an engine of the tests' own"),
    command(Level::Test, &["podman"], "podman", "a second engine"),
    command(Level::Test, &["runc"], "runc", "the runtime that most containers have"),
    command(Level::Test, &["crun"], "crun", "a second runtime"),
    command(Level::Test, &["docker-compose"], "docker-compose", "services with replicas"),
    command(Level::Test, &["ctr"], "containerd", "containers that only containerd knows"),
    command(Level::Test, &["catatonit"], "catatonit", "pods of podman"),
    command(Level::Test, &["docker-init"], "tini", "containers with an init process"),
    file(
        Level::Test,
        "Python's ensurepip",
        &[
            "/usr/lib/python3.12/ensurepip",
            "/usr/lib/python3.11/ensurepip",
            "/usr/lib/python3.13/ensurepip",
        ],
        "python3-venv",
        "Python packages of the tests' own",
    ),
    command(
        Level::Test,
        &["systemd-analyze"],
        "systemd",
        "starting services under exported settings",
    ),
    command(Level::Test, &["docker-compose"], "docker-compose", "reading exported compose files"),
    command(Level::Test, &["skopeo"], "skopeo", "reading exported artifacts"),
    command(Level::Test, &["mmdebstrap"], "mmdebstrap", "images without a registry"),
    command(Level::Test, &["git"], "git", "repositories with a base branch"),
    command(Level::Test, &["jq"], "jq", "looking for comments as GitHub's command does"),
    command(Level::Test, &["shellcheck"], "shellcheck", "finding what is unsafe in shell scripts"),
    command(Level::Test, &["py.test-3"], "python3-pytest", "a test runner that marks its tests"),
    command(Level::Test, &["bats"], "bats", "another one"),
    command(Level::Test, &["go"], "golang-go", "and one more"),
    file(
        Level::Test,
        "podman's seccomp profile",
        &["/usr/share/containers/seccomp.json"],
        "golang-github-containers-common",
        "comparing the baseline with the file that it comes from",
    ),
    command(Level::Bench, &["wrk"], "wrk", "putting nginx under load"),
    command(Level::Bench, &["redis-server"], "redis-server", "a workload to measure"),
    command(Level::Bench, &["redis-benchmark"], "redis-tools", "putting redis under load"),
    optional(command(Level::Bench, &["bpftrace"], "bpftrace", "to compare with")),
    optional(command(Level::Bench, &["perf"], "linux-perf", "to compare with")),
    optional(command(Level::Bench, &["strace"], "strace", "to compare with")),
    command(Level::Quality, &["openssl"], "openssl", "certificates for tests"),
    command(Level::Quality, &["socat"], "socat", "clients of UNIX sockets"),
    command(Level::Quality, &["curl"], "curl", "clients of servers"),
    command(Level::Quality, &["python3"], "python3", "servers behind other servers"),
    command(Level::Quality, &["ps"], "procps", "looking for processes"),
    command(Level::Quality, &["setpriv"], "util-linux", "running as another user"),
    command(
        Level::Arm64,
        &["aarch64-linux-gnu-gcc"],
        "gcc-aarch64-linux-gnu",
        "linking programs for arm64",
    ),
    file(
        Level::Arm64,
        "libc's headers for arm64",
        &["/usr/aarch64-linux-gnu/include/stdio.h"],
        "libc6-dev-arm64-cross",
        "linking programs for arm64",
    ),
    command(
        Level::Arm64,
        &["qemu-system-aarch64"],
        "qemu-system-arm",
        "a virtual machine of arm64",
    ),
    command(Level::Arm64, &["busybox"], "busybox-static", "packing its file system"),
    command(Level::Arm64, &["runc"], "runc", "describing a container for it"),
    optional(file(
        Level::Arm64,
        "Debian's rustc",
        &["/usr/lib/rustlib/x86_64-unknown-linux-gnu"],
        "rustc-web",
        "compiling for arm64, unless rustup has that target",
    )),
    file(
        Level::Ebpf,
        "a rustc that matches its LLVM",
        &[
            "/usr/lib/rustlib/x86_64-unknown-linux-gnu",
            "/usr/lib/rustlib/aarch64-unknown-linux-gnu",
        ],
        "rustc-web",
        "compiling for the BPF target",
    ),
    file(
        Level::Ebpf,
        "the sources of `core`",
        &["/usr/lib/rustlib/src/rust/library/core"],
        "rust-web-src",
        "building `core` for the BPF target",
    ),
    file(
        Level::Ebpf,
        "LLVM 22",
        &["/usr/lib/llvm-22/bin/llvm-config"],
        "llvm-22-dev",
        "building bpf-linker",
    ),
    file(
        Level::Ebpf,
        "Polly 22",
        &["/usr/lib/llvm-22/lib/libPolly.a"],
        "libpolly-22-dev",
        "building bpf-linker",
    ),
    command(Level::Ebpf, &["c++", "g++"], "g++", "building bpf-linker"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(level: Level) -> Vec<&'static str> {
        of_level(level).map(|need| need.package).collect()
    }

    #[test]
    fn a_level_includes_what_it_builds_on() {
        for level in [Level::Demo, Level::Test, Level::Bench] {
            let packages = packages(level);
            assert!(packages.contains(&"libseccomp-dev"), "{level:?}");
            assert!(packages.contains(&"nginx-light"), "{level:?}");
        }
        assert_eq!(packages(Level::Build), ["gcc", "libc6-dev", "libseccomp-dev", "pkg-config"]);
    }

    #[test]
    fn only_rebuilding_the_probe_needs_its_compiler() {
        assert!(packages(Level::Ebpf).contains(&"rustc-web"));
        for level in [Level::Build, Level::Demo, Level::Test, Level::Bench] {
            assert!(!packages(level).contains(&"rustc-web"), "{level:?}");
        }
    }

    #[test]
    fn what_there_is_is_found_and_what_there_is_not_is_not() {
        assert!(command(Level::Build, &["no-such", "sh"], "dash", "").is_there());
        assert!(!command(Level::Build, &["no-such-command"], "none", "").is_there());
        assert!(file(Level::Build, "", &["/no/such", "/proc/self"], "none", "").is_there());
    }
}
