//! Rules for arguments that a filter looks at: what the recorder keeps of
//! them, and what condition is made of what was kept. The rules are data in
//! `profiles/argument-rules.json`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use super::data::{embedded, words};
use super::merged::merged;
use super::{Args, Clause, Predicate};

/// How many clauses of a call are written as they are: one for each value is easier to read than masks.
const READABLE: usize = 8;

static RULES: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::ARGUMENT_RULES));

#[derive(Deserialize)]
struct File {
    rules: Vec<ArgumentRule>,
}

/// How the arguments of some calls are kept and filtered.
#[derive(Debug, Deserialize)]
pub struct ArgumentRule {
    calls: String,
    /// From which level on a profile filters by it.
    pub level: Level,
    /// What is kept, by argument index. Never empty, and at most three.
    pub keep: Vec<KeptArgument>,
    /// Combinations, in the order of [`keep`](Self::keep), that come with a call that is allowed without
    /// having been seen.
    #[serde(default)]
    pub always: Vec<Vec<u64>>,
    /// Combinations by which a summary shows what is refused, if they are.
    #[serde(default)]
    pub notable: Vec<Vec<u64>>,
    /// Why the arguments matter.
    pub reason: String,
}

/// How much is filtered by argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What protects the kernel or other processes, of calls that are not hot.
    Standard,
    /// All that there is a rule for.
    Strict,
}

/// An argument that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct KeptArgument {
    /// Its index, 0 to 5.
    pub argument: u8,
    /// What is kept of it.
    #[serde(rename = "as")]
    pub reduction: Reduction,
    /// The bits that count.
    #[serde(deserialize_with = "hexadecimal")]
    pub mask: u64,
}

/// What is kept of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Its bits under the mask, exactly.
    Value,
    /// Its bits under the mask, each for itself.
    Flags,
    /// 0 if its bits under the mask are all zero, else 1.
    Zero,
    /// 1 if its bits under the mask are all set, else 0.
    Together,
}

fn hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
}

impl KeptArgument {
    /// What is kept of an argument's value.
    #[must_use]
    pub const fn reduce(self, value: u64) -> u64 {
        let bits = value & self.mask;
        match self.reduction {
            Reduction::Value | Reduction::Flags => bits,
            Reduction::Zero => (bits != 0) as u64,
            Reduction::Together => (bits == self.mask) as u64,
        }
    }

    /// A value of the argument of which this much was kept: the plainest one.
    #[must_use]
    pub const fn example(self, kept: u64) -> u64 {
        match self.reduction {
            Reduction::Value | Reduction::Flags => kept,
            Reduction::Zero => kept << self.mask.trailing_zeros(),
            Reduction::Together => kept * self.mask,
        }
    }
}

impl ArgumentRule {
    /// Arguments of a call of which these values are kept: zero for those that are not.
    #[must_use]
    pub fn example(&self, values: &[u64]) -> Args {
        let mut args = [0; 6];
        for (kept, value) in self.keep.iter().zip(values) {
            if let Some(slot) = args.get_mut(usize::from(kept.argument)) {
                *slot = kept.example(*value);
            }
        }
        args
    }

    /// The indexes of the arguments that are kept.
    pub fn indexes(&self) -> impl Iterator<Item = u8> {
        self.keep.iter().map(|kept| kept.argument)
    }

    /// What is kept of these arguments, in the order of [`keep`](Self::keep).
    #[must_use]
    pub fn reduce(&self, args: &Args) -> Vec<u64> {
        let value =
            |kept: &KeptArgument| args.get(usize::from(kept.argument)).copied().unwrap_or_default();
        self.keep.iter().map(|kept| kept.reduce(value(kept))).collect()
    }

