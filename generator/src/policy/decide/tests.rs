use super::*;
use crate::policy::baseline::{Baseline, Context};
use crate::policy::{Capability, Clause, Errno, Predicate};

const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
const EPERM: Action = Action::Errno(Errno::EPERM);

fn policy(default: Action, calls: &[(&str, Clause)]) -> Policy {
    let mut policy = Policy::new(default, [Abi::X86_64]);
    for (name, clause) in calls {
        policy.add(name, Action::Allow, *clause).unwrap();
    }
    policy
}

fn on(index: usize, predicate: Predicate) -> Clause {
    Clause::on(index, predicate).unwrap()
}

fn docker() -> Policy {
    let context = Context {
        abis: [Abi::X86_64].into(),
        capabilities: Capability::docker_default(),
        kernel: None,
    };
    Baseline::docker_default().resolve(&context).policy(Abi::X86_64).unwrap()
}

#[test]
fn a_bare_socket_is_wider_than_the_docker_default() {
    let bare = policy(ENOSYS, &[("socket", Clause::ALWAYS)]);
    let witness = within(&bare, &docker()).unwrap_err();
    assert_eq!(witness.to_string(), "socket(AF_ALG, 0, 0)");
    assert_eq!((witness.before, witness.after), (Action::Allow, EPERM));
    let narrow = policy(ENOSYS, &[("socket", on(0, Predicate::Equal(2)))]);
    within(&narrow, &docker()).unwrap();
}

#[test]
fn a_sign_extended_value_is_another_value_on_64_bits() {
    let narrow = policy(ENOSYS, &[("personality", on(0, Predicate::Equal(u64::MAX)))]);
    let witness = within(&narrow, &docker()).unwrap_err();
    assert_eq!(witness.args[0], u64::MAX);
    let masked = Predicate::MaskedEqual { mask: 0xffff_ffff, value: 0xffff_ffff };
    let masked = policy(ENOSYS, &[("personality", on(0, masked))]);
    let witness = within(&masked, &docker()).unwrap_err();
    assert_eq!(witness.args[0], 0x1_ffff_ffff);
    assert_eq!(witness.to_string(), "personality(query) with arg0 = 0x1ffffffff");
}

#[test]
fn what_a_tracer_may_let_through_is_more_than_what_is_refused() {
    let with = |action| {
        let mut policy = Policy::new(ENOSYS, [Abi::X86_64]);
        policy.add("mount", action, Clause::ALWAYS).unwrap();
        policy
    };
    let (refused, traced, allowed) = (with(EPERM), with(Action::Trace(1)), with(Action::Allow));
    for (less, more) in [(&refused, &traced), (&traced, &allowed), (&refused, &allowed)] {
        within(less, more).unwrap();
        assert_eq!(within(more, less).unwrap_err().to_string(), "mount(NULL, NULL, NULL, 0, NULL)");
    }
    within(&traced, &with(Action::Trace(2))).unwrap();
}

#[test]
fn each_direction_has_its_witness() {
    let before = policy(ENOSYS, &[("read", on(0, Predicate::Less(4)))]);
    let after =
        policy(EPERM, &[("read", on(0, Predicate::Less(2))), ("read", on(0, Predicate::Equal(7)))]);
    let comparison = compare(&before, &after);
    let read = comparison.changes().next().unwrap();
    assert_eq!((read.kind, read.name()), (ChangeKind::Mixed, Some("read")));
    assert_eq!(read.widened.unwrap().args, [7, 0, 0, 0, 0, 0]);
    assert_eq!(read.narrowed.unwrap().args, [2, 0, 0, 0, 0, 0]);
    assert_eq!(read.refusal.unwrap().args, [4, 0, 0, 0, 0, 0]);
    let unnamed = comparison.changes().find(|change| change.name().is_none()).unwrap();
    assert_eq!(unnamed.kind, ChangeKind::Refusal);
    assert!(unnamed.more > LAST_NUMBER - 1024);
}

#[test]
fn an_abi_that_is_not_listed_is_killed() {
    let one = policy(ENOSYS, &[("read", Clause::ALWAYS)]);
    let mut both = Policy::new(ENOSYS, [Abi::X86_64, Abi::X86]);
    both.add("read", Action::Allow, Clause::ALWAYS).unwrap();
    within(&one, &both).unwrap();
    let witness = within(&both, &one).unwrap_err();
    assert_eq!((witness.abi, witness.after), (Abi::X86, Action::KillThread));
}

#[test]
fn a_witness_has_the_smallest_arguments() {
    let mut wide = policy(ENOSYS, &[("read", on(0, Predicate::Equal(7)))]);
    wide.add("read", Action::Log, on(0, Predicate::Equal(3))).unwrap();
    assert_eq!(within(&wide, &policy(ENOSYS, &[])).unwrap_err().args[0], 3);
}

