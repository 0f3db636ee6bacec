//! Files with 10⁵ of everything: done in seconds, or refused at once by a bound that is documented.
//!
//! The processor time of a run is limited, and not the time on the clock: a machine that is busy with other things
//! changes nothing. Without optimization the limit is ten times the work that is expected.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::run::Outcome;
use crate::support::{scratch, strait};

const MANY: usize = 100_000;
/// Seconds of the processor, and KiB of memory.
const LIMITS: &str = "ulimit -t 80 && ulimit -v 2000000 && exec \"$@\"";

fn bounded(dir: &Path, args: &[&str], status: i32) -> Outcome {
    let run = strait().through(["sh", "-c", LIMITS, "sh"]).args(args.to_vec());
    run.in_dir(dir).expect_exit(status).run()
}

fn profile(entries: impl IntoIterator<Item = Value>) -> String {
    let mut all = vec![
        json!({"names": ["exit", "exit_group", "execve", "read"], "action": "SCMP_ACT_ALLOW"}),
    ];
    all.extend(entries);
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": all,
    });
    profile.to_string()
}

fn entry(name: &str, action: &str, args: &[(usize, u64)]) -> Value {
    let arg = |(index, value): &(usize, u64)| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    json!({"names": [name], "action": action, "args": args.iter().map(arg).collect::<Vec<_>>()})
}

fn value(nth: usize) -> u64 {
    (nth as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Writes a profile and one to compare it with.
fn with_profile(text: &str, test: impl Fn(&Path)) {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), text).unwrap();
    std::fs::write(dir.path().join("plain.json"), profile([])).unwrap();
    test(dir.path());
}

/// All commands that read a profile refuse it, and say why.
fn is_refused(text: &str, why: &str) {
    with_profile(text, |dir| {
        for args in [
            &["lint", "p.json"][..],
            &["check", "p.json"],
            &["check", "plain.json", "--within", "p.json"],
            &["diff", "plain.json", "p.json"],
            &["merge", "plain.json", "p.json"],
            &["merge", "--intersect", "p.json", "plain.json"],
            &["explain", "p.json", "read"],
            &["export", "p.json", "--to", "docker"],
        ] {
            let Outcome { stderr, .. } = bounded(dir, args, 1);
            assert!(stderr.contains(why), "{args:?}: {stderr:.400}");
            assert!(stderr.len() < 20_000, "{args:?} says it in {} bytes", stderr.len());
        }
    });
}

#[test]
fn a_hundred_thousand_conditions_are_refused() {
    let conditions = |nth| json!({"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": nth, "op": "SCMP_CMP_EQ"}]});
    is_refused(
        &profile((0..60_000).map(conditions)),
        "has 60000 rules with conditions, and Strait accepts 4096",
    );
    let all: Vec<Value> =
        (0..MANY).map(|nth| json!({"index": 1, "value": nth, "op": "SCMP_CMP_EQ"})).collect();
    let one = json!({"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": all});
    is_refused(&profile([one]), "100004 rules");
}

#[test]
fn a_hundred_thousand_names_are_refused() {
    let names: Vec<String> = (0..MANY).map(|nth| format!("call_{nth}")).collect();
    let one = json!({"names": names, "action": "SCMP_ACT_ALLOW"});
    is_refused(&profile([one]), "100004 rules (names times conditions), and Strait accepts 65536");
    let each = names.iter().map(|name| json!({"names": [name], "action": "SCMP_ACT_ALLOW"}));
    is_refused(&profile(each), "100004 rules");
    // Ten thousand names with ten thousand conditions are a small file.
    let args: Vec<Value> =
        (0..10_000).map(|nth| json!({"index": 0, "value": nth, "op": "SCMP_CMP_EQ"})).collect();
    let product = json!({"names": names[..10_000], "action": "SCMP_ACT_ALLOW", "args": args});
    is_refused(&profile([product]), "100000004 rules");
}

#[test]
fn a_file_larger_than_a_profile_is_refused() {
    let large = format!("{{\"defaultAction\": [{}0]}}", "0,".repeat(5_000_000));
    is_refused(&large, "more than 8388608 bytes");
}

