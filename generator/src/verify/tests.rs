use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::diff::Exceptions;
use crate::policy::{Action, Clause, Errno, Policy, Predicate};
use crate::recording::{Phase, example};

const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
const AF_NETLINK: u64 = 16;

fn number(name: &str) -> u32 {
    Abi::X86_64.syscall_number(name).unwrap()
}

fn refusal(name: &str, args: [u64; 6], answer: Answer) -> Refusal {
    Refusal {
        abi: Abi::X86_64,
        number: Some(number(name)),
        answer,
        args,
        others: false,
        program: "/usr/bin/app".to_owned(),
        phase: None,
        count: 2,
    }
}

fn eperm(name: &str) -> Refusal {
    refusal(name, [0; 6], Answer::Errno(1))
}

/// A profile that allows these calls, and sockets of this family.
fn policy(allowed: &[&str], family: u64) -> Policy {
    let mut policy = Policy::new(ENOSYS, [Abi::X86_64]);
    for name in allowed {
        policy.add(name, Action::Allow, Clause::ALWAYS).unwrap();
    }
    let of_family = Clause::on(0, Predicate::MaskedEqual { mask: 0xffff_ffff, value: family });
    policy.add("socket", Action::Allow, of_family.unwrap()).unwrap();
    policy
}

fn exceptions(calls: &[&str]) -> Exceptions {
    let of = |call: &&str| serde_json::json!({"call": call, "reason": format!("about {call}"), "expires": "2026-12-31"});
    let file = serde_json::json!({
        "schema": "strait.allow/v1",
        "exceptions": calls.iter().map(of).collect::<Vec<_>>(),
    });
    Exceptions::parse(&file.to_string()).unwrap()
}

fn today() -> jiff::civil::Date {
    "2026-11-28".parse().unwrap()
}

fn expectation<'a>(policy: &'a Policy, exceptions: &'a Exceptions) -> Expectation<'a> {
    Expectation::new(policy, BTreeSet::new(), Some((6, 18)), exceptions, today())
}

fn verdict(policy: &Policy, refusal: &Refusal) -> Verdict {
    let place = Place { started: true, capabilities: None };
    expectation(policy, &Exceptions::default()).verdict(refusal, &place)
}

fn report(policy: &Policy, exceptions: &Exceptions, refusals: Vec<Refusal>) -> Report {
    let outcome = Outcome {
        recording: example::recording(&[(Abi::X86_64, 1)]),
        status: Status::Exited(0),
        refusals,
        refusals_lost: 0,
        still_running: 0,
    };
    Report::new("app.json", &expectation(policy, exceptions), &outcome)
}

#[test]
fn what_the_profile_allows_another_filter_has_refused() {
    let policy = policy(&["getppid", "chown"], 1);
    for answer in
        [Answer::Errno(1), Answer::Success, Answer::Returned, Answer::Sigsys, Answer::Killed]
    {
        assert_eq!(verdict(&policy, &refusal("chown", [9; 6], answer)), Verdict::Elsewhere);
        let of_both = verdict(&policy, &refusal("mkdir", [9; 6], answer));
        match answer {
            // The profile answers with an error.
            Answer::Errno(_) | Answer::Killed => assert_eq!(of_both, Verdict::Refused),
            _ => assert_eq!(of_both, Verdict::Elsewhere, "{answer:?}"),
        }
    }
    let socket = |family| refusal("socket", [family, 1, 0, 0, 0, 0], Answer::Errno(1));
    assert_eq!(verdict(&policy, &socket(1)), Verdict::Elsewhere);
    assert_eq!(verdict(&policy, &socket(AF_NETLINK)), Verdict::Refused);
    // The kernel looks at the lower half of an int.
    assert_eq!(verdict(&policy, &socket(0xdead_0000_0001)), Verdict::Elsewhere);
}

#[test]
fn what_libseccomp_does_not_know_is_refused_though_the_profile_names_it() {
    let policy = policy(&["getppid"], 1);
    let none = Exceptions::default();
    let lacking = BTreeSet::from([(Abi::X86_64, number("getppid"))]);
    let expectation = Expectation::new(&policy, lacking, None, &none, today());
    assert_eq!(expectation.verdict(&eperm("getppid"), &Place::default()), Verdict::Refused);
}

