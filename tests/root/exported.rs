//! What is exported is accepted by those who will read it: Kubernetes' schemas, compose, systemd, skopeo
//! and shells.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{kernel, scratch, strait};

const PROFILE: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [
    {"names": ["execve", "exit", "exit_group", "read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
    {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
  ]
}"#;

fn export(target: &str, options: &[&str]) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("web.json"), PROFILE).unwrap();
    strait()
        .args(["export", "web.json", "-o", "out", "--to", target])
        .args(options.to_vec())
        .in_dir(dir.path())
        .run();
    dir
}

/// Runs a command that has to succeed, and returns all that it said.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text.concat());
    text.concat()
}

/// Python with the packages that `cargo xtask setup` installs.
fn python(program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target/");
    let path = target.join("tools/python/bin").join(program);
    assert!(path.exists(), "these tests need {}: run `cargo xtask setup`", path.display());
    path
}

#[test]
fn kubernetes_accepts_config_map_and_daemon_set() {
    let dir = export("configmap", &["--namespace", "shop", "--release", "1.2"]);
    for version in ["1.29", "1.33", "1.37"] {
        for file in ["configmap.yaml", "daemonset.yaml"] {
            let mut validate = Command::new(python("kubernetes-validate"));
            validate.args(["--strict", "-k", version]).arg(dir.path().join("out").join(file));
            assert!(said(&mut validate).contains("passed"));
        }
    }
}

#[test]
fn kubernetes_accepts_the_patches_as_far_as_they_go() {
    // A patch is a Deployment of which the required parts are elsewhere.
    let dir = export("kustomize", &["--container", "web"]);
    let script = "import sys, yaml, kubernetes_validate\n\
        patch = yaml.safe_load(open(sys.argv[1]))\n\
        patch['spec']['selector'] = {'matchLabels': {'a': 'b'}}\n\
        patch['spec']['template']['metadata'] = {'labels': {'a': 'b'}}\n\
        kubernetes_validate.validate(patch, '1.33', strict=True)\n\
        context = patch['spec']['template']['spec']['containers'][0]['securityContext']\n\
        assert context['seccompProfile']['type'] == 'Localhost', context\n";
    let patch = dir.path().join("out/seccomp-patch.yaml");
    said(Command::new(python("python")).args(["-c", script]).arg(patch));
}

#[test]
fn compose_accepts_the_override_file() {
    kernel::require("docker-compose", "docker-compose");
    let dir = export("compose", &["--image", "web:1.2"]);
    let config = said(
        Command::new("docker-compose")
            .args(["-f", "compose.override.yaml", "config"])
            .current_dir(dir.path().join("out")),
    );
    assert!(config.contains("seccomp:./web/"), "{config}");
}