    /// The rule for a call, if there is one.
    #[must_use]
    pub fn for_call(call: &str) -> Option<&'static Self> {
        RULES.rules.iter().find(|rule| rule.calls().any(|name| name == call))
    }

    /// Every rule.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        RULES.rules.iter()
    }

    /// The calls that it is for.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        words(&self.calls)
    }

    /// The condition that holds for the combinations that were seen, and for as little else as each
    /// kind of argument has it; `None` if it holds for any arguments. `seen` has values in the order of
    /// [`keep`](Self::keep).
    #[must_use]
    pub fn condition(&self, seen: &BTreeSet<Vec<u64>>) -> Option<Vec<Clause>> {
        let mut unions = vec![0; self.keep.len()];
        for values in seen {
            unions.iter_mut().zip(values).for_each(|(union, value)| *union |= value);
        }
        let union = |nth: usize| unions.get(nth).copied().unwrap_or_default();
        let clauses: BTreeSet<Clause> = seen
            .iter()
            .flat_map(|values| {
                let kept = self.keep.iter().zip(values).enumerate();
                self.each_way(kept.map(|(nth, (kept, value))| kept.predicates(*value, union(nth))))
            })
            .collect();
        let clauses = if clauses.len() > READABLE { merged(clauses) } else { clauses };
        (!clauses.contains(&Clause::ALWAYS)).then(|| clauses.into_iter().collect())
    }

    /// The clauses of which one holds for exactly those arguments of which these values are kept.
    #[must_use]
    pub fn exactly(&self, values: &[u64]) -> Vec<Clause> {
        self.each_way(self.keep.iter().zip(values).map(|(kept, value)| kept.exactly(*value)))
    }

    /// The clauses of one predicate for each argument that is kept, out of those in its list; an argument
    /// with an empty list may be anything.
    fn each_way(&self, options: impl Iterator<Item = Vec<Predicate>>) -> Vec<Clause> {
        let mut alternatives = vec![[None; 6]];
        for (kept, options) in self.keep.iter().zip(options) {
            if options.is_empty() {
                continue;
            }
            alternatives = alternatives
                .into_iter()
                .flat_map(|clause| {
                    options.iter().map(move |predicate| {
                        let mut clause = clause;
                        if let Some(slot) = clause.get_mut(usize::from(kept.argument)) {
                            *slot = Some(*predicate);
                        }
                        clause
                    })
                })
                .collect();
        }
        alternatives.into_iter().map(Clause::new).collect()
    }
}

impl KeptArgument {
    /// Any of these holds for the values of which this much was kept, and for others that may come with
    /// them; none means all do. `union` has all the bits that were kept of this argument.
    fn predicates(self, kept: u64, union: u64) -> Vec<Predicate> {
        match self.reduction {
            Reduction::Value => self.exactly(kept),
            Reduction::Flags => match self.mask & !union {
                0 => Vec::new(),
                unseen => vec![Predicate::MaskedEqual { mask: unseen, value: 0 }],
            },
            Reduction::Zero | Reduction::Together if kept == 0 && union == 0 => self.exactly(0),
            Reduction::Zero | Reduction::Together => Vec::new(),
        }
    }