#[test]
fn an_unknown_refusal_counts_as_the_profiles_and_is_unsure() {
    let policy = policy(&["chown"], 1);
    let others = |name| Refusal { others: true, ..eperm(name) };
    assert_eq!(verdict(&policy, &others("socket")), Verdict::Unsure, "allowed for some families");
    assert_eq!(verdict(&policy, &others("mkdir")), Verdict::Refused);
    assert_eq!(verdict(&policy, &others("chown")), Verdict::Elsewhere);
    let killed = Refusal { number: None, answer: Answer::Killed, ..eperm("chown") };
    assert_eq!(verdict(&policy, &killed), Verdict::Unsure);
    let report = report(&policy, &Exceptions::default(), vec![killed]);
    assert_eq!(report.conclusion(), Conclusion::Refused);
    assert!(report.text().as_str().contains("not known"), "{}", report.text().as_str());
}

#[test]
fn a_runtimes_attempt_counts_only_if_dockers_default_would_let_it_through() {
    let policy = policy(&["write"], 1);
    let of = |name, phase, started| {
        let place = Place { started, capabilities: None };
        let refusal = Refusal { phase, ..eperm(name) };
        expectation(&policy, &Exceptions::default()).verdict(&refusal, &place)
    };
    let runtime = Some(Phase::Runtime);
    assert_eq!(of("open_tree", runtime, true), Verdict::Runtime);
    assert_eq!(of("open_tree", runtime, false), Verdict::Refused, "it did not go on");
    assert_eq!(of("open_tree", Some(Phase::Startup), true), Verdict::Refused);
    assert_eq!(of("fstat", runtime, true), Verdict::Refused, "Docker's default allows it");
    // With the capability Docker's default lets it through, so that the runtime may count on it.
    let place = Place { started: true, capabilities: Some(Capability::all()) };
    let refusal = Refusal { phase: runtime, ..eperm("open_tree") };
    let verdict = expectation(&policy, &Exceptions::default()).verdict(&refusal, &place);
    assert_eq!(verdict, Verdict::Refused);
}

#[test]
fn a_call_that_no_kernel_has_is_no_refusal_unless_it_kills() {
    let policy = policy(&["write"], 1);
    for nonsense in [600, 1_000_000, u32::MAX] {
        let of = |answer| Refusal { number: Some(nonsense), answer, ..eperm("mkdir") };
        assert_eq!(verdict(&policy, &of(Answer::Errno(38))), Verdict::NoSuchCall);
        assert_eq!(verdict(&policy, &of(Answer::Errno(1))), Verdict::NoSuchCall);
        assert_eq!(verdict(&policy, &of(Answer::Killed)), Verdict::Refused);
    }
    let newer = Refusal { number: Some(471), ..eperm("mkdir") };
    assert_eq!(verdict(&policy, &newer), Verdict::NoSuchCall, "not in Linux 6.18");
    let none = Exceptions::default();
    let expectation = Expectation::new(&policy, BTreeSet::new(), Some((7, 1)), &none, today());
    assert_eq!(
        expectation.verdict(&newer, &Place::default()),
        Verdict::Refused,
        "it may be in 7.1"
    );
}

#[test]
fn an_exception_accepts_what_it_covers_whole() {
    let policy = policy(&["write"], 1);
    let socket = |family| refusal("socket", [family, 3, 0, 0, 0, 0], Answer::Errno(1));
    let accepts = |calls: &[&str], refusal: Refusal| {
        let report = report(&policy, &exceptions(calls), vec![refusal]);
        assert_eq!(report.accepted.len() + report.refused.len(), 1);
        !report.accepted.is_empty()
    };
    assert!(accepts(&["socket(AF_NETLINK)"], socket(AF_NETLINK)));
    assert!(!accepts(&["socket(AF_NETLINK)"], socket(17)));
    assert!(accepts(&["socket"], socket(17)));
    assert!(!accepts(&["mkdir"], socket(17)));
    // Of what is not told apart by an argument, a part is not all.
    let many = |family| Refusal { others: true, ..socket(family) };
    assert!(!accepts(&["socket(AF_NETLINK)"], many(AF_NETLINK)));
    assert!(accepts(&["socket"], many(AF_NETLINK)));
}

