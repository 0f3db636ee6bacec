//! Containers that no engine has made: by runc, by crun, by containerd's own client, and by a runtime that
//! runs in a container itself.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Bundle, Engine, Recorder, Recording, Recordings, Runtime, engine, image, lab, output,
};

const MARKER: &str = "sched_rr_get_interval";
/// Made by the program of the outer container.
const OUTER: &str = "getpriority";

fn marker(count: u64) -> [String; 3] {
    let number = libc::SYS_sched_rr_get_interval;
    ["/bin/marker".to_owned(), number.to_string(), count.to_string()]
}

/// The only recording of the container with this name.
fn named<'a>(recordings: &'a Recordings, id: &str) -> &'a Recording {
    let mut found = recordings.all.iter().filter(|one| one.of_container()["id"] == id);
    let recording = found.next().unwrap_or_else(|| panic!("{id} in {:?}", recordings.names()));
    assert!(found.next().is_none(), "{id} twice in {:?}", recordings.names());
    recording.assert_complete();
    assert_eq!(recording.file_name(), format!("{id}.recording.json"));
    recording
}

/// With a filter and without one, where the runtime usually keeps its state and elsewhere.
pub fn plain(runtime: Runtime) {
    let recorder = Recorder::start();
    let filtered = Bundle::new(&marker(3));
    let unfiltered = Bundle::new(&marker(4)).unfiltered();
    let id = |purpose: &str| format!("plain-{}-{purpose}", runtime.name());
    let elsewhere = lab().scratch();
    let elsewhere = ["--root", elsewhere.path().to_str().expect("UTF-8")];
    filtered.run(runtime, &[], &id("filtered"));
    unfiltered.run(runtime, &[], &id("unfiltered"));
    unfiltered.run(runtime, &elsewhere, &id("elsewhere"));
    let recordings = recorder.finish();

    let recording = named(&recordings, &id("filtered"));
    assert_eq!(recording.start(), "filter");
    assert_eq!(recording.calls().get(MARKER), Some(&3));
    assert!(recording.calls_in("runtime").contains("execve"));
    for purpose in ["unfiltered", "elsewhere"] {
        let recording = named(&recordings, &id(purpose));
        assert_eq!(recording.start(), "exec");
        assert_eq!(recording.of_container()["filtered"], false);
        assert_eq!(recording.calls().get(MARKER), Some(&4));
        for early in ["mount", "pivot_root", "unshare"] {
            assert!(!recording.calls().contains_key(early), "{early}");
        }
    }
    // Without a filter a container is first seen when its runtime may be gone.
    let known = named(&recordings, &id("filtered")).of_container();
    assert_eq!(known["runtime"], runtime.name());
    assert_ne!(known["runtime_version"], "");
}

/// What runs in the inner container is in its own recording, and in that of the outer one.
pub fn nested() {
    let recorder = Recorder::start();
    let inner = Bundle::new(&marker(3));
    let place = "/bundle";
    let script = format!(
        "{place}/rootfs/bin/marker {} 2; exec runc --root /run/inner run --bundle {place} nested-inner",
        libc::SYS_getpriority
    );
    let outer = Bundle::new(&["/bin/sh", "-c", &script])
        .changed(|config| with_the_hosts_programs(config, inner.path(), place));
    for folder in ["usr", "etc", "bin", "sbin", "lib", "lib64", "bundle", "run"] {
        fs::create_dir_all(outer.path().join("rootfs").join(folder)).expect("ours");
    }
    outer.run(Runtime::Runc, &[], "nested-outer");
    let recordings = recorder.finish();

    let inner = named(&recordings, "nested-inner");
    assert_eq!(inner.start(), "filter");
    assert_eq!(inner.calls().get(MARKER), Some(&3));
    assert_eq!(inner.calls().get(OUTER), None);
    assert!(!inner.calls().contains_key("pivot_root"));
    let outer = named(&recordings, "nested-outer");
    assert_eq!(outer.calls().get(MARKER), Some(&3));
    assert_eq!(outer.calls().get(OUTER), Some(&2));
    // The inner runtime is a workload to the outer container.
    assert!(outer.calls().contains_key("pivot_root"));
    for program in ["/usr/sbin/runc", "/bin/marker"] {
        let programs = outer.value["programs"].as_array().expect("programs");
        assert!(programs.iter().any(|one| one["path"] == program), "{program}: {programs:?}");
    }
}

/// A container that may make others: it sees the host's programs, and has all capabilities that there
/// are.
fn with_the_hosts_programs(config: &mut Value, bundle: &Path, place: &str) {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("a line");
    let bounding = u64::from_str_radix(bounding.trim(), 16).expect("a number");
    let capabilities: Vec<_> = strait_generator::policy::Capability::from_mask(bounding)
        .iter()
        .map(|capability| format!("CAP_{}", capability.to_string().trim_start_matches("CAP_")))
        .collect();
    let process = &mut config["process"];
    process["noNewPrivileges"] = json!(false);
    process["capabilities"] = json!({
        "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
    });
    let kept = ["/proc", "/dev", "/dev/pts", "/dev/shm"];
    let mounts = config["mounts"].as_array_mut().expect("mounts");
    mounts.retain(|mount| kept.iter().any(|path| mount["destination"] == *path));
    let mut bind = |source: &Path, destination: &str, option: &str| {
        let source = source.canonicalize().expect("it is there");
        mounts.push(json!({"destination": destination, "source": source, "type": "bind",
            "options": ["rbind", option]}));
    };
    for folder in ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64"] {
        bind(Path::new(folder), folder, "ro");
    }
    bind(Path::new("/sys"), "/sys", "rw");
    bind(bundle, place, "rw");
    mounts.push(json!({"destination": "/run", "source": "tmpfs", "type": "tmpfs"}));
    config["root"]["readonly"] = json!(false);
    config["linux"]["maskedPaths"] = json!([]);
    config["linux"]["readonlyPaths"] = json!([]);
    config["linux"]["resources"] = json!({});
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
}

/// containerd calls a container by its id, whatever that is.
pub fn of_containerd() {
    let scratch = lab().scratch();
    let archive = scratch.path().join("small.tar");
    output(Engine::docker().command().args(["save", image::SMALL, "--output"]).arg(&archive));
    // Not in overlayfs: on some machines that cannot be in a directory of the machine's root.
    let native = ["--snapshotter", "native"];
    output(engine::ctr().args(["image", "import"]).args(native).arg(&archive));
    let recorder = Recorder::start();
    let name = format!("docker.io/{}:latest", image::SMALL);
    let run = |options: &[&str], id: &str| {
        let mut command = engine::ctr();
        command.args(["run", "--rm"]).args(native).args(options).args([&name, id]);
        output(command.args(marker(5)));
    };
    run(&["--seccomp"], "ctr-filtered");
    run(&[], "ctr-unfiltered");
    let recordings = recorder.finish();
    for (id, start) in [("ctr-filtered", "filter"), ("ctr-unfiltered", "exec")] {
        let recording = named(&recordings, id);
        assert_eq!(recording.start(), start, "{id}");
        assert_eq!(recording.calls().get(MARKER), Some(&5), "{id}");
        assert_eq!(recording.of_container()["engine"], "containerd", "{id}");
    }
}