#[test]
fn systemd_understands_every_line() {
    kernel::require("systemd-analyze", "systemd");
    let dir = export("systemd", &[]);
    let units = dir.path().join("out");
    std::fs::write(units.join("web.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    let analyze = |args: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        said(command.args(args).env("SYSTEMD_UNIT_PATH", format!("{}:", units.display())))
    };
    let complaints = analyze(&["verify", "web.service"]);
    for line in complaints.lines().filter(|line| line.contains("50-seccomp.conf")) {
        // Calls that are newer than its libseccomp.
        assert!(line.contains("Failed to parse system call, ignoring: u"), "{line}");
    }
    let security = said(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(merged(&units)),
    );
    for line in security.lines().filter(|line| line.contains("SystemCallFilter=")) {
        assert!(line.contains('✓'), "{line}");
    }
    assert!(security.contains("SystemCallArchitectures"), "{security}");
}

/// The drop-in as a unit of its own: `security --offline` looks at no drop-ins.
fn merged(units: &Path) -> PathBuf {
    let dropin = std::fs::read_to_string(units.join("web.service.d/50-seccomp.conf")).unwrap();
    let file = units.join("merged.service");
    std::fs::write(&file, format!("{dropin}ExecStart=/bin/true\n")).unwrap();
    file
}

#[test]
fn skopeo_reads_the_artifact_and_copies_it_bit_by_bit() {
    kernel::require("skopeo", "skopeo");
    let dir = export("oci-artifact", &["--release", "1.2"]);
    let skopeo = |args: &[&str]| {
        said(Command::new("skopeo").arg("--insecure-policy").args(args).current_dir(dir.path()))
    };
    let manifest = skopeo(&["inspect", "--raw", "oci:out"]);
    let value: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let media_type = "application/vnd.cncf.seccomp-profile.config.v1+json";
    assert_eq!(value["config"]["mediaType"], media_type);
    assert_eq!(value["artifactType"], media_type);
    let index = std::fs::read_to_string(dir.path().join("out/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let name = &index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
    skopeo(&["copy", &format!("oci:out:{}", name.as_str().unwrap()), "oci:copy:1.2"]);
    assert_eq!(skopeo(&["inspect", "--raw", "oci:copy:1.2"]), manifest);
}

/// The installer, in folders of the test's own.
struct Node {
    dir: TempDir,
    script: String,
    shell: &'static [&'static str],
}

impl Node {
    fn new(shell: &'static [&'static str]) -> Self {
        let dir = scratch();
        for name in ["source", "seccomp/web"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let exported = export("configmap", &[]);
        let read = "import sys, yaml\n\
            pod = yaml.safe_load(open(sys.argv[1]))['spec']['template']['spec']\n\
            sys.stdout.write(pod['containers'][0]['command'][2])\n";
        let file = exported.path().join("out/daemonset.yaml");
        let script = said(Command::new(python("python")).args(["-c", read]).arg(file));
        Self { dir, script, shell }
    }

    /// Gives the ConfigMap these entries, and lets the installer look at it once.
    fn sync(&self, entries: &[(&str, &str)]) -> String {
        let source = self.dir.path().join("source");
        std::fs::remove_dir_all(&source).unwrap();
        std::fs::create_dir(&source).unwrap();
        for (name, text) in entries {
            std::fs::write(source.join(name), text).unwrap();
        }
        let mut command = Command::new(self.shell[0]);
        command.args(&self.shell[1..]).args(["-c", &self.script]);
        let seccomp = self.dir.path().join("seccomp");
        command.env("SOURCE", source).env("SECCOMP", seccomp);
        said(command.env("NAME", "web").env("PAUSE", "0"))
    }

    /// What is in the application's folder, without the installer's list.
    fn files(&self) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(self.dir.path().join("seccomp/web")).unwrap();
        let mut files: Vec<(String, String)> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (path.file_name().unwrap().to_str().unwrap().to_owned(), text)
            })
            .filter(|(name, _)| name != ".strait-installed")
            .collect();
        files.sort();
        files
    }
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn the_installer_keeps_a_node_as_the_config_map_says_and_touches_nothing_else() {
    kernel::require("busybox", "busybox-static");
    for shell in [&["sh"][..], &["busybox", "sh"]] {
        let node = Node::new(shell);
        let others = node.dir.path().join("seccomp/web/mine.json");
        std::fs::write(&others, "mine").unwrap();

        node.sync(&[("1-a.json", "one"), ("2-b.json", "two")]);
        let both = [("1-a.json", "one"), ("2-b.json", "two"), ("mine.json", "mine")];
        assert_eq!(node.files(), owned(&both), "{shell:?}");
        assert_eq!(node.sync(&[("1-a.json", "one"), ("2-b.json", "two")]), "", "nothing to do");

        node.sync(&[("2-b.json", "new")]);
        assert_eq!(node.files(), owned(&[("2-b.json", "new"), ("mine.json", "mine")]), "{shell:?}");

        let said = node.sync(&[("2-b.json", "new"), ("mine.json", "other")]);
        assert!(said.contains("mine.json is not ours"), "{said}");
        assert_eq!(node.files(), owned(&[("2-b.json", "new"), ("mine.json", "mine")]), "{shell:?}");

        // Whatever is written on the list, nothing outside of the folder goes.
        let outside = node.dir.path().join("seccomp/outside.json");
        std::fs::write(&outside, "precious").unwrap();
        let list = node.dir.path().join("seccomp/web/.strait-installed");
        std::fs::write(&list, "../outside.json\n2-b.json\n\n").unwrap();
        node.sync(&[]);
        assert_eq!(node.files(), owned(&[("mine.json", "mine")]), "{shell:?}");
        assert!(outside.exists(), "{shell:?}");
    }
}
