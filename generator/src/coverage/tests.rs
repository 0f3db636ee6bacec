use super::*;
use crate::abi::Abi;
use crate::diff::Level;
use crate::recording::Sample;
use crate::recording::example::{recording, set, with_values};
use crate::scan::{How, Kind, Reachable};

const APP: &str = "/usr/bin/app";

fn number(name: &str) -> u32 {
    Abi::X86_64.syscall_number(name).unwrap()
}

fn of(names: &[&str]) -> Recording {
    let calls: Vec<_> = names.iter().map(|name| (Abi::X86_64, number(name))).collect();
    recording(&calls)
}

/// The program can make these calls, and no others.
fn scanned(mut recording: Recording, names: &[&str]) -> Recording {
    let mut reachable = Reachable::default();
    for name in names {
        let how = How { kind: Kind::Import, file: APP.to_owned(), symbol: format!("f_{name}") };
        reachable.add(Abi::X86_64, number(name), how);
    }
    recording.reachable.insert(APP.to_owned(), reachable);
    recording
}

fn coverage(recording: Recording) -> Coverage {
    Coverage::of(vec![recording], false).unwrap()
}

fn find<'a>(coverage: &'a Coverage, name: &str) -> Option<&'a Unseen> {
    coverage.unseen.iter().find(|unseen| unseen.call() == name)
}

#[test]
fn what_is_reachable_and_was_not_seen_is_listed_with_why_it_is_closed() {
    let seen = ["read", "openat", "listen"];
    let all = ["read", "openat", "listen", "connect", "rename", "chown", "bpf"];
    let coverage = coverage(scanned(of(&seen), &all));
    assert!(!coverage.is_open());
    let connect = find(&coverage, "connect").unwrap();
    assert_eq!((connect.status, connect.risk.level), (Status::Closed, Level::Medium));
    assert!(
        connect.why.contains("medium risk (network") && connect.why.contains("only if it was seen")
    );
    assert_eq!(connect.reach, [(APP.to_owned(), "import f_connect in /usr/bin/app".to_owned())]);
    assert!(connect.events.iter().any(|event| event.name == "outgoing connections"));
    let rename = find(&coverage, "rename").unwrap();
    assert_eq!(rename.status, Status::Open);
    assert!(rename.why.contains("family"), "{}", rename.why);
    assert!(find(&coverage, "read").is_none() && find(&coverage, "lchown").is_none());
    assert_eq!(coverage.outside, BTreeSet::from(["bpf"]));
    let advice = coverage.advice();
    assert!(advice.iter().all(|one| one.calls.iter().all(|call| !call.reach.is_empty())));
    assert!(advice.iter().any(|one| one.event.name == "outgoing connections"), "{advice:?}");
}

/// The measure of the report: what a later run is refused was announced, if the programs can do it or it is not known.
#[test]
fn every_call_that_the_profile_refuses_was_announced_where_little_is_known() {
    let recordings = [
        of(&["read", "openat"]),
        scanned(with_values(&[("socket", &[&[2, 1, 0]]), ("ioctl", &[&[21505]])]), &["execve"]),
    ];
    for recording in recordings {
        let generated = generate(std::slice::from_ref(&recording), &Options::default()).unwrap();
        let policy = generated.profile.policy(generated.profile.listed_machines()).unwrap();
        let coverage = coverage(recording);
        assert!(coverage.is_open());
        let context = generate::context(&[of(&["read"])], &Options::default());
        let baseline = Baseline::docker_default().resolve(&context);
        for (at, name) in Abi::X86_64.syscalls() {
            let treatment = baseline.treatment(Abi::X86_64, name);
            let Some(allowed) = treatment.map(|one| one.allowed()).filter(|one| !one.is_empty())
            else {
                continue;
            };
            let announced = find(&coverage, name).filter(|one| one.status != Status::Open);
            let is_whole = policy
                .rules(Abi::X86_64, at)
                .iter()
                .any(|rule| rule.action == crate::policy::Action::Allow && rule.clauses == allowed);
            assert_eq!(announced.is_some(), !is_whole, "{name}");
            let is_with_events = announced
                .is_none_or(|one| one.status == Status::ByArgument || !one.events.is_empty());
            assert!(is_with_events, "{name}");
        }
    }
}

