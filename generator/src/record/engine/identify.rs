//! Tells containers from everything else that has a mount namespace of its own, and finds their ids.
//!
//! Two things tell a container: the name of its cgroup, which engines choose in few ways, and the
//! name of the task that is about to become it, since runtimes name theirs. A container without a
//! filter is first seen when it has become its program; then its monitor, or the state that its runtime
//! keeps, is asked whether the cgroup is named by a container's id. Neither systemd services
//! with `PrivateTmp=` (`(nginx)` in `nginx.service`) nor snaps, Flatpak, bubblewrap or browsers' sandboxes
//! have one of them, unless they run *inside* a container, and then they are part of it.

use std::path::Path;

use super::lineage::Monitor;
use super::{EngineKind, Identity, Sighting, bundle, cgroup, lineage};

/// How an engine names the cgroup of a container: a prefix, the id, a suffix.
struct Naming {
    prefix: &'static str,
    suffix: &'static str,
    engine: EngineKind,
}

/// The longest prefix first where one begins like another. With the systemd driver a cgroup path
/// `SLICE:PREFIX:ID` becomes the unit `PREFIX-ID.scope` in all runtimes (runc
/// `libcontainer/cgroups/systemd`, crun `cgroup-systemd.c`).
///
/// Sources, as of 2026-11:
/// - moby `daemon/oci_linux.go`: `scopePrefix := "docker"`
/// - podman `libpod/container_internal_linux.go`, `getOCICgroupPath`: `libpod`; `--cgroups=split` puts the
///   container into `libpod-payload-ID` below the unit's own cgroup
/// - containerd `internal/cri/server/helpers_linux.go`, `getCgroupsPath`: `cri-containerd`
/// - nerdctl `pkg/cmd/container/run_cgroup_linux.go`: `slice:nerdctl:ID`
/// - CRI-O `internal/config/cgmgr`: `CrioPrefix = "crio"`, with both drivers
const NAMINGS: [Naming; 7] = [
    Naming { prefix: "docker-", suffix: ".scope", engine: EngineKind::Docker },
    Naming { prefix: "libpod-payload-", suffix: "", engine: EngineKind::Podman },
    Naming { prefix: "libpod-", suffix: ".scope", engine: EngineKind::Podman },
    Naming { prefix: "libpod-", suffix: "", engine: EngineKind::Podman },
    Naming { prefix: "cri-containerd-", suffix: ".scope", engine: EngineKind::Containerd },
    Naming { prefix: "nerdctl-", suffix: ".scope", engine: EngineKind::Containerd },
    Naming { prefix: "crio-", suffix: "", engine: EngineKind::Crio },
];

/// Directories right below which an engine puts one directory for each container, named by its id
/// and nothing else (the cgroupfs driver). Other directories, such as Kubernetes' `podUID`, may belong
/// to any engine.
///
/// Sources: moby `daemon/oci_linux.go` (`cgroupsPath = "/docker/" + id`); containerd `oci/spec.go`
/// (`/NAMESPACE/ID`: `default` is nerdctl's and ctr's, `k8s.io` Kubernetes', `buildkit` buildkitd's);
/// `BuildKit` `executor/oci/spec.go` (`/PARENT/buildkit/ID`, where Docker's own builder has `docker`).
const PARENTS: [(&str, EngineKind); 4] = [
    ("docker", EngineKind::Docker),
    ("default", EngineKind::Containerd),
    ("k8s.io", EngineKind::Containerd),
    ("buildkit", EngineKind::Buildkit),
];

/// Those of containerd, which has containers of any id in them.
const NAMESPACES: [&str; 2] = ["default", "k8s.io"];

/// Names of the tasks that become a container's first process.
///
/// Sources: runc `libcontainer/nsenter/nsexec.c` (`prctl(PR_SET_NAME, "runc:[1:CHILD]")`); youki
/// `libcontainer/src/process` (`youki:[2:INIT]`); crun has no name but its executable's.
const RUNTIMES: [(&str, &str); 5] = [
    ("runc:[", "runc"),
    ("youki:[", "youki"),
    ("runc", "runc"),
    ("crun", "crun"),
    ("youki", "youki"),
];

