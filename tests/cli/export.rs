//! `strait export`: what each home gets, and what is not exported.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// Everything that a home could stumble over, in few lines.
const PROFILE: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [
    {"names": ["execve", "exit", "exit_group", "read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
    {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}]},
    {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
  ]
}"#;

fn with(profile: &str) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("web.json"), profile).unwrap();
    dir
}

fn export(dir: &TempDir, home: &str) -> Strait {
    strait().args(["export", "web.json", "--to", home]).in_dir(dir.path())
}

/// What a home is given and told, without the profile itself.
fn shown(home: &str, options: &[&str]) -> String {
    let outcome = export(&with(PROFILE), home).args(options.to_vec()).run();
    // The list of all calls is as long as the tables; the properties have it.
    let mut elided = false;
    let lines = outcome.stdout.lines().filter(|line| {
        let is_call = line.starts_with("    - ") && home == "spo";
        !std::mem::replace(&mut elided, is_call) || !is_call
    });
    format!("{}\n----\n{}", lines.collect::<Vec<_>>().join("\n"), outcome.stderr)
}

#[test]
fn every_home_gets_what_its_users_write() {
    let all =
        ["--release", "1.2", "--image", "registry.example.com/web:1.2", "--namespace", "shop"];
    for (home, options) in [
        ("spo", &all[..]),
        ("configmap", &all[..]),
        ("kustomize", &["--container", "web", "--workload", "statefulset/db"]),
        ("helm", &all[..]),
        ("compose", &all[..]),
        ("docker", &all[..]),
        ("podman", &all[..]),
        ("systemd", &[]),
        ("nomad", &all[..]),
        ("crio", &["--artifact", "registry.example.com/seccomp/web:1.2"]),
    ] {
        insta::assert_snapshot!(format!("export_{home}"), shown(home, options));
    }
}

/// Every file below a folder, and what is in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                contents.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    contents
}

#[test]
fn a_folder_gets_the_profile_too_and_the_same_bytes_every_time() {
    let dir = with(PROFILE);
    let write = |folder: &str| {
        export(&dir, "compose").args(["--release", "1.2", "-o", folder]).run();
        contents(&dir.path().join(folder))
    };
    let once = write("deep/once");
    assert_eq!(once, write("deep/twice"));
    assert_eq!(once, write("deep/once"), "writing over it changes nothing");
    let names: Vec<_> = once.keys().map(String::as_str).collect();
    let [override_file, profile] = names.as_slice() else { panic!("{names:?}") };
    assert_eq!(*override_file, "compose.override.yaml");
    assert!(profile.starts_with("web/1.2-") && profile.ends_with(".json"), "{profile}");
    strait().args(["lint", "-", "--for", "podman"]).stdin(once[*profile].clone()).run();
}

#[test]
fn another_profile_has_another_name() {
    let name = |profile: &str| export(&with(profile), "nomad").run().stdout;
    assert_eq!(name(PROFILE), name(PROFILE));
    assert_ne!(name(PROFILE), name(&PROFILE.replace("\"write\"", "\"writev\"")));
}

#[test]
fn an_artifact_needs_a_folder() {
    let dir = with(PROFILE);
    let outcome = export(&dir, "oci-artifact").expect_exit(2).run();
    outcome.says_one_paragraph().says(&["-o DIR"]);
    export(&dir, "oci-artifact").args(["-o", "layout"]).run().says(&["sha256:"]);
    let layout = contents(&dir.path().join("layout"));
    assert_eq!(layout.len(), 5, "{:?}", layout.keys());
    assert_eq!(layout["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn assert_refused(dir: &TempDir, home: &str, options: &[&str], status: i32, words: &[&str]) {
    let outcome = export(dir, home).args(options.to_vec()).expect_exit(status).run();
    assert_eq!(outcome.stdout, "");
    outcome.says_one_paragraph().says(words);
    assert_eq!(contents(dir.path()).len(), 1, "nothing half-written");
}

#[test]
fn what_confines_nothing_is_not_exported() {
    for (profile, word) in [
        ("{}", "unconfined"),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}"#, "unconfined"),
        ("", "empty"),
        ("{", "cut off"),
        (r#"{"schema": "strait.recording/v1"}"#, "strait generate"),
    ] {
        assert_refused(&with(profile), "helm", &["-o", "out"], 1, &["web.json", word]);
    }
}

#[test]
fn options_that_are_missing_or_wrong_are_named() {
    let dir = with(PROFILE);
    for (home, options, words) in [
        ("crio", &[][..], &["--artifact"][..]),
        ("helm", &["--name", "My App"], &["My App", "lower-case"]),
        ("helm", &["--name", "../up"], &["../up"]),
        ("helm", &["--release", "v1/2"], &["v1/2", "1.27.3-rc1"]),
        ("helm", &["--namespace", "a_b"], &["a_b"]),
        ("spo", &["--image", "a b"], &["a b"]),
        ("spo", &["--image", "$(touch x)"], &["touch"]),
        ("kustomize", &["--workload", "pod/x"], &["pod/x", "statefulset"]),
        ("kustomize", &["--container", "Web"], &["Web"]),
    ] {
        let outcome = export(&dir, home).args(options.to_vec()).expect_exit(2).run();
        assert_eq!(outcome.stdout, "");
        outcome.says(words);
    }
    strait()
        .args(["export", "-", "--to", "helm"])
        .stdin(PROFILE)
        .expect_exit(2)
        .run()
        .says_one_paragraph()
        .says(&["--name"]);
    std::fs::rename(dir.path().join("web.json"), dir.path().join("My App.json")).unwrap();
    let dir_of = strait().args(["export", "My App.json", "--to", "helm"]).in_dir(dir.path());
    dir_of.expect_exit(2).run().says_one_paragraph().says(&["My App", "--name"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = with(PROFILE);
    assert_refused(&dir, "helm", &["-o", "/proc/export"], 1, &["/proc/export"]);
    assert_refused(&dir, "helm", &["-o", "web.json"], 1, &["web.json"]);
}

#[test]
fn a_missing_profile_is_named() {
    let dir = scratch();
    let outcome = export(&dir, "systemd").expect_exit(1).run();
    outcome.says_one_paragraph().says(&["web.json", "No such file"]);
}
