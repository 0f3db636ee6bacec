//! What programs can call, found while they are recorded: held against what they did call.

use std::path::Path;

use serde_json::Value;

use crate::support::attacker::Attacker;
use crate::support::reachable::{missed, programs};
use crate::support::run::{Outcome, STRAIT};
use crate::support::{kernel, scratch, strait};
use crate::workloads;

/// Tools that every Debian has, doing what they do.
const TOOLS: &str = "mkdir d; echo b > d/a; cp d/a d/b; mv d/b d/c; ln -s a d/l; readlink d/l; rm d/l d/c; touch d/e; \
    chmod 600 d/e; stat d/e; df . ; du d; sort d/a; wc d/a; head d/a; tail d/a; date; id; uname -a; sleep 0.01; env; \
    nproc; timeout 5 true; split d/a d/x; dd if=d/a of=d/z 2>dd; realpath d; mktemp -u; tee d/q < d/a; \
    ls -la d; grep -r b d; sed s/b/c/ d/a; awk '{print}' d/a; find d -type f; diff d/a d/a; \
    tar cf d.tar d; tar xf d.tar; gzip d.tar; gunzip d.tar.gz; perl -e 'print 1; system(\"true\")'; \
    bash -c '(true) & wait; echo a | cat; read x < d/a; ulimit -n; kill -0 $$'; mkfifo f; rm f; \
    getent hosts localhost; getent passwd root; sha256sum d/a; factor 12; true";

/// As much as half of what Docker allows by default is for C programs more than most can call: 60 % of 305 calls.
const MEDIAN: usize = 183;

