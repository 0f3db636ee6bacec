//! What is wrong with a profile that can be read.
//!
//! An error is what a runtime fails on, or what does not confine. A warning works, though not
//! everywhere or perhaps not as meant.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::listed;
use super::{Architecture, Entry, Finding, Profile, Severity};
use crate::abi::Abi;
use crate::policy::complement::overlap;
use crate::policy::exact::is_exact;
use crate::policy::{Action, Clause, Errno, Policy, Predicate};
use crate::untrusted::short;

/// Most entries that a node accepts in a profile it gets as an OCI artifact (KEP-6061).
const MOST_ENTRIES: usize = 128;

/// Everything there is to say about a profile, in the order of its parts; of very many findings the first,
/// and how many more there are.
pub fn lint(profile: &Profile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(finding) = unconfined(profile) {
        findings.push(finding);
        return findings;
    }
    findings.extend(risky_default(profile));
    findings.extend(architectures(profile));
    findings.extend(missing(profile));
    for (nth, entry) in profile.entries.iter().enumerate() {
        entry_alone(profile, &format!("syscalls[{nth}]"), entry, &mut findings);
    }
    entries_together(profile, &mut findings);
    findings.extend(hidden_socket(profile));
    if profile.entries.len() > MOST_ENTRIES {
        findings.push(Finding::warning(
            "syscalls",
            format!(
                "{} entries, and Kubernetes accepts {MOST_ENTRIES} in a profile from a registry: \
                 put calls with the same rule into one entry",
                profile.entries.len()
            ),
        ));
    }
    listed(findings)
}

/// Whether any of the findings is an error.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

fn unconfined(profile: &Profile) -> Option<Finding> {
    if profile.entries.is_empty() {
        return Some(Finding::error(
            "syscalls",
            "no rules, which some runtimes take for unconfined: \
             generate a profile with `strait generate RECORDING`",
        ));
    }
    match profile.default {
        Action::Allow => Some(Finding::error(
            "defaultAction",
            "SCMP_ACT_ALLOW allows every call that no entry names, those of later kernels too: \
             write SCMP_ACT_ERRNO with a defaultErrnoRet of 38, and name what is allowed",
        )),
        Action::Log => Some(Finding::error(
            "defaultAction",
            "SCMP_ACT_LOG lets every call through and only logs it: \
             write SCMP_ACT_ERRNO with a defaultErrnoRet of 38 to confine anything",
        )),
        _ => None,
    }
}

/// What only a tracer refuses is open to whoever traces a child of its own (ptrace(2)).
const TRACED: &str = "SCMP_ACT_TRACE lets the call through for whoever may call ptrace, as the tracer of \
                      its own child: write SCMP_ACT_ERRNO";

fn risky_default(profile: &Profile) -> Option<Finding> {
    let message = match profile.default {
        Action::Trace(_) => TRACED,
        Action::KillThread | Action::KillProcess | Action::Trap => {
            "kills whatever probes for a newer call (libuv, Go, runc itself) instead of letting it \
             fall back: write SCMP_ACT_ERRNO with a defaultErrnoRet of 38"
        }
        _ => return None,
    };
    Some(Finding::warning("defaultAction", message))
}

fn architectures(profile: &Profile) -> Vec<Finding> {
    if profile.architectures.is_empty() {
        let message = "none listed, so the profile means something else on every machine: \
                       list the architectures that the workload was recorded on";
        return vec![Finding::warning("architectures", message)];
    }
    let listed = profile.architectures.iter().enumerate();
    let unknown = listed.filter(|(_, architecture)| architecture.abi().is_none());
    let finding = |(nth, name): (usize, &Architecture)| {
        Finding::warning(
            format!("architectures[{nth}]"),
            format!(
                "the calls of {name} are not known to Strait, and nothing is proved or said of \
                 them: it knows those of x86-64, i386, x32 and arm64"
            ),
        )
    };
    unknown.map(finding).collect()
}

fn allows(profile: &Profile, name: &str) -> bool {
    profile
        .entries
        .iter()
        .any(|entry| entry.action.lets_through() && entry.names.iter().any(|other| other == name))
}

fn missing(profile: &Profile) -> Vec<Finding> {
    let ends =
        ["exit", "exit_group"].into_iter().filter(|name| !allows(profile, name)).map(|name| {
            Finding::error(
                "syscalls",
                format!("`{name}` is not allowed: who cannot end burns a CPU for ever. Allow it"),
            )
        });
    let start = (!allows(profile, "execve")).then(|| {
        Finding::warning(
            "syscalls",
            "`execve` is not allowed, so nothing can be started under this profile: allow it, \
             unless the program installs the filter itself",
        )
    });
    ends.chain(start).collect()
}

