use super::*;
use crate::machine::Machine;
use crate::profile;

fn side(name: &str, text: &str) -> Side {
    let profile = profile::parse(text).unwrap();
    Side::profile(name, &profile::OnMachines::same(&profile, Machine::X86_64), None).unwrap()
}

/// A profile that answers ENOSYS, on x86-64, with these entries.
fn with(entries: &str) -> Side {
    side(
        "app.json",
        &format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
                "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{entries}]}}"#
        ),
    )
}

fn allow(names: &str) -> String {
    let names: Vec<_> = names.split(' ').map(|name| format!("\"{name}\"")).collect();
    format!(r#"{{"names": [{}], "action": "SCMP_ACT_ALLOW"}}"#, names.join(", "))
}

fn family(value: u64) -> String {
    format!(
        r#"{{"names": ["socket"], "action": "SCMP_ACT_ALLOW",
            "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
    )
}

fn day() -> jiff::civil::Date {
    "2026-11-23".parse().unwrap()
}

fn compared(old: &Side, new: &Side) -> Diff {
    diff(old, new, &Exceptions::default(), day())
}

#[test]
fn another_spelling_is_equal() {
    let one = with(&[allow("read write close")].join(", "));
    let other = with(&[allow("close read"), allow("write"), allow("read")].join(", "));
    let diff = compared(&one, &other);
    assert_eq!(diff.verdict, Verdict::Equal);
    assert!(diff.changes.is_empty());
    for gate in [FailOn::Widened, FailOn::Risky, FailOn::Changed, FailOn::Never] {
        assert!(!diff.fails(gate));
    }
}

#[test]
fn a_new_argument_is_described() {
    let old = with(&[allow("read"), family(1), family(2)].join(", "));
    let new = with(&[allow("read"), family(1), family(2), family(16)].join(", "));
    let diff = compared(&old, &new);
    assert_eq!(diff.verdict, Verdict::Widened);
    let [change] = diff.changes.as_slice() else { panic!("{:?}", diff.changes) };
    assert_eq!(change.summary(), "AF_UNIX, AF_INET; adds AF_NETLINK");
    assert_eq!(change.witness.to_string(), "socket(AF_NETLINK, 0, 0)");
    assert_eq!(change.risk.level, Level::High);
    assert!(
        diff.fails(FailOn::Widened) && diff.fails(FailOn::Risky) && diff.fails(FailOn::Changed)
    );
    assert!(!diff.fails(FailOn::Never));
    let back = compared(&new, &old);
    assert_eq!(back.verdict, Verdict::Narrowed);
    assert_eq!(back.changes[0].summary(), "AF_UNIX, AF_INET, AF_NETLINK; removes AF_NETLINK");
    assert!(!back.fails(FailOn::Widened) && back.fails(FailOn::Changed));
}

#[test]
fn a_call_more_and_a_call_less_is_mixed() {
    let diff = compared(&with(&allow("read mount")), &with(&allow("read bpf")));
    assert_eq!(diff.verdict, Verdict::Mixed);
    assert_eq!(diff.widened().map(Change::call).collect::<Vec<_>>(), ["bpf"]);
    assert_eq!(diff.widened().next().unwrap().summary(), "refused with ENOSYS → allowed");
    assert_eq!(diff.narrowed().map(Change::call).collect::<Vec<_>>(), ["mount"]);
}

#[test]
fn only_what_is_risky_can_be_objected_to() {
    let diff = compared(&with(&allow("read")), &with(&allow("read getppid")));
    assert!(diff.fails(FailOn::Widened) && !diff.fails(FailOn::Risky));
}

#[test]
fn a_call_that_software_does_without_is_no_loss() {
    let old = with(&allow("read clone clone3 mkdir"));
    let diff = compared(&old, &with(&allow("read clone")));
    let instead = |call: &str| {
        diff.changes.iter().find(|change| change.call() == call).unwrap().instead.clone()
    };
    assert_eq!(instead("clone3"), ["clone"]);
    assert!(instead("mkdir").is_empty());
    let diff = compared(&old, &with(&allow("read")));
    assert!(diff.changes.iter().all(|change| change.instead.is_empty()), "clone is gone too");
}

/// How a profile refuses what was not called is no matter.
#[test]
fn a_profile_is_equal_to_a_recording_of_all_that_it_allows() {
    let read = Abi::X86_64.syscall_number("read").unwrap();
    let recorded = crate::recording::example::recording(&[(Abi::X86_64, read)]);
    let recorded = Side::recording("app.recording.json", &recorded);
    let profile = side(
        "app.json",
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    for diff in [compared(&profile, &recorded), compared(&recorded, &profile)] {
        assert_eq!(diff.verdict, Verdict::Equal, "{}", diff.text());
        assert!(!diff.fails(FailOn::Changed));
    }
}

#[test]
fn another_answer_is_a_change_and_no_widening() {
    let refuse = |errno: u16| {
        format!(r#"{{"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": {errno}}}"#)
    };
    let old = with(&[allow("read"), refuse(1)].join(", "));
    let new = with(&[allow("read"), refuse(13)].join(", "));
    let diff = compared(&old, &new);
    assert_eq!(diff.verdict, Verdict::Changed);
    assert_eq!(diff.changes[0].summary(), "refused with EPERM → refused with EACCES");
    assert!(diff.fails(FailOn::Changed) && !diff.fails(FailOn::Widened));
}

#[test]
fn a_default_that_allows_widens_all() {
    let old = with(&allow("read"));
    let open = side(
        "open.json",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#,
    );
    let diff = compared(&old, &open);
    assert_eq!(diff.settings[0].what, "default action");
    assert!(diff.widened().count() > 300);
    assert!(!diff.changes.iter().any(|change| change.call() == "bpf"));
    assert!(diff.widened().any(|change| change.more > 0), "numbers without a name too");
}

#[test]
fn an_architecture_more_is_one_line_for_people() {
    let old = with(&allow("read write"));
    let both = side(
        "both.json",
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let diff = compared(&old, &both);
    assert_eq!(diff.settings[0].after, "x86_64, x86");
    assert_eq!(diff.widened().count(), 2);
    let text = anstream::adapter::strip_str(&diff.text().to_string()).to_string();
    assert!(text.contains("all of x86 on x86_64: 2 calls newly allowed"), "{text}");
    assert!(!text.contains("+ read"), "{text}");
}

fn exceptions(list: &str) -> Exceptions {
    let text = format!(r#"{{"schema": "strait.allow/v1", "exceptions": [{list}]}}"#);
    Exceptions::parse(&text).unwrap()
}

#[test]
fn exceptions_have_to_cover_all_that_is_new_and_be_valid() {
    let old = with(&[allow("read"), family(1)].join(", "));
    let new = with(&[allow("read"), family(1), family(2), family(16)].join(", "));
    let failing = |list: &str| diff(&old, &new, &exceptions(list), day()).fails(FailOn::Widened);
    let netlink = r#"{"call": "socket(AF_NETLINK)", "reason": "r"}"#;
    let inet = r#"{"call": "socket(AF_INET)", "reason": "r", "abi": "x86_64"}"#;
    assert!(failing(netlink));
    assert!(!failing(&format!("{netlink}, {inet}")));
    assert!(!failing(r#"{"call": "socket", "reason": "r", "expires": "2026-11-23"}"#));
    assert!(failing(r#"{"call": "socket", "reason": "r", "expires": "2026-11-22"}"#));
    assert!(failing(r#"{"call": "socket", "reason": "r", "abi": "aarch64"}"#));
    let list = r#"{"call": "socket", "reason": "r"}, {"call": "bpf", "reason": "r"},
                  {"call": "read", "reason": "r", "expires": "2020-01-01"}"#;
    let compared = diff(&old, &new, &exceptions(list), day());
    assert_eq!(compared.unused.iter().map(|e| e.call.as_str()).collect::<Vec<_>>(), ["bpf"]);
    assert_eq!(compared.expired.iter().map(|e| e.call.as_str()).collect::<Vec<_>>(), ["read"]);
    assert_eq!(compared.verdict, Verdict::Widened, "an exception changes no fact");
}

#[test]
fn an_exception_excuses_no_loss() {
    let old = with(&[allow("read"), family(1)].join(", "));
    let new = with(&[allow("read"), family(2)].join(", "));
    let list = r#"{"call": "socket(AF_INET)", "reason": "r"}"#;
    let diff = diff(&old, &new, &exceptions(list), day());
    assert_eq!(diff.verdict, Verdict::Mixed);
    assert!(!diff.fails(FailOn::Widened) && diff.fails(FailOn::Changed));
}

#[test]
fn an_exception_for_a_part_is_not_called_needless() {
    let old = with(&allow("read"));
    let new = with(&[allow("read"), family(16)].join(", "));
    let list = r#"{"call": "socket(AF_NETLINK, SOCK_RAW)", "reason": "r"}"#;
    let part = diff(&old, &new, &exceptions(list), day());
    assert!(part.fails(FailOn::Widened) && part.unused.is_empty());
    assert_eq!(part.partial.len(), 1);
    let twice = format!(r#"{list}, {{"call": "socket", "reason": "r"}}"#);
    let whole = diff(&old, &new, &exceptions(&twice), day());
    assert!(!whole.fails(FailOn::Widened) && whole.partial.is_empty());
}

/// Which the kernel passes over.
#[test]
fn an_exception_is_for_a_32_bit_argument_with_any_upper_half() {
    let old = with(&allow("read"));
    let lower = r#"{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [
        {"index": 0, "value": 4294967295, "valueTwo": 16, "op": "SCMP_CMP_MASKED_EQ"}]}"#;
    let new = with(&[allow("read").as_str(), lower].join(", "));
    let list = r#"{"call": "socket(AF_NETLINK)", "reason": "r"}"#;
    assert!(!diff(&old, &new, &exceptions(list), day()).fails(FailOn::Widened));
}

#[test]
fn an_exception_for_what_is_allowed_excuses_nothing_that_is_left_to_a_tracer() {
    let kill = |action: &str, op: &str| {
        format!(
            r#"{{"names": ["kill"], "action": "{action}",
                "args": [{{"index": 0, "value": 1, "op": "SCMP_CMP_{op}"}}]}}"#
        )
    };
    let old = with(&allow("read"));
    let new = with(
        &[allow("read"), kill("SCMP_ACT_ALLOW", "EQ"), kill("SCMP_ACT_TRACE", "NE")].join(", "),
    );
    let excused = |list: &str| !diff(&old, &new, &exceptions(list), day()).fails(FailOn::Widened);
    assert!(!excused(r#"{"call": "kill(1)", "reason": "r"}"#));
    assert!(excused(r#"{"call": "kill", "reason": "r"}"#));
}

#[test]
fn what_is_not_known_is_not_called_equal() {
    let old = with(&allow("read"));
    let new = with(&allow("read call_of_2031"));
    let wider = compared(&old, &new);
    assert_eq!(wider.verdict, Verdict::Widened);
    assert!(wider.fails(FailOn::Widened) && !wider.fails(FailOn::Risky));
    assert_eq!(wider.settings[0].after, "call_of_2031");
    let text = "{\n\"read\",\n\"call_of_2031\"\n}";
    let log: serde_json::Value =
        serde_json::from_str(&sarif::print(&wider, text).unwrap()).unwrap();
    let [result] = log["runs"][0]["results"].as_array().unwrap().as_slice() else {
        panic!("one result: {log:#}");
    };
    assert_eq!(result["ruleId"], "strait/widened-unknown");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 3, "{result:#}");
    assert_eq!(compared(&new, &old).verdict, Verdict::Narrowed);
    assert_eq!(compared(&new, &new).verdict, Verdict::Equal);
    let profile = |architectures: &str| {
        let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls":
                       [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}], "architectures": "#;
        side("app.json", &format!("{text}[{architectures}]}}"))
    };
    let both = profile(r#""SCMP_ARCH_X86_64", "SCMP_ARCH_S390X""#);
    let more = compared(&profile(r#""SCMP_ARCH_X86_64""#), &both);
    assert_eq!(more.verdict, Verdict::Widened);
    assert!(more.fails(FailOn::Widened));
    assert_eq!(more.settings[0].after, "x86_64, SCMP_ARCH_S390X");
    let less = compared(&both, &profile(r#""SCMP_ARCH_X86_64""#));
    assert_eq!(less.verdict, Verdict::Narrowed);
}

/// GitHub refuses a comment of more than 65 536 characters.
#[test]
fn a_comment_has_room_for_any_change() {
    let old = side(
        "old.json",
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let all: Vec<_> = Abi::X86_64.syscalls().map(|(_, name)| name).collect();
    let (half, rest) = all.split_at(all.len() / 2);
    let (one, other) = (with(&allow(&half.join(" "))), with(&allow(&rest.join(" "))));
    let exception = format!(r#"{{"call": "read", "reason": "{}"}}"#, "because ".repeat(20));
    let list = exceptions(&vec![exception; 80].join(", "));
    for (old, new) in [(&old, &one), (&one, &other), (&other, &old)] {
        let markdown = markdown::print(&diff(old, new, &list, day()), FailOn::Widened).to_string();
        assert!(markdown.chars().count() < 65_536, "{}", markdown.len());
        let shown = markdown.split("<details>").next().unwrap();
        assert!(shown.lines().count() < 25, "{shown}");
    }
}

#[test]
fn the_riskiest_comes_first() {
    let diff = compared(&with(&allow("read")), &with(&allow("read getppid chown bpf acct")));
    let order: Vec<_> = diff.changes.iter().map(Change::call).collect();
    assert_eq!(order, ["acct", "bpf", "chown", "getppid"]);
}

/// What people read and machines take.
#[test]
fn it_looks_like_this() {
    let old = with(&[allow("read mkdir clone3 clone"), family(1), family(2)].join(", "));
    let new = with(&[allow("read clone bpf"), family(1), family(2), family(16)].join(", "));
    let list = r#"{"call": "bpf", "reason": "metrics", "expires": "2027-01-31"}"#;
    let diff = diff(&old, &new, &exceptions(list), day());
    insta::assert_snapshot!("text", anstream::adapter::strip_str(&diff.text().to_string()));
    insta::assert_snapshot!("markdown", markdown::print(&diff, FailOn::Widened));
    insta::assert_snapshot!("json", json::print(&diff, FailOn::Widened).unwrap());
    insta::assert_snapshot!("sarif", sarif::print(&diff, "{\n\"socket\"}").unwrap());
    let value = serde_json::from_str(&json::print(&diff, FailOn::Widened).unwrap()).unwrap();
    let schema = strait_profiles::schema::DIFF_V1;
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    assert!(validator.is_valid(&value), "{:?}", validator.validate(&value));
}

/// A test can have any name, and a report that shows it is not affected.
#[test]
fn names_of_others_are_neither_obeyed_nor_rendered() {
    let name = "a`|b</details>\n# @octocat ![i](http://x.example/) \u{1b}[2J\u{202e}";
    let mut evidence = Evidence::default();
    let seen = Seen {
        count: 1,
        programs: [(format!("/bin/{name}"), 1)].into(),
        first: Some(crate::evidence::First {
            sample: name.to_owned(),
            recording: String::new(),
            finished: std::time::Duration::ZERO,
        }),
        ..Seen::default()
    };
    let number = Abi::X86_64.syscall_number("bpf").unwrap();
    evidence.calls.entry(Abi::X86_64).or_default().insert(number, seen);
    let mut new = with(&allow("read bpf"));
    new.evidence = Some(evidence);
    new.name = name.to_owned();
    let diff = compared(&with(&allow("read")), &new);
    let obeyed = |text: &str| text.lines().any(|line| line.contains(['\u{1b}', '\u{202e}']));
    let text = anstream::adapter::strip_str(&diff.text().to_string()).to_string();
    assert!(!obeyed(&text) && text.contains("\\u{1b}[2J"), "{text}");
    let coloured = diff.text().to_string();
    assert!(!coloured.contains("\u{1b}[2J"), "{coloured:?}");
    let markdown = markdown::print(&diff, FailOn::Widened).to_string();
    assert!(!obeyed(&markdown) && !markdown.contains("\n# "), "{markdown}");
    let row = markdown.lines().find(|line| line.starts_with("| `bpf`")).unwrap();
    // In a code span, whose pipes do not end the cell.
    assert!(row.contains(" first in ``a`\\|b</details>\\n# @octocat ![i]"), "{row}");
    assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
}

#[test]
fn a_call_that_no_kernel_has_changes_nothing() {
    let write = (Abi::X86_64, Abi::X86_64.syscall_number("write").unwrap());
    let nonsense = [(Abi::X32, 0xbfff_fffe), (Abi::X86_64, 600), (Abi::X86_64, u32::MAX)];
    let before = Side::recording("old", &crate::recording::example::recording(&[write]));
    let with: Vec<_> = std::iter::once(write).chain(nonsense).collect();
    let after = Side::recording("new", &crate::recording::example::recording(&with));
    let today = "2026-11-01".parse().unwrap();
    let compared = diff(&before, &after, &Exceptions::default(), today);
    assert!(!compared.fails(FailOn::Changed), "{:?}", compared.changes);
    assert!(compared.whole_abis.is_empty());
}