/// Which container a task belongs to; `None` if it is not in one.
///
/// Reads `/proc` if the sighting has no cgroups, or if they give no id.
pub fn identify(sighting: &Sighting) -> Option<Identity> {
    let hierarchies = if sighting.cgroups.is_empty() {
        cgroup::of_process(sighting.pid)
    } else {
        vec![sighting.cgroups.clone()]
    };
    among(sighting, &hierarchies).or_else(|| {
        let monitors = lineage::of(sighting.pid);
        match runtime_of(&sighting.comm) {
            // A runtime that was told to use no cgroup leaves its caller's.
            Some(runtime) => {
                let id = monitors.into_iter().find_map(|monitor| monitor.id);
                let id = id.unwrap_or_else(|| format!("pid-{}", sighting.pid));
                Some(Identity { id, engine: None, runtime: Some(runtime), pid: sighting.pid })
            }
            None => without_runtime(sighting, &hierarchies, &monitors, Path::new("/")),
        }
    })
}

/// A container that was started by hand, and that has become its program already, as one without a
/// filter has when it is first seen: its monitor has the id by which the cgroup is named, or a runtime
/// keeps the state of such a container.
fn without_runtime(
    sighting: &Sighting,
    hierarchies: &[Vec<String>],
    monitors: &[Monitor],
    root: &Path,
) -> Option<Identity> {
    let is_of_monitor = |id: &String| monitors.iter().any(|by| by.id.as_ref() == Some(id));
    let named = hierarchies.iter().filter_map(|names| by_hand(names, None));
    named
        .filter(|(id, engine)| engine.is_some() || is_of_monitor(id) || bundle::has_state(root, id))
        .map(|(id, engine)| Identity { id, engine, runtime: None, pid: sighting.pid })
        .next()
}

/// The same, from names alone.
fn among(sighting: &Sighting, hierarchies: &[Vec<String>]) -> Option<Identity> {
    let runtime = runtime_of(&sighting.comm);
    let identity = |(id, engine)| Identity { id, engine, runtime, pid: sighting.pid };
    if let Some(named) = hierarchies.iter().find_map(|names| by_engine(names)) {
        return Some(identity(named));
    }
    let runtime = runtime?;
    hierarchies.iter().find_map(|names| by_hand(names, Some(runtime))).map(identity)
}

/// The runtime that gives its tasks such a name.
fn runtime_of(comm: &str) -> Option<&'static str> {
    let is = |name: &str| if name.ends_with('[') { comm.starts_with(name) } else { comm == name };
    RUNTIMES.iter().find(|(name, _)| is(name)).map(|(_, runtime)| *runtime)
}

/// The innermost directory that is named as engines do: of a container within a container it is the
/// inner one's.
fn by_engine(names: &[String]) -> Option<(String, Option<EngineKind>)> {
    names.iter().enumerate().find_map(|(depth, name)| {
        let parent = names.get(depth + 1).map(String::as_str);
        prefixed(name).or_else(|| bare(name, parent))
    })
}

fn prefixed(name: &str) -> Option<(String, Option<EngineKind>)> {
    NAMINGS.iter().find_map(|naming| {
        let id = name.strip_prefix(naming.prefix)?.strip_suffix(naming.suffix)?;
        // CRI-O has the suffix with one driver and not with the other.
        let id = id.strip_suffix(".scope").unwrap_or(id);
        if is_id(id) {
            Some((id.to_owned(), Some(naming.engine)))
        } else if naming.engine == EngineKind::Docker && is_build_id(id) {
            Some((id.to_owned(), Some(EngineKind::Buildkit)))
        } else {
            None
        }
    })
}

fn bare(name: &str, parent: Option<&str>) -> Option<(String, Option<EngineKind>)> {
    let engine = PARENTS.iter().find(|(of, _)| Some(*of) == parent).map(|(_, engine)| *engine);
    let is_build = engine == Some(EngineKind::Buildkit) && is_build_id(name);
    (is_id(name) || is_build).then(|| (name.to_owned(), engine))
}

