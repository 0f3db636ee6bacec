//! Forged containers, and processes that name a container that is not theirs.

use std::path::Path;
use std::process::Command;

use super::{PATIENCE, Recorder, UNTIL_TOLD, each};
use crate::runtimes::{Bundle, Runtime, Way};
use crate::support::attacker::{Attacker, IMAGE, Lineage, NAME, forged_calls, recordings};
use crate::support::profiles::base;
use crate::support::spawned::Spawned;
use crate::support::{scratch, scrub, strait};

/// One of each kind, each with an id of its own.
fn forge_all(attacker: &Attacker, count: u32) -> Vec<Spawned> {
    Lineage::ALL
        .into_iter()
        .map(|lineage| attacker.forge(lineage, &format!("{lineage:?}-{count}"), count))
        .collect()
}

/// The files of forged containers.
fn forged(folder: &Path, count: u32) -> Vec<String> {
    let all = recordings(folder).into_iter();
    all.filter(|(_, recording)| forged_calls(recording) == u64::from(count))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn no_program_is_executed_because_a_process_names_it() {
    each(Lineage::ALL, |lineage| {
        let attacker = Attacker::new();
        let recorder = Recorder::start(strait());
        let _forged = attacker.forge(lineage, "web", 1);
        recorder.finish();
        attacker.assert_nothing_ran();
    });
}

#[test]
fn no_program_is_executed_while_containers_are_verified() {
    let attacker = Attacker::new();
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), base().to_string()).unwrap();
    let mut verifier = strait()
        .args(["verify", "p.json", "--containers", "--only", NAME, "--"])
        .args(UNTIL_TOLD)
        .in_dir(dir.path())
        .spawn();
    assert_eq!(verifier.line(), "recording");
    let _forged = forge_all(&attacker, 2);
    verifier.close();
    let (status, stderr) = verifier.end_within(PATIENCE);
    attacker.assert_nothing_ran();
    assert_eq!(status, 3, "what says that it is {NAME} counts as run under the profile:\n{stderr}");
}

#[test]
fn no_program_of_the_invoking_users_own_is_executed_either() {
    let attacker = Attacker::new();
    let recorder = Recorder::start_by(&attacker);
    let _forged = forge_all(&attacker, 3);
    recorder.finish();
    attacker.assert_nothing_ran();
}

#[test]
fn what_a_user_makes_look_like_a_container_is_not_recorded() {
    each((1011..).zip(Lineage::ALL), |(count, lineage)| {
        let attacker = Attacker::new();
        let recorder = Recorder::start(strait());
        let _forged = attacker.forge(lineage, &format!("{lineage:?}"), count);
        let (folder, stderr) = recorder.finish();
        let files = forged(folder.path(), count);
        assert!(files.is_empty(), "{lineage:?} is recorded as {files:?}\n{stderr}");
        let notes: Vec<_> = stderr.lines().filter(|line| line.contains("not recorded")).collect();
        assert_eq!(notes.len(), 1, "{lineage:?}: {stderr}");
        assert!(notes[0].contains("other users"), "{stderr}");
        assert!(!stderr.contains(NAME) && !stderr.contains(IMAGE), "{stderr}");
    });
}

/// The ids of containers are public: each user may read the cgroup of any process.
#[test]
fn what_says_that_it_is_a_real_container_is_not_taken_for_it() {
    let attacker = Attacker::new();
    let recorder = Recorder::start(strait());
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "sleep", "600"]);
    bundle.start();
    let count = 1021;
    let _forged: Vec<_> = Lineage::ALL
        .into_iter()
        .map(|lineage| attacker.forge(lineage, bundle.id(), count))
        .collect();
    let (folder, stderr) = recorder.finish();
    let files = forged(folder.path(), count);
    assert!(files.is_empty(), "recorded as {files:?}\n{stderr}");
    let all = recordings(folder.path());
    let real: Vec<_> =
        all.iter().filter(|(_, one)| one["target"]["container"]["id"] == bundle.id()).collect();
    let names: Vec<_> = real.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [format!("{}.recording.json", bundle.id())]);
    assert_eq!(real[0].1["complete"], true);
}

/// A runtime that is not called as one leaves nothing in its command line that tells the container's id; a
/// user's process does, and is not asked.
#[test]
fn a_monitor_of_a_users_own_is_not_asked_about_a_real_container() {
    let attacker = Attacker::new();
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "echo"]);
    let line = attacker.line(Lineage::Conmon, bundle.id());
    let line: Vec<_> = line.iter().map(String::as_str).collect();
    let _monitor = attacker.start(&line, "monitor", &[]);
    let programs = scratch();
    let runtime = programs.path().join("oci-runtime");
    std::os::unix::fs::symlink("/usr/sbin/runc", &runtime).unwrap();
    let recorder = Recorder::start(strait());
    let mut run = Command::new(&runtime);
    scrub(&mut run, Path::new("/"));
    let run = run.args(["run", "--bundle"]).arg(bundle.path()).arg(bundle.id()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let (folder, stderr) = recorder.finish();
    attacker.assert_nothing_ran();
    let all = recordings(folder.path());
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&&*format!("{}.recording.json", bundle.id())), "{names:?}\n{stderr}");
    let of_monitor = names.iter().filter(|name| name.contains(NAME)).count();
    assert_eq!(of_monitor, 0, "{names:?}");
}

/// More than a recorder can tell apart.
#[test]
fn namespaces_of_a_user_take_no_room_from_containers() {
    let attacker = Attacker::new();
    let recorder = Recorder::start(strait());
    let count = (probe_common::CONTAINERS + 100).to_string();
    let _many = attacker.start(&["many"], "many", &[("FORGE_COUNT", &count)]);
    let bundle = Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "echo"]);
    assert!(bundle.run().status.success());
    let (folder, stderr) = recorder.finish();
    let name = format!("{}.recording.json", bundle.id());
    let all = recordings(folder.path());
    let found = all.iter().find(|(file, _)| *file == name);
    let (_, recording) =
        found.unwrap_or_else(|| panic!("{name} is not among {}\n{stderr}", all.len()));
    assert_eq!(recording["complete"], true, "{}", recording["losses"]);
}
