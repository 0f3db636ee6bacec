//! `strait check` proves, or shows a call.

#[cfg(feature = "privileged-tests")]
use std::path::Path;

use crate::support::{scratch, strait};

const ALWAYS: &str = r#"{"names": ["exit", "exit_group", "execve"], "action": "SCMP_ACT_ALLOW"}"#;

fn profile(entries: &str) -> String {
    format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{ALWAYS}{entries}]}}"#
    )
}

/// What `check` says about a profile with these further entries.
fn check(entries: &str, args: &[&str], code: i32) -> (String, String) {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile(entries)).unwrap();
    let run = strait().args(["check", "p.json"]).args(args).in_dir(dir.path());
    let outcome = run.expect_exit(code).run();
    (outcome.stdout, outcome.stderr)
}

#[test]
fn a_narrow_profile_is_proved_to_be_within() {
    let socket = r#", {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}"#;
    let (stdout, _) = check(socket, &[], 0);
    insta::assert_snapshot!(stdout);
    for baseline in ["podman-default", "containerd-default"] {
        check(socket, &["--within", baseline], 0);
    }
}

#[test]
fn a_wider_call_is_shown_with_arguments() {
    let wide = r#", {"names": ["socket", "mount"], "action": "SCMP_ACT_ALLOW"}"#;
    let (stdout, _) = check(wide, &[], 10);
    insta::assert_snapshot!(stdout);
    let algorithm = r#", {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
        {"index": 0, "value": 38, "op": "SCMP_CMP_EQ"},
        {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}]}"#;
    let (stdout, _) = check(algorithm, &[], 10);
    assert!(stdout.contains("socket(AF_ALG, SOCK_SEQPACKET, 0)"), "{stdout}");
}

#[test]
fn capabilities_widen_the_baseline() {
    let mount = r#", {"names": ["mount"], "action": "SCMP_ACT_ALLOW"}"#;
    check(mount, &["--caps", "SYS_ADMIN"], 0);
    check(mount, &["--caps", "none"], 10);
    let ptrace = r#", {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW"}"#;
    check(ptrace, &[], 0);
    check(ptrace, &["--kernel", "4.7"], 10);
}