#[test]
fn an_exception_that_has_expired_or_that_nothing_needs_accepts_nothing() {
    let policy = policy(&["write"], 1);
    let reviewed = exceptions(&["mkdir", "chown"]);
    let report = report(&policy, &reviewed, vec![eperm("mkdir")]);
    assert_eq!(report.conclusion(), Conclusion::Clean);
    assert_eq!(report.unused.iter().map(|it| &it.call).collect::<Vec<_>>(), ["chown"]);
    let later =
        Expectation::new(&policy, BTreeSet::new(), None, &reviewed, "2027-01-01".parse().unwrap());
    assert_eq!(later.verdict(&eperm("mkdir"), &Place::default()), Verdict::Refused);
}

#[test]
fn an_argument_that_an_exception_names_is_kept_apart() {
    let policy = policy(&["write"], 1);
    let reviewed = exceptions(&["kill(1, SIGTERM)"]);
    let looked_at = expectation(&policy, &reviewed).looked_at();
    let of =
        |name| looked_at.iter().find(|(abi, it, _)| (*abi, *it) == (Abi::X86_64, number(name)));
    assert_eq!(of("kill").unwrap().2, 0b11);
    assert_eq!(of("socket").unwrap().2, 0b1, "the profile looks at it");
}

#[test]
fn what_is_not_known_of_a_container_or_was_missed_is_not_clean() {
    let policy = policy(&["write"], 1);
    let mut report = report(&policy, &Exceptions::default(), Vec::new());
    assert_eq!(report.conclusion(), Conclusion::Clean);
    report.unknown = vec!["web".to_owned()];
    assert_eq!(report.conclusion(), Conclusion::Incomplete);
    report.unknown.clear();
    report.missed = vec!["once: a task could not be followed".to_owned()];
    assert_eq!(report.conclusion(), Conclusion::Incomplete);
    report.lost = 1;
    assert_eq!(report.conclusion(), Conclusion::Refused);
}

/// One of each kind.
fn one_of_each() -> Report {
    let mut policy = policy(&["clone", "chown"], 1);
    policy.add("getpgid", Action::KillProcess, Clause::ALWAYS).unwrap();
    let socket = |family| refusal("socket", [family, 3, 0, 0, 0, 0], Answer::Errno(1));
    let mut report = report(
        &policy,
        &exceptions(&["socket(AF_NETLINK)"]),
        vec![
            socket(38),
            socket(AF_NETLINK),
            Refusal { others: true, count: 137, ..socket(64) },
            refusal("getpgid", [0; 6], Answer::Killed),
            refusal("clone3", [0x7000, 88, 0, 0, 0, 0], Answer::Errno(38)),
            refusal("chown", [0x7000, 1, 2, 0, 0, 0], Answer::Success),
            refusal("chown", [0x7000, 1, 2, 0, 0, 0], Answer::Sigsys),
            refusal("chown", [0x7000, 1, 2, 0, 0, 0], Answer::Returned),
            refusal("chown", [0x7000, 1, 2, 0, 0, 0], Answer::Killed),
            Refusal { phase: Some(Phase::Runtime), ..eperm("open_tree") },
            Refusal { number: Some(u32::MAX), ..eperm("mkdir") },
            Refusal { number: None, answer: Answer::Killed, ..eperm("mkdir") },
        ],
    );
    report.containers = vec!["web".to_owned(), "db".to_owned()];
    report.unknown = vec!["db".to_owned()];
    report.lost = 3;
    report.still_running = 2;
    report.missed = vec!["once: a task could not be followed; its calls are missing".to_owned()];
    report
}

#[test]
fn the_report_reads_like_this() {
    insta::assert_snapshot!(one_of_each().text().as_str());
}

