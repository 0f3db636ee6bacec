//! What a seccomp filter means: which action each call of each ABI gets, by its arguments.
//!
//! Pure: no file, no clock, no kernel. Policies are compared by meaning, so this module follows
//! what libseccomp does with the rules it is given, which is not what their order suggests:
//!
//! - Rules of a call are a union, not a list in which the first match wins.
//! - An unconditional rule drops all conditional ones of its call, whichever came first.
//! - Of two unconditional rules the first stays.
//! - The same condition with two actions is an error.
//!
//! libseccomp 2.5 does not always compile what that says: see [`exact`]. [`lint`](fn@crate::profile::lint)
//! points such rules out, and what Strait generates has none.

mod action;
pub mod argument;
pub mod baseline;
mod capability;
mod clause;
pub mod complement;
pub(crate) mod data;
pub mod decide;
mod errno;
pub mod exact;
pub mod fallback;
mod merged;
pub(crate) mod multiplex;
pub(crate) mod refusal;

use std::collections::BTreeMap;

use crate::abi::Abi;

pub use action::{Action, Reach};
pub use capability::{Capability, UnknownCapability};
pub use clause::{Args, Clause, Predicate, Width};
pub use errno::{Errno, UnknownErrno};

/// What a filter does with an ABI that it does not list: libseccomp's `SCMP_FLTATR_ACT_BADARCH`,
/// which no runtime changes.
pub const UNLISTED_ABI: Action = Action::KillThread;

/// An action for the calls that any of the clauses holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is done with the call.
    pub action: Action,
    /// When: any of these. Never empty; [`Clause::ALWAYS`] is the only one of an unconditional rule.
    pub clauses: Vec<Clause>,
}

/// One clause of a call has two actions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{call}` gets two actions under the same condition ({clause}): {first}, and {second}")]
pub struct Conflict {
    /// Name of the call, or its number.
    pub call: String,
    /// The condition.
    pub clause: Box<Clause>,
    /// The action of the rule that came first.
    pub first: Action,
    /// The action of the other.
    pub second: Action,
}

/// Why rules make no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPolicy {
    /// They contradict each other.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// What they say together is too much to decide about.
    #[error(transparent)]
    Intricate(#[from] decide::Intricate),
}

/// The rules of one call, after libseccomp's union.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules(Vec<Rule>);

impl Rules {
    fn is_unconditional(&self) -> bool {
        self.0.iter().any(|rule| rule.clauses.iter().any(Clause::is_unconditional))
    }

    /// Adds a clause; the error is the action that stands under the same condition already.
    fn add(&mut self, action: Action, clause: Clause) -> Result<(), Action> {
        if self.is_unconditional() {
            return Ok(());
        }
        if clause.is_unconditional() {
            self.0.clear();
        }
        let same = self.0.iter().find(|rule| rule.clauses.contains(&clause));
        match same {
            Some(rule) if rule.action == action => return Ok(()),
            Some(rule) => return Err(rule.action),
            None => {}
        }
        match self.0.iter_mut().find(|rule| rule.action == action) {
            Some(rule) => rule.clauses.push(clause),
            None => self.0.push(Rule { action, clauses: vec![clause] }),
        }
        Ok(())
    }
}

/// An action for every call of every ABI.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Policy {
    default: Action,
    tables: BTreeMap<Abi, BTreeMap<u32, Rules>>,
}

impl Policy {
    /// A policy that does the same with every call of these ABIs, and kills all others.
    pub fn new(default: Action, abis: impl IntoIterator<Item = Abi>) -> Self {
        Self { default, tables: abis.into_iter().map(|abi| (abi, BTreeMap::new())).collect() }
    }

    /// What is done with a call that has no rule.
    #[must_use]
    pub fn default_action(&self) -> Action {
        self.default
    }

    /// The ABIs that are listed, in order.
    pub fn abis(&self) -> impl Iterator<Item = Abi> {
        self.tables.keys().copied()
    }

    /// Adds a rule for the call of this name to every ABI that has it, as libseccomp does: a rule
    /// that does what happens anyway is skipped, and on i386 a rule for a socket or System V call
    /// covers the way through `socketcall` or `ipc` too.
    ///
    /// # Errors
    ///
    /// [`Conflict`] if the same condition has another action already.
    pub fn add(&mut self, name: &str, action: Action, clause: Clause) -> Result<(), Conflict> {
        if action == self.default {
            return Ok(());
        }
        for (abi, table) in &mut self.tables {
            let direct = abi.syscall_number(name).map(|number| (number, clause));
            let through = multiplex::through(*abi, name, clause);
            for (number, clause) in direct.into_iter().chain(through) {
                table.entry(number).or_default().add(action, clause).map_err(|first| Conflict {
                    call: name.to_owned(),
                    clause: Box::new(clause),
                    first,
                    second: action,
                })?;
            }
        }
        Ok(())
    }

    /// The rules of a call; none if the call gets the default action, or the ABI is not listed.
    #[must_use]
    pub fn rules(&self, abi: Abi, number: u32) -> &[Rule] {
        self.tables.get(&abi).and_then(|table| table.get(&number)).map_or(&[], |rules| &rules.0)
    }

    /// The calls of an ABI that have rules, by number.
    fn table(&self, abi: Abi) -> impl Iterator<Item = (u32, &[Rule])> {
        let table = self.tables.get(&abi).into_iter().flatten();
        table.map(|(number, rules)| (*number, rules.0.as_slice()))
    }

