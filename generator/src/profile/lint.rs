//! What is wrong with a profile that can be read.
//!
//! An error is what no container starts with, what confines nothing, and what a filter lets through that the
//! profile refuses. A warning works, though not everywhere or perhaps not as meant.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Causes;
use super::{Architecture, Entry, Finding, Profile, Severity};
use crate::abi::{Abi, is_call_somewhere};
use crate::policy::complement::overlap;
use crate::policy::exact::is_exact;
use crate::policy::{Action, Clause, Errno, Policy, Predicate};
use crate::untrusted::short;

use Severity::{Error, Warning};

/// Everything there is to say about a profile, a finding for each cause, in the order in which they are met.
#[must_use]
pub fn lint(profile: &Profile) -> Vec<Finding> {
    lint_at(profile, &[])
}

/// The same, where the entries are those rules of a file; without any, they are all of its rules.
pub(super) fn lint_at(profile: &Profile, places: &[usize]) -> Vec<Finding> {
    let at = |nth: usize| places.get(nth).copied().unwrap_or(nth);
    let mut causes = Causes::default();
    if !confines(profile, &mut causes) {
        return causes.findings();
    }
    risky_default(profile, &mut causes);
    architectures(profile, &mut causes);
    missing(profile, &mut causes);
    for (nth, entry) in profile.entries.iter().enumerate() {
        entry_alone(profile, &format!("syscalls[{}]", at(nth)), entry, &mut causes);
    }
    entries_together(profile, &at, &mut causes);
    hidden_socket(profile, &mut causes);
    causes.findings()
}

/// What is wrong with a profile that confines nothing, or that lets nothing through.
#[must_use]
pub fn futile(profile: &Profile) -> Option<Finding> {
    let mut causes = Causes::default();
    let is_futile = !confines(profile, &mut causes);
    causes.findings().into_iter().next().filter(|_| is_futile)
}

/// Whether any of the findings is an error.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Error)
}

/// Whether a call may be refused, and one may be let through.
fn confines(profile: &Profile, causes: &mut Causes) -> bool {
    let lets_through = |entry: &Entry| entry.action.lets_through() || entry.names.is_empty();
    if profile.default.lets_through() {
        let nothing = profile.entries.iter().all(lets_through);
        let message = match (profile.default, nothing) {
            (Action::Log, true) => {
                "confines nothing: SCMP_ACT_LOG lets every call through and logs it, and no rule refuses one. \
                 Write SCMP_ACT_ERRNO with a defaultErrnoRet of 38"
            }
            (_, true) => {
                "confines nothing: SCMP_ACT_ALLOW lets every call through, and no rule refuses one. \
                 Write SCMP_ACT_ERRNO with a defaultErrnoRet of 38, and name what is allowed"
            }
            (_, false) => {
                "lets through every call that no rule refuses, those of later kernels too: \
                 write SCMP_ACT_ERRNO with a defaultErrnoRet of 38, and name what is allowed"
            }
        };
        causes.note(if nothing { Error } else { Warning }, "defaultAction", message, "");
        return !nothing;
    }
    if profile.entries.is_empty() {
        let message = "no rules, so that every call is refused and no container starts: \
                       generate a profile with `strait generate RECORDING`";
        causes.note(Error, "syscalls", message, "");
    }
    !profile.entries.is_empty()
}

/// What only a tracer refuses is open to each program that traces a child of its own (ptrace(2)).
const TRACED: &str = "SCMP_ACT_TRACE lets the call through for a program that may call ptrace, as the tracer of \
                      its own child: write SCMP_ACT_ERRNO";

fn risky_default(profile: &Profile, causes: &mut Causes) {
    let message = match profile.default {
        Action::Trace(_) => TRACED,
        Action::KillThread | Action::KillProcess | Action::Trap => {
            "kills software that probes for a newer call (libuv, Go, runc itself) instead of letting it \
             fall back: write SCMP_ACT_ERRNO with a defaultErrnoRet of 38"
        }
        _ => return,
    };
    causes.note(Warning, "defaultAction", message, "");
}

fn architectures(profile: &Profile, causes: &mut Causes) {
    if profile.architectures.is_empty() {
        let message = "none listed, so the profile means something else on every machine: \
                       list the architectures that the workload was recorded on";
        causes.note(Warning, "architectures", message, "");
    }
    for (nth, architecture) in profile.architectures.iter().enumerate() {
        if architecture.abi().is_none() {
            let message = "Strait does not know the calls of this architecture, and proves nothing about \
                 them: it knows those of x86-64, i386, x32 and arm64";
            causes.note(Warning, format!("architectures[{nth}]"), message, architecture.name());
        }
    }
}

