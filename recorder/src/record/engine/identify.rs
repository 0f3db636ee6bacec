//! Distinguishes containers from everything else with a mount namespace of its own, and finds their ids.
//!
//! Two things tell a container: the name of its cgroup, which engines choose in few ways, and the
//! name of the task that is about to become it, since runtimes name theirs. A container without a
//! filter is first seen when it has become its program; then its monitor, or the state that its runtime
//! keeps, is asked whether the cgroup is named by a container's id, and where the cgroup lies tells if these
//! are gone. Neither systemd services
//! with `PrivateTmp=` (`(nginx)` in `nginx.service`) nor snaps, Flatpak, bubblewrap or browsers' sandboxes
//! have one of them, unless they run *inside* a container, and then they are part of it.

use std::path::Path;

use super::lineage::Monitor;
use super::{EngineKind, Identity, ObservedTask, bundle, cgroup, lineage};
use crate::record::time;

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

/// Those by which a cgroup of a container that was started by hand is named.
const HAND_RUNTIMES: [&str; 3] = ["runc", "crun", "youki"];

/// Which container a task belongs to; `None` if it is not in one.
///
/// Reads `/proc` if the cgroup that was seen is not named as engines name them.
pub fn identify(task: &ObservedTask) -> Option<Identity> {
    let hierarchies = hierarchies(task, || {
        // By another process that has its number now nothing is told.
        let is_it = task.began == 0 || time::started_before(task.pid, task.began);
        if is_it { cgroup::of_process(task.pid) } else { Vec::new() }
    });
    let root = Path::new("/");
    match among(task, &hierarchies) {
        Some(found) if found.engine.is_some() || is_id(&found.id) => Some(found),
        found => by_others(task, &hierarchies, found, root),
    }
}

/// The cgroup that was seen, and if it is not named as engines name them those of the other hierarchies: where version 1
/// stands beside version 2, or in its place, one of them may name the container and the others not.
fn hierarchies(
    task: &ObservedTask,
    of_process: impl FnOnce() -> Vec<Vec<String>>,
) -> Vec<Vec<String>> {
    let seen = &task.cgroups;
    let mut hierarchies = Vec::new();
    if !seen.is_empty() {
        hierarchies.push(seen.clone());
    }
    if by_engine(seen).is_none() {
        hierarchies.extend(of_process().into_iter().filter(|names| names != seen));
    }
    hierarchies
}

fn identity(
    task: &ObservedTask,
    id: String,
    engine: Option<EngineKind>,
    runtime: Option<&'static str>,
) -> Identity {
    let ObservedTask { pid, owner, began, .. } = *task;
    Identity { id, engine, runtime, pid, owner, began }
}

/// What names alone do not tell of a container that was started by hand.
fn by_others(
    task: &ObservedTask,
    hierarchies: &[Vec<String>],
    found: Option<Identity>,
    root: &Path,
) -> Option<Identity> {
    let monitors = lineage::monitors(task.pid, task.began);
    if let Some(found) = found {
        let id = hierarchies.iter().find_map(|names| in_scope(names, &monitors, root));
        return Some(Identity { id: id.unwrap_or_else(|| found.id.clone()), ..found });
    }
    match runtime_of(&task.comm) {
        // A runtime that was told to use no cgroup leaves its caller's.
        Some(runtime) => {
            let id = monitors.into_iter().find_map(|monitor| monitor.id);
            let id = id.unwrap_or_else(|| format!("pid-{}", task.pid));
            Some(identity(task, id, None, Some(runtime)))
        }
        None => {
            let own = cgroup::of_process(std::process::id());
            without_runtime(task, hierarchies, &monitors, &own, root)
        }
    }
}

