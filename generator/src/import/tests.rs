use proptest::prelude::*;

use super::*;
use crate::abi::Abi;
use crate::generate::{Options as Generate, generate};
use crate::recording::{Caveat, Tracer, v1};

const STRACE: &str =
    "7 execve(\"/bin/a\", [\"a\"], 0x7f /* 1 var */) = 0\n7 arch_prctl(ARCH_SET_FS, 0x7f) = 0\n";
const AUDIT: &str = "type=SECCOMP msg=audit(1700000000.123:4): pid=7 exe=\"/bin/a\" sig=0 arch=c000003e syscall=59 \
    compat=0 ip=0x7f code=0x7ffc0000\n";
const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
    "syscalls": [{"names": ["read", "socket"], "action": "SCMP_ACT_ALLOW"},
                 {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
                 {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
                 {"names": ["write"], "action": "SCMP_ACT_LOG"}]}"#;
const RESOURCE: &str = "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nmetadata:\n  \
    name: web\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  architectures: [SCMP_ARCH_X86_64]\n  syscalls:\n  - action: \
    SCMP_ACT_ALLOW\n    names: [read, execve]\n";

fn named(files: &[(&str, &str)], options: &Options) -> Result<Imported, ImportError> {
    let sources = files.iter().map(|(name, text)| Source::new(*name, text.as_bytes())).collect();
    import(sources, options)
}

fn one(text: &str) -> Result<Imported, ImportError> {
    named(&[("logs/some.file.log", text)], &Options::default())
}

fn names(recording: &Recording, abi: Abi) -> Vec<&'static str> {
    recording.calls[&abi].keys().filter_map(|number| abi.syscall_name(*number)).collect()
}

#[test]
fn each_format_is_detected_from_the_content() {
    let journal = r#"{"__REALTIME_TIMESTAMP": "1", "MESSAGE": "hello"}"#;
    for (text, format) in [
        (STRACE, "strace"),
        (AUDIT, "audit"),
        (PROFILE, "profile"),
        (RESOURCE, "profile"),
        (journal, "audit"),
    ] {
        assert_eq!(Format::detect(text).unwrap().name(), format, "{text}");
    }
    // What a traced program writes is not the log.
    let quoted = format!("7 write(1, {AUDIT:?}, 100) = 100\n");
    assert_eq!(Format::detect(&quoted).unwrap().name(), "strace");
    for text in ["", "hello\n", "int main(void) { read(0, buf, 1); }\n", "<html>", "\u{0}\u{1}"] {
        assert_eq!(Format::detect(text), None, "{text}");
    }
}

#[test]
fn an_unknown_format_is_answered_with_the_known_ones() {
    let error = one("hello\nworld\n").unwrap_err().to_string();
    for said in ["some.file.log", "strace", "audit", "profile", "--from"] {
        assert!(error.contains(said), "{error}");
    }
    let asked = Options { format: "strace".parse().ok(), ..Options::default() };
    let error = named(&[("a", "hello\n")], &asked).unwrap_err();
    assert!(matches!(error, ImportError::Nothing { .. }), "{error}");
    assert!(matches!(one(" \n"), Err(ImportError::Unknown { .. })));
    assert!(matches!(import(Vec::new(), &Options::default()), Err(ImportError::NoSource)));
    "hello".parse::<Format>().unwrap_err();
}

#[test]
fn files_of_one_recording_are_of_one_format() {
    let error = named(&[("a", STRACE), ("b", AUDIT)], &Options::default()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("a is a log or summary of strace, and b is records"), "{error}");
    let both = named(&[("a", STRACE), ("empty", ""), ("b", STRACE)], &Options::default()).unwrap();
    assert_eq!(both.recording.total(), 4);
    assert_eq!(both.remarks[0].to_string(), "empty: it is empty");
}

