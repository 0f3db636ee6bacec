//! Fewer clauses that say the same.
//!
//! Two clauses that differ in one bit of one masked value are one clause without that bit: `prlimit64` of each of the
//! resources 0 to 15 is one comparison and not sixteen. A filter gets shorter by it, and a profile easier to read.

use std::collections::BTreeSet;

use super::{Clause, Predicate};

/// Clauses of which one holds for exactly those arguments for which one of the given ones does. The result does not
/// depend on the order in which they are given.
pub fn merged(mut clauses: BTreeSet<Clause>) -> BTreeSet<Clause> {
    loop {
        let before = clauses.len();
        for (index, bit) in
            (0..6).flat_map(|index| (0..u64::BITS).map(move |shift| (index, 1 << shift)))
        {
            let set: Vec<Clause> =
                clauses.iter().filter(|clause| has(clause, index, bit)).copied().collect();
            for clause in set {
                let Some((other, both)) = without(&clause, index, bit) else { continue };
                if clauses.remove(&other) {
                    clauses.remove(&clause);
                    clauses.insert(both);
                }
            }
        }
        if clauses.len() == before {
            return clauses;
        }
    }
}

/// Whether it asks for this bit of this argument to be set.
fn has(clause: &Clause, index: usize, bit: u64) -> bool {
    clause.predicates().any(|(at, predicate)| {
        at == index && matches!(predicate, Predicate::MaskedEqual { mask, value } if mask & value & bit != 0)
    })
}

/// The clause that differs in this bit only, and the one that says both.
fn without(clause: &Clause, index: usize, bit: u64) -> Option<(Clause, Clause)> {
    let mut predicates = [None; 6];
    for (at, predicate) in clause.predicates() {
        *predicates.get_mut(at)? = Some(predicate);
    }
    let Some(Predicate::MaskedEqual { mask, value }) = *predicates.get(index)? else { return None };
    let mut with = |mask: u64, value: u64| {
        let rest = (mask != 0).then_some(Predicate::MaskedEqual { mask, value });
        *predicates.get_mut(index)? = rest;
        Some(Clause::new(predicates))
    };
    Some((with(mask, value & !bit)?, with(mask & !bit, value & !bit)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Width;

    fn equal(value: u64) -> Predicate {
        Predicate::MaskedEqual { mask: 0xffff_ffff, value }
    }

    #[test]
    fn neighbours_become_one() {
        let clauses = (0..16).filter_map(|value| Clause::on(1, equal(value))).collect();
        let all = Clause::on(1, Predicate::MaskedEqual { mask: 0xffff_fff0, value: 0 }).unwrap();
        assert_eq!(merged(clauses), BTreeSet::from([all]));
    }

    proptest! {
        #[test]
        fn the_same_is_said(
            values in proptest::collection::btree_set((0..12u64, 0..4u64), 1..40),
            args in prop::array::uniform6(0..14u64),
        ) {
            let clause = |(one, other)| {
                let mut predicates = [None; 6];
                predicates[0] = Some(equal(one));
                predicates[1] = Some(equal(other));
                Clause::new(predicates)
            };
            let clauses: BTreeSet<Clause> = values.into_iter().map(clause).collect();
            let holds = |any: &BTreeSet<Clause>| {
                any.iter().any(|one| one.holds(&args, Width::Bits64))
            };
            let fewer = merged(clauses.clone());
            prop_assert_eq!(holds(&fewer), holds(&clauses));
            prop_assert!(fewer.len() <= clauses.len());
        }
    }
}
