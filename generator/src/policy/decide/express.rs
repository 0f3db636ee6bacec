//! A function from calls to actions as a policy again: rules that libseccomp compiles exactly.

use std::collections::{BTreeMap, BTreeSet};

use super::meaning::{Decision, LAST_NUMBER, Meaning};
use super::space::{Cube, Set};
use crate::abi::Abi;
use crate::policy::exact::is_exact;
use crate::policy::{Action, Clause, Policy, Predicate, Rule, UNLISTED_ABI, Width, width};

/// Most clauses that the rules of one call are split into.
const MOST_CLAUSES: usize = 1024;
/// Most ranges of an argument that are written as comparisons.
const MOST_RANGES: usize = 64;
/// Most clauses that are shown of a rule.
const MOST_SHOWN: usize = 64;
/// Most numbers without a name that get a rule each.
const MOST_UNNAMED: u32 = 1024;

/// Why there is no policy that does what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inexpressible {
    /// A policy has one default, and calls without a name would need two.
    #[error(
        "calls without a name get {here} on {abi}, and on {other} {there}, \
         but a policy has one default for all: take one architecture at a time"
    )]
    Defaults {
        /// An ABI.
        abi: Abi,
        /// What its calls without a name get.
        here: Action,
        /// Another one.
        other: Abi,
        /// What its calls without a name get.
        there: Action,
    },
    /// The arguments of numbers without a name are looked at.
    #[error("on {abi}, calls from number {number} on have no name, and their arguments matter")]
    Unnamed {
        /// The ABI.
        abi: Abi,
        /// The first number.
        number: u32,
    },
    /// Too many clauses would be needed.
    #[error(
        "the conditions of `{call}` on {abi} fall into more than {MOST_CLAUSES} parts, \
         more than a filter has room for: use fewer or simpler conditions"
    )]
    Clauses {
        /// The ABI.
        abi: Abi,
        /// Name of the call, or its number.
        call: String,
    },
}

/// The policy that does this. Rules of the `models` are kept where they say it.
pub(super) fn policy(meaning: &Meaning, models: &[&Policy]) -> Result<Policy, Inexpressible> {
    let kills_all = |abi: &Abi| {
        let mut starts = meaning.starts(*abi);
        starts.all(|start| meaning.decision(*abi, start).uniform() == Some(UNLISTED_ABI))
    };
    let abis: Vec<Abi> = meaning.abis().filter(|abi| !kills_all(abi)).collect();
    let default = default(meaning, &abis)?;
    let mut tables = BTreeMap::new();
    for abi in abis {
        let starts: Vec<u32> = meaning.starts(abi).collect();
        let ends = starts.iter().skip(1).copied().chain([LAST_NUMBER + 1]);
        let mut table = BTreeMap::new();
        for (start, end) in starts.iter().copied().zip(ends) {
            let decision = meaning.decision(abi, start);
            if decision.uniform() == Some(default) {
                continue;
            }
            if end - start > MOST_UNNAMED {
                return Err(Inexpressible::Unnamed { abi, number: start });
            }
            let models: Vec<&[Rule]> =
                models.iter().map(|policy| policy.rules(abi, start)).collect();
            let rules = rules(decision, default, width(abi), &models).ok_or_else(|| {
                let name = abi.syscall_name(start).map(str::to_owned);
                Inexpressible::Clauses { abi, call: name.unwrap_or_else(|| start.to_string()) }
            })?;
            table.extend((start..end).map(|number| (number, rules.clone())));
        }
        tables.insert(abi, table);
    }
    Ok(Policy::from_tables(default, tables))
}

/// What all calls without a name get.
fn default(meaning: &Meaning, abis: &[Abi]) -> Result<Action, Inexpressible> {
    let mut found: Option<(Abi, Action)> = None;
    for abi in abis {
        let here = meaning
            .decision(*abi, LAST_NUMBER)
            .uniform()
            .ok_or(Inexpressible::Unnamed { abi: *abi, number: LAST_NUMBER })?;
        match found {
            Some((other, there)) if there != here => {
                return Err(Inexpressible::Defaults { abi: *abi, here, other, there });
            }
            _ => found = Some((*abi, here)),
        }
    }
    Ok(found.map_or(UNLISTED_ABI, |(_, action)| action))
}

/// Rules for one call that mean just this and that libseccomp compiles to it.
pub(super) fn rules(
    decision: &Decision,
    default: Action,
    width: Width,
    models: &[&[Rule]],
) -> Option<Vec<Rule>> {
    let Decision::ByArguments(cases) = decision else {
        let action = decision.uniform()?;
        return Some(match action {
            _ if action == default => Vec::new(),
            action => vec![Rule { action, clauses: vec![Clause::ALWAYS] }],
        });
    };
    let says_so = |rules: &[Rule]| Decision::of_rules(rules, default, width).equals(decision);
    let together = together(models);
    let kept = models.iter().copied().chain([together.as_slice()]);
    for rules in kept.filter(|rules| !rules.is_empty()) {
        if compiles_exactly(rules, width) && are_apart(rules, width) && says_so(rules) {
            return Some(rules.to_vec());
        }
    }
    let cases = || cases.iter().filter(|(action, _)| *action != default);
    let as_cubes: Option<Vec<Rule>> = cases()
        .map(|(action, set)| Some(Rule { action: *action, clauses: equalities(set, width)? }))
        .collect();
    let as_ranges: Option<Vec<Rule>> = cases()
        .map(|(action, set)| Some(Rule { action: *action, clauses: comparisons(set, width)? }))
        .collect();
    let count = |rules: &Vec<Rule>| rules.iter().map(|rule| rule.clauses.len()).sum::<usize>();
    let as_ranges = as_ranges.filter(|rules| compiles_exactly(rules, width));
    let mut candidates: Vec<Vec<Rule>> = [as_cubes, as_ranges].into_iter().flatten().collect();
    candidates.sort_by_key(count);
    candidates.into_iter().find(|rules| count(rules) <= MOST_CLAUSES && says_so(rules))
}

