//! `strait convert`: plain OCI of any dialect.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::run::Strait;
use crate::support::{scratch, strait};

/// What Docker's own default looks like, in few lines.
pub fn docker() -> Value {
    let allow = "SCMP_ACT_ALLOW";
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            {"names": ["execve", "exit", "exit_group", "read"], "action": allow, "args": [], "comment": "",
             "includes": {}, "excludes": {}},
            {"name": "getpid", "action": allow},
            {"names": ["mount"], "action": allow, "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_CHROOT"]}},
            {"names": ["ptrace"], "action": allow, "includes": {"minKernel": "4.8"}},
            {"names": ["arch_prctl"], "action": allow, "includes": {"arches": ["amd64"]}},
        ],
    })
}

fn with(profile: &str) -> TempDir {
    let dir = scratch();
    std::fs::write(dir.path().join("p.json"), profile).unwrap();
    dir
}

fn convert(dir: &TempDir, options: &[&str]) -> Strait {
    strait().args(["convert", "p.json"]).args(options.to_vec()).in_dir(dir.path())
}

fn names(profile: &str) -> Vec<String> {
    let profile: Value = serde_json::from_str(profile).unwrap();
    let rules = profile["syscalls"].as_array().unwrap().iter();
    let names = rules.flat_map(|rule| rule["names"].as_array().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_dialect_becomes_plain_oci() {
    let outcome = convert(&with(&docker().to_string()), &[]).run();
    insta::assert_snapshot!(format!("{}\n----\n{}", outcome.stdout, outcome.stderr));
}

#[test]
fn it_is_resolved_for_what_is_stated() {
    let dir = with(&docker().to_string());
    let of = |options: &[&str]| names(&convert(&dir, options).run().stdout);
    let has = |options: &[&str], name: &str| of(options).iter().any(|other| other == name);
    assert!(!has(&[], "mount") && has(&["--caps", "SYS_ADMIN"], "mount"));
    assert!(has(&["--caps", "ALL"], "mount") && has(&["--caps", "none"], "chroot"));
    assert!(has(&[], "ptrace") && !has(&["--kernel", "4.4.0-1-amd64"], "ptrace"));
    assert!(has(&[], "arch_prctl") && !has(&["--machine", "aarch64"], "arch_prctl"));
    for (options, texts) in [
        (&["--caps", "NO_SUCH"][..], &["NO_SUCH"][..]),
        (&["--caps", "none,CHOWN"], &["contradict"]),
        (&["--kernel", "new"], &["`new`", "6.1"]),
        (&["--machine", "vax"], &["vax", "aarch64"]),
        (&["--name", "web"], &["--name"]),
    ] {
        let outcome = convert(&dir, options).expect_exit(2).run();
        assert_eq!(outcome.stdout, "");
        outcome.says(texts);
    }
}

#[test]
fn what_is_plain_stays_as_it_is() {
    let plain = "{ \"defaultAction\":\"SCMP_ACT_ERRNO\",\n\n \"comment\": \"mine\", \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"],\
                 \"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":[{\"names\":[\"execve\",\"exit\",\"exit_group\"],\
                 \"action\":\"SCMP_ACT_ALLOW\"}]}\t";
    let dir = with(plain);
    let outcome = convert(&dir, &[]).run();
    assert_eq!(outcome.stdout, plain);
    outcome.says(&["plain OCI already: nothing to convert"]);
    convert(&dir, &["-o", "out.json"]).run();
    assert_eq!(std::fs::read_to_string(dir.path().join("out.json")).unwrap(), plain);
}

#[test]
fn what_was_converted_is_plain() {
    let dir = with(&docker().to_string());
    let once = convert(&dir, &["-o", "once.json"]).run();
    once.says(&["4 of 6 rules apply", "Docker's default capabilities"]);
    let twice = strait().args(["convert", "once.json"]).in_dir(dir.path()).run();
    let once = std::fs::read_to_string(dir.path().join("once.json")).unwrap();
    assert_eq!(twice.stdout, once);
    twice.says(&["nothing to convert"]);
}

/// The baseline of check reads the dialect itself, for each machine.
#[test]
fn it_says_what_the_dialect_says() {
    let dir = with(&docker().to_string());
    for options in [&[][..], &["--caps", "ALL"], &["--kernel", "4.4"]] {
        convert(&dir, &[options, &["-o", "plain.json"]].concat()).run();
        for pair in [["plain.json", "p.json"], ["p.json", "plain.json"]] {
            let run = strait().args(["check", pair[0], "--within", pair[1]]).args(options.to_vec());
            run.in_dir(dir.path()).run();
        }
    }
}

#[test]
fn fields_in_any_case_and_single_names_are_read() {
    let old = r#"{"DefaultAction": "SCMP_ACT_ERRNO", "Architectures": ["SCMP_ARCH_X86_64"], "Syscalls": [
        {"Name": "execve", "Action": "SCMP_ACT_ALLOW", "Args": null},
        {"name": "exit", "action": "SCMP_ACT_ALLOW", "args": []},
        {"name": "exit_group", "action": "SCMP_ACT_ALLOW", "errno": "EINVAL"}]}"#;
    let outcome = convert(&with(old), &[]).run();
    assert_eq!(names(&outcome.stdout), ["execve", "exit", "exit_group"]);
    outcome.says(&["in any case", "Syscalls for `syscalls`"]);
}

#[test]
fn an_operators_resource_becomes_a_profile() {
    let plain = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
        {"names": ["execve", "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]}]}"#;
    let dir = with(plain);
    let export = |name: &str| {
        let run =
            strait().args(["export", "p.json", "--to", "spo", "--name", name, "--image", "web:1"]);
        run.in_dir(dir.path()).run().stdout
    };
    let both = format!("{}---\n{}", export("web"), export("db"));
    std::fs::write(dir.path().join("both.yaml"), both).unwrap();
    let convert = |name: &[&str], status| {
        let run = strait().args(["convert", "both.yaml", "-o", "back.json"]).args(name.to_vec());
        run.in_dir(dir.path()).expect_exit(status).run()
    };
    convert(&[], 1).says_one_paragraph().says(&["--name", "web", "db"]);
    let listed = |name: &str| {
        let text = std::fs::read_to_string(dir.path().join("both.yaml")).unwrap();
        let line = text.lines().find(|line| line.trim().starts_with(&format!("name: {name}")));
        line.unwrap().trim().trim_start_matches("name: ").to_owned()
    };
    convert(&["--name", &listed("web")], 0);
    for pair in [["back.json", "p.json"], ["p.json", "back.json"]] {
        let run = strait().args(["check", pair[0], "--within", pair[1]]).in_dir(dir.path());
        run.run();
    }
    convert(&["--name", "none"], 1).says(&["`none`"]);
}

#[test]
fn what_differs_between_machines_needs_a_machine() {
    let mut profile = docker();
    profile["syscalls"][5]["names"] = json!(["sync"]);
    let dir = with(&profile.to_string());
    convert(&dir, &[])
        .expect_exit(1)
        .run()
        .says_one_paragraph()
        .says(&["p.json", "--machine x86_64"]);
    assert!(
        names(&convert(&dir, &["--machine", "x86_64"]).run().stdout).contains(&"sync".to_owned())
    );
    convert(&dir, &["--machine", "aarch64"]).run();
}

#[test]
fn what_no_engine_takes_is_refused_with_its_place() {
    for (text, texts) in [
        ("", &["empty"][..]),
        ("{", &["not a complete JSON file"]),
        ("{}", &["defaultAction"]),
        ("kind: Pod\napiVersion: v1\n", &["no SeccompProfile"]),
        (r#"{"schema": "strait.recording/v1"}"#, &["strait generate"]),
        (r#"{"schema": "strait.evidence/v1"}"#, &["evidence", "beside it"]),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "name": "write",
            "action": "SCMP_ACT_ALLOW"}]}"#,
            &["syscalls[0].name", "`name` and `names`"],
        ),
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "Syscalls": [], "syscalls": []}"#, &["twice"]),
    ] {
        let outcome = convert(&with(text), &[]).expect_exit(1).run();
        assert_eq!(outcome.stdout, "");
        outcome.says(&["p.json"]).says(texts);
    }
}
