//! Room in the probe's tables: containers that have ended give theirs back, and none is mixed with the next one.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::run::STRAIT;
use crate::support::recorder::strait_with_engines;
use crate::support::{Bundle, Recorder, Runtime, lab};

const MARKER: &str = "sched_rr_get_interval";

fn marker(count: u64) -> [String; 3] {
    let number = libc::SYS_sched_rr_get_interval;
    ["/bin/marker".to_owned(), number.to_string(), count.to_string()]
}

/// More containers than there are counters for at once: each has its own, complete, with what it has called.
pub fn of_ended_containers() {
    const COUNT: u64 = 48;
    let recorder = Recorder::start_with(&["--max-programs", "64"]);
    for number in 1..=COUNT {
        Bundle::new(&marker(number)).run(Runtime::Runc, &[], &format!("room-{number}"));
    }
    let recordings = recorder.finish();
    for number in 1..=COUNT {
        let id = format!("room-{number}");
        let mut found = recordings.all.iter().filter(|one| one.of_container()["id"] == id.as_str());
        let recording = found.next().unwrap_or_else(|| panic!("{id} is recorded"));
        assert!(found.next().is_none(), "{id} is recorded once");
        recording.assert_complete();
        assert_eq!(recording.calls().get(MARKER), Some(&number), "{id}");
        assert!(recording.calls_in("runtime").contains("execve"), "{id}");
    }
}

/// With the two capabilities that recording a command needs, and no others, the recorder cannot see which containers
/// there are already: none is taken for new.
pub fn with_two_capabilities() {
    let dir = lab().scratch();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("ours");
    let running = Bundle::new(&["/bin/pause"]);
    let id = "room-running";
    let mut started = Command::new("runc");
    started.args(["run", "--detach", "--bundle"]).arg(running.path()).arg(id);
    started.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    assert!(started.status().expect("runc is there").success());
    let strait = strait_with_engines().through([
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+bpf,+perfmon",
        "--ambient-caps=-all,+bpf,+perfmon",
        "--bounding-set=-all,+bpf,+perfmon",
    ]);
    assert!(std::path::Path::new(STRAIT).exists());
    let recorder = Recorder::start_into(strait, dir, &[]);
    let [program, number, count] = marker(7);
    let mut exec = Command::new("runc");
    exec.args(["exec", id, &program, &number, &count]);
    assert!(exec.status().expect("runc is there").success());
    let mut kill = Command::new("runc");
    kill.args(["delete", "--force", id]);
    assert!(kill.status().expect("runc is there").success());
    let recordings = recorder.finish();
    let found = recordings.all.iter().find(|one| one.calls().get(MARKER) == Some(&7));
    let recording = found.unwrap_or_else(|| panic!("among {:?}", recordings.names()));
    assert_eq!(recording.start(), "attached");
    assert_eq!(recording.value["complete"], false);
    assert_eq!(recording.value["losses"]["starts"], 1);
}