fn compiles_exactly(rules: &[Rule], width: Width) -> bool {
    let clauses: Vec<Clause> = rules.iter().flat_map(|rule| rule.clauses.clone()).collect();
    let fits = |predicate: Predicate| match predicate {
        Predicate::NotEqual(value)
        | Predicate::Less(value)
        | Predicate::LessOrEqual(value)
        | Predicate::Equal(value)
        | Predicate::GreaterOrEqual(value)
        | Predicate::Greater(value) => value <= width.mask(),
        Predicate::MaskedEqual { .. } => true,
    };
    clauses.iter().flat_map(Clause::predicates).all(|(_, predicate)| fits(predicate))
        && is_exact(&clauses)
}

/// Whether no two rules hold for the same arguments: which one counts is up to libseccomp.
fn are_apart(rules: &[Rule], width: Width) -> bool {
    let mut taken = Set::none();
    rules.iter().all(|rule| {
        let set = Set::any(&rule.clauses, width);
        let apart = set.and(&taken).is_empty();
        taken = taken.or(&set);
        apart
    })
}

/// The rules of several policies in one list, each clause once.
fn together(models: &[&[Rule]]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for rule in models.iter().copied().flatten() {
        let at = rules.iter().position(|other| other.action == rule.action).unwrap_or_else(|| {
            rules.push(Rule { action: rule.action, clauses: Vec::new() });
            rules.len() - 1
        });
        if let Some(all) = rules.get_mut(at) {
            let there: BTreeSet<Clause> = all.clauses.iter().copied().collect();
            all.clauses.extend(rule.clauses.iter().filter(|clause| !there.contains(clause)));
        }
    }
    rules
}

fn equalities(set: &Set, width: Width) -> Option<Vec<Clause>> {
    let clause = |cube: &Cube| {
        let mut predicates = [None; 6];
        for (slot, (mask, value)) in predicates.iter_mut().zip(cube.mask.iter().zip(cube.value)) {
            *slot = match *mask {
                0 => None,
                mask if mask == width.mask() => Some(Predicate::Equal(value)),
                mask => Some(Predicate::MaskedEqual { mask, value }),
            };
        }
        Clause::new(predicates)
    };
    Some(set.cubes(MOST_CLAUSES)?.iter().map(clause).collect())
}

/// Clauses that hold where any of `clauses` and any of `limit` do, over 64 bits. Those of `clauses` are kept as
/// they are if they hold nowhere else; `None` if there would be too many.
#[must_use]
pub fn narrowed(clauses: Vec<Clause>, limit: &[Clause]) -> Option<Vec<Clause>> {
    let (set, limit) = (Set::any(&clauses, Width::Bits64), Set::any(limit, Width::Bits64));
    if set.minus(&limit).is_empty() {
        return Some(clauses);
    }
    equalities(&set.and(&limit), Width::Bits64)
}

fn comparisons(set: &Set, width: Width) -> Option<Vec<Clause>> {
    let (argument, ranges) = set.ranges(MOST_RANGES, width)?;
    ranges
        .into_iter()
        .map(|(first, last)| {
            let predicate = match (first, last) {
                _ if first == last => Predicate::Equal(first),
                (0, last) => Predicate::LessOrEqual(last),
                (first, last) if last == width.mask() => Predicate::GreaterOrEqual(first),
                _ => return None,
            };
            Clause::on(argument, predicate)
        })
        .collect()
}

impl Meaning {
    /// A policy that does this: rules of equalities and, where libseccomp compiles them to what they say,
    /// of comparisons.
    ///
    /// # Errors
    ///
    /// [`Inexpressible`] if no policy does.
    pub fn to_policy(&self) -> Result<Policy, Inexpressible> {
        policy(self, &[])
    }

    /// For a call that depends on its arguments, what else it gets than the way in which the rest is refused,
    /// and when; long conditions are cut short.
    #[must_use]
    pub fn conditions(&self, abi: Abi, number: u32) -> Option<Vec<(Action, String)>> {
        let decision = self.decision(abi, number);
        let default = decision
            .parts()
            .into_iter()
            .map(|(action, _)| action)
            .filter(|action| !action.lets_through())
            .min_by_key(|action| matches!(action, Action::Trace(_)))?;
        let rules = rules(decision, default, width(abi), &[])?;
        Some(rules.iter().map(|rule| (rule.action, shown(&rule.clauses))).collect())
    }
}

fn shown(clauses: &[Clause]) -> String {
    let some: Vec<String> = clauses.iter().take(MOST_SHOWN).map(ToString::to_string).collect();
    let rest = match clauses.len() - some.len() {
        0 => String::new(),
        1 => ", or 1 more condition".to_owned(),
        count => format!(", or {count} more conditions"),
    };
    some.join(", or ") + &rest
}
