//! Recording by seccomp user notification: as complete as with eBPF, without any privilege, and nothing hangs when the
//! recorder is gone.

mod ends;
mod refused;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use strait_generator::abi::Abi;

use crate::completeness::{assert_same_but, record, trace};
use crate::privilege::as_nobody;
use crate::support::attacker::Attacker;
use crate::support::calls::{may_be_absent, read_complete_recording};
use crate::support::fixtures::{Fixture, text};
use crate::support::helpers::helper;
use crate::support::run::{STRAIT, Strait};
use crate::support::{Calls, Explained, kernel, scratch, scrub, strait, wait};
use crate::workloads;

/// A recording of a command by user notification into `r.json`.
fn notify(dir: &Path, options: &[&str], command: &[&str]) -> Strait {
    kernel::require_root();
    strait()
        .args(["record", "--backend", "notify", "-o", "r.json"])
        .args(options)
        .arg("--")
        .args(command)
        .in_dir(dir)
}

fn read(dir: &Path) -> Value {
    read_complete_recording(&dir.join("r.json"));
    serde_json::from_slice(&std::fs::read(dir.join("r.json")).unwrap()).unwrap()
}

/// A folder that any user may write to.
fn open_folder() -> tempfile::TempDir {
    let dir = scratch();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    dir
}

/// What the filter lets through by itself.
const NOT_NOTIFIED: &[Explained] = &[
    may_be_absent("rt_sigreturn", "it must not fail with EINTR, and is in every profile"),
    may_be_absent("sigreturn", "the same on i386"),
];

macro_rules! recorded_as_traced {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            kernel::require_root();
            let workload = workloads::$name();
            let recorded = record(&workload, &["--backend", "notify"]);
            assert_same_but(&workload, &trace(&workload), &recorded, NOT_NOTIFIED);
        }
    )*};
}

/// That the recording has the same calls as strace's log, by ABI, and as often.
mod recorded_as_strace_sees_it {
    use super::*;

    recorded_as_traced!(
        shell,
        python,
        spawn,
        clone3,
        daemon,
        bare,
        i386,
        mixed_abi,
        x32,
        thread_exec,
        unknown,
        restart,
        id_of_nobody,
        nginx,
        redis,
        stress_ng,
    );
}

/// What of a recording does not depend on time: calls with their counts, programs and values.
fn what_was_called(recording: &Value) -> Value {
    let mut abis = recording["abis"].clone();
    for abi in abis.as_object_mut().unwrap().values_mut() {
        abi["syscalls"].as_object_mut().unwrap().remove("rt_sigreturn");
        for call in abi["syscalls"].as_object_mut().unwrap().values_mut() {
            let call = call.as_object_mut().unwrap();
            call.remove("first_seen_ms");
            let values = call.get_mut("arguments").map(|of_call| &mut of_call["values"]);
            for value in values.into_iter().flat_map(|values| values.as_array_mut().unwrap()) {
                value.as_object_mut().unwrap().remove("first_seen_ms");
            }
        }
    }
    abis
}

#[test]
fn both_backends_record_the_same_counts_programs_and_values() {
    kernel::require_root();
    let sets = [
        vec![Fixture::Dynamic("arguments").path()],
        workloads::spawn().command,
        workloads::mixed_abi().command,
        workloads::thread_exec().command,
    ];
    for command in sets {
        let [ebpf, notified] = ["ebpf", "notify"].map(|backend| {
            let dir = scratch();
            let run = strait().args(["record", "--backend", backend, "-o", "r.json", "--"]);
            run.args(&command).in_dir(dir.path()).run();
            read(dir.path())
        });
        assert_eq!(what_was_called(&ebpf), what_was_called(&notified), "{command:?}");
        let paths = |recording: &Value| -> Vec<Value> {
            let programs = recording["programs"].as_array().unwrap().iter();
            programs.map(|program| json!([program["path"], program["inode"]])).collect()
        };
        assert_eq!(paths(&ebpf), paths(&notified), "{command:?}");
    }
}

#[test]
fn a_user_without_privilege_records_and_learns_how() {
    let attacker = Attacker::new();
    let workload = workloads::python();
    let output = attacker
        .command(Path::new(STRAIT))
        .args(["record", "-o", "r.json", "--"])
        .args(&workload.command)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for texts in ["Strait lacks CAP_BPF and CAP_PERFMON", "user notification", "no_new_privs"] {
        assert!(said.contains(texts), "{said}");
    }
    let recorded = Calls::from_recording(&read_complete_recording(&attacker.path("r.json")));
    let mut of_root = workloads::python();
    of_root.user = None;
    assert_same_but(&workload, &trace(&of_root), &recorded, NOT_NOTIFIED);
    let recording: Value =
        serde_json::from_slice(&std::fs::read(attacker.path("r.json")).unwrap()).unwrap();
    let caveats = json!([{"kind": "no-new-privs"}, {"kind": "traced-by", "tracer": "notify"}]);
    assert_eq!(recording["caveats"], caveats);
    let programs = recording["programs"].as_array().unwrap();
    assert!(programs.iter().all(|program| program["path"].as_str().unwrap().starts_with('/')));
}

