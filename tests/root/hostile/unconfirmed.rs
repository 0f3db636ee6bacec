//! A process that looks like a container, of the user that the run is about, is recorded and not taken for a
//! container.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{PATIENCE, Recorder, UNTIL_TOLD, each, with_sudo};
use crate::support::attacker::{Attacker, CALL, IMAGE, Lineage, NAME, forged_calls, recordings};
use crate::support::profiles::base;
use crate::support::{scratch, strait};

/// The only recording of a forged container.
fn of_forged(folder: &Path, count: u32) -> (String, Value) {
    let mut found: Vec<_> = recordings(folder)
        .into_iter()
        .filter(|(_, recording)| forged_calls(recording) == u64::from(count))
        .collect();
    assert_eq!(found.len(), 1, "{:?}", found.iter().map(|(name, _)| name).collect::<Vec<_>>());
    found.remove(0)
}

fn assert_unconfirmed(name: &str, recording: &Value) {
    let number = name
        .strip_prefix("unconfirmed@pid-")
        .and_then(|rest| rest.strip_suffix(".recording.json"))
        .unwrap_or_else(|| panic!("a recording is called {name}"));
    assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
    let container = &recording["target"]["container"];
    assert_eq!(container["unconfirmed"], true, "{container}");
    for claim in [NAME, IMAGE] {
        assert!(!recording["target"].to_string().contains(claim), "{}", recording["target"]);
    }
}

#[test]
fn of_the_user_who_called_sudo_it_is_recorded_under_another_name() {
    each((1031..).zip(Lineage::ALL), |(count, lineage)| {
        let attacker = Attacker::new();
        let recorder = Recorder::start_by(&attacker);
        let _forged = attacker.forge(lineage, "web", count);
        let (folder, _) = recorder.finish();
        let (name, recording) = of_forged(folder.path(), count);
        assert_unconfirmed(&name, &recording);
        attacker.assert_nothing_ran();
    });
}

#[test]
fn of_the_user_who_runs_the_command_it_is_recorded_under_another_name() {
    let attacker = Attacker::new();
    let folder = scratch();
    let mut recorder = strait()
        .args(["record", "--containers", "--user", &attacker.uid().to_string(), "-o"])
        .arg(folder.path())
        .arg("--")
        .args(UNTIL_TOLD)
        .spawn();
    assert_eq!(recorder.line(), "recording");
    let _forged = attacker.forge(Lineage::Runc, "web", 1041);
    recorder.close();
    let (status, stderr) = recorder.end_within(PATIENCE);
    assert_eq!(status, 0, "{stderr}");
    let (name, recording) = of_forged(folder.path(), 1041);
    assert_unconfirmed(&name, &recording);
}

#[test]
fn of_another_user_it_is_not_recorded_even_then() {
    let (attacker, user) = (Attacker::new(), Attacker::new());
    let recorder = Recorder::start_by(&user);
    let _forged = attacker.forge(Lineage::Runc, "web", 1051);
    let (folder, stderr) = recorder.finish();
    let all = recordings(folder.path());
    assert!(all.iter().all(|(_, one)| forged_calls(one) != 1051), "{stderr}");
    assert!(stderr.contains("not recorded") && stderr.contains("other users"), "{stderr}");
}

/// A folder with the recording of a command, and one of a container that nothing confirms.
fn with_both() -> (tempfile::TempDir, PathBuf) {
    let attacker = Attacker::new();
    let recorder = Recorder::start_by(&attacker);
    let _forged = attacker.forge(Lineage::Conmon, "web", 1061);
    let (folder, _) = recorder.finish();
    let (name, _) = of_forged(folder.path(), 1061);
    // Other tests' containers may have been recorded, too.
    let dir = scratch();
    let unconfirmed = dir.path().join(&name);
    std::fs::copy(folder.path().join(&name), &unconfirmed).unwrap();
    strait()
        .args(["record", "-o", "command.recording.json", "--", "/bin/echo", "hello"])
        .in_dir(dir.path())
        .run();
    (dir, unconfirmed)
}

/// Whether a profile allows the call by which the forged one is known.
fn allows(profile: &str) -> bool {
    let profile: serde_json::Value = serde_json::from_str(profile).unwrap();
    let entries = profile["syscalls"].as_array().unwrap().iter();
    let mut allowed = entries.filter(|entry| entry["action"] == "SCMP_ACT_ALLOW");
    allowed.any(|entry| entry["names"].as_array().unwrap().iter().any(|name| name == CALL))
}

#[test]
fn generate_leaves_it_out_by_default() {
    let (dir, unconfirmed) = with_both();
    let generate = |more: &[&str]| {
        strait()
            .args(["generate", "command.recording.json"])
            .arg(&unconfirmed)
            .args(more.iter().copied())
            .in_dir(dir.path())
            .run()
    };
    let without = generate(&[]).says(&["unconfirmed"]);
    assert!(!allows(&without.stdout));
    assert!(allows(&generate(&["--allow-unconfirmed", "--allow-mixed"]).stdout));
    let alone = strait()
        .arg("generate")
        .arg(&unconfirmed)
        .expect_exit(3)
        .in_dir(dir.path())
        .run()
        .says(&["unconfirmed"]);
    assert_eq!(alone.stdout, "");
    strait().args(["generate", "--allow-unconfirmed"]).arg(&unconfirmed).in_dir(dir.path()).run();
}

#[test]
fn merge_leaves_it_out_by_default() {
    let (dir, unconfirmed) = with_both();
    let merge = |more: &[&str]| {
        strait()
            .args(["merge", "command.recording.json"])
            .arg(&unconfirmed)
            .args(more.iter().copied())
            .in_dir(dir.path())
    };
    let without = merge(&["-o", "-"]).run().says(&["unconfirmed"]);
    assert!(!without.stdout.contains(CALL));
    assert!(
        merge(&["-o", "-", "--allow-unconfirmed", "--allow-mixed"]).run().stdout.contains(CALL)
    );
    strait()
        .args(["merge", "-o", "-"])
        .arg(&unconfirmed)
        .expect_exit(3)
        .in_dir(dir.path())
        .run()
        .says(&["unconfirmed"]);
}

#[test]
fn verify_does_not_count_it_as_run_under_the_profile() {
    let attacker = Attacker::new();
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), base().to_string()).unwrap();
    let verify = with_sudo(strait(), &attacker)
        .args(["verify", "p.json", "--containers", "--format", "json", "-o"])
        .arg(attacker.path("report.json"))
        .arg("--")
        .args(UNTIL_TOLD)
        .in_dir(dir.path());
    let mut verifier = verify.spawn();
    assert_eq!(verifier.line(), "recording");
    let _forged = attacker.forge(Lineage::Runc, "web", 1071);
    verifier.close();
    let (status, stderr) = verifier.end_within(PATIENCE);
    assert!(stderr.contains("unconfirmed"), "{stderr}");
    attacker.assert_nothing_ran();
    // A container of another test may have run under the profile.
    match std::fs::read_to_string(attacker.path("report.json")) {
        Err(_) => assert_eq!(status, 3, "{stderr}"),
        Ok(report) => {
            let report: Value = serde_json::from_str(&report).unwrap();
            let names = report["containers"].as_array().unwrap();
            let is_forged = |name: &&Value| {
                name.as_str().is_some_and(|name| name == "web" || name.starts_with("unconfirmed"))
            };
            assert_eq!(names.iter().find(is_forged), None, "{names:?}");
        }
    }
}
