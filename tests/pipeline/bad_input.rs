//! Every kind of file that may be given by mistake gets a message that says what to do.

use strait_generator::abi::Abi;
use strait_generator::profile::{self, Severity};
use strait_generator::recording::v1;

use crate::support::recording;

#[test]
fn what_is_no_recording_says_so() {
    let whole = v1::print(&recording(&[(Abi::X86_64, "read")])).unwrap();
    let cut_off = &whole[..whole.len() / 2];
    let newer = whole.replace("recording/v1", "recording/v2");
    let contrary = whole.replace("\"complete\": true", "\"complete\": false");
    let misnumbered = whole.replace("\"number\": 0", "\"number\": 1");
    let cases = [
        ("", "not a complete recording"),
        (cut_off, "not a complete recording"),
        ("[1, 2]", "not a recording of Strait"),
        ("{\"defaultAction\": \"SCMP_ACT_ERRNO\"}", "not a recording of Strait"),
        ("{\"schema\": \"strait.diff/v1\"}", "this one is `strait.diff/v1`"),
        (newer.as_str(), "schema `strait.recording/v2`"),
        (contrary.as_str(), "contradicts itself"),
        (misnumbered.as_str(), "read is number 0"),
    ];
    for (text, expected) in cases {
        let message = v1::parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:.60}: {message}");
    }
}

#[test]
fn what_is_no_profile_says_so() {
    let entry =
        |entry: &str| format!("{{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{entry}]}}");
    let arg = |arg: &str| {
        entry(&format!(
            "{{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [{arg}]}}"
        ))
    };
    let cases = [
        ("".to_owned(), "this file is empty"),
        ("7".to_owned(), "$: expected an object"),
        ("{}".to_owned(), "unconfined"),
        ("{\"schema\": \"strait.recording/v1\"}".to_owned(), "strait generate"),
        (
            "{\"defaultAction\": \"SCMP_ACT_KILL\", \"defaultErrnoRet\": 1}".to_owned(),
            "defaultErrnoRet: SCMP_ACT_KILL returns no error",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_NATIVE\"]}"
                .to_owned(),
            "architectures[0]",
        ),
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"]}"
                .to_owned(),
            "flags: runc",
        ),
        (
            entry(
                "{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": [\"CAP_BPF\"]}}",
            ),
            "syscalls[0].includes: Docker's dialect",
        ),
        (
            entry("{\"name\": \"read\", \"action\": \"SCMP_ACT_ALLOW\"}"),
            "syscalls[0].name: Docker's dialect",
        ),
        (entry("{\"names\": [\"\"], \"action\": \"SCMP_ACT_ALLOW\"}"), "syscalls[0].names[0]"),
        (entry("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_NOTIFY\"}"), "needs a listener"),
        (
            entry("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 4096}"),
            "syscalls[0].errnoRet",
        ),
        (
            entry("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"errnoRet\": 1}"),
            "crun fails",
        ),
        (arg("{\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}"), "syscalls[0].args[0].index"),
        (
            arg("{\"index\": 0, \"value\": 18446744073709551616, \"op\": \"SCMP_CMP_EQ\"}"),
            "syscalls[0].args[0].value",
        ),
        (
            arg("{\"index\": 0, \"value\": 1, \"valueTwo\": -7, \"op\": \"SCMP_CMP_EQ\"}"),
            "syscalls[0].args[0].valueTwo",
        ),
        (
            entry("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"Args\": []}"),
            "syscalls[0].Args: docker reads this as `args`",
        ),
        (
            entry("{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\", \"names\": [\"bpf\"]}"),
            "syscalls[0].names: occurs twice",
        ),
        (arg("{\"index\": 0, \"value\": 1, \"op\": \"EQ\"}"), "syscalls[0].args[0].op: `EQ`"),
    ];
    for (text, expected) in cases {
        let message = profile::parse(&text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}

/// What lint says about a profile with these entries besides those that every profile needs.
fn complaints(default: &str, entries: &str) -> Vec<(Severity, String)> {
    let text = format!(
        "{{\"defaultAction\": \"{default}\", \"architectures\": [\"SCMP_ARCH_X86_64\"], \"syscalls\": [
            {{\"names\": [\"execve\", \"exit\", \"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"}}{entries}]}}"
    );
    profile::lint(&profile::parse(&text).unwrap())
        .into_iter()
        .map(|finding| (finding.severity, finding.to_string()))
        .collect()
}

#[test]
fn a_sound_profile_has_no_findings() {
    assert_eq!(complaints("SCMP_ACT_ERRNO", ""), []);
}

