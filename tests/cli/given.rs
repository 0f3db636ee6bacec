//! Every command that takes a profile takes what engines take, and says the same about what is no profile.

use std::path::Path;

use tempfile::TempDir;

use crate::convert::docker;
use crate::merge::{put, recording};
use crate::support::run::Outcome;
use crate::support::{scratch, strait};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: p\n    image: p\n";

fn run(dir: &Path, args: &[&str], status: i32) -> Outcome {
    strait().args(args.to_vec()).in_dir(dir).expect_exit(status).run()
}

/// Commands that are given `p.json`.
fn uses() -> Vec<&'static [&'static str]> {
    vec![
        &["check", "p.json"],
        &["diff", "p.json", "p.json"],
        &["explain", "p.json", "read"],
        &["merge", "p.json"],
        &["convert", "p.json"],
        &["export", "p.json", "--to", "docker"],
        &["export", "p.json", "--to", "oci-artifact", "-o", "layout"],
        &["bundle", "bundle", "p.json", "--release", "1"],
        &["apply", "p.json", "pod.yaml"],
    ]
}

fn with(profile: &str) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    std::fs::write(dir.path().join("pod.yaml"), POD).unwrap();
    dir
}

#[test]
fn a_dialect_is_resolved_and_the_assumptions_are_reported() {
    let dir = with(&docker().to_string());
    for args in uses() {
        let outcome = run(dir.path(), args, 0);
        outcome.says(&["p.json", "Docker's default capabilities"]);
    }
    // Nodes are given what they read.
    let bundled = dir.path().join("bundle/p").read_dir().unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(bundled).unwrap();
    assert!(!text.contains("includes") && text.contains("SCMP_ARCH_AARCH64"), "{text}");
    assert!(!text.contains("\"mount\""), "{text}");
    run(dir.path(), &["apply", "p.json", "pod.yaml"], 0).says(&["strait convert"]);
}

