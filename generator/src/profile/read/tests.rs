use super::*;

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_error_without_a_number_is_eperm() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#;
    assert_eq!(parse(text).unwrap().default, Action::Errno(Errno::EPERM));
}

#[test]
fn what_docker_writes_for_nothing_is_nothing() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": null, "syscalls": [{
        "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "why",
        "includes": {}, "excludes": {"caps": []}}]}"#;
    assert_eq!(parse(text).unwrap().entries.len(), 1);
}

#[test]
fn a_masked_comparison_has_its_mask_first() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{
        "names": ["clone"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 240, "valueTwo": 16, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
    let expected = Predicate::MaskedEqual { mask: 240, value: 16 };
    assert_eq!(parse(text).unwrap().entries[0].args[0].predicate, expected);
}

#[test]
fn every_wrong_place_is_named_at_once() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [{}, 1], "syscalls": [
        {"names": [""], "action": "SCMP_ACT_DENY"},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1,
         "args": [{"index": 6, "value": -1, "op": "=="}]}]}"#;
    insta::assert_snapshot!(complaint(text), @r"
    this profile cannot be used: archMap: Docker's dialect, which containerd drops: `strait convert` makes a plain OCI profile of it
    syscalls[0].names[0]: expected the name of a call; runc fails on this
    syscalls[0].action: `SCMP_ACT_DENY` is not a valid action: write a name such as SCMP_ACT_ALLOW or SCMP_ACT_ERRNO
    syscalls[1].errnoRet: SCMP_ACT_ALLOW returns no error, and crun fails on this: remove the number
    syscalls[1].args[0].index: expected an argument's index, 0 to 5
    syscalls[1].args[0].value: expected a whole number from 0 to 18446744073709551615
    syscalls[1].args[0].op: `==` is not a valid comparison: write SCMP_CMP_EQ, NE, LT, LE, GE, GT or MASKED_EQ
    ");
}

#[test]
fn an_empty_file_is_called_empty() {
    for text in ["", "\n", "\u{feff}"] {
        assert!(complaint(text).starts_with("this file is empty"), "{}", complaint(text));
    }
}

#[test]
fn an_empty_object_is_not_taken_for_a_profile() {
    insta::assert_snapshot!(complaint("{}"), @"this profile cannot be used: defaultAction: missing, and without it Docker and runc leave the container unconfined: write SCMP_ACT_ERRNO with a defaultErrnoRet of 38");
}

#[test]
fn of_two_lists_for_one_machine_the_first_counts() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [], "archMap": [
        {"architecture": "SCMP_ARCH_X86_64"},
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]}"#;
    let context = Context {
        machine: crate::machine::Machine::X86_64,
        capabilities: crate::policy::Capability::docker_default(),
        kernel: None,
    };
    let profile = parse_for(text, &context).unwrap();
    assert_eq!(profile.architectures, [crate::abi::Abi::X86_64.into()]);
}

/// moby `profiles/seccomp/seccomp_linux.go`: `includes` needs all, `excludes` any.
#[test]
fn an_entry_applies_if_all_that_it_includes_holds_and_nothing_that_it_excludes() {
    let applies = |conditions: &str| {
        let text = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{
                "names": ["bpf"], "action": "SCMP_ACT_ALLOW", {conditions}}}]}}"#
        );
        let context = Context {
            machine: crate::machine::Machine::X86_64,
            capabilities: crate::policy::Capability::docker_default(),
            kernel: Some((5, 10)),
        };
        !parse_for(&text, &context).unwrap().entries.is_empty()
    };
    let conditions = [
        (r#""caps": ["CAP_CHOWN"]"#, true),
        (r#""caps": ["CAP_BPF"]"#, false),
        (r#""arches": ["arm64", "amd64"]"#, true),
        (r#""arches": ["arm64", "x86"]"#, false),
        (r#""minKernel": "5.10""#, true),
        (r#""minKernel": "5.11""#, false),
    ];
    for (condition, holds) in conditions {
        assert_eq!(applies(&format!(r#""includes": {{{condition}}}"#)), holds, "{condition}");
        assert_eq!(applies(&format!(r#""excludes": {{{condition}}}"#)), !holds, "{condition}");
    }
    let two = r#"{"caps": ["CAP_CHOWN", "CAP_BPF"]}"#;
    assert!(!applies(&format!(r#""includes": {two}"#)));
    assert!(!applies(&format!(r#""excludes": {two}"#)));
}

#[test]
fn what_others_wrote_is_shown_so_that_no_terminal_obeys_it() {
    let text = r#"{"defaultAction": "\u001b[2J\n::notice::", "\u001b[3J": 1}"#;
    let complaint = complaint(text);
    assert!(!complaint.contains('\u{1b}') && complaint.contains("[2J\\n::notice::"), "{complaint}");
}

#[test]
fn a_recording_is_not_taken_for_a_profile() {
    insta::assert_snapshot!(complaint(r#"{"schema": "strait.recording/v1"}"#), @"this is a recording (schema `strait.recording/v1`), not a profile. Make a profile of it with `strait generate RECORDING -o PROFILE`");
}