fn allows(profile: &Profile, name: &str) -> bool {
    let named = |entry: &&Entry| entry.names.iter().any(|other| other == name);
    let mut rules = profile.entries.iter().filter(named);
    if profile.default.lets_through() {
        return rules.all(|entry| entry.action.lets_through() || !entry.args.is_empty());
    }
    rules.any(|entry| entry.action.lets_through())
}

fn missing(profile: &Profile, causes: &mut Causes) {
    for name in ["exit", "exit_group"].into_iter().filter(|name| !allows(profile, name)) {
        let message =
            "not allowed, and a process that cannot exit spins forever, or is killed: allow it";
        causes.note(Warning, "syscalls", message, format!("`{name}`"));
    }
    if !allows(profile, "execve") {
        let message = "`execve` is not allowed, so nothing can be started under this profile: allow it, \
                       unless the program installs the filter itself";
        causes.note(Warning, "syscalls", message, "");
    }
}

fn entry_alone(profile: &Profile, path: &str, entry: &Entry, causes: &mut Causes) {
    // Naming what answers ENOSYS helps with Docker before 23, which drops `defaultErrnoRet`.
    if entry.action == profile.default && entry.action != Action::Errno(Errno::ENOSYS) {
        let message =
            "has no effect beyond the default, and runc before 1.0.2 fails on it: remove the entry";
        causes.note(Warning, path, message, "");
    }
    for name in entry.names.iter().filter(|name| !is_call_somewhere(name)) {
        let message = "not a call that libseccomp 2.5 knows on any architecture; runtimes ignore what theirs does not \
                       know: correct the name, if it is not of a newer kernel";
        causes.note(Warning, format!("{path}.names"), message, short(name));
    }
    if entry.repeats_an_index() {
        let message = "an index comes twice, and so every comparison of this entry is a rule of its own, \
                       any of which is enough: split the entry if that is meant";
        causes.note(Warning, format!("{path}.args"), message, "");
    }
    for (nth, arg) in entry.args.iter().enumerate() {
        let (severity, message) = match arg.predicate {
            Predicate::MaskedEqual { mask: 0, .. } => (
                Warning,
                "a mask of 0 compares nothing, and the condition always holds: write the mask as `value` and the \
                 bits as `valueTwo`",
            ),
            Predicate::Less(0) | Predicate::Greater(u64::MAX) => (
                Error,
                "never holds, and libseccomp 2.5 makes of it one that does: remove the entry",
            ),
            _ => continue,
        };
        causes.note(severity, format!("{path}.args[{nth}]"), message, "");
    }
    if matches!(entry.action, Action::Trace(_)) {
        causes.note(Warning, format!("{path}.action"), TRACED, "");
    }
    if matches!(entry.action, Action::Errno(errno) if errno.number() == 0) {
        let message = "an error of 0 makes the call seem to succeed without being made: \
                       write 1 for EPERM or 38 for ENOSYS";
        causes.note(Warning, format!("{path}.errnoRet"), message, "");
    }
}

/// What an entry says about one call, and where.
struct Statement {
    /// Index of the entry.
    entry: usize,
    action: Action,
    clause: Clause,
}

