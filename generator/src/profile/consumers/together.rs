//! What rules of the same call make of each other.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Finder, Quirk};
use crate::untrusted::short;

/// A rule of one call, for comparing it with others.
pub(super) struct Rule {
    /// Index of its entry.
    pub entry: usize,
    /// With its error.
    pub action: Rc<(String, u64)>,
    /// The conditions, in an order that does not matter: what is the same has the same number, and what has
    /// none has 0.
    pub args: usize,
}

impl Rule {
    fn path(&self) -> String {
        format!("syscalls[{}]", self.entry)
    }
}

impl Finder {
    /// What rules say about the same call.
    pub(super) fn together(&mut self, rules: &BTreeMap<&str, Vec<Rule>>) {
        for (name, rules) in rules {
            let unconditional = rules.iter().find(|rule| rule.args == 0);
            // By conditions: the first rule, and the first with another action than that.
            let mut earlier: BTreeMap<usize, (&Rule, Option<&Rule>)> = BTreeMap::new();
            for rule in rules.iter().filter(|rule| rule.args != 0) {
                let (first, second) = earlier.entry(rule.args).or_insert((rule, None));
                let other = if first.action == rule.action { *second } else { Some(*first) };
                if first.action != rule.action && second.is_none() {
                    *second = Some(rule);
                }
                if let Some(always) = unconditional {
                    let detail = format!("`{}`, {}", short(name), always.path());
                    self.note(Quirk::DroppedCondition, rule.path(), detail);
                } else if let Some(other) = other {
                    let detail = format!("`{}`, {}", short(name), other.path());
                    self.note(Quirk::TwoActions, rule.path(), detail);
                }
            }
        }
    }
}
