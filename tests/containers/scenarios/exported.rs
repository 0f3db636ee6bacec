//! Engines do with a profile what `strait lint` says, and start what `strait export` writes for them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use strait_generator::choice::Choice;

use serde_json::{Value, json};
use strait_generator::profile::consumers::{
    Consumer, Effect, Quirk, Remark, find, quirks, remarks,
};

use crate::common::profiles::{base, with_field, with_rules};
use crate::common::strait;
use crate::support::{Engine, Runtime, image, lab, output};

fn with_rule(rule: Value) -> Value {
    with_rules(&[rule])
}

fn consumer(engine: &Engine) -> Consumer {
    if engine.name() == "docker" { Consumer::Docker } else { Consumer::Podman }
}

fn write(profile: &Value, directory: &Path) -> std::path::PathBuf {
    let file = directory.join("p.json");
    std::fs::write(&file, profile.to_string()).expect("the directory is ours");
    file
}

/// The first part of the version of the installed Docker.
fn docker_major() -> u32 {
    let mut version = Engine::docker().command();
    let version = output(version.args(["version", "--format", "{{.Server.Version}}"]));
    version.split('.').next().and_then(|major| major.parse().ok()).expect("a version")
}

/// Whether an engine starts containers under strange profiles.
pub fn lint_is_right(engine: &Engine) {
    let arch_map = json!([{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []}]);
    let allow = "SCMP_ACT_ALLOW";
    let profiles = [
        base(),
        json!({}),
        with_field("archMap", arch_map),
        with_field("flags", json!(["SECCOMP_FILTER_FLAG_LOG"])),
        with_field("weather", json!("fine")),
        with_field("architectures", json!(["SCMP_ARCH_NATIVE"])),
        with_field("defaultAction", json!("SCMP_ACT_KILL")),
        with_rule(json!({"name": "mknod", "action": allow})),
        with_rule(json!({"name": "mknod", "names": ["mknod"], "action": allow})),
        with_rule(json!({"names": [""], "action": allow})),
        with_rule(json!({"names": ["mknod"], "action": allow, "errnoRet": 1})),
        with_rule(json!({"names": ["mknod"], "action": "SCMP_ACT_NOTIFY"})),
        with_rule(json!({"names": ["mknod"], "action": allow, "includes": {"caps": ["CAP_BPF"]}})),
        with_rule(
            json!({"names": ["mknod"], "action": allow, "args": [{"index": 0, "value": -1}]}),
        ),
        with_rule(
            json!({"names": ["mknod"], "action": allow, "args": [{"index": 0, "value": 1.5}]}),
        ),
        with_field("listenerPath", json!("/run/no-agent.sock")),
        with_field("architectures", json!("SCMP_ARCH_X86_64")),
        with_rule(json!({"action": allow})),
        with_rule(json!({"names": ["mknod"], "action": allow, "includes": {"minKernel": "99.0"}})),
    ];
    let directory = lab().scratch();
    let is_old = engine.name() == "docker" && docker_major() < 23;
    let mut refused = 0;
    let mut met: BTreeSet<Quirk> = BTreeSet::new();
    for (nth, profile) in profiles.iter().enumerate() {
        let runtime = engine.runtime().name();
        let all = remarks(profile, 0, &[consumer(engine)]);
        let is_runtime = |remark: &Remark| ["runc", "crun"].contains(&remark.by);
        // What is true of old versions of the engine only leaves the rest to the runtime in others.
        let own = |path: &str| {
            let of_engine = |remark: &&Remark| remark.path == path && !is_runtime(remark);
            all.iter().find(of_engine).filter(|remark| remark.versions.is_none() || is_old)
        };
        let said: Vec<&Remark> = all
            .iter()
            .filter(|remark| match own(&remark.path) {
                Some(own) => *remark == own,
                None => remark.by == runtime,
            })
            .collect();
        let refuses = said.iter().any(|remark| remark.effect == Effect::Refused);
        let name = format!("lint-{}-{runtime}-{nth}", engine.name());
        let options =
            engine.container(&name).option(&["--rm"]).profile(&write(profile, directory.path()));
        let ran = options.command(image::SMALL, &["/bin/static"]).output().expect("a client");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(!ran.status.success(), refuses, "{name}: {said:?}\n{errors}\n{profile:.1500}");
        met.extend(find(profile, 0).iter().map(|found| found.about));
        refused += usize::from(refuses);
        if !ran.status.success() {
            let _ = engine.command().args(["rm", "--force", &name]).output();
        }
    }
    assert!(refused >= 4, "{refused}");
    // What is not met here is marked so in the data. That a default errno is lost is seen elsewhere.
    for (about, _, is_checked) in quirks(consumer(engine).name()) {
        let is_met = met.contains(&about) || about == Quirk::DefaultErrno;
        assert_eq!(is_checked, is_met, "{}: {about:?}", engine.name());
    }
}

