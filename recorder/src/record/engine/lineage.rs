//! What the command line of a container's monitor tells: containerd's shim and conmon are told the
//! container's id, conmon also its name, bundle and runtime, and they outlive the container.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Description, EngineKind, trusted};
use crate::files;
use crate::record::time;
use strait_generator::recording::Container;

/// How many ancestors to look at: a container's first process, while it is made, is a grandchild or
/// great-grandchild of its monitor.
const GENERATIONS: usize = 6;

/// What a process says about the container that it watches over or makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    /// Id of the container. For a Kubernetes pod's shim that of the pod's sandbox.
    pub id: Option<String>,
    /// Name of the container.
    pub name: Option<String>,
    /// Folder of its OCI bundle.
    pub bundle: Option<PathBuf>,
    /// Path or name of the runtime.
    pub runtime: Option<PathBuf>,
    /// The engine that uses such a monitor.
    pub engine: Option<EngineKind>,
    /// What it is called in [`Description::sources`].
    pub source: &'static str,
}

impl Monitor {
    /// What it tells about the container `id`.
    pub fn describe(&self, id: &str) -> Option<Description> {
        if self.id.as_deref() != Some(id) {
            return None;
        }
        Some(Description {
            container: Container {
                id: id.to_owned(),
                engine: self.engine.map(EngineKind::name).unwrap_or_default().to_owned(),
                name: self.name.clone().unwrap_or_default(),
                ..Container::default()
            },
            runtime_path: self.runtime.clone(),
            sources: vec![self.source.to_owned()],
            ..Description::default()
        })
    }

    /// Folder of the bundle of the container `id`. Those of a pod's containers are beside that of its
    /// sandbox, which is the one that the pod's shim has.
    pub fn bundle_of(&self, id: &str) -> Option<PathBuf> {
        let bundle = self.bundle.as_ref()?;
        if self.id.as_deref() == Some(id) {
            Some(bundle.clone())
        } else {
            bundle.parent().map(|folder| folder.join(id))
        }
    }
}

/// The monitors among a process' ancestors, nearest first; none if the process is gone, or its number has been given
/// to one that started after `began` (nanoseconds of `CLOCK_MONOTONIC`; 0: whichever it is).
pub fn monitors(pid: u32, began: u64) -> Vec<Monitor> {
    let mut monitors = Vec::new();
    if began != 0 && !time::started_before(pid, began) {
        return monitors;
    }
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        monitors.extend(read(pid));
        let stat = files::of_proc(&format!("/proc/{pid}/stat")).unwrap_or_default();
        match parent(&stat) {
            Some(parent) if parent > 1 => pid = parent,
            _ => break,
        }
    }
    monitors
}

/// The monitor of the container `id`, which may be there when all that was in the container is gone.
pub fn watching(id: &str) -> Option<Monitor> {
    let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let mut monitors = pids.filter_map(read);
    monitors.find(|monitor| monitor.id.as_deref() == Some(id))
}

/// What a process says, if it is a monitor, and one that can be believed: anyone can start a process with any
/// command line.
fn read(pid: u32) -> Option<Monitor> {
    let process = trusted::Process::find(pid)?;
    let named = |program: &OsStr| is_monitor(&program.to_string_lossy());
    if !process.program.as_deref().is_none_or(named) {
        return None;
    }
    parse(&process.arguments()?, || process.working_folder())
}

/// Whether a program of this name may be a monitor.
fn is_monitor(program: &str) -> bool {
    program.starts_with("containerd-shim")
        || matches!(program, "conmon" | "runc" | "crun" | "youki")
}

/// What the command line of a process says, if it is a monitor's.
pub fn parse_command_line(bytes: &[u8]) -> Option<Monitor> {
    let args: Vec<_> = bytes
        .split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect();
    parse(&args, || None)
}