#[test]
fn what_is_recorded_without_privilege_is_enough_for_a_profile() {
    let attacker = Attacker::new();
    let command = workloads::python().command;
    let mut record = attacker.command(Path::new(STRAIT));
    record.args(["record", "-o", "r.json", "--"]).args(&command).stdin(Stdio::null());
    assert!(record.output().unwrap().status.success());
    let dir = attacker.folder();
    strait()
        .args(["generate", "r.json", "-o", "p.json"])
        .in_dir(dir)
        .run()
        .says(&["no_new_privs", "user notification"]);
    strait().args(["check", "p.json", "--within", "docker-default"]).in_dir(dir).run();
    strait().args(["verify", "p.json", "--"]).args(&command).in_dir(dir).run();
}

#[test]
fn capabilities_for_the_probe_are_used_where_they_are() {
    let dir = open_folder();
    let run = strait().args(["record", "-o", "r.json", "--", "/bin/true"]).in_dir(dir.path());
    run.through(as_nobody(",+bpf,+perfmon")).run();
    assert_eq!(read(dir.path())["caveats"], Value::Null);
}

#[test]
fn set_user_id_programs_keep_their_rights_if_root_records() {
    let dir = open_folder();
    let id = dir.path().join("id");
    std::fs::copy("/usr/bin/id", &id).unwrap();
    std::fs::set_permissions(&id, PermissionsExt::from_mode(0o4755)).unwrap();
    let id = text(&id);
    let outcome = notify(dir.path(), &["--user", "nobody"], &[&id, "-u"]).run();
    assert_eq!(outcome.stdout, "0\n");
    assert_eq!(
        read(dir.path())["caveats"],
        json!([{"kind": "traced-by", "tracer": "notify"}]),
        "no_new_privs was not needed"
    );
    let outcome = notify(dir.path(), &[], &[&id, "-u"]).through(as_nobody("")).run();
    assert_eq!(outcome.stdout, "65534\n");
}

#[test]
fn the_command_inherits_what_it_would_without_a_recorder() {
    let script = "echo /proc/self/fd/*; \
                  grep -E '^(Sig(Blk|Ign|Cgt)|Cap.*|Groups|Uid|Gid):' /proc/self/status; \
                  umask; ulimit -a; env";
    let dir = scratch();
    let mut shell = Command::new("/bin/sh");
    scrub(&mut shell, dir.path());
    crate::support::run::heed_sigint(&mut shell);
    let alone = shell.args(["-c", script]).stdin(Stdio::null()).output().unwrap();
    let alone = String::from_utf8(alone.stdout).unwrap();
    let recorded = notify(dir.path(), &[], &["/bin/sh", "-c", script]).run().stdout;
    let lines = recorded.lines().filter(|line| !line.starts_with("STRAIT_MARK="));
    let recorded: String = lines.map(|line| format!("{line}\n")).collect();
    assert_eq!(recorded, alone.replace(dir.path().to_str().unwrap(), "[DIR]"));
}

#[test]
fn each_marked_test_has_its_own_sample() {
    let dir = scratch();
    let script = "$STRAIT mark start; cat /etc/hostname >/dev/null; $STRAIT mark reads; \
                  mkdir d; $STRAIT mark 'makes a folder'";
    notify(dir.path(), &[], &["/bin/sh", "-c", script]).env("STRAIT", STRAIT).run();
    let recording = read_complete_recording(&dir.path().join("r.json"));
    let mkdir = Abi::X86_64.syscall_number("mkdir").unwrap();
    let samples: Vec<_> = recording
        .samples
        .iter()
        .map(|sample| (sample.name.as_str(), sample.has(Abi::X86_64, mkdir)))
        .collect();
    assert_eq!(samples, [("start", false), ("reads", false), ("makes a folder", true)]);
    assert!(recording.programs.iter().all(|program| program.path != STRAIT));
}

#[test]
fn each_of_many_calls_from_many_tasks_is_counted() {
    let dir = scratch();
    let many = Fixture::Dynamic("many_calls").path();
    notify(dir.path(), &[], &[&many, "8", "4", "500"]).run();
    let calls = Calls::from_recording(&read_complete_recording(&dir.path().join("r.json")));
    assert_eq!(calls.count(Abi::X86_64, "getppid"), 8 * 4 * 500);
}