    /// Any of these holds for the values of which this much is kept, and for no others.
    fn exactly(self, kept: u64) -> Vec<Predicate> {
        let bits = |mask, value| Predicate::MaskedEqual { mask, value };
        let bit = |shift: u32| 1u64 << shift;
        let each = (0..64).map(bit).filter(|bit| self.mask & bit != 0);
        match (self.reduction, kept) {
            (Reduction::Value | Reduction::Flags, _) => vec![bits(self.mask, kept)],
            (Reduction::Zero, 0) => vec![bits(self.mask, 0)],
            (Reduction::Zero, _) => each.map(|bit| bits(bit, bit)).collect(),
            (Reduction::Together, 0) => each.map(|bit| bits(bit, 0)).collect(),
            (Reduction::Together, _) => vec![bits(self.mask, self.mask)],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Width;

    fn holds(clauses: Option<&[Clause]>, args: &Args) -> bool {
        clauses.is_none_or(|clauses| clauses.iter().any(|one| one.holds(args, Width::Bits64)))
    }

    fn condition(call: &str, seen: &[&[u64]]) -> Option<Vec<Clause>> {
        let seen = seen.iter().map(|values| values.to_vec()).collect();
        ArgumentRule::for_call(call).unwrap().condition(&seen)
    }

    #[test]
    fn every_rule_is_for_calls_and_arguments_that_there_are() {
        for rule in ArgumentRule::all() {
            assert!(!rule.keep.is_empty() && rule.keep.len() <= 3, "{}", rule.calls);
            assert!(rule.keep.is_sorted_by(|a, b| a.argument < b.argument), "{}", rule.calls);
            assert!(rule.keep.iter().all(|kept| kept.argument < 6 && kept.mask != 0));
            assert!(
                rule.always
                    .iter()
                    .chain(&rule.notable)
                    .all(|values| values.len() == rule.keep.len())
            );
            for call in rule.calls() {
                let known =
                    crate::abi::Abi::ALL.into_iter().any(|abi| abi.syscall_number(call).is_some());
                assert!(known, "{call}");
                assert_eq!(ArgumentRule::for_call(call).map(|one| &one.calls), Some(&rule.calls));
            }
        }
    }

    #[test]
    fn values_that_make_sense_together_are_allowed_together() {
        let clauses = condition("socket", &[&[1, 1, 0], &[2, 2, 17]]);
        let allowed = |args| holds(clauses.as_deref(), &args);
        assert!(allowed([1, 0x80801, 0, 0, 0, 0]), "with SOCK_CLOEXEC and SOCK_NONBLOCK");
        assert!(allowed([2, 2, 17, 0, 0, 0]));
        assert!(!allowed([1, 2, 17, 0, 0, 0]));
        assert!(!allowed([38, 5, 0, 0, 0, 0]));
    }

    #[test]
    fn flags_are_allowed_in_any_combination_of_those_seen() {
        let clauses = condition("clone", &[&[0x11], &[0x3d0f00]]);
        let allowed = |flags| holds(clauses.as_deref(), &[flags, 0, 0, 0, 0, 0]);
        assert!(allowed(0x3d0f11) && allowed(0));
        assert!(!allowed(0x1000_0011), "CLONE_NEWUSER");
        assert!(allowed(0xdead_0000_0000_0011), "the kernel takes the lower half only");
    }

    #[test]
    fn memory_is_not_writable_and_executable_unless_it_was() {
        let clauses = condition("mmap", &[&[0]]);
        let allowed = |protection| holds(clauses.as_deref(), &[0, 0, protection, 0, 0, 0]);
        assert!(allowed(1) && allowed(3) && allowed(5) && allowed(0));
        assert!(!allowed(6) && !allowed(7));
        assert_eq!(condition("mmap", &[&[0], &[1]]), None);
    }

    #[test]
    fn a_pid_is_asked_to_be_zero_if_it_always_was() {
        let allowed = |clauses: &Option<Vec<Clause>>, pid, resource| {
            holds(clauses.as_deref(), &[pid, resource, 0, 0, 0, 0])
        };
        let own = condition("prlimit64", &[&[0, 7]]);
        assert!(allowed(&own, 0, 7) && !allowed(&own, 1, 7) && !allowed(&own, 0, 8));
        let others = condition("prlimit64", &[&[0, 7], &[1, 8]]);
        assert!(allowed(&others, 9, 7) && !allowed(&others, 9, 9));
    }

    #[test]
    fn what_was_kept_of_an_example_is_what_it_is_an_example_of() {
        for kept in ArgumentRule::all().flat_map(|rule| &rule.keep) {
            let lowest = 1 << kept.mask.trailing_zeros();
            let values = match kept.reduction {
                Reduction::Value | Reduction::Flags => [0, lowest],
                Reduction::Zero | Reduction::Together => [0, 1],
            };
            for value in values {
                assert_eq!(kept.reduce(kept.example(value)), value, "{kept:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_exact_clauses_hold_for_the_arguments_with_these_values(
            nth in 0..ArgumentRule::all().count(),
            one in prop::array::uniform6(0..4u64),
            other in prop::array::uniform6(prop_oneof![0..8u64, any::<u64>()]),
        ) {
            let rule = ArgumentRule::all().nth(nth).unwrap();
            let kept = |args: &Args| -> Vec<u64> {
                rule.keep.iter().map(|kept| kept.reduce(args[usize::from(kept.argument)])).collect()
            };
            let clauses = rule.exactly(&kept(&one));
            prop_assert!(holds(Some(&clauses), &one));
            prop_assert_eq!(holds(Some(&clauses), &other), kept(&one) == kept(&other));
        }

        #[test]
        fn what_was_seen_is_allowed(
            nth in 0..ArgumentRule::all().count(),
            calls in proptest::collection::vec(any::<[u64; 6]>(), 1..20),
        ) {
            let rule = ArgumentRule::all().nth(nth).unwrap();
            let seen = calls
                .iter()
                .map(|args| {
                    let kept = rule.keep.iter();
                    kept.map(|kept| kept.reduce(args[usize::from(kept.argument)])).collect()
                })
                .collect();
            let clauses = rule.condition(&seen);
            for args in &calls {
                prop_assert!(holds(clauses.as_deref(), args), "{args:x?} {clauses:?}");
            }
        }
    }
}