#[test]
fn values_of_arguments_are_announced_too() {
    let mut recording = with_values(&[("socket", &[&[2, 1, 0]]), ("ioctl", &[&[21505]])]);
    set(&mut recording, "ioctl", &[&[21505]], &[], 0);
    let coverage = coverage(recording);
    let socket = find(&coverage, "socket").unwrap();
    assert_eq!(socket.status, Status::ByArgument);
    let decoded: Vec<&str> = socket.values.iter().map(|one| one.decoded.as_str()).collect();
    assert!(decoded.contains(&"socket(AF_INET, SOCK_DGRAM, 0)"), "{decoded:?}");
    assert!(decoded.contains(&"socket(AF_NETLINK, SOCK_RAW, 0)"), "{decoded:?}");
    assert!(!decoded.iter().any(|one| one.contains("AF_INET, SOCK_STREAM")), "{decoded:?}");
    let netlink =
        socket.values.iter().find(|one| one.decoded.contains("NETLINK, SOCK_RAW, 0")).unwrap();
    assert!(netlink.events.iter().any(|event| event.name == "name resolution (DNS)"));
    // The terminal's size is asked for and set without having been seen.
    let ioctl = find(&coverage, "ioctl");
    let shown =
        ioctl.is_some_and(|one| one.values.iter().any(|one| one.decoded.contains("TIOCSWINSZ")));
    assert!(!shown);
}

#[test]
fn it_is_said_where_not_all_is_known() {
    let mut shell = scanned(of(&["read"]), &["read"]);
    shell.programs[0].path = "/bin/sh".to_owned();
    let reach = shell.reachable.remove(APP).unwrap();
    shell.reachable.insert("/bin/sh".to_owned(), reach);
    let mut open = scanned(of(&["read"]), &["read"]);
    open.reachable.get_mut(APP).unwrap().add_reason("it loads libraries by dlopen");
    for recording in [of(&["read"]), shell, open, scanned(of(&["read"]), &["read", "execve"])] {
        let coverage = coverage(recording);
        assert!(coverage.is_open(), "{:?}", coverage.programs);
        let connect = find(&coverage, "connect").unwrap();
        assert!(connect.reach.is_empty());
        let text = coverage.text(false).to_string();
        assert!(text.contains("So not all is known"), "{text}");
    }
    let closed = coverage(scanned(of(&["read"]), &["read"]));
    assert!(!closed.is_open() && find(&closed, "connect").is_none());
}

fn with_samples(mut recording: Recording, count: u64) -> Recording {
    let sample = |nth: u64| Sample {
        recording: String::new(),
        finished: std::time::Duration::from_millis(nth),
        name: format!("t{nth}"),
        calls: std::collections::BTreeMap::from([(
            Abi::X86_64,
            recording
                .iter()
                .enumerate()
                .filter(|(at, _)| *at == 0 || nth.is_multiple_of(*at as u64 + 1))
                .map(|(_, (_, number, _))| (number, 1))
                .collect(),
        )]),
        values: std::collections::BTreeMap::new(),
    };
    recording.samples = (0..count).map(sample).collect();
    recording
}

#[test]
fn the_report_reads_like_this() {
    let seen = ["read", "openat", "listen", "accept4", "socket", "close"];
    let all =
        ["read", "openat", "listen", "accept4", "socket", "close", "connect", "rename", "chown"];
    let mut recording = with_samples(scanned(of(&seen), &all), 40);
    set(&mut recording, "socket", &[&[2, 1, 0]], &[], 0);
    let coverage = coverage(recording);
    insta::assert_snapshot!("text", coverage.text(false).to_string());
    let text = json::print(&[coverage], Some(0.99)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let schema = serde_json::from_str(strait_profiles::schema::COVERAGE_V1).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(value["is_reached"], serde_json::json!(true));
}

#[test]
fn without_samples_nothing_is_estimated_and_no_gate_is_passed() {
    let coverage = coverage(with_samples(of(&["read"]), 4));
    assert_eq!(coverage.estimate.clone().unwrap_err().samples, 4);
    assert!(!coverage.reaches(0.0));
    let text = coverage.text(false).to_string();
    assert!(text.contains("cannot be estimated") && text.contains("strait mark"), "{text}");
    assert!(self::coverage(with_samples(of(&["read"]), 5)).reaches(0.99));
}