/// A container that was started by hand, and that has become its program already, as one without a
/// filter has when it is first seen: its monitor has the id by which the cgroup is named, or a runtime
/// keeps the state of such a container. Both may be gone after some milliseconds; then the cgroup tells
/// by having a runtime's name, or by being where runtimes make theirs and systemd makes none, unless it is
/// that of the recorder, `own`.
fn without_runtime(
    task: &ObservedTask,
    hierarchies: &[Vec<String>],
    monitors: &[Monitor],
    own: &[Vec<String>],
    root: &Path,
) -> Option<Identity> {
    let is_own = |names: &[String]| own.iter().any(|own| own == names);
    hierarchies.iter().find_map(|names| {
        let identity = |id, engine| identity(task, id, engine, None);
        if let Some(id) = in_scope(names, monitors, root) {
            return Some(identity(id, None));
        }
        let (id, engine) = by_hand(names, None)?;
        let is_certain = engine.is_some()
            || is_known(&id, monitors, root)
            || is_named_by_runtime(names)
            || (is_no_unit(names) && !is_own(names));
        is_certain.then(|| identity(id, engine))
    })
}

/// Whether there is a container with this id.
fn is_known(id: &str, monitors: &[Monitor], root: &Path) -> bool {
    monitors.iter().any(|by| by.id.as_deref() == Some(id)) || bundle::has_state(root, id)
}

/// The id in `PREFIX-ID.scope`, for any prefix: the creator of a container with systemd's driver chooses one.
/// Both may have dashes, so the container has to be known by other means.
fn in_scope(names: &[String], monitors: &[Monitor], root: &Path) -> Option<String> {
    let unit = leaf(names)?.0.strip_suffix(".scope")?;
    let ids = unit.match_indices('-').map(|(at, _)| &unit[at + 1..]);
    ids.filter(|id| !id.is_empty()).find(|id| is_known(id, monitors, root)).map(str::to_owned)
}

/// Whether it is `runc-ID.scope` or `:youki:ID`, or as the other runtimes call theirs.
fn is_named_by_runtime(names: &[String]) -> bool {
    let Some((leaf, _)) = leaf(names) else { return false };
    let is_of = |runtime: &str| {
        let scope = leaf.strip_prefix(runtime).is_some_and(|rest| rest.starts_with('-'));
        scope && leaf.ends_with(".scope") || leaf.starts_with(&format!(":{runtime}:"))
    };
    HAND_RUNTIMES.into_iter().any(is_of)
}

/// Whether it is `/ID`, crun's `/ID/container`, or right below a slice, where runtimes on cgroup v2 make theirs
/// beside the unit that they are called in. systemd, which has units there, has nothing else.
fn is_no_unit(names: &[String]) -> bool {
    let Some((leaf, above)) = leaf(names) else { return false };
    let is_in_place = above.first().is_none_or(|parent| parent.ends_with(".slice"));
    is_in_place && !leaf.ends_with(".scope")
}

/// The name that is the container's, and those above it: crun has the container in one of its own on
/// cgroup v2.
fn leaf(names: &[String]) -> Option<(&str, &[String])> {
    match names {
        [container, leaf, above @ ..] if container == "container" => Some((leaf, above)),
        [leaf, above @ ..] => Some((leaf, above)),
        [] => None,
    }
}

/// The same, from names alone.
fn among(task: &ObservedTask, hierarchies: &[Vec<String>]) -> Option<Identity> {
    let runtime = runtime_of(&task.comm);
    let identity = |(id, engine)| identity(task, id, engine, runtime);
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
    let (leaf, above) = leaf(names)?;
    let parent = above.first().map(String::as_str);
    if is_callers(leaf) {
        return None;
    }
    let mut runtimes =
        HAND_RUNTIMES.into_iter().filter(|name| runtime.is_none_or(|runtime| runtime == *name));
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
        None if above.len() > 1 => None,
        None => parent.filter(|parent| NAMESPACES.contains(parent)).map(|_| EngineKind::Containerd),
    };
    Some((id.to_owned(), engine))
}

/// Cgroups that are no container's own: the one in which its caller runs.
fn is_callers(leaf: &str) -> bool {
    const UNITS: [&str; 5] = [".service", ".slice", ".mount", ".socket", ".swap"];
    const SCOPES: [&str; 4] = ["session-", "run-", "app-", "init."];
    UNITS.iter().any(|suffix| leaf.ends_with(suffix))
        || leaf.ends_with(".scope") && SCOPES.iter().any(|prefix| leaf.starts_with(prefix))
}

#[cfg(test)]
mod tests;