#[test]
fn few_mistakes_of_a_profile_are_listed() {
    let mistakes = profile((0..MANY).map(|_| json!({"Names": 1})));
    with_profile(&mistakes, |dir| {
        let Outcome { stderr, .. } = bounded(dir, &["check", "p.json"], 1);
        assert!(stderr.contains("more places are wrong"), "{stderr}");
        let Outcome { stdout, .. } = bounded(dir, &["lint", "p.json"], 10);
        assert!(stdout.contains("and 99999 more"), "{stdout}");
    });
}

#[test]
fn fields_that_come_twice_below_a_long_name_are_named() {
    let long = "k".repeat(1_000_000);
    let inner: String = (0..MANY).map(|nth| format!("\"{nth}\":1,\"{nth}\":2,")).collect();
    let twice = format!("{{\"defaultAction\": 1, \"{long}\": {{{inner}\"x\":1}}}}");
    with_profile(&twice, |dir| {
        let Outcome { stderr, .. } = bounded(dir, &["lint", "p.json"], 1);
        assert!(stderr.contains("occurs twice") && stderr.len() < 100_000, "{stderr:.400}");
    });
}

/// As much as is taken: then everything has to be done with it.
fn is_done(text: &str, lint: i32) {
    with_profile(text, |dir| {
        bounded(dir, &["lint", "p.json"], lint);
        for args in [&["check", "p.json", "--within", "p.json"][..], &["diff", "p.json", "p.json"]]
        {
            bounded(dir, args, 0);
        }
        bounded(dir, &["diff", "plain.json", "p.json"], 10);
        bounded(dir, &["explain", "p.json", "ioctl(0, 7)"], 0);
    });
}

#[test]
fn four_thousand_conditions_of_one_call_are_done() {
    is_done(
        &profile((0..4000).map(|nth| entry("ioctl", "SCMP_ACT_ALLOW", &[(1, value(nth))]))),
        10,
    );
}

#[test]
fn two_actions_for_thousands_of_values_are_done() {
    let action = |nth| if nth % 2 == 0 { "SCMP_ACT_ALLOW" } else { "SCMP_ACT_LOG" };
    is_done(&profile((0..4000).map(|nth| entry("ioctl", action(nth), &[(1, value(nth))]))), 10);
}

#[test]
fn sixty_thousand_names_are_done() {
    let names: Vec<String> = (0..60_000).map(|nth| format!("call_{nth}")).collect();
    let one = json!({"names": names, "action": "SCMP_ACT_ALLOW"});
    // Of as many a registry takes none.
    is_done(&profile([entry("ioctl", "SCMP_ACT_ALLOW", &[(1, 7)]), one]), 10);
}

#[test]
fn what_would_take_too_long_to_compare_is_refused() {
    // Each ties a bit to one that is 32 bits away; few enough in each call, and many calls.
    let calls =
        ["ioctl", "prctl", "fcntl", "openat", "mmap", "clone", "socket", "kill", "write", "lseek"];
    let entries = calls.iter().flat_map(|call| {
        (0..20).map(move |bit| {
            let mask = 1u64 << bit | 1 << (bit + 32);
            json!({"names": [call], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 1, "value": mask, "valueTwo": mask, "op": "SCMP_CMP_MASKED_EQ"}]})
        })
    });
    with_profile(&profile(entries), |dir| {
        bounded(dir, &["lint", "p.json"], 0);
        let Outcome { stderr, .. } = bounded(dir, &["check", "p.json"], 1);
        assert!(stderr.contains("more ways than can be decided about exactly"), "{stderr}");
    });
}

fn exceptions(calls: impl IntoIterator<Item = String>) -> String {
    let one = |call: String| json!({"call": call, "reason": "reviewed", "expires": "2020-01-01"});
    let all: Vec<Value> = calls.into_iter().map(one).collect();
    json!({"schema": "strait.allow/v1", "exceptions": all}).to_string()
}