/// The parent's id from `/proc/PID/stat`, where it is the second field after the name, which is in
/// parentheses and may hold any.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Sources: containerd `runtime/v2/README.md` (flags of shims, and that a shim's working directory is
/// the bundle); conmon `src/cli.c`; `runc run --help`.
fn parse(args: &[String], cwd: impl Fn() -> Option<PathBuf>) -> Option<Monitor> {
    let program = Path::new(args.first()?).file_name()?.to_str()?;
    let value = |names: &[&str]| {
        let at = args.iter().position(|arg| names.contains(&arg.as_str()))?;
        args.get(at + 1).filter(|value| !value.is_empty()).cloned()
    };
    if program.starts_with("containerd-shim") {
        let engine = match value(&["-namespace", "--namespace"]).as_deref() {
            Some("moby") => EngineKind::Docker,
            _ => EngineKind::Containerd,
        };
        return Some(Monitor {
            id: value(&["-id", "--id"]),
            bundle: cwd().filter(|folder| folder != Path::new("/")),
            engine: Some(engine),
            source: "containerd-shim",
            ..Monitor::default()
        });
    }
    if program == "conmon" {
        let bundle = value(&["-b", "--bundle"]).map(PathBuf::from);
        // Podman is told from CRI-O by what is to be run in the end.
        let is_podman = args.iter().any(|arg| arg.ends_with("podman") || arg.contains("libpod"));
        return Some(Monitor {
            id: value(&["-c", "--cid"]),
            name: value(&["-n", "--name"]),
            bundle,
            runtime: value(&["-r", "--runtime"]).map(PathBuf::from),
            engine: Some(if is_podman { EngineKind::Podman } else { EngineKind::Crio }),
            source: "conmon",
        });
    }
    let makes = |arg: &String| matches!(arg.as_str(), "run" | "create");
    if matches!(program, "runc" | "crun" | "youki") && args.iter().any(makes) {
        return Some(Monitor {
            id: args.iter().rev().find(|arg| !arg.is_empty()).cloned(),
            bundle: value(&["-b", "--bundle"]).map(PathBuf::from).or_else(cwd),
            runtime: Some(args.first()?.into()),
            source: "command line of the runtime",
            ..Monitor::default()
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(line: &str) -> Option<Monitor> {
        let args: Vec<_> = line.split(' ').map(str::to_owned).collect();
        parse(&args, || Some("/cwd".into()))
    }

    #[test]
    fn a_shim_tells_id_and_bundle() {
        let shim = monitor(
            "/usr/bin/containerd-shim-runc-v2 -namespace moby -id 1a99 -address /run/c.sock",
        )
        .unwrap();
        assert_eq!(shim.id.as_deref(), Some("1a99"));
        assert_eq!(shim.bundle, Some("/cwd".into()));
        assert_eq!(shim.engine, Some(EngineKind::Docker));
        let pods = monitor("containerd-shim-runc-v2 -namespace k8s.io -id 1a99").unwrap();
        assert_eq!(pods.engine, Some(EngineKind::Containerd));
        assert_eq!(pods.bundle_of("1a99"), Some("/cwd".into()));
        assert_eq!(pods.bundle_of("2b88"), Some("/2b88".into()));
    }

    #[test]
    fn conmon_tells_name_bundle_and_runtime() {
        let conmon = monitor(
            "/usr/bin/conmon --api-version 1 -c 9af8 -u 9af8 -r /usr/bin/crun -b /storage/9af8/userdata \
             -p /run/pidfile -n web --exit-dir /run/libpod/exits --exit-command /usr/bin/podman",
        )
        .unwrap();
        assert_eq!(
            conmon,
            Monitor {
                id: Some("9af8".into()),
                name: Some("web".into()),
                bundle: Some("/storage/9af8/userdata".into()),
                runtime: Some("/usr/bin/crun".into()),
                engine: Some(EngineKind::Podman),
                source: "conmon",
            }
        );
        let told = conmon.describe("9af8").unwrap();
        assert_eq!((&*told.container.name, &*told.container.engine), ("web", "podman"));
        assert_eq!(conmon.describe("other"), None);
        let crio = monitor("/usr/bin/conmon -c 9af8 -n k8s_web_0 --exit-dir /var/run/crio/exits");
        assert_eq!(crio.unwrap().engine, Some(EngineKind::Crio));
    }

    #[test]
    fn a_runtime_that_was_called_by_hand_tells_id_and_bundle() {
        let runc = monitor("runc --root /tmp/r run --bundle /tmp/b plain1").unwrap();
        assert_eq!((runc.id.as_deref(), runc.bundle), (Some("plain1"), Some("/tmp/b".into())));
        let crun = monitor("crun run plain2").unwrap();
        assert_eq!((crun.id.as_deref(), crun.bundle), (Some("plain2"), Some("/cwd".into())));
        assert_eq!(monitor("runc init"), None);
        assert_eq!(monitor("bash -c run"), None);
    }

    #[test]
    fn a_process_that_only_has_a_monitors_command_line_is_none() {
        use std::os::unix::process::CommandExt;
        let mut command = std::process::Command::new("/bin/sleep");
        let mut child = command.arg0("/usr/bin/conmon").arg("60").spawn().unwrap();
        assert_eq!(read(child.id()), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_parent_is_found_whatever_the_name() {
        assert_eq!(parent("12 (a) b) (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn own_ancestors_are_no_monitors_or_can_be_read() {
        assert!(monitors(u32::MAX, 0).is_empty());
        let _ = monitors(std::process::id(), 0);
    }
}
