//! What a profile in a registry may hold, as KEP-6061 has runtimes validate it when they pull it.
//!
//! Source: sigs.k8s.io/security-profiles-merger, `seccomp/validate.go` (`ValidateArtifact`) and `seccomp/shape.go`,
//! 2026-09. Rules are counted as runtimes load them: what does the same as the default is left out, and a rule that
//! compares an argument twice is one for each comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::{Action, Clause, Predicate};
use crate::profile::Profile;

/// Most bytes of the file.
pub const MOST_BYTES: usize = 1 << 20;
/// Most entries that name a call.
pub const MOST_ENTRIES: usize = 128;
/// Most clauses of a call.
pub const MOST_CLAUSES: usize = 256;
/// Most names in an entry.
pub const MOST_NAMES: usize = 1024;
/// Most clauses of all calls.
pub const MOST_RULES: usize = 16_384;

/// Why a profile is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A call, and how many entries name it.
    Entries(String, usize),
    /// A call, and how many clauses it has.
    Clauses(String, usize),
    /// An entry, and how many names it has.
    Names(usize, usize),
    /// How many clauses there are.
    Rules(usize),
    /// A call whose clauses have different results and are not of a shape of which all filters are certain; and the
    /// first entry with another result.
    Mixed(String, usize),
}

/// What is loaded for a call.
#[derive(Default)]
struct Call<'a> {
    entries: usize,
    clauses: Vec<(usize, Action, &'a Clause)>,
}

/// Everything for which a profile is not accepted, but for what it is refused for everywhere.
#[must_use]
pub fn faults(profile: &Profile) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut total = 0usize;
    for (nth, entry) in profile.entries.iter().enumerate() {
        let count = entry.names.len();
        if count > MOST_NAMES {
            faults.push(Fault::Names(nth, count));
        }
        if entry.action != profile.default {
            let clauses = if entry.repeats_an_index() { entry.args.len() } else { 1 };
            total = total.saturating_add(count.saturating_mul(clauses));
        }
    }
    let clauses: Vec<Vec<Clause>> = profile.entries.iter().map(|entry| entry.clauses()).collect();
    let mut calls: BTreeMap<&str, Call<'_>> = BTreeMap::new();
    for (nth, (entry, clauses)) in profile.entries.iter().zip(&clauses).enumerate() {
        for name in &entry.names {
            let call = calls.entry(name).or_default();
            call.entries += 1;
            if entry.action != profile.default && total <= MOST_RULES {
                call.clauses.extend(clauses.iter().map(|clause| (nth, entry.action, clause)));
            }
        }
    }
    if total > MOST_RULES {
        faults.push(Fault::Rules(total));
    }
    for (name, Call { entries, clauses }) in calls {
        if entries > MOST_ENTRIES {
            faults.push(Fault::Entries(name.to_owned(), entries));
        }
        if clauses.len() > MOST_CLAUSES {
            faults.push(Fault::Clauses(name.to_owned(), clauses.len()));
        } else if let Some(entry) = mixed(&clauses) {
            faults.push(Fault::Mixed(name.to_owned(), entry));
        }
    }
    faults
}

/// The first entry whose result differs from that of the first, if the clauses are of no safe shape.
fn mixed(clauses: &[(usize, Action, &Clause)]) -> Option<usize> {
    let (_, first, _) = clauses.first()?;
    let (entry, ..) = clauses.iter().find(|(_, action, _)| action != first)?;
    let conditions: BTreeSet<(Action, Vec<(usize, Predicate)>)> = clauses
        .iter()
        .map(|(_, action, clause)| (*action, clause.predicates().collect::<Vec<_>>()))
        .collect();
    let single: Option<Vec<(usize, Predicate)>> = conditions
        .iter()
        .map(|(_, conditions)| match conditions.as_slice() {
            [one] => Some(*one),
            _ => None,
        })
        .collect();
    let is_safe = single.is_some_and(|single| equalities(&single) || complements(&single));
    (!is_safe).then_some(*entry)
}

/// Comparisons of one argument with values that differ also in 32 bits.
fn equalities(single: &[(usize, Predicate)]) -> bool {
    let mut values = BTreeSet::new();
    let index = single.first().map(|(index, _)| *index);
    single.iter().all(|(at, predicate)| match predicate {
        Predicate::Equal(value) => Some(*at) == index && values.insert(value & u64::from(u32::MAX)),
        _ => false,
    })
}

