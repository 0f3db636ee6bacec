//! The risk of a newly allowed call. Advice, not proof.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::abi::Abi;
use crate::decode;
use crate::policy::data::{embedded, words};
use crate::policy::decide::space::Set;
use crate::policy::{Clause, Predicate, width};

static TABLE: LazyLock<Table> = LazyLock::new(|| embedded(strait_profiles::RISK));

#[derive(Deserialize)]
struct Table {
    classes: Vec<Class>,
    other: Other,
}

#[derive(Deserialize)]
struct Class {
    class: String,
    level: Level,
    calls: String,
    when: Option<When>,
    reason: String,
    source: String,
}

#[derive(Deserialize)]
struct When {
    argument: usize,
    #[serde(default)]
    values: String,
    #[serde(default)]
    bits: String,
}

#[derive(Deserialize)]
struct Other {
    class: String,
    level: Level,
    reason: String,
}

/// How much there is to think about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What most programs call.
    Low,
    /// Worth a look.
    Medium,
    /// A compromised process gains much by it.
    High,
}

impl Level {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What is known against a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Risk {
    /// Its class, such as `code loading`.
    pub class: &'static str,
    /// How much there is to think about.
    pub level: Level,
    /// Why.
    pub reason: &'static str,
    /// Manual pages, published flaws; empty for a call of no class.
    pub source: &'static str,
}

impl When {
    /// The arguments of a call that are meant.
    fn set(&self, call: &str, abi: Abi) -> Set {
        let value = |value| match decode::is_32_bit(call, self.argument) {
            true => Predicate::MaskedEqual { mask: 0xffff_ffff, value },
            false => Predicate::Equal(value),
        };
        let bit = |bit| Predicate::MaskedEqual { mask: bit, value: bit };
        let values = decode::constants(call, self.argument, &self.values).map(value);
        let bits = decode::constants(call, self.argument, &self.bits).map(bit);
        let clauses: Vec<Clause> = values
            .chain(bits)
            .filter_map(|predicate| Clause::on(self.argument, predicate))
            .collect();
        Set::any(&clauses, width(abi))
    }
}

/// The class of a call of which these arguments are meant.
pub(crate) fn assess(abi: Abi, number: u32, arguments: &Set) -> Risk {
    let call = abi.syscall_name(number);
    let fits = |class: &&Class| {
        let Some(call) = call.filter(|call| words(&class.calls).any(|name| name == *call)) else {
            return false;
        };
        // On 32-bit ABIs only lower halves are compared; elsewhere SOCK_CLOEXEC and its like are in the way.
        class.when.as_ref().is_none_or(|when| !when.set(call, abi).and(arguments).is_empty())
    };
    let by_arguments = TABLE.classes.iter().filter(|class| class.when.is_some()).find(fits);
    let by_name = || TABLE.classes.iter().filter(|class| class.when.is_none()).find(fits);
    match by_arguments.or_else(by_name) {
        Some(Class { class, level, reason, source, .. }) => {
            Risk { class, level: *level, reason, source }
        }
        None => {
            let Other { class, level, reason } = &TABLE.other;
            Risk { class, level: *level, reason, source: "" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(call: &str, clauses: &[Clause]) -> (&'static str, Level) {
        let abi = Abi::X86_64;
        let set = Set::any(clauses, width(abi));
        let risk = assess(abi, abi.syscall_number(call).unwrap(), &set);
        (risk.class, risk.level)
    }

    #[test]
    fn arguments_count() {
        let family =
            |value| Clause::on(0, Predicate::MaskedEqual { mask: 0xffff_ffff, value }).unwrap();
        assert_eq!(risk("socket", &[family(2)]), ("network families", Level::High), "raw, too");
        let mut stream = [None; 6];
        stream[0] = Some(Predicate::Equal(2));
        stream[1] = Some(Predicate::Equal(1));
        assert_eq!(risk("socket", &[Clause::new(stream)]), ("network", Level::Medium));
        assert_eq!(risk("socket", &[family(16)]).1, Level::High);
        assert_eq!(risk("read", &[Clause::ALWAYS]), ("benign", Level::Low));
        assert_eq!(risk("bpf", &[Clause::ALWAYS]), ("kernel attack surface", Level::High));
        let threads =
            Clause::on(0, Predicate::MaskedEqual { mask: 0x7e02_0000, value: 0 }).unwrap();
        assert_eq!(risk("clone", &[threads]), ("benign", Level::Low));
        assert_eq!(risk("clone", &[Clause::ALWAYS]).1, Level::High);
    }

    #[test]
    fn every_name_is_known() {
        let is_known = |name: &str| Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
        let all = TABLE.classes.iter().flat_map(|class| words(&class.calls));
        let unknown: Vec<_> = all.filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        for Class { calls, when, .. } in &TABLE.classes {
            for name in words(calls) {
                if let Some(When { argument, values, bits }) = when {
                    let given = format!("{values} {bits}");
                    let found = decode::constants(name, *argument, &given).count();
                    assert_eq!(found, words(&given).count(), "{name}: {given}");
                }
            }
        }
    }
}