/// 32 bytes in hexadecimal: what Docker, podman, containerd's CRI, nerdctl and CRI-O use.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `BuildKit` `identity/randomid.go`: 25 digits of base 36.
fn is_build_id(text: &str) -> bool {
    text.len() == 25 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
}

/// A container that was started by hand has any id, but its leaf is named by it, in a way that
/// depends on the runtime: `/ID` (runc, crun), `/ID/container` (crun on cgroup v2), `runc-ID.scope` with the systemd
/// driver, `/:youki:ID` (youki). Without a runtime's name any of them may have named it.
fn by_hand(names: &[String], runtime: Option<&str>) -> Option<(String, Option<EngineKind>)> {
    let mut names = names.iter().map(String::as_str).filter(|name| !name.is_empty());
    let mut leaf = names.next()?;
    let mut parent = names.next();
    if leaf == "container" && parent.is_some() {
        leaf = parent?;
        parent = names.next();
    }
    if is_callers(leaf) {
        return None;
    }
    let runtimes = ["runc", "crun", "youki"].into_iter();
    let mut runtimes = runtimes.filter(|name| runtime.is_none_or(|runtime| runtime == *name));
    let id = match leaf.strip_suffix(".scope") {
        Some(unit) => runtimes
            .find_map(|runtime| unit.strip_prefix(runtime)?.strip_prefix('-'))
            .unwrap_or(unit),
        None => {
            runtimes.find_map(|runtime| leaf.strip_prefix(&*format!(":{runtime}:"))).unwrap_or(leaf)
        }
    };
    let engine = match runtime {
        Some(_) => PARENTS.iter().find(|(of, _)| Some(*of) == parent).map(|(_, engine)| *engine),
        // Others may well call a cgroup so, but not right below the root.
        None if names.next().is_some() => None,
        None => parent.filter(|parent| NAMESPACES.contains(parent)).map(|_| EngineKind::Containerd),
    };
    Some((id.to_owned(), engine))
}

