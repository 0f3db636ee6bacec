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
    /// Values that are not meant.
    #[serde(default)]
    except: String,
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
    #[must_use]
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
        let any = |predicates: Vec<Predicate>| {
            let clauses = predicates.into_iter();
            let clauses: Vec<Clause> =
                clauses.filter_map(|one| Clause::on(self.argument, one)).collect();
            Set::any(&clauses, width(abi))
        };
        if !self.except.is_empty() {
            return any(self.constants(call, &self.except).map(value).collect()).complement();
        }
        let bits = self.constants(call, &self.bits).map(bit);
        any(self.constants(call, &self.values).map(value).chain(bits).collect())
    }

    /// Values by name, or as hexadecimal numbers.
    fn constants<'a>(&self, call: &'a str, given: &'a str) -> impl Iterator<Item = u64> + 'a {
        let argument = self.argument;
        words(given).filter_map(move |one| match one.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => decode::constants(call, argument, one).next(),
        })
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

/// The class of a call whose arguments are not known: that of the first class that some of them are in.
pub(crate) fn assess_all(abi: Abi, number: u32) -> Risk {
    assess(abi, number, &Set::any(&[Clause::ALWAYS], width(abi)))
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
        let option = |value| Clause::on(0, Predicate::MaskedEqual { mask: 0xffff_ffff, value });
        assert_eq!(risk("prctl", &[option(15).unwrap()]), ("benign", Level::Low));
        assert_eq!(risk("prctl", &[option(15).unwrap(), option(22).unwrap()]).1, Level::Medium);
        let plain = Clause::on(1, Predicate::MaskedEqual { mask: 0xc00, value: 0 }).unwrap();
        assert_eq!(risk("chmod", &[plain]).1, Level::Low);
        assert_eq!(risk("chmod", &[Clause::ALWAYS]).1, Level::Medium);
    }

    #[test]
    fn every_name_is_known() {
        let is_known = |name: &str| Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
        let all = TABLE.classes.iter().flat_map(|class| words(&class.calls));
        let unknown: Vec<_> = all.filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        for Class { calls, when, .. } in &TABLE.classes {
            for name in words(calls) {
                if let Some(when @ When { values, bits, except, .. }) = when {
                    let given = format!("{values} {bits} {except}");
                    let found = when.constants(name, &given).count();
                    assert_eq!(found, words(&given).count(), "{name}: {given}");
                }
            }
        }
    }
}