#[test]
fn a_profile_is_a_list_of_what_it_allows() {
    let Imported { recording, .. } = one(PROFILE).unwrap();
    assert_eq!(names(&recording, Abi::X86_64), ["read", "write", "socket", "clone"]);
    assert_eq!(recording.calls.len(), 1);
    assert_eq!(recording.calls[&Abi::X86_64][&41].arguments, None);
    assert_eq!(recording.caveats, [Caveat::TracedBy(Tracer::List)].into());
    assert_eq!((recording.target.name.as_str(), recording.host.arch.as_str()), ("some", "x86_64"));
    let no_profile = one(r#"{"schema": "strait.recording/v1"}"#).unwrap_err().to_string();
    assert!(no_profile.contains("this is a recording"), "{no_profile}");
}

#[test]
fn a_resource_names_its_profile() {
    let Imported { recording, .. } = one(RESOURCE).unwrap();
    assert_eq!(recording.target.name, "web");
    assert_eq!(names(&recording, Abi::X86_64), ["read", "execve"]);
    let two = format!(
        "{RESOURCE}---\n{}",
        RESOURCE.replace("name: web", "name: db").replace("read, ", "")
    );
    let error = one(&two).unwrap_err().to_string();
    assert!(error.contains("web, db"), "{error}");
    let db = Options { name: Some("db".to_owned()), ..Options::default() };
    let recording = named(&[("a", &two)], &db).unwrap().recording;
    assert_eq!(
        (recording.target.name.as_str(), names(&recording, Abi::X86_64)),
        ("db", vec!["execve"])
    );
    // Of the only one it is just a name.
    assert_eq!(named(&[("a", RESOURCE)], &db).unwrap().recording.target.name, "db");
    let pod = one("apiVersion: v1\nkind: Pod\n").unwrap_err().to_string();
    assert!(pod.contains("no SeccompProfile"), "{pod}");
}

#[test]
fn a_dialect_is_resolved_for_every_machine_that_it_lists() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"},
                     {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}}]}"#;
    let Imported { recording, remarks, .. } = one(text).unwrap();
    assert_eq!(recording.calls.keys().copied().collect::<Vec<_>>(), Abi::ALL);
    assert_eq!(names(&recording, Abi::X86), ["read"]);
    assert!(remarks.iter().any(|remark| remark.text.contains("dialect")), "{remarks:?}");
    let options = Options { machine: Some(Machine::Aarch64), ..Options::default() };
    let recording = named(&[("a", text)], &options).unwrap().recording;
    assert_eq!(recording.calls.keys().copied().collect::<Vec<_>>(), [Abi::Aarch64]);
}

#[test]
fn a_profile_made_of_an_import_is_as_wide_as_the_baseline_where_the_source_is_silent() {
    let socket = "7 execve(\"/bin/a\", [\"a\"], 0x7f) = 0\n7 arch_prctl(1, 0) = 0\n7 socket(AF_INET, SOCK_STREAM, 0) = 3\n";
    let rules = |text: &str| {
        let recording = one(text).unwrap().recording;
        let options = Generate { allow_incomplete: true, ..Generate::default() };
        let profile = generate(&[recording], &options).unwrap().profile;
        let of_socket = profile
            .entries
            .into_iter()
            .filter(|entry| entry.names.iter().any(|name| name == "socket"));
        of_socket.flat_map(|entry| entry.args).map(|arg| arg.predicate).collect::<Vec<_>>()
    };
    let seen = rules(socket);
    let unread = rules(&socket.replace("AF_INET", "AF_NEWEST"));
    let list = rules(PROFILE);
    assert_ne!(seen, unread);
    assert_eq!(unread, list);
}

#[test]
fn the_same_bytes_make_the_same_recording() {
    for text in [STRACE, AUDIT, PROFILE, RESOURCE] {
        let print = || v1::print(&one(text).unwrap().recording).unwrap();
        assert_eq!(print(), print());
        let parsed = v1::parse(&print()).unwrap();
        assert_eq!(v1::print(&parsed).unwrap(), print());
    }
}

/// Lines that are like those of a log, with what may be wrong with them.
fn lines() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "7 ",
        "[pid 8] ",
        "[  59] ",
        "12:00:00.1 ",
        "1700000000.1 ",
        "0.1 ",
        "execve(",
        "clone(",
        "\"/bin/a\"",
        ", ",
        "[\"a\"]",
        "flags=",
        "CLONE_VM|",
        "SIGCHLD",
        ") = 0",
        ") = 8",
        ") = ?",
        " <unfinished ...>",
        "<... ",
        "clone resumed>",
        "execve resumed>",
        "strace: Process 8 attached",
        "\n",
        "+++ exited with 0 +++",
        "+++ superseded by execve in pid 8 +++",
        "[ Process PID=7 runs in 32 bit mode. ]",
        "???(",
        "syscall_0x1f4(",
        "socket(AF_INET",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "\"",
        "\\",
        "/*",
        "*/",
        "|",
        "<<",
        "é",
        "% time calls syscall\n",
        "1 2 read\n",
        "type=SECCOMP msg=audit(1700000000.123:4): ",
        "type=1300 audit(",
        "arch=c000003e ",
        "syscall=59 ",
        "a0=ff ",
        "exe=2F61 ",
        "code=0x7ffc0000 ",
        "{\"MESSAGE\": \"",
        "\"}",
        "\u{1d}",
        "defaultAction",
        "kind: List\n",
    ]);
    proptest::collection::vec(parts, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn anything_is_a_recording_or_an_error(
        text in prop_oneof![lines(), any::<String>(), lines().prop_map(|text| format!("{STRACE}{text}"))],
        format in prop::option::of(prop::sample::select(Format::all().collect::<Vec<_>>())),
    ) {
        let options = Options { format, machine: Some(Machine::X86_64), ..Options::default() };
        if let Ok(Imported { recording, .. }) = named(&[("a.7", &text), ("a.8", &text)], &options) {
            let printed = v1::print(&recording).unwrap();
            prop_assert!(v1::parse(&printed).is_ok());
            for (_, _, call) in recording.iter() {
                prop_assert_eq!(call.count, call.programs.values().sum::<u64>());
            }
        }
    }
}