#[test]
fn every_number_is_counted_once() {
    let comparison = compare(&policy(ENOSYS, &[]), &policy(EPERM, &[]));
    let numbers: u32 = comparison.changes().map(|change| change.more + 1).sum();
    assert_eq!(numbers, LAST_NUMBER + 1);
}

#[test]
fn of_two_errors_the_final_one_is_stricter() {
    let (soft, hard) = (policy(ENOSYS, &[]), policy(EPERM, &[]));
    assert_eq!(union(&soft, &hard).unwrap().default_action(), ENOSYS);
    assert_eq!(intersection(&soft, &hard).unwrap().default_action(), EPERM);
}

#[test]
fn a_partly_known_call_goes_through_always_sometimes_or_never() {
    let meaning = Meaning::from(&policy(ENOSYS, &[("read", on(0, Predicate::Less(4)))]));
    let read = Abi::X86_64.syscall_number("read").unwrap();
    let known = |clause| meaning.lets_through(Abi::X86_64, read, &[clause]);
    assert_eq!(known(on(0, Predicate::Equal(3))), Ok(Certainty::Always));
    assert_eq!(known(on(1, Predicate::Equal(3))), Ok(Certainty::Sometimes));
    assert_eq!(known(on(0, Predicate::Equal(4))), Err(ENOSYS));
}

#[test]
fn the_same_in_another_form_is_equal() {
    let one = policy(ENOSYS, &[("read", on(0, Predicate::Less(2)))]);
    let other = policy(
        ENOSYS,
        &[("read", on(0, Predicate::Equal(0))), ("read", on(0, Predicate::Equal(1)))],
    );
    assert!(compare(&one, &other).is_equal());
}

#[test]
fn calls_of_a_later_kernel_are_compared_too() {
    let witness = within(&policy(Action::Allow, &[]), &policy(ENOSYS, &[])).unwrap_err();
    assert!(Abi::X86_64.syscall_name(witness.number).is_some());
    let named = Abi::X86_64.syscalls().map(|(_, name)| (name, Clause::ALWAYS));
    let all = policy(ENOSYS, &named.collect::<Vec<_>>());
    let witness = within(&policy(Action::Allow, &[]), &all).unwrap_err();
    assert_eq!(Abi::X86_64.syscall_name(witness.number), None);
}

#[test]
fn a_union_keeps_the_rules_where_they_say_it() {
    let one = policy(ENOSYS, &[("socket", on(0, Predicate::Equal(1)))]);
    let other = policy(ENOSYS, &[("socket", on(0, Predicate::Equal(2)))]);
    let both = union(&one, &other).unwrap();
    let socket = Abi::X86_64.syscall_number("socket").unwrap();
    assert_eq!(both.rules(Abi::X86_64, socket)[0].clauses.len(), 2);
    assert!(compare(&intersection(&both, &one).unwrap(), &one).is_equal());
}

#[test]
fn an_intersection_with_the_docker_default_is_within_it() {
    let wide = policy(
        ENOSYS,
        &[
            ("socket", Clause::ALWAYS),
            ("mount", Clause::ALWAYS),
            ("clone", on(0, Predicate::Less(0x4000_0000))),
        ],
    );
    let docker = docker();
    let narrow = intersection(&wide, &docker).unwrap();
    within(&narrow, &docker).unwrap();
    within(&narrow, &wide).unwrap();
    let clone = Abi::X86_64.syscall_number("clone").unwrap();
    assert_eq!(narrow.evaluate(Abi::X86_64, clone, &[0x11, 0, 0, 0, 0, 0]), Action::Allow);
}

#[test]
fn two_defaults_make_no_policy() {
    let one = policy(ENOSYS, &[]);
    let mut other = Policy::new(EPERM, [Abi::X86]);
    other.add("read", Action::Allow, Clause::ALWAYS).unwrap();
    assert!(matches!(union(&one, &other), Err(Inexpressible::Defaults { .. })));
    let nothing = intersection(&one, &other).unwrap();
    assert_eq!(nothing.abis().count(), 0);
}

#[test]
fn of_many_conditions_some_are_shown_and_the_others_counted() {
    let values = |count| (0..count).map(|nth| ("ioctl", on(1, Predicate::Equal(nth * 7919))));
    let conditions = |count| {
        let policy = policy(EPERM, &values(count).collect::<Vec<_>>());
        let ioctl = Abi::X86_64.syscall_number("ioctl").unwrap();
        Meaning::from(&policy).conditions(Abi::X86_64, ioctl).unwrap()
    };
    assert_eq!(conditions(2), [(Action::Allow, "arg1 == 0x0, or arg1 == 0x1eef".to_owned())]);
    let [(Action::Allow, many)] = &conditions(200)[..] else { panic!() };
    assert!(many.ends_with(", or 136 more conditions"), "{many}");
}
