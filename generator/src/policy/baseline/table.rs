//! The shape of the files in `profiles/baselines/`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Machine;
use crate::policy::Predicate;

#[derive(Debug, Deserialize)]
pub(super) struct Table {
    pub title: String,
    pub source: String,
    pub date: String,
    pub refuse_with: String,
    pub always: Vec<String>,
    pub since_kernel: BTreeMap<String, String>,
    pub on_machine: BTreeMap<Machine, String>,
    pub with_capability: BTreeMap<String, String>,
    pub by_argument: Vec<ByArgument>,
    pub refuse_by_name: Vec<RefuseByName>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ByArgument {
    pub call: String,
    pub argument: usize,
    #[serde(default)]
    pub argument_on_machine: BTreeMap<Machine, usize>,
    pub allow: Vec<PredicateFact>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum PredicateFact {
    Masked { mask: u64, equal: u64 },
    Equal { equal: u64 },
    Less { less: u64 },
    Greater { greater: u64 },
}

impl From<PredicateFact> for Predicate {
    fn from(fact: PredicateFact) -> Self {
        match fact {
            PredicateFact::Masked { mask, equal } => Self::MaskedEqual { mask, value: equal },
            PredicateFact::Equal { equal } => Self::Equal(equal),
            PredicateFact::Less { less } => Self::Less(less),
            PredicateFact::Greater { greater } => Self::Greater(greater),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RefuseByName {
    pub call: String,
    pub with: String,
    pub unless_capability: String,
}