/// Two comparisons of which always one holds.
fn complements(single: &[(usize, Predicate)]) -> bool {
    use Predicate::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let [(index, one), (other_index, other)] = single else { return false };
    let is_pair = match (one, other) {
        (Equal(a), NotEqual(b)) | (NotEqual(a), Equal(b)) => a == b,
        (Less(a), GreaterOrEqual(b)) | (GreaterOrEqual(a), Less(b)) => a == b,
        (LessOrEqual(a), Greater(b)) | (Greater(a), LessOrEqual(b)) => a == b,
        _ => false,
    };
    index == other_index && is_pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profile, parse};

    fn profile(entries: &str) -> Profile {
        let head = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": ["#;
        parse(&format!("{head}{entries}]}}")).unwrap()
    }

    fn rule(name: &str, action: &str, args: &str) -> String {
        format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}", "args": [{args}]}}"#)
    }

    fn arg(index: usize, op: &str, value: u64) -> String {
        format!(r#"{{"index": {index}, "op": "SCMP_CMP_{op}", "value": {value}}}"#)
    }

    #[test]
    fn the_limit_of_entries_is_for_each_call() {
        let rules = |count: usize, name: &dyn Fn(usize) -> String| {
            let all: Vec<String> = (0..count)
                .map(|nth| rule(&name(nth), "ALLOW", &arg(0, "EQ", nth as u64)))
                .collect();
            faults(&profile(&all.join(", ")))
        };
        assert_eq!(rules(400, &|nth| format!("call{nth}")), [], "one entry for each of 400 calls");
        assert_eq!(rules(128, &|_| "read".to_owned()), []);
        assert_eq!(rules(129, &|_| "read".to_owned()), [Fault::Entries("read".to_owned(), 129)]);
    }

    #[test]
    fn each_limit_is_its_own() {
        let names: Vec<String> = (0..1025).map(|nth| format!("\"c{nth}\"")).collect();
        let entry = |names: &[String], args: &str| {
            format!(
                r#"{{"names": [{}], "action": "SCMP_ACT_ALLOW", "args": [{args}]}}"#,
                names.join(", ")
            )
        };
        assert_eq!(faults(&profile(&entry(&names, ""))), [Fault::Names(0, 1025)]);
        assert_eq!(faults(&profile(&entry(&names[..1024], ""))), []);
        let args: Vec<String> = (0..257).map(|value| arg(0, "EQ", value)).collect();
        let many = rule("read", "ALLOW", &args.join(", "));
        assert_eq!(faults(&profile(&many)), [Fault::Clauses("read".to_owned(), 257)]);
        let all = vec![entry(&names[..1000], ""); 17].join(", ");
        assert_eq!(faults(&profile(&all)), [Fault::Rules(17_000)]);
    }

    #[test]
    fn results_are_mixed_in_safe_shapes_only() {
        let is_mixed = |one: &str, other: &str| {
            let rules = [rule("read", "ALLOW", one), rule("read", "LOG", other)].join(", ");
            faults(&profile(&rules)) == [Fault::Mixed("read".to_owned(), 1)]
        };
        let two = [arg(0, "EQ", 1), arg(1, "EQ", 2)].join(", ");
        assert!(!is_mixed(&arg(0, "EQ", 1), &arg(0, "EQ", 2)));
        assert!(!is_mixed(&arg(0, "LT", 9), &arg(0, "GE", 9)));
        assert!(is_mixed(&arg(0, "EQ", 1), &arg(1, "EQ", 2)), "of two arguments both may hold");
        assert!(is_mixed(&arg(0, "EQ", 1), &arg(0, "EQ", 1 << 32 | 1)), "in 32 bits they are one");
        assert!(is_mixed(&arg(0, "LT", 9), &arg(0, "GE", 10)));
        assert!(is_mixed(&two, &arg(0, "EQ", 3)));
        assert!(is_mixed("", &arg(0, "EQ", 3)));
        let same =
            [rule("read", "ALLOW", &two), rule("read", "ALLOW", &arg(0, "LT", 9))].join(", ");
        assert_eq!(faults(&profile(&same)), []);
    }
}
