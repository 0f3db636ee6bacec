//! The shape of the files in `profiles/baselines/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::policy::{Clause, Predicate};

#[derive(Debug, Deserialize)]
pub(super) struct Table {
    pub name: String,
    pub title: String,
    pub refuse_with: String,
    pub always: Vec<String>,
    pub since_kernel: BTreeMap<String, String>,
    /// By the name that Go has for a machine, which Docker's own table has.
    pub on_machine: BTreeMap<String, String>,
    pub with_capability: BTreeMap<String, String>,
    pub by_argument: Vec<ByArgument>,
    #[serde(default)]
    pub by_arguments: Vec<ByArguments>,
    pub refuse_by_name: Vec<RefuseByName>,
}

/// A call that is decided about by several of its arguments.
#[derive(Debug, Deserialize)]
pub(super) struct ByArguments {
    pub call: String,
    /// With this capability the lists alone decide.
    pub unless_capability: String,
    /// Allowed if all comparisons of any of these hold, by index of the argument.
    pub allow: Vec<BTreeMap<usize, PredicateFact>>,
    /// Refused with an error of its own.
    pub refuse: Vec<RefuseWhen>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefuseWhen {
    pub with: String,
    pub when: BTreeMap<usize, PredicateFact>,
}

/// The clause of some comparisons.
pub(super) fn clause(facts: &BTreeMap<usize, PredicateFact>) -> Clause {
    let mut predicates = [None; 6];
    for (index, fact) in facts {
        if let Some(slot) = predicates.get_mut(*index) {
            *slot = Some(Predicate::from(*fact));
        }
    }
    Clause::new(predicates)
}

#[derive(Debug, Deserialize)]
pub(super) struct ByArgument {
    pub call: String,
    pub argument: usize,
    #[serde(default)]
    pub argument_on_machine: BTreeMap<String, usize>,
    pub allow: Vec<PredicateFact>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum PredicateFact {
    Masked { mask: u64, equal: u64 },
    Equal { equal: u64 },
    Less { less: u64 },
    Greater { greater: u64 },
    Other { other: u64 },
}

impl From<PredicateFact> for Predicate {
    fn from(fact: PredicateFact) -> Self {
        match fact {
            PredicateFact::Masked { mask, equal } => Self::MaskedEqual { mask, value: equal },
            PredicateFact::Equal { equal } => Self::Equal(equal),
            PredicateFact::Less { less } => Self::Less(less),
            PredicateFact::Greater { greater } => Self::Greater(greater),
            PredicateFact::Other { other } => Self::NotEqual(other),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RefuseByName {
    /// One or several, separated by spaces.
    pub call: String,
    pub with: String,
    pub unless_capability: Option<String>,
}