fn entry_alone(profile: &Profile, path: &str, entry: &Entry, findings: &mut Vec<Finding>) {
    // Naming what answers ENOSYS helps with Docker before 23, which drops `defaultErrnoRet`.
    if entry.action == profile.default && entry.action != Action::Errno(Errno::ENOSYS) {
        findings.push(Finding::warning(
            path,
            "does what happens anyway; runc before 1.0.2 fails on it: remove the entry",
        ));
    }
    let unknown: Vec<&str> = entry
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| Abi::ALL.iter().all(|abi| abi.syscall_number(name).is_none()))
        .collect();
    if !unknown.is_empty() {
        findings.push(Finding::warning(
            format!("{path}.names"),
            format!(
                "not known on x86 or arm64, and ignored by runtimes that do not know them: {}",
                some(&unknown)
            ),
        ));
    }
    if entry.repeats_an_index() {
        findings.push(Finding::warning(
            format!("{path}.args"),
            "an index comes twice, and so every comparison of this entry is a rule of its own, \
             any of which is enough: split the entry if that is meant",
        ));
    }
    for (nth, arg) in entry.args.iter().enumerate() {
        let message = match arg.predicate {
            Predicate::MaskedEqual { mask: 0, .. } => {
                "a mask of 0 compares nothing: write the mask as `value` and the bits as `valueTwo`"
            }
            Predicate::Less(0) | Predicate::Greater(u64::MAX) => {
                "never holds, and libseccomp 2.5 makes of it one that does: remove the entry"
            }
            _ => continue,
        };
        findings.push(Finding::error(format!("{path}.args[{nth}]"), message));
    }
    if matches!(entry.action, Action::Trace(_)) {
        findings.push(Finding::warning(format!("{path}.action"), TRACED));
    }
    if matches!(entry.action, Action::Errno(errno) if errno.number() == 0) {
        findings.push(Finding::warning(
            format!("{path}.errnoRet"),
            "an error of 0 makes the call seem to succeed without being made: \
             write 1 for EPERM or 38 for ENOSYS",
        ));
    }
}

/// The first few of some names.
fn some(names: &[&str]) -> String {
    const FEW: usize = 40;
    let few: Vec<String> = names.iter().take(FEW).map(|name| short(name)).collect();
    match names.len().saturating_sub(FEW) {
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

/// What an entry says about one call, and where.
struct Statement {
    /// Index of the entry.
    entry: usize,
    action: Action,
    clause: Clause,
}

fn entries_together(profile: &Profile, findings: &mut Vec<Finding>) {
    let mut calls: BTreeMap<&str, Vec<Statement>> = BTreeMap::new();
    for (nth, entry) in profile.entries.iter().enumerate() {
        if entry.action == profile.default {
            continue;
        }
        for name in &entry.names {
            let statements = entry.clauses().into_iter().map(|clause| Statement {
                entry: nth,
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
            findings.extend(earlier.iter().filter_map(|one| pair(name, one, later)).next());
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
            let path = statements.first().map(Statement::path);
            findings.push(Finding::warning(
                path.unwrap_or_else(|| "syscalls".to_owned()),
                format!(
                    "the conditions of `{name}` are not what libseccomp 2.5 makes of them, which can \
                     allow more: compare for equality (SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ), or use one entry"
                ),
            ));
        }
    }
    if let Some(conflict) = multiplexed(profile) {
        findings.push(conflict);
    }
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

fn pair(name: &str, earlier: &Statement, later: &Statement) -> Option<Finding> {
    let unconditional = (earlier.clause.is_unconditional(), later.clause.is_unconditional());
    let same_action = earlier.action == later.action;
    let message = match unconditional {
        (true, true) if same_action => return None,
        (true, true) => "has a rule already, and the first one counts",
        (true, false) | (false, true) => {
            "has a rule without conditions and one with: the conditions are dropped"
        }
        (false, false) if same_action => return None,
        (false, false) if earlier.clause == later.clause => {
            return Some(Finding::error(
                later.path(),
                format!(
                    "`{name}` has another action under the same condition in {}, \
                     and no container starts with that: remove one",
                    earlier.path()
                ),
            ));
        }
        (false, false) if overlapping(&earlier.clause, &later.clause) => {
            "has another action under a condition that overlaps, and which one counts is up to libseccomp"
        }
        (false, false) => return None,
    };
    let message = format!("`{name}` {message} (see {}): keep one of the two", earlier.path());
    Some(Finding::warning(later.path(), message))
}

/// Whether there are arguments for which both hold.
pub(crate) fn overlapping(one: &Clause, other: &Clause) -> bool {
    one.predicates().all(|(index, left)| {
        other.predicates().filter(|(at, _)| *at == index).all(|(_, right)| overlap(left, right))
    })
}

/// Rules that contradict each other only once libseccomp has led them through `socketcall`.
fn multiplexed(profile: &Profile) -> Option<Finding> {
    if !profile.architectures.contains(&Architecture::from(Abi::X86)) {
        return None;
    }
    let mut policy = Policy::new(profile.default, [Abi::X86]);
    for (nth, entry) in profile.entries.iter().enumerate() {
        for name in &entry.names {
            for clause in entry.clauses() {
                let Err(conflict) = policy.add(name, entry.action, clause) else {
                    continue;
                };
                let through_another = !entry.clauses().contains(&conflict.clause);
                return through_another.then(|| {
                    Finding::error(
                        format!("syscalls[{nth}]"),
                        format!(
                            "on i386 `{name}` goes through another call, where its first argument is \
                             out of sight and both actions have the same condition; no container starts \
                             with that: remove one, or SCMP_ARCH_X86"
                        ),
                    )
                });
            }
        }
    }
    None
}

fn hidden_socket(profile: &Profile) -> Option<Finding> {
    let filtered = profile
        .entries
        .iter()
        .any(|entry| !entry.args.is_empty() && entry.names.iter().any(|name| name == "socket"));
    let listed = profile.architectures.contains(&Architecture::from(Abi::X86));
    (filtered && listed && allows(profile, "socketcall")).then(|| {
        Finding::warning(
            "syscalls",
            "`socketcall` is allowed for i386, and opens what the rules for `socket` refuse: \
             leave it out if no 32-bit program needs it",
        )
    })
}
