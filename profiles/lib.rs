//! Facts that change with the world, as text: each file names its source and date.
//!
//! What the facts mean is up to the crates that read them. The files lie where the modules say:
//! `baselines::DOCKER_DEFAULT` is `baselines/docker-default.json`.

/// Calls that every profile allows, with the reason.
pub const ALWAYS: &str = include_str!("always.json");

/// What workloads do that a test run need not have, and what that calls.
pub const EVENTS: &str = include_str!("events.json");

/// Calls that bring others in, since these give no further reach.
pub const FAMILIES: &str = include_str!("families.json");

/// Which arguments a profile may restrict, and how.
pub const ARGUMENT_RULES: &str = include_str!("argument-rules.json");

/// What the arguments of calls mean: names of flags and values.
pub const ARGUMENTS: &str = include_str!("arguments.json");

/// Names and numbers of calls, by ABI.
pub const CALLS: &str = include_str!("calls.json");

/// Calls that have several names.
pub const CALL_NAMES: &str = include_str!("call-names.json");

/// Calls that some machines do not have, and what programs call there instead.
pub const COUNTERPARTS: &str = include_str!("counterparts.json");

/// Programs that ask an engine to do the work.
pub const ENGINE_CLIENTS: &str = include_str!("engine-clients.json");

/// Names of error numbers.
pub const ERRNO: &str = include_str!("errno.json");

/// Calls that replace each other from one C library or kernel to the next.
pub const FALLBACKS: &str = include_str!("fallbacks.json");

/// What calls without a fallback are refused with.
pub const REFUSALS: &str = include_str!("refusals.json");

/// What an attacker gains by a call.
pub const RISK: &str = include_str!("risk.json");

/// Names that strace prints for values of arguments.
pub const STRACE: &str = include_str!("strace.json");

/// systemd's groups of calls.
pub const SYSTEMD: &str = include_str!("systemd.json");

/// Default profiles of engines.
pub mod baselines {
    /// containerd's default profile.
    pub const CONTAINERD_DEFAULT: &str = include_str!("baselines/containerd-default.json");

    /// What changed in Docker's default profile from release to release.
    pub const DOCKER_DEFAULT_HISTORY: &str = include_str!("baselines/docker-default-history.json");

    /// Docker's default profile.
    pub const DOCKER_DEFAULT: &str = include_str!("baselines/docker-default.json");

    /// The default profile of podman and CRI-O.
    pub const PODMAN_DEFAULT: &str = include_str!("baselines/podman-default.json");
}

/// What engines and runtimes make of a profile.
pub mod consumers {
    /// What containerd makes of a profile.
    pub const CONTAINERD: &str = include_str!("consumers/containerd.json");

    /// What CRI-O makes of a profile.
    pub const CRIO: &str = include_str!("consumers/crio.json");

    /// What crun makes of a profile.
    pub const CRUN: &str = include_str!("consumers/crun.json");

    /// What dockerd makes of a profile.
    pub const DOCKER: &str = include_str!("consumers/docker.json");

    /// What a node makes of a profile that it pulls as an artifact.
    pub const KEP_6061: &str = include_str!("consumers/kep-6061.json");

    /// What podman makes of a profile.
    pub const PODMAN: &str = include_str!("consumers/podman.json");

    /// What runc makes of a profile.
    pub const RUNC: &str = include_str!("consumers/runc.json");

    /// What the Security Profiles Operator makes of a profile.
    pub const SPO: &str = include_str!("consumers/spo.json");
}

/// What the functions of C libraries call.
pub mod libc {
    /// What the functions of glibc call.
    pub const GLIBC: &str = include_str!("libc/glibc.json");

    /// What functions of Go call by a number in a variable.
    pub const GO: &str = include_str!("libc/go.json");

    /// What the functions of musl call.
    pub const MUSL: &str = include_str!("libc/musl.json");
}

/// Scripts that bring profiles to a node.
pub mod install {
    /// Copies profiles of a ConfigMap to a node.
    pub const INSTALL: &str = include_str!("install/install.sh");

    /// Says whether the profiles are on the node.
    pub const READY: &str = include_str!("install/ready.sh");
}

/// Facts about Kubernetes.
pub mod kubernetes {
    /// The kinds of objects that Kubernetes itself has.
    pub const KINDS: &str = include_str!("kubernetes/kinds.json");

    /// The Pod Security Standards.
    pub const POD_SECURITY: &str = include_str!("kubernetes/pod-security.json");

    /// Where the kinds of workloads keep their pod template.
    pub const WORKLOADS: &str = include_str!("kubernetes/workloads.json");
}

/// Strait's own profiles.
pub mod own {
    /// The recorder's own profile, once it runs.
    pub const RECORDER: &str = include_str!("own/recorder.json");

    /// The profile of the process that writes files for a user.
    pub const WRITER: &str = include_str!("own/writer.json");

    /// The profile of the process that scans programs.
    pub const SCANNER: &str = include_str!("own/scanner.json");

    /// The profile of the process that answers notifications when the recorder has ended.
    pub const STANDBY: &str = include_str!("own/standby.json");
}

/// Calls of runtimes that a profile has to allow.
pub mod runtimes {
    /// crun's calls between its filter and the program.
    pub const CRUN: &str = include_str!("runtimes/crun.json");

    /// An init's calls (`docker run --init`).
    pub const INIT: &str = include_str!("runtimes/init.json");

    /// runc's calls between its filter and the program.
    pub const RUNC: &str = include_str!("runtimes/runc.json");

    /// youki's calls between its filter and the program.
    pub const YOUKI: &str = include_str!("runtimes/youki.json");
}

/// JSON Schemas of Strait's files and outputs.
pub mod schema {
    /// Schema of `strait.audit/v1`.
    pub const AUDIT_V1: &str = include_str!("schema/audit-v1.json");

    /// Schema of `strait.check/v1`.
    pub const CHECK_V1: &str = include_str!("schema/check-v1.json");

    /// Schema of `strait.coverage/v1`.
    pub const COVERAGE_V1: &str = include_str!("schema/coverage-v1.json");

    /// Schema of `strait.diff/v1`.
    pub const DIFF_V1: &str = include_str!("schema/diff-v1.json");

    /// Schema of `strait.evidence/v1`.
    pub const EVIDENCE_V1: &str = include_str!("schema/evidence-v1.json");

    /// Schema of `strait.filter/v1`.
    pub const FILTER_V1: &str = include_str!("schema/filter-v1.json");

    /// Schema of `strait.lint/v1`.
    pub const LINT_V1: &str = include_str!("schema/lint-v1.json");

    /// Schema of `strait.recording/v1`.
    pub const RECORDING_V1: &str = include_str!("schema/recording-v1.json");

    /// Schema of `strait.scan/v1`.
    pub const SCAN_V1: &str = include_str!("schema/scan-v1.json");

    /// Schema of `strait.verify/v1`.
    pub const VERIFY_V1: &str = include_str!("schema/verify-v1.json");
}