#[test]
fn the_json_is_what_its_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(strait_profiles::schema::CHECK_V1).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (entries, code) in [("", 0), (r#", {"names": ["mount"], "action": "SCMP_ACT_ALLOW"}"#, 10)]
    {
        let (stdout, _) = check(entries, &["--format", "json"], code);
        let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(value["within"]["is_within"], code == 0);
    }
}

#[test]
fn a_baseline_can_be_a_file_in_a_dialect() {
    let docker = r#"{"defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"name": "exit", "action": "SCMP_ACT_ALLOW"},
            {"names": ["exit_group", "execve"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_KILL"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
            {"names": ["sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
            {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EINVAL"}]}"#;
    let dir = scratch();
    std::fs::write(dir.path().join("docker.json"), docker).unwrap();
    let ask = |name: &str, args: &[&str], code| {
        let entry = format!(r#", {{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"}}"#);
        std::fs::write(dir.path().join("p.json"), profile(&entry)).unwrap();
        let run = strait().args(["check", "p.json", "--within", "docker.json"]).args(args);
        run.in_dir(dir.path()).expect_exit(code).run().stdout
    };
    ask("mount", &["--caps", "SYS_ADMIN"], 0);
    ask("mount", &["--caps", "SYS_PTRACE"], 10);
    ask("read", &["--caps", "SYS_PTRACE"], 0);
    ask("read", &["--caps", "KILL"], 10);
    ask("ptrace", &["--kernel", "4.8"], 0);
    ask("ptrace", &["--kernel", "4.8.0-13-amd64"], 0);
    ask("ptrace", &["--kernel", "4.4"], 10);
    ask("arch_prctl", &["--machine", "x86_64"], 0);
    ask("sync", &["--machine", "x86_64"], 10);
    ask("sync", &["--machine", "aarch64"], 0);
    ask("sync", &[], 10);
    assert!(ask("bpf", &[], 10).contains("there: refuse with EINVAL"));
}

/// A dialect says something else on each machine, and so it is read for each that the profile is for.
#[test]
fn a_baseline_in_a_dialect_is_resolved_for_the_machines_of_the_profile() {
    let docker = r#"{"defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []}],
        "syscalls": [
            {"names": ["exit", "exit_group", "execve"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["sync"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}]}"#;
    let dir = scratch();
    std::fs::write(dir.path().join("docker.json"), docker).unwrap();
    let ask = |architectures: &str, entry: &str, args: &[&str], code| {
        let text = profile(entry).replace("\"SCMP_ARCH_X86_64\"", architectures);
        std::fs::write(dir.path().join("p.json"), text).unwrap();
        let run = strait().args(["check", "p.json", "--within", "docker.json"]).args(args);
        run.in_dir(dir.path()).expect_exit(code).run().stdout
    };
    let (arm, both) =
        ("\"SCMP_ARCH_AARCH64\"", "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_AARCH64\"");
    let sync = r#", {"names": ["sync"], "action": "SCMP_ACT_ALLOW"}"#;
    ask(arm, "", &[], 0);
    ask(arm, sync, &["--machine", "aarch64"], 0);
    ask(both, "", &[], 0);
    // Whatever it lists, on x86-64 it covers that machine's calls.
    for listed in [arm, both] {
        let stdout = ask(listed, sync, &[], 10);
        assert!(stdout.contains("wider         sync()"), "{stdout}");
        assert!(!stdout.contains("aarch64)"), "{stdout}");
    }
}

#[test]
fn bad_input_is_named_with_its_place() {
    let dir = scratch();
    let arg = |arg: &str| {
        profile(&format!(r#", {{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{arg}]}}"#))
    };
    let one = r#"{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}"#;
    let conflict = format!(
        r#", {{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{one}]}},
           {{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{one}]}}"#
    );
    let distant = |bit: u32| {
        let bits = 1u64 << bit | 1 << (bit + 32);
        format!(
            r#", {{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args":
                [{{"index": 1, "value": {bits}, "valueTwo": {bits}, "op": "SCMP_CMP_MASKED_EQ"}}]}}"#
        )
    };
    for (text, texts) in [
        (
            profile(&(0..31).map(distant).collect::<String>()),
            &["31 of `ioctl`", "use fewer of them"][..],
        ),
        ("{}".to_owned(), &["defaultAction", "unconfined"]),
        ("[".to_owned(), &["complete JSON"]),
        (
            arg(r#"{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}"#),
            &["syscalls[1].args[0].index", "0 to 5"],
        ),
        (
            arg(r#"{"index": 0, "value": 18446744073709551616, "op": "SCMP_CMP_EQ"}"#),
            &["syscalls[1].args[0].value"],
        ),
        (arg(r#"{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}"#), &["syscalls[1].args[0].value"]),
        (arg(r#"{"index": 0, "value": 1, "op": "=="}"#), &["syscalls[1].args[0].op"]),
        (
            profile(r#", {"names": ["read"], "action": "SCMP_ACT_DENY"}"#),
            &["syscalls[1].action", "SCMP_ACT_DENY"],
        ),
        (
            profile("").replace("SCMP_ARCH_X86_64", "SCMP_ARCH_VAX"),
            &["architectures[0]", "SCMP_ARCH_VAX"],
        ),
        (profile(&conflict), &["syscalls[2]", "another action under the same condition"]),
        (
            profile(
                r#", {"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "four"}}"#,
            ),
            &["syscalls[1].includes.minKernel", "four"],
        ),
    ] {
        std::fs::write(dir.path().join("p.json"), text).unwrap();
        let run = strait().args(["check", "p.json"]).in_dir(dir.path());
        run.expect_exit(1).run().says(&["p.json"]).says(texts);
    }
    std::fs::write(dir.path().join("p.json"), profile("")).unwrap();
    let run = strait().args(["check", "p.json", "--within", "no-such"]).in_dir(dir.path());
    run.expect_exit(2).run().says(&["no-such", "docker-default"]);
}

#[test]
fn an_index_that_comes_twice_means_or() {
    let twice = r#", {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
        {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
        {"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]}"#;
    let (stdout, stderr) = check(twice, &[], 10);
    assert!(stdout.contains("socket(AF_VSOCK"), "{stdout}");
    assert!(stderr.contains("syscalls[1].args"), "{stderr}");
}

#[test]
fn what_is_not_known_of_an_architecture_is_not_proved_in_silence() {
    let dir = scratch();
    let text =
        profile("").replace("\"SCMP_ARCH_X86_64\"", "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_S390X\"");
    std::fs::write(dir.path().join("p.json"), text).unwrap();
    let run = strait().args(["check", "p.json"]).in_dir(dir.path());
    run.expect_exit(0).run().says(&["architectures[1]", "SCMP_ARCH_S390X", "proves nothing"]);
}

/// The table of podman's default against the file that it is facts of. (Docker's is in `pipeline`.)
#[cfg(feature = "privileged-tests")]
#[test]
fn podmans_table_is_its_own_file() {
    let file = "/usr/share/containers/seccomp.json";
    assert!(Path::new(file).exists(), "no {file}: run `cargo xtask setup`");
    for caps in ["none", "all", "SYS_ADMIN", "AUDIT_WRITE", "SYS_PTRACE,SYS_TIME,BPF,PERFMON"] {
        let run = strait().args(["check", file, "--within", "podman-default", "--caps", caps]);
        let stdout = run.expect_exit(0).run().stdout;
        assert!(
            stdout.contains("narrower for  0 calls") || stdout.contains("does the same"),
            "{caps}: {stdout}"
        );
    }
}

/// A recording of `socket` and, if there are any, the values that were kept of its arguments.
fn recording(arguments: &str) -> String {
    format!(
        r#"{{"schema": "strait.recording/v1", "tool": {{"name": "strait", "version": "0.1.0"}},
            "host": {{"kernel": "6.12.0", "arch": "x86_64"}},
            "target": {{"kind": "command", "start": "exec", "name": "app", "command": ["app"]}},
            "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:00:09Z",
            "complete": true, "losses": {{"calls": 0, "programs": 0, "missed": 0, "tasks": 0}}, "programs": [],
            "abis": {{"x86_64": {{"syscalls": {{
                "execve": {{"number": 59, "count": 1, "first_seen_ms": 0, "programs": {{}}, "phases": {{}}}},
                "socket": {{"number": 41, "count": 3, "first_seen_ms": 1, "programs": {{}}, "phases": {{}}{arguments}}}
            }}}}}}, "refused": []}}"#
    )
}

/// What `check --covers` says about a profile that allows `socket` for one family.
fn covers(family: u32, arguments: &str, code: i32) -> serde_json::Value {
    let dir = scratch();
    std::fs::write(dir.path().join("r.json"), recording(arguments)).unwrap();
    let socket = format!(
        r#", {{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
            {{"index": 0, "value": 4294967295, "valueTwo": {family}, "op": "SCMP_CMP_MASKED_EQ"}}]}}"#
    );
    std::fs::write(dir.path().join("p.json"), profile(&socket)).unwrap();
    let run = strait().args(["check", "p.json", "--covers", "r.json", "--format", "json"]);
    let stdout = run.in_dir(dir.path()).expect_exit(code).run().stdout;
    let value = serde_json::from_str(&stdout).unwrap();
    valid(strait_profiles::schema::CHECK_V1, &value);
    value
}

/// Holds JSON against a schema.
pub fn valid(schema: &str, value: &serde_json::Value) {
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

const SEEN: &str = r#", "arguments": {"indexes": [0, 1, 2], "overflow": 0, "values": [
    {"values": [2, 1, 0], "count": 3, "first_seen_ms": 1, "programs": {}, "phases": {}}]}"#;

#[test]
fn recorded_arguments_are_covered_or_shown() {
    let report = covers(2, SEEN, 0);
    assert_eq!(report["covers"][0]["missing"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["covers"][0]["uncertain"], serde_json::json!([]), "{report:#}");
    let report = covers(1, SEEN, 12);
    let missing = &report["covers"][0]["missing"];
    assert_eq!(missing.as_array().unwrap().len(), 1, "{report:#}");
    assert!(missing.to_string().contains("AF_INET"), "{missing}");
}

/// Of the type of a socket SOCK_CLOEXEC is not recorded, so a call with the type alone may be refused.
#[test]
fn a_condition_on_a_bit_that_is_not_recorded_is_uncertain() {
    let dir = scratch();
    std::fs::write(dir.path().join("r.json"), recording(SEEN)).unwrap();
    let with_type = |value: u32| {
        let socket = format!(
            r#", {{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
                {{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
        );
        std::fs::write(dir.path().join("p.json"), profile(&socket)).unwrap();
        strait().args(["check", "p.json", "--covers", "r.json"]).in_dir(dir.path())
    };
    let stdout = with_type(1).expect_exit(0).run().stdout;
    assert!(stdout.contains("all 2 recorded calls, 1 of them not for certain"), "{stdout}");
    assert!(stdout.contains("not certain   socket"), "{stdout}");
    let stdout = with_type(2).expect_exit(12).run().stdout;
    assert!(stdout.contains("1 of 2 recorded calls"), "{stdout}");
}

#[test]
fn without_recorded_arguments_a_condition_is_uncertain() {
    let report = covers(2, "", 0);
    let uncertain = report["covers"][0]["uncertain"].to_string();
    assert!(uncertain.contains("socket"), "{report:#}");
}

#[test]
fn the_schema_of_filters_takes_what_strait_takes() {
    let schema = strait_profiles::schema::FILTER_V1;
    let filters = serde_json::json!({"schema": "strait.filter/v1", "pid": 7, "name": "app",
        "filters": [[[6, 0, 0, 0x7fff_0000_u32]]]});
    valid(schema, &filters);
    let dir = scratch();
    let check = |text: String, code| {
        std::fs::write(dir.path().join("live.json"), text).unwrap();
        std::fs::write(dir.path().join("p.json"), profile("")).unwrap();
        let run = strait().args(["check", "p.json", "--within", "live.json"]);
        run.in_dir(dir.path()).expect_exit(code).run()
    };
    check(filters.to_string(), 0);
    // A filter that refuses everything.
    check(filters.to_string().replace("2147418112", "327681"), 10);
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for (place, wrong) in [
        ("/schema", serde_json::json!("strait.filter/v2")),
        ("/filters", serde_json::json!([])),
        ("/filters/0/0", serde_json::json!([6, 0, 0])),
        ("/filters/0/0/0", serde_json::json!(-1)),
    ] {
        let mut value = filters.clone();
        *value.pointer_mut(place).unwrap() = wrong;
        assert!(!validator.is_valid(&value), "{place}");
        check(value.to_string(), 1).says(&["live.json"]);
    }
}

/// Of the protection of memory only this is kept: whether it was writable and executable at once.
#[test]
fn memory_that_was_writable_and_executable_is_not_covered_without() {
    let dir = scratch();
    let kept = r#", "arguments": {"indexes": [2], "overflow": 0, "values": [
        {"values": [1], "count": 1, "first_seen_ms": 1, "programs": {}, "phases": {}}]}"#;
    let text = recording(kept).replace(r#""socket": {"number": 41"#, r#""mmap": {"number": 9"#);
    std::fs::write(dir.path().join("r.json"), text).unwrap();
    let without = |bit: u32| {
        format!(
            r#", {{"names": ["mmap"], "action": "SCMP_ACT_ALLOW", "args": [
                {{"index": 2, "value": {bit}, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}}]}}"#
        )
    };
    std::fs::write(dir.path().join("p.json"), profile(&(without(2) + &without(4)))).unwrap();
    let run = strait().args(["check", "p.json", "--covers", "r.json"]).in_dir(dir.path());
    let stdout = run.expect_exit(12).run().stdout;
    assert!(stdout.contains("mmap("), "{stdout}");
}
