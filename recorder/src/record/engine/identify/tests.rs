use super::*;

const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";
const OTHER: &str = "9af84e9ad9762e9b4a813f004736d66a7e3ee1b48942efb87a730c2a41779644";
const BUILD: &str = "w0ms3y2sljvd1ma0ovz3mqtlz";

/// `path` from the root to the leaf, with `ID` for an id.
fn seen(comm: &str, path: &str) -> Option<(String, Option<EngineKind>, Option<&'static str>)> {
    let path = path.replace("ID", ID).replace("OTHER", OTHER).replace("BUILD", BUILD);
    let cgroups = path.rsplit('/').filter(|n| !n.is_empty()).map(str::to_owned).collect();
    let task =
        ObservedTask { pid: u32::MAX, comm: comm.to_owned(), cgroups, ..ObservedTask::default() };
    among(&task, std::slice::from_ref(&task.cgroups))
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
        let task = ObservedTask {
            pid: u32::MAX,
            comm: "redis".into(),
            cgroups: Vec::new(),
            ..ObservedTask::default()
        };
        let names = path.rsplit('/').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        let own = [vec!["mine".to_owned()]];
        without_runtime(&task, &[names], monitors, &own, root.path())
            .map(|found| (found.id, found.engine))
    };
    let known = |id: &str| Some((id.to_owned(), None));
    let monitor = [Monitor { id: Some("plain1".into()), ..Monitor::default() }];
    assert_eq!(found("/a/plain1", &monitor), known("plain1"));
    assert_eq!(found("/user.slice/runc-plain1.scope", &monitor), known("plain1"));
    assert_eq!(found("/:youki:plain1", &monitor), known("plain1"));
    assert_eq!(found("/plain1", &[]), known("plain1"));
    assert_eq!(found("/plain1/container", &[]), known("plain1"));
    assert_eq!(found("/system.slice/plain1", &[]), known("plain1"));
    assert_eq!(found("/user.slice/user-0.slice/plain1/container", &[]), known("plain1"));
    assert_eq!(found("/system.slice/runc-my-web.scope", &[]), known("my-web"));
    assert_eq!(found("/system.slice/crun-web.scope/container", &[]), known("web"));
    assert_eq!(found("/system.slice/ctr-plain1.scope", &monitor), known("plain1"));
    for path in [
        "/a/plain1",
        "/a/plain2",
        "/mine",
        "/system.slice/ctr-plain1.scope",
        "/system.slice/nginx.socket",
        "/system.slice/run-u7.scope",
        "/machine.slice/machine-web.scope/payload",
        "/system.slice/nginx.service/worker",
        "/",
        "/init.scope",
        "/x.scope",
        "/user.slice",
        "/system.slice/nginx.service",
    ] {
        assert_eq!(found(path, &[]), None, "{path}");
    }
    std::fs::create_dir_all(root.path().join("run/runc/plain2")).unwrap();
    std::fs::write(root.path().join("run/runc/plain2/state.json"), "{}").unwrap();
    assert_eq!(found("/a/plain2", &[]), known("plain2"));
    let of_containerd = Some(("redis".to_owned(), Some(EngineKind::Containerd)));
    assert_eq!(found("/default/redis", &[]), of_containerd);
    assert_eq!(found("/a.slice/default/redis", &[]), None);
    assert_eq!(found("/default/redis.service", &[]), None);
}

#[test]
fn a_scope_may_have_any_prefix() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("run/containerd/runc/default/my-web");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("state.json"), "{}").unwrap();
    let id = |leaf: &str| {
        let task = ObservedTask {
            pid: u32::MAX,
            comm: "runc:[2:INIT]".into(),
            cgroups: Vec::new(),
            ..ObservedTask::default()
        };
        let names = [vec![leaf.to_owned(), "system.slice".to_owned()]];
        let found = among(&task, &names);
        by_others(&task, &names, found, root.path()).unwrap().id
    };
    assert_eq!(id("a-prefix-my-web.scope"), "my-web");
    assert_eq!(id("runc-my-web.scope"), "my-web");
    assert_eq!(id("a-prefix-db.scope"), "a-prefix-db");
    assert_eq!(id("x-my-web"), "x-my-web");
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
    let task =
        ObservedTask { pid: u32::MAX, comm: "crun".to_owned(), cgroups, ..ObservedTask::default() };
    let found = identify(&task).unwrap();
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
        ("bwrap", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-x-1.scope"),
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
    let own = ObservedTask {
        pid: std::process::id(),
        comm: "bwrap".into(),
        cgroups: vec![],
        ..ObservedTask::default()
    };
    assert_eq!(identify(&own), None);
    let gone = ObservedTask {
        pid: u32::MAX,
        comm: "nginx".into(),
        cgroups: vec![],
        ..ObservedTask::default()
    };
    assert_eq!(identify(&gone), None);
}

/// In `0::/init` beside `/docker/ID`, as within some machines' own containers, and on hybrid hosts.
#[test]
fn the_hierarchy_that_names_a_container_counts() {
    let unified = vec!["init".to_owned()];
    let named = vec![ID.to_owned(), "docker".to_owned()];
    let task = |cgroups: &[String]| ObservedTask {
        pid: u32::MAX,
        comm: "runc:[2:INIT]".to_owned(),
        cgroups: cgroups.to_vec(),
        ..ObservedTask::default()
    };
    for (seen, others) in [
        (&unified[..], vec![unified.clone(), named.clone()]),
        (&[], vec![unified.clone(), named.clone()]),
        (&[], vec![named.clone(), unified.clone()]),
    ] {
        let task = task(seen);
        let found = among(&task, &hierarchies(&task, || others)).map(|found| found.id);
        assert_eq!(found.as_deref(), Some(ID), "{seen:?}");
    }
    let task = task(&named);
    let asked = || panic!("what is named is not looked up");
    assert_eq!(hierarchies(&task, asked), [named]);
}