#[test]
fn a_hundred_thousand_exceptions_are_refused() {
    with_profile(&profile([entry("ioctl", "SCMP_ACT_ALLOW", &[])]), |dir| {
        for call in ["ioctl", "read", "ioctl(_, NTH)", "NTH"] {
            let list = exceptions((0..MANY).map(|nth| call.replace("NTH", &nth.to_string())));
            std::fs::write(dir.join("allow.json"), list).unwrap();
            let args = ["diff", "plain.json", "p.json", "--allow-file", "allow.json"];
            let Outcome { stderr, .. } = bounded(dir, &args, 1);
            let why = ["100000 exceptions, and Strait accepts 4096", "more than 8388608 bytes"];
            assert!(why.iter().any(|why| stderr.contains(why)), "{stderr:.400}");
        }
    });
}

#[test]
fn as_many_exceptions_as_are_taken_are_done() {
    let values = (0..4000).map(|nth| entry("ioctl", "SCMP_ACT_ALLOW", &[(1, value(nth) >> 32)]));
    with_profile(&profile(values), |dir| {
        for (expires, status) in [("2020-01-01", 10), ("9999-12-31", 0)] {
            let calls = (0..4000).map(|nth| format!("ioctl(_, {})", value(nth) >> 32));
            let list = exceptions(calls).replace("2020-01-01", expires);
            std::fs::write(dir.join("allow.json"), list).unwrap();
            bounded(dir, &["diff", "plain.json", "p.json", "--allow-file", "allow.json"], status);
        }
    });
}

/// Values of the first and third argument are tied together, and those of the second and fourth.
#[test]
fn exceptions_that_would_take_too_long_to_compare_excuse_nothing() {
    with_profile(&profile([entry("prctl", "SCMP_ACT_ALLOW", &[])]), |dir| {
        let tied = |nth: usize| match nth % 2 {
            0 => format!("prctl({nth}, _, {}, _, _)", value(nth)),
            _ => format!("prctl(_, {}, _, {}, _)", value(nth), value(nth + 1)),
        };
        let list = exceptions((0..4000).map(tied)).replace("2020-01-01", "9999-12-31");
        std::fs::write(dir.join("allow.json"), list).unwrap();
        bounded(dir, &["diff", "plain.json", "p.json", "--allow-file", "allow.json"], 10);
    });
}

fn recording(change: impl Fn(&mut Value)) -> String {
    let call = |number: u32| json!({"number": number, "count": 1, "first_seen_ms": 0, "programs": {"/app": 1}});
    let mut recording = json!({
        "schema": "strait.recording/v1", "tool": {"name": "strait", "version": "0.1.0"},
        "host": {"kernel": "6.1.0", "arch": "x86_64"},
        "target": {"kind": "command", "name": "app", "command": ["app"]},
        "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:01Z",
        "complete": true, "losses": {"calls": 0, "programs": 0, "missed": 0, "tasks": 0},
        "programs": [{"path": "/app", "device": "8:1", "inode": 1}],
        "abis": {"x86_64": {"syscalls": {
            "execve": call(59), "exit_group": call(231), "read": call(0), "ioctl": call(16)}}},
    });
    change(&mut recording);
    recording.to_string()
}

/// Every command that reads a recording comes to an end with it.
fn is_read(text: &str) {
    let dir = scratch();
    std::fs::write(dir.path().join("r.json"), text).unwrap();
    std::fs::write(dir.path().join("plain.json"), recording(|_| ())).unwrap();
    for (args, status) in [
        (&["generate", "r.json", "-o", "p.json"][..], 0),
        (&["check", "p.json", "--covers", "r.json"], 0),
        (&["diff", "r.json", "r.json"], 0),
        (&["diff", "p.json", "p.json"], 0),
        (&["explain", "r.json", "ioctl"], 0),
        (&["merge", "plain.json", "r.json", "-o", "m.json"], 0),
        (&["report", "r.json", "-o", "page.html"], 0),
    ] {
        bounded(dir.path(), args, status);
    }
}

#[test]
fn a_recording_of_a_hundred_thousand_programs_is_read() {
    is_read(&recording(|recording| {
        for nth in 0..MANY {
            let path = format!("/bin/{nth}");
            let program = json!({"path": path, "device": "8:1", "inode": nth});
            recording["programs"].as_array_mut().unwrap().push(program);
            recording["abis"]["x86_64"]["syscalls"]["read"]["programs"][path] = json!(1);
        }
    }));
}