/// dash takes SIGCHLD with a handler that has no call made anew: without care its `close`, `pipe` and `clone` fail with
/// EINTR when a child ends.
#[test]
fn the_end_of_a_child_ends_no_call_of_a_shell() {
    let script = "i=0; while [ $i -lt 100 ]; do
                      x=$(echo a | cat | (read -r l; echo $l)); test $x = a || echo wrong: $x
                      y=$(cat /dev/null | wc -l); (cd / && (pwd >/dev/null; exit 3))
                      test $? = 3 || echo wrong status
                      i=$((i+1))
                  done; set -- /proc/self/fd/*; echo $# files";
    let command = ["/bin/dash", "-c", script];
    for user in [Vec::new(), as_nobody("")] {
        let dir = open_folder();
        let alone = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
        let alone = String::from_utf8(alone.unwrap().stdout).unwrap();
        let outcome = notify(dir.path(), &["--quiet"], &command).through(user).run();
        // It complains here of what it could not do.
        let complaints = outcome.stderr.lines().filter(|line| !line.starts_with("strait: warning"));
        assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(outcome.stdout, alone, "with a file open for each close that failed");
    }
}

#[test]
fn a_shell_can_be_stopped_and_traced_while_it_is_recorded() {
    let dir = scratch();
    let script = "(kill -STOP $$; sleep 0.1; kill -CONT $$) & wait $!; x=$(echo stopped); echo $x; \
                  strace -f -o log /bin/dash -c 'x=$(echo traced); echo $x' && grep -c 'clone(' log";
    let outcome = notify(dir.path(), &[], &["/bin/dash", "-c", script]).run();
    assert_eq!(outcome.stdout, "stopped\ntraced\n1\n");
}

#[test]
fn calls_that_are_kept_away_are_not_made() {
    let dir = scratch();
    let ring = "import ctypes; ctypes.CDLL(None).syscall(425, 1, None)";
    notify(dir.path(), &["--without", "io_uring"], &["python3", "-c", ring]).run();
    let recording = read(dir.path());
    assert_eq!(recording["abis"]["x86_64"]["syscalls"]["io_uring_setup"], Value::Null);
}

#[test]
fn more_executables_than_there_is_room_for_make_it_incomplete() {
    let dir = scratch();
    let script = "/bin/true; /bin/cat /dev/null; exit 0";
    notify(dir.path(), &["--max-programs", "1"], &["/bin/sh", "-c", script])
        .run()
        .says(&["incomplete", "--max-programs"]);
    let recording: Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(recording["complete"], false);
}

#[test]
fn a_name_cannot_pose_as_a_message() {
    let attacker = Attacker::new();
    let folder = attacker.make_folder("::error::\n\u{1b}[31mstrait: error");
    let program: PathBuf = folder.join("docker");
    std::fs::copy("/bin/true", &program).unwrap();
    let outcome = notify(attacker.folder(), &["-v"], &[program.to_str().unwrap()]).run();
    let line = |line: &str| line.starts_with("::error") || line.contains('\u{1b}');
    assert!(!outcome.stderr.lines().any(line), "{}", outcome.stderr);
    let recording = read(attacker.folder());
    assert_eq!(recording["programs"][0]["path"], program.to_str().unwrap());
}

/// A line of `/proc/PID/status`.
fn status(pid: &str, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}

#[test]
fn recorder_and_standby_keep_nothing_that_they_do_not_need() {
    let dir = open_folder();
    for (user, kept) in [(Vec::new(), "0000000000080020"), (as_nobody(""), "0000000000000000")] {
        let script = ["/bin/sh", "-c", "echo ready; read line; exit 0"];
        let mut recorder = notify(dir.path(), &[], &script).through(user).spawn();
        assert_eq!(recorder.line(), "ready");
        let pid = recorder.pid().to_string();
        // CAP_KILL and CAP_SYS_PTRACE.
        assert_eq!(status(&pid, "CapPrm"), kept);
        let standby = &helper(&pid, "strait-standby").unwrap();
        assert_eq!(status(standby, "CapPrm"), "0000000000000000");
        for of in [&pid, standby] {
            assert_eq!((status(of, "NoNewPrivs"), status(of, "Seccomp")), ("1".into(), "2".into()));
            // What cannot be dumped belongs to root, so that its user can neither trace it nor take its descriptors.
            let owner = std::os::unix::fs::MetadataExt::uid(
                &Path::new(&format!("/proc/{of}/fd")).metadata().unwrap(),
            );
            assert_eq!(owner, 0, "{of}");
        }
        // It may not have taken the listener out of its socket yet.
        wait::until("it has input, output and error, the recorder's socket, the listener", || {
            std::fs::read_dir(format!("/proc/{standby}/fd")).unwrap().count() == 5
        });
        assert_eq!(recorder.finish().0, 0);
    }
}