    /// A policy of rules that are as libseccomp's union would leave them.
    pub(crate) fn from_tables(
        default: Action,
        tables: BTreeMap<Abi, BTreeMap<u32, Vec<Rule>>>,
    ) -> Self {
        let table = |table: BTreeMap<u32, Vec<Rule>>| {
            table.into_iter().map(|(number, rules)| (number, Rules(rules))).collect()
        };
        Self {
            default,
            tables: tables.into_iter().map(|(abi, rules)| (abi, table(rules))).collect(),
        }
    }

    /// This policy, and another one with the same default for ABIs that it does not list.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.tables.extend(other.tables);
        self
    }

    /// What is done with a call. `number` is without the x32 bit.
    ///
    /// Where clauses with different actions overlap, libseccomp's order is its own; here the rule
    /// that was added first counts. [`lint`](fn@crate::profile::lint) points such rules out.
    #[must_use]
    pub fn evaluate(&self, abi: Abi, number: u32, args: &Args) -> Action {
        if !self.tables.contains_key(&abi) {
            return UNLISTED_ABI;
        }
        self.rules(abi, number)
            .iter()
            .find(|rule| rule.clauses.iter().any(|clause| clause.holds(args, width(abi))))
            .map_or(self.default, |rule| rule.action)
    }

    /// Whether a call is let through for at least one combination of arguments that a rule names.
    #[must_use]
    pub fn may_allow(&self, abi: Abi, number: u32) -> bool {
        let rules = self.rules(abi, number);
        let unconditional =
            rules.iter().any(|rule| rule.clauses.iter().any(Clause::is_unconditional));
        rules.iter().any(|rule| rule.action.lets_through())
            || (self.tables.contains_key(&abi) && !unconditional && self.default.lets_through())
    }
}

/// How much of an argument a filter for this ABI compares.
#[must_use]
pub const fn width(abi: Abi) -> Width {
    if abi.bits() == 64 { Width::Bits64 } else { Width::Bits32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Args = [0; 6];
    const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
    const EPERM: Action = Action::Errno(Errno::EPERM);

    fn policy() -> Policy {
        Policy::new(ENOSYS, [Abi::X86_64])
    }

    fn on_first(value: u64) -> Clause {
        Clause::on(0, Predicate::Equal(value)).unwrap()
    }

    fn evaluate(policy: &Policy, name: &str, first: u64) -> Action {
        let number = Abi::X86_64.syscall_number(name).unwrap();
        policy.evaluate(Abi::X86_64, number, &[first, 0, 0, 0, 0, 0])
    }

    #[test]
    fn an_unconditional_rule_drops_conditional_ones_in_either_order() {
        let mut before = policy();
        before.add("read", EPERM, on_first(1)).unwrap();
        before.add("read", Action::Allow, Clause::ALWAYS).unwrap();
        let mut after = policy();
        after.add("read", Action::Allow, Clause::ALWAYS).unwrap();
        after.add("read", EPERM, on_first(1)).unwrap();
        assert_eq!(evaluate(&before, "read", 1), Action::Allow);
        assert_eq!(before, after);
    }

    #[test]
    fn of_two_unconditional_rules_the_first_stays() {
        let mut policy = policy();
        policy.add("read", EPERM, Clause::ALWAYS).unwrap();
        policy.add("read", Action::Allow, Clause::ALWAYS).unwrap();
        assert_eq!(evaluate(&policy, "read", 0), EPERM);
    }

    #[test]
    fn one_condition_has_one_action() {
        let mut policy = policy();
        policy.add("read", Action::Allow, on_first(1)).unwrap();
        let conflict = policy.add("read", EPERM, on_first(1)).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "`read` gets two actions under the same condition (arg0 == 0x1): allow, and refuse with EPERM"
        );
    }

    #[test]
    fn a_rule_that_does_what_happens_anyway_drops_no_other() {
        let mut policy = policy();
        policy.add("read", ENOSYS, Clause::ALWAYS).unwrap();
        policy.add("read", Action::Allow, on_first(1)).unwrap();
        assert_eq!(evaluate(&policy, "read", 1), Action::Allow);
    }

    #[test]
    fn a_default_that_allows_does_so_unless_all_arguments_are_refused() {
        let read = Abi::X86_64.syscall_number("read").unwrap();
        let refusing = |clause| {
            let mut policy = Policy::new(Action::Allow, [Abi::X86_64]);
            policy.add("read", EPERM, clause).unwrap();
            policy.may_allow(Abi::X86_64, read)
        };
        assert!(refusing(on_first(1)) && !refusing(Clause::ALWAYS));
    }

    #[test]
    fn clauses_of_a_call_are_a_union() {
        let mut policy = policy();
        policy.add("read", Action::Allow, on_first(1)).unwrap();
        policy.add("read", Action::Allow, on_first(2)).unwrap();
        assert_eq!(evaluate(&policy, "read", 1), Action::Allow);
        assert_eq!(evaluate(&policy, "read", 2), Action::Allow);
        assert_eq!(evaluate(&policy, "read", 3), ENOSYS);
    }

    #[test]
    fn an_abi_that_is_not_listed_is_killed() {
        assert_eq!(policy().evaluate(Abi::X86, 1, &ZERO), Action::KillThread);
    }

    #[test]
    fn socketcall_lets_through_what_the_direct_call_may() {
        let mut policy = Policy::new(ENOSYS, [Abi::X86]);
        policy.add("socket", Action::Allow, on_first(1)).unwrap();
        let socketcall = Abi::X86.syscall_number("socketcall").unwrap();
        let sub_call = |number| policy.evaluate(Abi::X86, socketcall, &[number, 0, 0, 0, 0, 0]);
        assert_eq!(sub_call(1), Action::Allow);
        assert_eq!(sub_call(2), ENOSYS);
    }
}