#[test]
fn its_file_keeps_to_its_schema() {
    let text = json::print(&one_of_each()).unwrap();
    let schema = strait_profiles::schema::VERIFY_V1;
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

/// A policy for some calls, by number, some of them by their first argument.
fn policies() -> impl Strategy<Value = Policy> {
    let action = prop_oneof![
        3 => Just(Action::Allow),
        1 => Just(Action::Log),
        1 => Just(Action::Errno(Errno::EPERM)),
        1 => Just(Action::Trap),
        1 => Just(Action::KillProcess),
    ];
    let rule = (0..12u32, prop::option::of(0..4u64), action);
    (prop::collection::vec(rule, 0..20), any::<bool>()).prop_map(|(rules, kills)| {
        let default = if kills { Action::KillThread } else { ENOSYS };
        let mut policy = Policy::new(default, [Abi::X86_64]);
        for (number, first, action) in rules {
            let clause =
                first.map_or(Some(Clause::ALWAYS), |it| Clause::on(0, Predicate::Equal(it)));
            let name = Abi::X86_64.syscall_name(number).unwrap();
            // Of two actions for one condition the first stays.
            let _ = policy.add(name, action, clause.unwrap());
        }
        policy
    })
}

fn refusals() -> impl Strategy<Value = Vec<Refusal>> {
    let answer = prop_oneof![
        (1..200u16).prop_map(Answer::Errno),
        Just(Answer::Success),
        Just(Answer::Returned),
        Just(Answer::Sigsys),
        Just(Answer::Killed),
    ];
    let number = prop_oneof![4 => (0..14u32).prop_map(Some), 1 => Just(Some(600)), 1 => Just(None)];
    let abi = prop_oneof![4 => Just(Abi::X86_64), 1 => Just(Abi::X86)];
    let one = (abi, number, 0..5u64, answer, any::<bool>(), any::<bool>(), 1..9u64).prop_map(
        |(abi, number, first, answer, others, runtime, count)| Refusal {
            abi,
            number,
            answer,
            args: [first, 0, 0, 0, 0, 0],
            others,
            program: "/usr/bin/app".to_owned(),
            phase: runtime.then_some(Phase::Runtime),
            count,
        },
    );
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn each_refusal_is_in_one_place_and_only_the_profiles_own_count(
        policy in policies(),
        refusals in refusals(),
        accepted in prop::option::of(Just("read")),
    ) {
        let calls: Vec<&str> = accepted.into_iter().collect();
        let reviewed = exceptions(&calls);
        let report = report(&policy, &reviewed, refusals.clone());
        let fallbacks = report.fallbacks.iter().map(|it| &it.refused);
        let places = [&report.refused, &report.runtime, &report.elsewhere, &report.no_such_call];
        let listed = places.into_iter().flatten().chain(fallbacks);
        let listed = listed.chain(report.accepted.iter().map(|it| &it.refused));
        prop_assert_eq!(
            listed.map(|it| it.count).sum::<u64>(),
            refusals.iter().map(|it| it.count).sum::<u64>()
        );
        for refusal in &refusals {
            let place = Place { started: true, capabilities: None };
            let verdict = expectation(&policy, &reviewed).verdict(refusal, &place);
            let Some(number) = refusal.number else {
                prop_assert_eq!(verdict, Verdict::Unsure);
                continue;
            };
            if !refusal.others {
                let action = policy.evaluate(refusal.abi, number, &refusal.args);
                let by_another = matches!(action, Action::Errno(_))
                    && !matches!(refusal.answer, Answer::Errno(_) | Answer::Killed);
                prop_assert_eq!(
                    verdict == Verdict::Elsewhere,
                    action.lets_through() || by_another
                );
            } else if verdict == Verdict::Elsewhere {
                for first in 0..6 {
                    let action = policy.evaluate(refusal.abi, number, &[first, 0, 0, 0, 0, 0]);
                    prop_assert!(action.lets_through(), "the profile may have refused one of them");
                }
            }
            if refusal.answer == Answer::Killed {
                prop_assert_ne!(verdict, Verdict::NoSuchCall);
            }
        }
    }
}