/// Cgroups that are no container's own: the one in which its caller runs.
fn is_callers(leaf: &str) -> bool {
    const UNITS: [&str; 3] = [".service", ".slice", ".mount"];
    const SCOPES: [&str; 4] = ["session-", "run-", "app-", "init."];
    UNITS.iter().any(|suffix| leaf.ends_with(suffix))
        || leaf.ends_with(".scope") && SCOPES.iter().any(|prefix| leaf.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";
    const OTHER: &str = "9af84e9ad9762e9b4a813f004736d66a7e3ee1b48942efb87a730c2a41779644";
    const BUILD: &str = "w0ms3y2sljvd1ma0ovz3mqtlz";

    /// `path` from the root to the leaf, with `ID` for an id.
    fn seen(comm: &str, path: &str) -> Option<(String, Option<EngineKind>, Option<&'static str>)> {
        let path = path.replace("ID", ID).replace("OTHER", OTHER).replace("BUILD", BUILD);
        let cgroups = path.rsplit('/').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        let sighting = Sighting { pid: u32::MAX, comm: comm.to_owned(), cgroups };
        among(&sighting, std::slice::from_ref(&sighting.cgroups))
            .map(|found| (found.id, found.engine, found.runtime))
    }

    #[track_caller]
    fn is(comm: &str, path: &str, id: &str, engine: Option<EngineKind>) {
        let id = id.replace("ID", ID).replace("OTHER", OTHER).replace("BUILD", BUILD);
        let found = seen(comm, path).unwrap_or_else(|| panic!("{path} is a container's"));
        assert_eq!((found.0, found.1), (id, engine), "{path}");
    }

    #[test]
    fn engines_are_known_by_their_cgroups() {
        use EngineKind::{Buildkit, Containerd, Crio, Docker, Podman};
        let runc = "runc:[2:INIT]";
        is(runc, "/system.slice/docker-ID.scope", "ID", Some(Docker));
        is(runc, "/docker/ID", "ID", Some(Docker));
        is(runc, "/custom.slice/docker-ID.scope", "ID", Some(Docker));
        is(runc, "/my-parent/ID", "ID", None);
        is("crun", "/machine.slice/libpod-ID.scope", "ID", Some(Podman));
        is("crun", "/machine.slice/libpod-ID.scope/container", "ID", Some(Podman));
        is(runc, "/libpod_parent/libpod-ID", "ID", Some(Podman));
        is("crun", "/system.slice/web.service/libpod-payload-ID", "ID", Some(Podman));
        is(
            "crun",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "ID",
            Some(Podman),
        );
        is(runc, "/system.slice/nerdctl-ID.scope", "ID", Some(Containerd));
        is(runc, "/default/ID", "ID", Some(Containerd));
        is(runc, "/docker/buildkit/BUILD", "BUILD", Some(Buildkit));
        is(runc, "/system.slice/docker-BUILD.scope", "BUILD", Some(Buildkit));
        is(runc, "/buildkit/BUILD", "BUILD", Some(Buildkit));
        is(runc, "/crio-ID", "ID", Some(Crio));
    }

    #[test]
    fn kubernetes_is_known_with_either_driver() {
        use EngineKind::{Containerd, Crio, Docker};
        let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice";
        let runc = "runc:[2:INIT]";
        is(runc, &format!("{slice}/cri-containerd-ID.scope"), "ID", Some(Containerd));
        is(runc, &format!("{slice}/crio-ID.scope"), "ID", Some(Crio));
        is(runc, &format!("{slice}/docker-ID.scope"), "ID", Some(Docker));
        is(runc, "/kubepods/besteffort/pod1-2/ID", "ID", None);
        is(runc, "/kubepods/burstable/pod1-2/crio-ID", "ID", Some(Crio));
        is(
            runc,
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podx.slice/cri-containerd-ID.scope",
            "ID",
            Some(Containerd),
        );
    }

    #[test]
    fn the_inner_container_is_meant() {
        use EngineKind::{Containerd, Docker};
        is("runc:[2:INIT]", "/docker/OTHER/docker/ID", "ID", Some(Docker));
        is(
            "runc:[2:INIT]",
            "/system.slice/docker-OTHER.scope/kubelet.slice/x.slice/cri-containerd-ID.scope",
            "ID",
            Some(Containerd),
        );
    }

    #[test]
    fn what_runs_in_a_container_is_of_it() {
        use EngineKind::Docker;
        is("(nginx)", "/docker/ID/system.slice/nginx.service", "ID", Some(Docker));
        is("bwrap", "/system.slice/docker-ID.scope/init.scope", "ID", Some(Docker));
    }

    #[test]
    fn runtimes_are_known_by_the_name_of_their_task() {
        let runtime = |comm| seen(comm, "/docker/ID").unwrap().2;
        assert_eq!(runtime("runc:[1:CHILD]"), Some("runc"));
        assert_eq!(runtime("runc:[2:INIT]"), Some("runc"));
        assert_eq!(runtime("crun"), Some("crun"));
        assert_eq!(runtime("youki:[2:INIT]"), Some("youki"));
        assert_eq!(runtime("nginx"), None);
        assert_eq!(runtime("runcible"), None);
    }

    #[test]
    fn a_container_that_was_started_by_hand_has_any_id() {
        is("runc:[2:INIT]", "/plain1", "plain1", None);
        is("runc:[2:INIT]", "/user.slice/plain1", "plain1", None);
        is("runc:[2:INIT]", "/system.slice/runc-plain1.scope", "plain1", None);
        is("crun", "/plain2/container", "plain2", None);
        is("crun", "/user.slice/crun-plain2.scope/container", "plain2", None);
        is("youki:[2:INIT]", "/:youki:plain3", "plain3", None);
        is("youki:[2:INIT]", "/system.slice/youki-plain3.scope", "plain3", None);
        is("runc:[2:INIT]", "/default/redis", "redis", Some(EngineKind::Containerd));
    }

    #[test]
    fn a_container_without_a_filter_is_known_by_its_monitor_or_its_state() {
        let root = tempfile::tempdir().unwrap();
        let found = |path: &str, monitors: &[Monitor]| {
            let sighting = Sighting { pid: u32::MAX, comm: "redis".into(), cgroups: Vec::new() };
            let names = path.rsplit('/').filter(|n| !n.is_empty()).map(str::to_owned).collect();
            without_runtime(&sighting, &[names], monitors, root.path())
                .map(|found| (found.id, found.engine))
        };
        let known = |id: &str| Some((id.to_owned(), None));
        let monitor = [Monitor { id: Some("plain1".into()), ..Monitor::default() }];
        assert_eq!(found("/plain1", &monitor), known("plain1"));
        assert_eq!(found("/user.slice/runc-plain1.scope", &monitor), known("plain1"));
        assert_eq!(found("/:youki:plain1", &monitor), known("plain1"));
        for path in ["/plain1", "/plain2", "/", "/system.slice/nginx.service"] {
            assert_eq!(found(path, &[]), None, "{path}");
        }
        std::fs::create_dir_all(root.path().join("run/runc/plain2")).unwrap();
        std::fs::write(root.path().join("run/runc/plain2/state.json"), "{}").unwrap();
        assert_eq!(found("/plain2", &[]), known("plain2"));
        let of_containerd = Some(("redis".to_owned(), Some(EngineKind::Containerd)));
        assert_eq!(found("/default/redis", &[]), of_containerd);
        assert_eq!(found("/a.slice/default/redis", &[]), None);
        assert_eq!(found("/default/redis.service", &[]), None);
    }

    #[test]
    fn the_cgroup_of_the_caller_is_no_containers() {
        for path in [
            "/user.slice/user-0.slice/session-2.scope",
            "/system.slice/ssh.service",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-foot-12.scope",
            "/system.slice/run-r1.scope",
            "/init.scope",
            "/",
        ] {
            assert_eq!(seen("crun", path), None, "{path}");
        }
    }

    #[test]
    fn a_container_without_a_cgroup_is_one_all_the_same() {
        let cgroups = vec!["session-2.scope".to_owned(), "user.slice".to_owned()];
        let sighting = Sighting { pid: u32::MAX, comm: "crun".to_owned(), cgroups };
        let found = identify(&sighting).unwrap();
        assert_eq!(found.id, format!("pid-{}", u32::MAX));
        assert_eq!(found.runtime, Some("crun"));
    }

    #[test]
    fn services_snaps_and_sandboxes_are_no_containers() {
        for (comm, path) in [
            ("(nginx)", "/system.slice/nginx.service"),
            ("(sd-mkdcreds)", "/system.slice/systemd-resolved.service"),
            ("systemd-logind", "/system.slice/systemd-logind.service"),
            (
                "snap-confine",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-1.scope",
            ),
            ("snap-exec", "/system.slice/snap.lxd.daemon.service"),
            (
                "bwrap",
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-x-1.scope",
            ),
            ("chrome", "/user.slice/user-1000.slice/session-2.scope"),
            ("unshare", "/user.slice/user-0.slice/session-2.scope"),
            ("conmon", "/machine.slice/libpod-conmon-ID.scope"),
            ("conmon", "/system.slice/crio-conmon-ID.scope"),
            ("dockerd", "/system.slice/docker.service"),
            ("x", "/docker/not-an-id"),
            ("x", "/docker/BUILD"),
            ("x", "/"),
        ] {
            assert_eq!(seen(comm, path), None, "{comm} in {path}");
        }
    }

    #[test]
    fn a_process_is_looked_up_if_its_cgroup_is_not_given() {
        let own = Sighting { pid: std::process::id(), comm: "bwrap".into(), cgroups: vec![] };
        assert_eq!(identify(&own), None);
        let gone = Sighting { pid: u32::MAX, comm: "nginx".into(), cgroups: vec![] };
        assert_eq!(identify(&gone), None);
    }
}
