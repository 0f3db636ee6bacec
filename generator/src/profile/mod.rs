//! Seccomp profiles as container runtimes read them: plain OCI JSON.
//!
//! [`parse`] and [`print`](print()) are the file's way in and out ([`parse_for`] also takes the dialects of
//! Docker and containers/common, resolved for a machine), [`lint`](lint()) says what is wrong with a
//! profile that can be read, and [`Profile::policy`] is what it means.

mod arch;
pub mod combine;
pub mod consumers;
mod dialect;
mod finding;
mod from_meaning;
mod json;
mod lines;
pub mod lint;
mod on_machines;
mod print;
mod read;
mod resolve_on;
mod resolved;

use std::collections::BTreeSet;

use crate::abi::Abi;
use crate::limits::{CONDITIONS, RULES};
use crate::machine::Machines;
use crate::policy::{Action, Clause, NoPolicy, Policy, Predicate, decide};

pub use arch::Architecture;
pub use combine::combine;
pub use dialect::Context;
pub use finding::{Finding, Findings, Severity};
pub use from_meaning::{NoProfile, from_meaning};
pub use json::json;
pub(crate) use lines::rule_lines;
pub use lint::lint;
pub use on_machines::{OnMachines, parse_on};
pub use print::print;
pub use read::{ParseError, document, parse, parse_for, resolve};
pub(crate) use read::{fold, read_plain};

pub use resolve_on::resolve_on;
pub use resolved::{Resolved, Workload};

/// A seccomp profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What is done with a call that no entry names.
    pub default: Action,
    /// What the filter covers besides the architecture of the machine on which it is loaded. Calls of any
    /// other are killed.
    pub architectures: Vec<Architecture>,
    /// The rules.
    pub entries: Vec<Entry>,
}

/// A rule for some calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The calls, by name. Runtimes ignore names that they do not know.
    pub names: Vec<String>,
    /// What is done with them.
    pub action: Action,
    /// When; without any, always.
    pub args: Vec<Arg>,
}

/// A comparison of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    /// Which argument, 0 to 5.
    pub index: usize,
    /// What it is compared with.
    pub predicate: Predicate,
}

impl Entry {
    /// Whether an argument is compared more than once.
    #[must_use]
    pub fn repeats_an_index(&self) -> bool {
        let mut seen = BTreeSet::new();
        !self.args.iter().all(|arg| seen.insert(arg.index))
    }

    /// The clauses of which any has to hold.
    ///
    /// If an argument is compared more than once, every comparison is a rule of its own: that is
    /// what runc, crun, youki and containers/common make of such an entry.
    #[must_use]
    pub fn clauses(&self) -> Vec<Clause> {
        if self.repeats_an_index() {
            return self
                .args
                .iter()
                .filter_map(|arg| Clause::on(arg.index, arg.predicate.normal()))
                .collect();
        }
        let mut predicates = [None; 6];
        for arg in &self.args {
            if let Some(slot) = predicates.get_mut(arg.index) {
                *slot = Some(arg.predicate.normal());
            }
        }
        vec![Clause::new(predicates)]
    }
}

/// A profile has more rules than any filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooManyRules {
    /// Of all kinds.
    #[error(
        "it has {0} rules (names times conditions), and Strait accepts {RULES}: \
         name each call once, with the conditions that it needs"
    )]
    Rules(usize),
    /// With conditions.
    #[error(
        "it has {0} rules with conditions, and Strait accepts {CONDITIONS}, since a filter has at most \
         4096 instructions: no kernel loads a filter of so many. Use fewer conditions"
    )]
    Conditions(usize),
}

impl Profile {
    /// Refuses more rules than a filter could have, before anything is done with them.
    ///
    /// # Errors
    ///
    /// [`TooManyRules`] says how many there are.
    pub fn check_size(&self) -> Result<(), TooManyRules> {
        let (mut rules, mut conditions) = (0usize, 0usize);
        for entry in &self.entries {
            let clauses = if entry.repeats_an_index() { entry.args.len() } else { 1 };
            let of_entry = entry.names.len().saturating_mul(clauses);
            rules = rules.saturating_add(of_entry);
            if !entry.args.is_empty() {
                conditions = conditions.saturating_add(of_entry);
            }
        }
        match (rules > RULES, conditions > CONDITIONS) {
            (true, _) => Err(TooManyRules::Rules(rules)),
            (_, true) => Err(TooManyRules::Conditions(conditions)),
            _ => Ok(()),
        }
    }

    /// The ABIs of these machines that a filter made of the profile there covers.
    ///
    /// A machine's own is always among them: libseccomp starts with it, and no runtime takes it out. Calls
    /// of a machine's other ABIs are killed.
    pub fn abis(&self, machines: impl Into<Machines>) -> Vec<Abi> {
        let machines = machines.into();
        let listed = |abi: &Abi| {
            let mut architectures = self.architectures.iter();
            abi.is_native() || architectures.any(|architecture| architecture.abi() == Some(*abi))
        };
        machines.abis().filter(listed).collect()
    }

    /// The machines whose ABIs it lists; all of them if it lists none.
    pub fn listed_machines(&self) -> Machines {
        let abis = self.architectures.iter().filter_map(|architecture| architecture.abi());
        let listed: Machines = abis.map(Abi::machine).collect();
        if listed.is_empty() { Machines::ALL } else { listed }
    }

    /// What the profile means on these machines: for each of their ABIs, what the filter does that is made
    /// of it there.
    ///
    /// # Errors
    ///
    /// [`NoPolicy`] if a call has two actions under the same condition, on which runtimes fail too, or if its
    /// conditions are more than can be decided about.
    pub fn policy(&self, machines: impl Into<Machines>) -> Result<Policy, NoPolicy> {
        let mut policy = Policy::new(self.default, self.abis(machines));
        for entry in &self.entries {
            for name in &entry.names {
                for clause in entry.clauses() {
                    policy.add(name, entry.action, clause)?;
                }
            }
        }
        decide::decidable(&policy)?;
        Ok(policy)
    }
}