fn entries_together(profile: &Profile, at: &dyn Fn(usize) -> usize, causes: &mut Causes) {
    let mut calls: BTreeMap<&str, Vec<Statement>> = BTreeMap::new();
    for (nth, entry) in profile.entries.iter().enumerate() {
        if entry.action == profile.default {
            continue;
        }
        for name in &entry.names {
            let statements = entry.clauses().into_iter().map(|clause| Statement {
                entry: at(nth),
                action: entry.action,
                clause,
            });
            calls.entry(name).or_default().extend(statements);
        }
    }
    for (name, statements) in &calls {
        if says_one_thing(statements) {
            continue;
        }
        let mut earlier: Vec<&Statement> = Vec::new();
        let mut unconditional = BTreeSet::new();
        for later in statements {
            let said = earlier.iter().find_map(|one| Some((one, pair(one, later)?)));
            if let Some((one, (severity, message))) = said {
                let detail = format!("`{}` in {}, see {}", short(name), later.path(), one.path());
                causes.note(severity, later.path(), message, detail);
            }
            // Said once more it adds nothing, and there may be very many.
            if !later.clause.is_unconditional() || unconditional.insert(later.action) {
                earlier.push(later);
            }
        }
    }
    for (name, statements) in &calls {
        let clauses: BTreeSet<Clause> = statements.iter().map(|said| said.clause).collect();
        let unconditional = clauses.iter().any(Clause::is_unconditional);
        let clauses: Vec<Clause> = clauses.into_iter().collect();
        if !unconditional && !is_exact(&clauses) {
            let path = statements.first().map_or_else(|| "syscalls".to_owned(), Statement::path);
            let message = "the conditions are not what libseccomp 2.5 makes of them, which can allow more: compare \
                           for equality (SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ), or use one entry";
            causes.note(Warning, path, message, format!("`{}`", short(name)));
        }
    }
    multiplexed(profile, at, causes);
}

impl Statement {
    fn path(&self) -> String {
        format!("syscalls[{}]", self.entry)
    }
}

/// Whether there is nothing to compare: the same action under conditions each time, or always without one.
/// Of the others there are few, since a profile has at most so many conditions.
fn says_one_thing(statements: &[Statement]) -> bool {
    let same = |one: &Statement, other: &Statement| {
        one.action == other.action
            && one.clause.is_unconditional() == other.clause.is_unconditional()
    };
    statements.first().is_none_or(|first| statements.iter().all(|other| same(first, other)))
}

fn pair(earlier: &Statement, later: &Statement) -> Option<(Severity, &'static str)> {
    let unconditional = (earlier.clause.is_unconditional(), later.clause.is_unconditional());
    let same_action = earlier.action == later.action;
    let message = match unconditional {
        (true, true) if same_action => return None,
        (true, true) => {
            "the call has a rule already, and the first one counts: keep one of the two"
        }
        (true, false) | (false, true) => {
            "the call has a rule without conditions and one with: the conditions are dropped. Keep one of the two"
        }
        (false, false) if same_action => return None,
        (false, false) if earlier.clause == later.clause => {
            let message = "the call has another action under the same condition, and no container starts with that: \
                           remove one";
            return Some((Error, message));
        }
        (false, false) if overlapping(&earlier.clause, &later.clause) => {
            "the call has another action under a condition that overlaps, and which one counts is up to libseccomp: \
             keep one of the two"
        }
        (false, false) => return None,
    };
    Some((Warning, message))
}

/// Whether there are arguments for which both hold.
pub(crate) fn overlapping(one: &Clause, other: &Clause) -> bool {
    one.predicates().all(|(index, left)| {
        other.predicates().filter(|(at, _)| *at == index).all(|(_, right)| overlap(left, right))
    })
}

/// Rules that contradict each other only once libseccomp has led them through `socketcall`.
fn multiplexed(profile: &Profile, at: &dyn Fn(usize) -> usize, causes: &mut Causes) {
    if !profile.architectures.contains(&Architecture::from(Abi::X86)) {
        return;
    }
    let mut policy = Policy::new(profile.default, [Abi::X86]);
    for (nth, entry) in profile.entries.iter().enumerate() {
        for name in &entry.names {
            for clause in entry.clauses() {
                let Err(conflict) = policy.add(name, entry.action, clause) else {
                    continue;
                };
                if !entry.clauses().contains(&conflict.clause) {
                    let message = "on i386 the call goes through another one, where its first argument cannot \
                                   be seen and both actions have the same condition; no container starts with \
                                   that: remove one, or SCMP_ARCH_X86";
                    let path = format!("syscalls[{}]", at(nth));
                    causes.note(Error, path, message, format!("`{name}`"));
                }
                return;
            }
        }
    }
}

fn hidden_socket(profile: &Profile, causes: &mut Causes) {
    let filtered = profile
        .entries
        .iter()
        .any(|entry| !entry.args.is_empty() && entry.names.iter().any(|name| name == "socket"));
    let listed = profile.architectures.contains(&Architecture::from(Abi::X86));
    if filtered && listed && allows(profile, "socketcall") {
        let message = "`socketcall` is allowed for i386, and opens what the rules for `socket` refuse: \
                       leave it out if no 32-bit program needs it";
        causes.note(Warning, "syscalls", message, "");
    }
}
