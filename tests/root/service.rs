//! Services under exported settings, started by a real systemd: one of the test's own, in namespaces of
//! its own, so that it does not matter what the machine was started with.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::fixtures::source;
use crate::support::{kernel, scratch, strait, wait};
use crate::workloads;

struct Systemd {
    unshare: Child,
    pid: String,
    cgroups: Vec<PathBuf>,
}

impl Systemd {
    fn start() -> Self {
        kernel::require_root();
        kernel::require("systemctl", "systemd");
        assert!(Path::new("/lib/systemd/systemd").exists(), "these tests need systemd");
        let name = format!("strait-test-{}", std::process::id());
        let hierarchies = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let cgroups: Vec<PathBuf> = hierarchies
            .iter()
            .map(Path::new)
            .filter(|root| root.join("cgroup.procs").exists())
            .map(|root| root.join(&name))
            .collect();
        for cgroup in &cgroups {
            std::fs::create_dir_all(cgroup).unwrap();
        }
        let enter: Vec<String> = cgroups
            .iter()
            .map(|cgroup| format!("echo $$ > {}/cgroup.procs", cgroup.display()))
            .collect();
        let script = format!(
            "{}; exec unshare --kill-child=KILL --mount --pid --fork --cgroup --uts --ipc sh {}",
            enter.join("; "),
            source("../systemd.sh").display()
        );
        let unshare = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let id = unshare.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let first = || std::fs::read_to_string(&children).unwrap_or_default();
        wait::until("the namespaces are there", || !first().trim().is_empty());
        let systemd = Self { unshare, pid: first().trim().to_owned(), cgroups };
        wait::until("systemd answers", || systemd.ctl(&["is-system-running"]).is_ok());
        systemd
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.pid, "--mount", "--pid", "--cgroup", "--ipc", "--uts", "--"]);
        command
    }

    fn ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.inside().arg("systemctl").args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// Runs a command as a service with a drop-in, to its end.
    fn run(
        &self,
        name: &str,
        command: &[String],
        directory: &Path,
        dropin: &Path,
    ) -> Result<(), String> {
        let service = directory.join(format!("{name}.service"));
        let args: Vec<String> = command.iter().map(|word| format!("\"{word}\"")).collect();
        let unit = format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nWorkingDirectory={place}\n\
             ExecStart={command}\nStandardOutput=file:{place}/stdout\nStandardError=file:{place}/stderr\n",
            place = directory.display(),
            command = args.join(" "),
        );
        std::fs::write(&service, unit).unwrap();
        let script = format!(
            "mkdir /run/systemd/system/{name}.service.d && cp {} /run/systemd/system/{name}.service.d/ && \
             cp {} /run/systemd/system/",
            dropin.display(),
            service.display()
        );
        let status = self.inside().args(["sh", "-ec", &script]).status().unwrap();
        assert!(status.success());
        self.ctl(&["daemon-reload"]).unwrap();
        let unit = format!("{name}.service");
        self.ctl(&["start", &unit]).map(drop).map_err(|error| {
            let status = self.ctl(&["show", "-p", "Result,ExecMainStatus,ExecMainCode", &unit]);
            let stderr = std::fs::read_to_string(directory.join("stderr")).unwrap_or_default();
            format!("{error}\n{status:?}\n{stderr}")
        })
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        for cgroup in &self.cgroups {
            remove(cgroup);
        }
    }
}

/// Removes a cgroup and those below it, as soon as the last process has left.
fn remove(cgroup: &Path) {
    for entry in std::fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        }
    }
    let mut left = 1000;
    while std::fs::remove_dir(cgroup).is_err() && cgroup.exists() && left > 0 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        left -= 1;
    }
}

fn export(profile: &Path) -> (TempDir, PathBuf) {
    let output = scratch();
    strait()
        .args(["export", "--to", "systemd", "--name", "app", "-o"])
        .arg(output.path())
        .arg(profile)
        .run();
    let dropin = output.path().join("app.service.d/50-seccomp.conf");
    (output, dropin)
}

#[test]
fn systemd_starts_nginx_under_the_settings_made_of_its_profile() {
    let systemd = Systemd::start();
    let workload = workloads::nginx();
    let output = scratch();
    let [recording, profile] = ["r.json", "p.json"].map(|name| output.path().join(name));
    let dir = scratch();
    workload.prepare(dir.path());
    let record = strait().args(["record", "-o"]).arg(&recording).arg("--").args(&workload.command);
    record.in_dir(dir.path()).run();
    strait().arg("generate").arg(&recording).arg("-o").arg(&profile).run();
    let (_folder, dropin) = export(&profile);
    let dir = scratch();
    workload.prepare(dir.path());
    systemd.run("nginx", &workload.command, dir.path(), &dropin).unwrap_or_else(|e| panic!("{e}"));
}

/// Prints what comes of calls that fail for lack of good arguments, if they are made at all.
const PROBE: &str = r"
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    return 'done' if libc.syscall(number, *args) >= 0 else errno.errorcode[ctypes.get_errno()]
print('acct', call(163, b'/no/such/file'))
print('swapon', call(167, b'/no/such/file', 0))
print('getpgid', call(121, 0))
print('getsid', call(124, 0))
print('alg', call(41, 38, 5, 0))
print('unix', call(41, 1, 1, 0))
print('unshare', call(272, 0x04000000))
";

#[test]
fn a_service_gets_the_profiles_own_errors() {
    let systemd = Systemd::start();
    let dir = scratch();
    std::fs::write(dir.path().join("probe.py"), PROBE).unwrap();
    let profile = dir.path().join("p.json");
    let names: Vec<&str> = strait_generator::abi::Abi::X86_64
        .syscalls()
        .map(|(_, name)| name)
        .filter(|name| !["socket", "clone", "clone3", "acct", "swapon", "getpgid"].contains(name))
        .filter(|name| !["unshare", "setns"].contains(name))
        .collect();
    let text = serde_json::json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_ALLOW"},
            {"names": ["acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 0x7E02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 38, "op": "SCMP_CMP_LT"}]},
        ],
    });
    std::fs::write(&profile, text.to_string()).unwrap();
    let (_folder, dropin) = export(&profile);
    let command = ["/usr/bin/python3".to_owned(), format!("{}/probe.py", dir.path().display())];
    systemd.run("probe", &command, dir.path(), &dropin).unwrap_or_else(|e| panic!("{e}"));
    let said = std::fs::read_to_string(dir.path().join("stdout")).unwrap();
    insta::assert_snapshot!(said, @"
    acct EPERM
    swapon ENOSYS
    getpgid ENOSYS
    getsid done
    alg EAFNOSUPPORT
    unix done
    unshare ENOSYS
    ");
}