fn record(dir: &Path, options: &[&str], command: &[String]) -> (Value, Outcome) {
    kernel::require_root();
    let run = strait().args(["record", "-o", "r.json"]).args(options.to_vec()).arg("--");
    let outcome = run.args(command.to_vec()).in_dir(dir).run();
    let text = std::fs::read_to_string(dir.join("r.json")).unwrap();
    (serde_json::from_str(&text).unwrap(), outcome)
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

#[test]
fn what_tools_call_is_what_they_can_call() {
    for backend in ["ebpf", "notify"] {
        let dir = scratch();
        let (recording, _) = record(dir.path(), &["--backend", backend], &shell(TOOLS));
        let programs = programs(&recording);
        assert!(programs.len() >= 20, "{:?}", programs.keys());
        let mut sizes: Vec<usize> = Vec::new();
        for (path, program) in &programs {
            let missed = missed(program);
            assert!(missed.is_empty(), "{backend} {path}: {missed:?}, open: {:?}", program.open);
            sizes.push(program.reachable.len());
        }
        sizes.sort_unstable();
        assert!(sizes[sizes.len() / 2] <= MEDIAN, "{sizes:?}");
    }
}

#[test]
fn what_workloads_call_is_what_they_can_call_unless_it_is_open() {
    for workload in [workloads::python(), workloads::nginx(), workloads::redis(), workloads::curl()]
    {
        let dir = scratch();
        workload.prepare(dir.path());
        let (recording, _) = record(dir.path(), &[], &workload.command);
        for (path, program) in
            programs(&recording).iter().filter(|(path, _)| path.starts_with("/usr/"))
        {
            let missed = missed(program);
            assert!(missed.is_empty(), "{path}: {missed:?}, open: {:?}", program.open);
            assert!(program.reachable.len() > 30, "{path}: {:?}", program.open);
        }
    }
}

/// Whether a program that ends at once is still there when it is looked for makes no difference.
#[test]
fn programs_with_relative_paths_are_scanned_however_short_their_lives() {
    let dir = scratch();
    let copies = "for i in 1 2 3 4 5 6 7 8 9; do cp /bin/true t$i; ./t$i; done; mkdir d; cp /bin/true d/moved";
    let (recording, _) = record(dir.path(), &[], &shell(&format!("{copies}; cd d; ./moved")));
    let programs = programs(&recording);
    let copies: Vec<_> = programs.iter().filter(|(path, _)| path.contains("/t")).collect();
    assert!(copies.len() >= 9, "{:?}", programs.keys());
    for (path, program) in copies {
        assert!(program.reachable.len() > 30, "{path}: {:?}", program.open);
    }
    let (path, moved) = programs.iter().find(|(path, _)| path.ends_with("/moved")).unwrap();
    if path == "./moved" {
        assert!(moved.open.join("; ").contains("in which folder"), "{:?}", moved.open);
    }
    let real = dir.path().canonicalize().unwrap().join("t1");
    for called in ["./t1", "d/../t1"] {
        for _ in 0..8 {
            let (recording, _) = record(dir.path(), &[], &[called.to_owned()]);
            assert_eq!(recording["programs"][0]["path"], real.to_str().unwrap(), "{called}");
        }
    }
}

#[test]
fn a_program_that_is_not_there_any_more_is_not_scanned() {
    let dir = scratch();
    let folder = dir.path().display();
    let script = format!(
        "cp /bin/true gone; {folder}/gone; cp /bin/true other; {folder}/other; cp /bin/true where; ./where; \
         cp /bin/cat new; mv new other; rm gone"
    );
    let (recording, _) = record(dir.path(), &[], &shell(&script));
    let programs = programs(&recording);
    let reason = |name: &str| {
        let found = programs.iter().find(|(path, _)| path.ends_with(name));
        let (_, program) = found.unwrap_or_else(|| panic!("{name}: {:?}", programs.keys()));
        assert!(program.reachable.is_empty(), "{name}: {:?}", program.reachable);
        program.open.join("; ")
    };
    assert!(reason("/gone").contains("No such file"), "{}", reason("/gone"));
    assert!(reason("/other").contains("another one than was executed"), "{}", reason("/other"));
}

#[test]
fn hostile_programs_cost_only_what_is_known_of_them() {
    let dir = scratch();
    // Nothing of what has taken a program's place is waited for. Each stays on the disk under another name, so that no
    // other one gets its number.
    let folder = dir.path().display();
    let run = |name: &str| format!("cp /bin/true {name}; {folder}/{name}; mv {name} old-{name}");
    let script = format!(
        "{}; mkfifo p; {}; ln -s /dev/zero q; {}; ln -s /proc/kmsg k; ls",
        run("p"),
        run("q"),
        run("k")
    );
    let (recording, _) = record(dir.path(), &[], &shell(&script));
    let programs = programs(&recording);
    for (name, why) in
        [("/p", "not a regular file"), ("/q", "not a regular file"), ("/k", "it is empty")]
    {
        let (_, program) = programs.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        assert!(program.open.join("; ").contains(why), "{name}: {:?}", program.open);
    }
    assert!(
        programs.values().any(|program| program.reachable.len() > 30),
        "the others are scanned"
    );
}

/// It is the user's own process, who may end it, and gets a recording that says so.
#[test]
fn who_ends_the_process_that_scans_gets_a_recording_without_it() {
    kernel::require_root();
    let (dir, user) = (scratch(), Attacker::new());
    let kill = format!("kill -KILL $(pgrep -u {} -x strait-scanner); id", user.uid());
    user.own(dir.path());
    let run = strait().args(["record", "-o", "r.json", "--"]).args(shell(&kill));
    let run = user.sudo().into_iter().fold(run, |run, (name, value)| run.env(name, value));
    run.in_dir(dir.path()).run();
    let text = std::fs::read_to_string(dir.path().join("r.json")).unwrap();
    let programs = programs(&serde_json::from_str(&text).unwrap());
    assert!(programs.len() > 2, "{:?}", programs.keys());
    for (path, program) in programs {
        let why = ["it was not scanned: the process that scans has ended"];
        assert_eq!(program.open, why, "{path}");
    }
}

#[test]
fn it_can_be_left_out() {
    let dir = scratch();
    let (recording, _) = record(dir.path(), &["--no-scan"], &shell("ls"));
    let programs = recording["programs"].as_array().unwrap();
    assert!(programs.iter().all(|program| program.get("reachable").is_none()), "{programs:?}");
}

#[test]
fn the_process_that_scans_has_no_privilege() {
    kernel::require_root();
    for (options, count) in [
        (&["--backend", "ebpf", "-o", "r.json"][..], 1),
        (&["--backend", "notify", "-o", "r.json"], 1),
        (&["--containers", "-o", "."], 3),
    ] {
        let dir = scratch();
        let words = [&["-v", "record"], options, &["--", "/bin/true"]].concat();
        let outcome = strait().args(words).in_dir(dir.path()).run();
        let lines: Vec<_> =
            outcome.stderr.lines().filter(|line| line.contains("stage scanner: ")).collect();
        assert_eq!(lines.len(), count, "{STRAIT} says {}", outcome.stderr);
        lines.iter().for_each(|line| assert_unprivileged(line));
    }
}

fn assert_unprivileged(line: &str) {
    for word in ["uid 65534 fsuid 65534", "caps []", "no_new_privs 1", "seccomp 2", "threads 1"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    // Its end of the socket and the root; what else is open is /dev/null, and the log.
    let (_, open) = line.split_once("fds [").unwrap();
    let harmless = |kind: &str| {
        ["/", "/dev/null", "socket", "pipe"].contains(&kind) || kind.starts_with("/proc/")
    };
    let others: Vec<_> =
        open.trim_end_matches(']').split(", ").filter(|kind| !harmless(kind)).collect();
    assert!(others.is_empty(), "{line}");
}
