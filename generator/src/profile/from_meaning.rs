//! A profile for what a filter means, where a profile can say it.

use std::collections::BTreeMap;

use super::{Arg, Entry, Profile};
use crate::machine::Machine;
use crate::policy::decide::{Change, Comparison, Inexpressible, Meaning, Witness};
use crate::policy::{Action, Clause, NoPolicy, Rule};

/// Why no profile does what a filter does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoProfile {
    /// Not even a policy does.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    /// The rules that were found contradict each other by name.
    #[error(transparent)]
    NoPolicy(#[from] NoPolicy),
    /// The nearest profile would let something else through.
    #[error(
        "a profile names calls for all architectures alike and cannot express this: {witness} on {} gets \
         \"{}\" from the filter and would get \"{}\"",
        witness.abi, witness.before, witness.after
    )]
    Different {
        /// A call that shows it: before is the filter, after the profile.
        witness: Box<Witness>,
    },
}

/// A profile that lets the same through on a machine, and the calls that it refuses otherwise.
///
/// # Errors
///
/// [`NoProfile`] if the nearest profile would let something else through.
pub fn from_meaning(
    meaning: &Meaning,
    machine: Machine,
) -> Result<(Profile, Vec<Change>), NoProfile> {
    // What a filter does with calls of other machines never happens.
    let meaning = &meaning.clone().only(|abi| abi.machine() == machine);
    let policy = meaning.to_policy()?;
    let mut calls: BTreeMap<&str, Vec<Rule>> = BTreeMap::new();
    for abi in policy.abis() {
        for (number, name) in abi.syscalls() {
            let rules = policy.rules(abi, number);
            if !rules.is_empty() {
                calls.entry(name).or_insert_with(|| rules.to_vec());
            }
        }
    }
    let mut groups: BTreeMap<(Action, Clause), Vec<String>> = BTreeMap::new();
    for (name, rules) in calls {
        for rule in rules {
            for clause in rule.clauses {
                groups.entry((rule.action, clause)).or_default().push(name.to_owned());
            }
        }
    }
    let entries = groups.into_iter().map(|((action, clause), names)| Entry {
        names,
        action,
        args: clause.predicates().map(|(index, predicate)| Arg { index, predicate }).collect(),
    });
    let profile = Profile {
        default: policy.default_action(),
        architectures: policy.abis().map(Into::into).collect(),
        entries: entries.collect(),
    };
    let comparison = Comparison::new(meaning, &Meaning::from(&profile.policy(machine)?));
    let mut refusals = Vec::new();
    for change in comparison.changes() {
        if let Some(witness) = change.widened.or(change.narrowed) {
            return Err(NoProfile::Different { witness: Box::new(witness) });
        }
        refusals.push(change.clone());
    }
    Ok((profile, refusals))
}