#[test]
fn what_can_be_read_but_not_relied_on_is_pointed_out() {
    let read = |action: &str, args: &str| {
        format!(", {{\"names\": [\"read\"], \"action\": \"{action}\", \"args\": [{args}]}}")
    };
    let equal = "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}";
    let twice = format!("{equal}, {{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}}");
    let masked_31 =
        "{\"index\": 0, \"value\": 15, \"valueTwo\": 31, \"op\": \"SCMP_CMP_MASKED_EQ\"}";
    let masked_15 =
        "{\"index\": 0, \"value\": 15, \"valueTwo\": 15, \"op\": \"SCMP_CMP_MASKED_EQ\"}";
    let less = "{\"index\": 0, \"value\": 9, \"op\": \"SCMP_CMP_LT\"}";
    let (allow, log) = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG");
    let errno = "SCMP_ACT_ERRNO";
    let two = |one: String, other: String| one + &other;
    let cases = [
        (Severity::Error, "SCMP_ACT_ALLOW", String::new(), "confines nothing: SCMP_ACT_ALLOW"),
        (Severity::Error, "SCMP_ACT_LOG", String::new(), "confines nothing: SCMP_ACT_LOG"),
        (Severity::Warning, "SCMP_ACT_ALLOW", read(errno, ""), "every call that no rule refuses"),
        (Severity::Warning, "SCMP_ACT_KILL_PROCESS", String::new(), "kills software that probes"),
        (Severity::Warning, "SCMP_ACT_TRAP", String::new(), "kills software that probes"),
        (Severity::Warning, "SCMP_ACT_TRACE", String::new(), "defaultAction: SCMP_ACT_TRACE lets"),
        (
            Severity::Warning,
            errno,
            read("SCMP_ACT_TRACE", ""),
            "syscalls[1].action: SCMP_ACT_TRACE lets",
        ),
        (Severity::Warning, errno, read(allow, &twice), "an index comes twice"),
        (
            Severity::Error,
            errno,
            two(read(allow, equal), read(log, equal)),
            "another action under the same condition",
        ),
        (
            Severity::Error,
            errno,
            two(read(allow, masked_31), read(log, masked_15)),
            "another action under the same condition",
        ),
        (
            Severity::Warning,
            errno,
            two(read(allow, equal), read(log, less)),
            "under a condition that overlaps",
        ),
        (
            Severity::Warning,
            errno,
            two(
                read(allow, less),
                read(allow, "{\"index\": 0, \"value\": 4, \"op\": \"SCMP_CMP_GT\"}"),
            ),
            "not what libseccomp 2.5 makes of them",
        ),
        (
            Severity::Warning,
            errno,
            two(read(allow, ""), read(allow, equal)),
            "the conditions are dropped",
        ),
        (Severity::Warning, errno, two(read(allow, ""), read(log, "")), "the first one counts"),
        (Severity::Warning, errno, read(errno, ""), "has no effect beyond the default"),
        (
            Severity::Warning,
            errno,
            read(allow, "{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_MASKED_EQ\"}"),
            "a mask of 0",
        ),
        (
            Severity::Error,
            errno,
            read(allow, "{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_LT\"}"),
            "never holds",
        ),
        (
            Severity::Warning,
            errno,
            ", {\"names\": [\"raed\"], \"action\": \"SCMP_ACT_ALLOW\"}".to_owned(),
            "raed",
        ),
    ];
    for (severity, default, entries, expected) in cases {
        let found = complaints(default, &entries);
        let hit = found.iter().find(|(_, text)| text.contains(expected));
        assert_eq!(hit.map(|(severity, _)| *severity), Some(severity), "{expected}: {found:?}");
    }
}

#[test]
fn a_process_that_cannot_exit_is_one_warning() {
    let text = "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_X86_64\"], \"syscalls\": [
        {\"names\": [\"read\", \"execve\"], \"action\": \"SCMP_ACT_ALLOW\"}]}";
    let findings = profile::lint(&profile::parse(text).unwrap());
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.severity, finding.places), (Severity::Warning, 2));
    assert!(finding.message.ends_with("(`exit`; also `exit_group`)"), "{finding}");
}

/// Three hundred times the same mistake is one thing to correct.
#[test]
fn each_cause_is_one_finding() {
    let rules: String = (0..300)
        .map(|nth| format!(", {{\"names\": [\"raed{nth}\"], \"action\": \"SCMP_ACT_TRACE\"}}"))
        .collect();
    let found = complaints("SCMP_ACT_ERRNO", &rules);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].1.contains("raed0; also raed1; raed2; raed3; raed4 and 295 more"),
        "{found:?}"
    );
    assert!(found[1].1.contains("also syscalls[2].action"), "{found:?}");
}

#[test]
fn calls_of_other_architectures_are_known() {
    let rule = ", {\"names\": [\"s390_pci_mmio_read\", \"breakpoint\", \"swapcontext\"], \"action\": \"SCMP_ACT_ALLOW\"}";
    assert_eq!(complaints("SCMP_ACT_ERRNO", rule), []);
}