#[test]
fn a_profile_without_exit_is_used_and_warned_of() {
    let profile = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["execve", "read"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let dir = with(profile);
    for args in uses() {
        let outcome = run(dir.path(), args, 0);
        if !["diff", "explain", "merge"].contains(&args[0]) {
            outcome.says(&[
                "warning: syscalls: not allowed, and a process that cannot exit",
                "exit_group",
            ]);
        }
    }
}

/// Flags, unknown fields, rules that say nothing, and a list of what is refused: engines take all of these.
#[test]
fn what_engines_take_is_used_and_warned_of() {
    let head = r#"{"architectures": ["SCMP_ARCH_X86_64"], "defaultAction": "#;
    let rule = r#"{"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}"#;
    for (rest, texts) in [
        (format!(r#""SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{rule}]}}"#), "runc before 1.2"),
        (format!(r#""SCMP_ACT_ERRNO", "weather": "fine", "syscalls": [{rule}]}}"#), "unknown field"),
        (format!(r#""SCMP_ACT_ERRNO", "syscalls": [{rule}, {{"names": [], "action": "SCMP_ACT_ALLOW"}}]}}"#), "names no call"),
        (format!(r#""SCMP_ACT_ERRNO", "syscalls": [{rule}, {{"names": [""], "action": "SCMP_ACT_ALLOW"}}]}}"#), "empty name"),
        (r#""SCMP_ACT_ERRNO", "syscalls": [{"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW",
            "errnoRet": 1}]}"#.to_owned(), "returns no error"),
        (format!(r#""SCMP_ACT_ERRNO", "syscalls": [{rule}, {{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [
            {{"index": 0, "value": 0, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}}]}}]}}"#), "a mask of 0"),
    ] {
        let dir = with(&format!("{head}{rest}"));
        for args in uses() {
            let outcome = run(dir.path(), args, 0);
            if texts != "a mask of 0" || !["diff", "explain", "merge"].contains(&args[0]) {
                outcome.says(&[texts]);
            }
        }
    }
    // A list of refusals is wide, and no mistake.
    let deny = format!(
        r#"{head}"SCMP_ACT_ALLOW", "syscalls": [{{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}}]}}"#
    );
    let dir = with(&deny);
    for args in uses() {
        let status = if args[0] == "check" { 10 } else { 0 };
        run(dir.path(), args, status);
    }
    let dir = with(&format!(r#"{head}"SCMP_ACT_LOG"}}"#));
    run(dir.path(), &["check", "p.json"], 10).says(&["confines nothing"]);
    run(dir.path(), &["lint", "p.json"], 10);
    for args in [&["export", "p.json", "--to", "docker"][..], &["apply", "p.json", "pod.yaml"]] {
        run(dir.path(), args, 1).says(&["confines nothing"]);
    }
}

/// A profile and the evidence that `generate` puts beside it, in `prof`, and recordings in `rec`.
fn generated() -> TempDir {
    let dir = scratch();
    for folder in ["prof", "rec"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let calls = [("read", 0), ("write", 1), ("exit_group", 231)];
    put(dir.path(), "rec/p.recording.json", &recording("p", 1, &calls));
    run(dir.path(), &["generate", "rec/p.recording.json", "-o", "prof/p.json"], 0);
    assert!(dir.path().join("prof/p.evidence.json").exists());
    std::fs::write(dir.path().join("pod.yaml"), POD).unwrap();
    dir
}

#[test]
fn evidence_is_never_taken_for_a_profile() {
    let dir = generated();
    let files = ["prof/p.evidence.json", "prof/p.json"];
    let [evidence, profile] = files;
    for args in [
        &["apply", evidence, profile, "pod.yaml"][..],
        &["apply", "prof", "pod.yaml"],
        &["bundle", "bundle", evidence, profile, "--release", "1"],
        &["export", evidence, profile, "--to", "compose"],
        &["merge", evidence, profile],
        &["merge", profile, evidence],
    ] {
        run(dir.path(), args, 0).says(&["evidence"]);
    }
    run(dir.path(), &["bundle", "bundle", "prof", "--release", "2"], 0);
    assert_eq!(dir.path().join("bundle").read_dir().unwrap().count(), 1);
    for args in [
        &["check", evidence][..],
        &["lint", evidence],
        &["convert", evidence],
        &["diff", profile, evidence],
        &["explain", evidence, "read"],
        &["export", evidence, "--to", "docker"],
        &["bundle", "other", evidence, "--release", "1"],
        &["generate", evidence],
        &["report", evidence],
    ] {
        let outcome = run(dir.path(), args, 1).says_one_paragraph();
        outcome.says(&["p.evidence.json", "evidence of a profile"]);
    }
    run(dir.path(), &["verify", evidence, "--", "true"], 125).says(&["evidence of a profile"]);
    run(dir.path(), &["apply", evidence, "pod.yaml"], 2).says(&["no profile is given"]);
}

#[test]
fn a_recording_or_a_folder_of_them_is_no_profile() {
    let dir = generated();
    let recording = "rec/p.recording.json";
    for (args, status) in [
        (&["check", recording][..], 1),
        (&["lint", recording], 1),
        (&["convert", recording], 1),
        (&["export", recording, "--to", "docker"], 1),
        (&["export", "rec", "--to", "docker"], 1),
        (&["bundle", "bundle", recording, "--release", "1"], 1),
        (&["bundle", "bundle", "rec", "--release", "1"], 1),
        (&["apply", recording, "pod.yaml"], 1),
        (&["apply", "rec", "pod.yaml"], 1),
        (&["verify", recording, "--", "true"], 125),
    ] {
        let outcome = run(dir.path(), args, status).says_one_paragraph();
        assert_eq!(outcome.stdout, "");
        outcome.says(&["rec", "strait generate"]);
    }
    for args in [&["check", "prof"][..], &["lint", "prof"], &["explain", "prof", "read"]] {
        run(dir.path(), args, 1).says_one_paragraph().says(&["it is a folder"]);
    }
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    run(dir.path(), &["export", "empty", "--to", "docker"], 1).says(&["no profile in empty"]);
}

#[test]
fn a_resource_of_kubernetes_is_no_profile() {
    let dir = scratch();
    let text = "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\n";
    std::fs::write(dir.path().join("p.json"), text).unwrap();
    std::fs::write(dir.path().join("pod.yaml"), POD).unwrap();
    for args in uses() {
        let is_manifest = ["apply", "convert"].contains(&args[0]);
        if !is_manifest {
            run(dir.path(), args, 1).says(&["SeccompProfile", "strait convert"]);
        }
    }
}
