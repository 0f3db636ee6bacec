//! `strait export`: what each target gets, and what is not exported.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// Everything that a target could stumble over, in few lines.
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

fn export(dir: &TempDir, target: &str) -> Strait {
    strait().args(["export", "web.json", "--to", target]).in_dir(dir.path())
}

/// What a target is given and told, without the profile itself.
fn shown(target: &str, options: &[&str]) -> String {
    let outcome = export(&with(PROFILE), target).args(options.to_vec()).run();
    // The list of all calls is as long as the tables; the properties have it.
    let mut elided = false;
    let lines = outcome.stdout.lines().filter(|line| {
        let is_call = line.starts_with("    - ") && target == "spo";
        !std::mem::replace(&mut elided, is_call) || !is_call
    });
    format!("{}\n----\n{}", lines.collect::<Vec<_>>().join("\n"), outcome.stderr)
}

#[test]
fn every_target_gets_what_its_users_write() {
    let all =
        ["--release", "1.2", "--image", "registry.example.com/web:1.2", "--namespace", "shop"];
    for (target, options) in [
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
        ("seccompiler", &[]),
    ] {
        insta::assert_snapshot!(format!("export_{target}"), shown(target, options));
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
fn a_dash_is_standard_output_and_no_folder() {
    let dir = with(PROFILE);
    let outcome = export(&dir, "compose").args(["-o", "-"]).run();
    assert_eq!(outcome.stdout, export(&dir, "compose").run().stdout);
    assert_eq!(contents(dir.path()).len(), 1, "{:?}", contents(dir.path()).keys());
}

#[test]
fn an_artifact_needs_a_folder() {
    let dir = with(PROFILE);
    let outcome = export(&dir, "oci-artifact").expect_exit(2).run();
    outcome.says_one_paragraph().says(&["-o DIR"]);
    export(&dir, "oci-artifact").args(["-o", "-"]).expect_exit(2).run().says(&["-o DIR"]);
    export(&dir, "oci-artifact").args(["-o", "layout"]).run().says(&["sha256:"]);
    let layout = contents(&dir.path().join("layout"));
    assert_eq!(layout.len(), 5, "{:?}", layout.keys());
    assert_eq!(layout["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn assert_refused(dir: &TempDir, target: &str, options: &[&str], status: i32, texts: &[&str]) {
    let outcome = export(dir, target).args(options.to_vec()).expect_exit(status).run();
    assert_eq!(outcome.stdout, "");
    outcome.says_one_paragraph().says(texts);
    assert_eq!(contents(dir.path()).len(), 1, "nothing half-written");
}

#[test]
fn what_confines_nothing_is_not_exported() {
    for (profile, word) in [
        ("{}", "unconfined"),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}"#, "confines nothing"),
        (r#"{"defaultAction": "SCMP_ACT_LOG", "syscalls": []}"#, "confines nothing"),
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
    for (target, options, texts) in [
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
        let outcome = export(&dir, target).args(options.to_vec()).expect_exit(2).run();
        assert_eq!(outcome.stdout, "");
        outcome.says(texts);
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

/// `web.json`, `db.json` and `cache.json`.
fn three() -> TempDir {
    let dir = with(PROFILE);
    std::fs::write(dir.path().join("db.json"), PROFILE.replace("\"write\"", "\"writev\"")).unwrap();
    std::fs::write(dir.path().join("cache-1.2.json"), PROFILE.replace("\"read\"", "\"readv\""))
        .unwrap();
    dir
}

const THREE: [&str; 3] = ["web.json", "db.json", "cache-1.2.json"];

#[test]
fn all_services_are_in_one_override_file() {
    let dir = three();
    let run = |options: &[&str]| {
        strait().args(["export"]).args(THREE).args(options.to_vec()).in_dir(dir.path())
    };
    let all = run(&["--to", "compose"]).run();
    insta::assert_snapshot!("three_compose", format!("{}\n----\n{}", all.stdout, all.stderr));
    let kustomize = run(&["--to", "kustomize"]).run();
    insta::assert_snapshot!("three_kustomize", kustomize.stdout);
    run(&["--to", "compose", "-o", "out"]).run();
    let files = contents(&dir.path().join("out"));
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    let text = String::from_utf8(files["compose.override.yaml"].clone()).unwrap();
    for name in ["web", "db", "cache"] {
        let profile = files.keys().find(|path| path.starts_with(&format!("{name}/"))).unwrap();
        assert!(text.contains(&format!("  {name}:\n")) && text.contains(profile), "{text}");
    }
}

/// Whatever the target: three profiles in, three out.
#[test]
fn no_target_loses_one_of_several() {
    let dir = three();
    for target in [
        "spo",
        "configmap",
        "kustomize",
        "helm",
        "compose",
        "docker",
        "podman",
        "systemd",
        "nomad",
        "oci-artifact",
    ] {
        let run = strait().args(["export"]).args(THREE).args(["--to", target, "-o", target]);
        run.in_dir(dir.path()).run();
        let files = contents(&dir.path().join(target));
        for name in ["web", "db", "cache"] {
            let mentions = |(path, bytes): (&String, &Vec<u8>)| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                path.split(['/', '.', '-']).any(|part| part == name) || text.contains(name)
            };
            assert!(files.iter().any(mentions), "{target} lacks {name}: {:?}", files.keys());
            let own = files.iter().filter(|(path, _)| {
                path.starts_with(&format!("{name}/"))
                    || path.starts_with(&format!("{name}."))
                    || path.starts_with(&format!("{name}-"))
            });
            assert!(own.count() > 0, "{target}: {:?}", files.keys());
        }
    }
}

#[test]
fn one_export_does_not_overwrite_another() {
    let dir = three();
    let export = |profile: &str, target: &str, status| {
        let run = strait().args(["export", profile, "--to", target, "-o", "out"]);
        run.in_dir(dir.path()).expect_exit(status).run()
    };
    for target in [
        "compose",
        "kustomize",
        "docker",
        "podman",
        "nomad",
        "helm",
        "configmap",
        "spo",
        "oci-artifact",
    ] {
        export("web.json", target, 0);
        let before = contents(&dir.path().join("out"));
        let refused = export("db.json", target, 1).says_one_paragraph();
        refused.says(&["out", "exists", "all profiles in one command"]);
        assert_eq!(contents(&dir.path().join("out")), before, "{target}");
        // The next release of the same application is what the file is for.
        std::fs::write(
            dir.path().join("web.json"),
            PROFILE.replace("\"mount\"", "\"mount\", \"umount2\""),
        )
        .unwrap();
        if target != "oci-artifact" {
            export("web.json", target, 0);
        }
        std::fs::write(dir.path().join("web.json"), PROFILE).unwrap();
        std::fs::remove_dir_all(dir.path().join("out")).unwrap();
    }
    let all = strait().args(["export"]).args(THREE).args(["--to", "compose", "-o", "out"]);
    all.in_dir(dir.path()).run();
    export("web.json", "compose", 1).says(&["compose.override.yaml"]);
}

#[test]
fn two_profiles_of_one_name_are_refused() {
    let dir = three();
    std::fs::copy(dir.path().join("db.json"), dir.path().join("web-2.json")).unwrap();
    for target in ["compose", "docker", "configmap"] {
        let run =
            strait().args(["export", "web.json", "web-2.json", "--to", target]).in_dir(dir.path());
        run.expect_exit(1).run().says_one_paragraph().says(&["two profiles are for `web`"]);
    }
    for option in
        [["--name", "x"], ["--image", "x"], ["--container", "x"], ["--workload", "deployment/x"]]
    {
        let run = strait().args(["export"]).args(THREE).args(["--to", "kustomize"]).args(option);
        run.in_dir(dir.path()).expect_exit(2).run().says(&[option[0], "3 are given"]);
    }
}

#[test]
fn an_init_container_is_patched_where_it_is() {
    let dir = with(PROFILE);
    let run = |options: &[&str], status| {
        export(&dir, "kustomize").args(options.to_vec()).expect_exit(status).run()
    };
    let init = run(&["--container", "migrate", "--init"], 0);
    assert!(
        init.stdout.contains("initContainers:\n") && !init.stdout.contains(" containers:"),
        "{}",
        init.stdout
    );
    init.says(&["`migrate` is patched in `initContainers`"]);
    let plain = run(&["--container", "web"], 0);
    assert!(plain.stdout.contains(" containers:\n"), "{}", plain.stdout);
    plain.says(&["--init"]);
    run(&["--init"], 2).says(&["--container"]);
    export(&dir, "compose")
        .args(["--container", "web", "--init"])
        .expect_exit(2)
        .run()
        .says(&["--init"]);
}

#[test]
fn an_artifact_has_no_rules_of_mixed_results() {
    let mixed = PROFILE.replace(
        "{\"names\": [\"mount\"]",
        r#"{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [
            {"index": 0, "value": 268435456, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["mount"]"#,
    );
    let dir = with(&mixed);
    export(&dir, "oci-artifact").args(["-o", "layout"]).run().says(&["different results", "clone"]);
    let files = contents(&dir.path().join("layout"));
    let layer = files
        .values()
        .find(|bytes| String::from_utf8_lossy(bytes).contains("defaultAction"))
        .unwrap();
    let lint = strait().args(["lint", "-", "--for", "kep-6061"]).stdin(layer.clone()).run();
    assert_eq!(lint.stdout, "");
    let lint = strait().args(["lint", "web.json", "--for", "kep-6061"]).in_dir(dir.path());
    let lint = lint.expect_exit(10).run();
    assert!(lint.stdout.contains("each other's complement (`clone`)"), "{}", lint.stdout);
    std::fs::write(dir.path().join("layer.json"), layer).unwrap();
    strait().args(["check", "layer.json", "--within", "web.json"]).in_dir(dir.path()).run();
}