#[test]
fn a_recording_of_a_hundred_thousand_values_is_read() {
    is_read(&recording(|recording| {
        let one =
            |nth| json!({"values": [nth], "count": 1, "first_seen_ms": 0, "programs": {"/app": 1}});
        let values: Vec<Value> = (0..MANY).map(one).collect();
        recording["abis"]["x86_64"]["syscalls"]["ioctl"]["arguments"] =
            json!({"indexes": [1], "values": values, "overflow": 0});
    }));
}

#[test]
fn a_recording_of_a_hundred_thousand_samples_is_read() {
    is_read(&recording(|recording| {
        let one = |nth| json!({"name": format!("test_{nth}"), "finished_ms": nth, "calls": {"x86_64": {"read": 1}}});
        recording["samples"] = (0..MANY).map(one).collect();
    }));
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n";

fn manifest(text: &str) -> tempfile::TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("web.json"), profile([])).unwrap();
    std::fs::write(dir.path().join("m.yaml"), text).unwrap();
    dir
}

/// Every command that reads a manifest comes to an end with it.
fn is_edited(text: &str) {
    let dir = manifest(text);
    bounded(dir.path(), &["audit", "m.yaml", "--format", "json", "-o", "a.json"], 0);
    bounded(dir.path(), &["audit", "m.yaml", "--fix"], 0);
    bounded(
        dir.path(),
        &["apply", "web.json", "m.yaml", "--fix", "--no-privilege-escalation", "--in-place"],
        0,
    );
}

#[test]
fn a_manifest_of_twenty_thousand_containers_is_edited() {
    let mut text = format!("{POD}spec:\n  containers:\n");
    for _ in 0..20_000 {
        text.push_str("  - name: web\n    image: web\n");
    }
    is_edited(&text);
}

#[test]
fn a_manifest_on_one_line_is_edited() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web"}]}});
    is_edited(&json!({"apiVersion": "v1", "kind": "List", "items": vec![pod; 10_000]}).to_string());
}

#[test]
fn a_manifest_of_many_keys_is_edited() {
    let mut text = format!("{POD}spec:\n");
    for nth in 0..MANY {
        let _ = writeln!(text, "  key{nth}: 1");
    }
    text.push_str("  containers:\n");
    for _ in 0..5000 {
        text.push_str("  - name: web\n");
    }
    is_edited(&text);
}

#[test]
fn containers_that_share_long_lists_are_refused() {
    let mut text = format!("{POD}spec:\n  volumes:\n");
    for nth in 0..20_000 {
        let _ = writeln!(text, "  - {{name: v{nth}, hostPath: {{path: /}}}}");
    }
    text.push_str("  containers:\n");
    for _ in 0..20_000 {
        text.push_str("  - name: web\n");
    }
    let dir = manifest(&text);
    for args in [&["audit", "m.yaml"][..], &["apply", "web.json", "m.yaml"]] {
        let Outcome { stderr, .. } = bounded(dir.path(), args, 1);
        assert!(stderr.contains("more than 1048576 items: split the file"), "{stderr}");
    }
}

/// Eight mappings that each merge the eight of the level below: 8⁸ ways to what is not there.
#[test]
fn merge_keys_are_not_followed_again_and_again() {
    let mut text = String::new();
    for level in 0..8 {
        for nth in 0..8 {
            let below: Vec<String> =
                (0..8).map(|below| format!("*l{}n{below}", level - 1)).collect();
            let merged =
                if level == 0 { "x: 1".to_owned() } else { format!("<<: [{}]", below.join(",")) };
            let _ = writeln!(text, "l{level}n{nth}: &l{level}n{nth} {{{merged}}}");
        }
    }
    let _ = write!(text, "{POD}spec:\n  containers:\n");
    for _ in 0..1000 {
        text.push_str("  - name: web\n    <<: [*l7n0, *l7n1]\n");
    }
    is_edited(&text);
}