/// Prints the errors of a call without a rule and of one under a condition of Docker's dialect.
const PROBE: &str = "
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for number in (121, 170):
    done = libc.syscall(number, 0, 0) >= 0
    print('done' if done else errno.errorcode[ctypes.get_errno()])
mode = [line.split()[1] for line in open('/proc/self/status') if line.startswith('Seccomp:')]
print(mode[0])
";

fn probe(engine: &Engine, name: &str, profile: &Value) -> Vec<String> {
    let directory = lab().scratch();
    let options =
        engine.container(name).option(&["--rm"]).profile(&write(profile, directory.path()));
    let printed = output(&mut options.command(image::DEBIAN, &["python3", "-c", PROBE]));
    printed.lines().map(str::to_owned).collect()
}

/// What is ignored or misread leads to another filter, which the container itself can see.
pub fn what_is_ignored_is_lost() {
    let conditional = with_rule(json!({
        "names": ["sethostname"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]},
    }));
    let docker = Engine::docker();
    let default = if docker_major() < 23 { "EPERM" } else { "ENOSYS" };
    assert_eq!(probe(&docker, "ignored-docker", &conditional), [default, default, "2"]);
    let podman = Engine::podman();
    assert_eq!(probe(&podman, "ignored-podman", &conditional), ["ENOSYS", "ENOSYS", "2"]);
    // A container without the capability gets EPERM from the kernel itself.
    let newer = with_rule(json!({
        "names": ["sethostname"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"},
    }));
    assert_eq!(probe(&podman, "kernel-podman", &newer), ["ENOSYS", "EPERM", "2"]);
    for (engine, name) in [(docker, "unconfined-docker"), (podman, "unconfined-podman")] {
        assert_eq!(probe(&engine, name, &json!({}))[2], "0", "{name}");
    }
}

/// The exported command line runs, and the container is under the profile.
pub fn exported_commands_run() {
    for engine in [Engine::docker(), Engine::podman(), Engine::podman().with(Runtime::Crun)] {
        let directory = lab().scratch();
        write(&base(), directory.path());
        strait()
            .args(["export", "p.json", "--name", "probe", "--image", image::DEBIAN, "-o", "out"])
            .args(["--to", engine.name()])
            .in_dir(directory.path())
            .run();
        let folder = directory.path().join("out");
        let file = folder.join(format!("{}-run.txt", engine.name()));
        let line = std::fs::read_to_string(file).expect("a command line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], [engine.name(), "run"]);
        let (image, options) = words[2..].split_last().expect("an image");
        let name = format!("exported-{}-{}", engine.name(), engine.runtime().name());
        let mut run: Command = engine
            .container(&name)
            .option(&["--rm"])
            .option(options)
            .command(image, &["python3", "-c", PROBE]);
        let printed = output(run.current_dir(&folder));
        assert_eq!(printed.lines().last(), Some("2"), "{name}: {printed}");
        assert_ne!(printed.lines().next(), Some("done"), "{name}: {printed}");
    }
}
