//! Conditions that compare the same bits for equality, as one diagram made in one go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use biodivine_lib_bdd::{Bdd, BddNode, BddPointer};

use super::{BITS, Cube, Set, VARIABLES, variable};
use crate::policy::{Args, Clause, Width};

/// A set for each clause, and one for all those that only compare the same bits for equality, as most do.
pub(super) fn parts<'a>(clauses: impl IntoIterator<Item = &'a Clause>, width: Width) -> Vec<Set> {
    let mut values: BTreeMap<Args, BTreeSet<Args>> = BTreeMap::new();
    let mut sets = Vec::new();
    for clause in clauses {
        match Cube::of_clause(clause, width) {
            Some(Cube { mask, value }) => {
                values.entry(mask).or_default().insert(value);
            }
            None => sets.push(Set::from_clause(clause, width)),
        }
    }
    sets.extend(values.into_iter().map(|(mask, values)| of_values(&mask, values)));
    sets
}

/// The set of all arguments that have one of these values under the mask. To unite sets of a value each would
/// make the same nodes over and over.
fn of_values(mask: &Args, values: BTreeSet<Args>) -> Set {
    let values: Vec<Args> = values.into_iter().collect();
    let mut bits = Vec::new();
    for (argument, mask) in mask.iter().enumerate() {
        bits.extend((0..BITS).rev().filter(|bit| mask >> bit & 1 == 1).map(|bit| (argument, bit)));
    }
    let mut nodes = vec![BddNode::mk_zero(VARIABLES), BddNode::mk_one(VARIABLES)];
    // Sorted, values that agree in their first bits stand together: from the last bit upwards, each run of
    // such values becomes a node, of its halves' nodes.
    let mut runs: Vec<(usize, BddPointer)> =
        (0..values.len()).map(|first| (first, BddPointer::one())).collect();
    for (argument, bit) in bits.into_iter().rev() {
        let mut known: HashMap<(BddPointer, BddPointer), BddPointer> = HashMap::new();
        let mut node = |low: BddPointer, high: BddPointer| {
            *known.entry((low, high)).or_insert_with(|| {
                nodes.push(BddNode::mk_node(variable(argument, bit), low, high));
                BddPointer::from_index(nodes.len() - 1)
            })
        };
        let prefix = |first: usize| {
            let mut value = values[first];
            value[argument] = value[argument] >> bit >> 1 << bit << 1;
            value.iter_mut().skip(argument + 1).for_each(|rest| *rest = 0);
            value
        };
        let is_set = |first: usize| values[first][argument] >> bit & 1 == 1;
        let mut next: Vec<(usize, BddPointer)> = Vec::new();
        let mut rest = runs.as_slice();
        while let [(first, at), tail @ ..] = rest {
            let pair = tail.first().filter(|(other, _)| prefix(*other) == prefix(*first));
            let (pointer, tail) = match pair {
                Some((_, other)) if at == other => (*at, &tail[1..]),
                Some((_, other)) => (node(*at, *other), &tail[1..]),
                None if is_set(*first) => (node(BddPointer::zero(), *at), tail),
                None => (node(*at, BddPointer::zero()), tail),
            };
            next.push((*first, pointer));
            rest = tail;
        }
        runs = next;
    }
    match runs.as_slice() {
        [] => Set::none(),
        // Nothing is compared.
        _ if nodes.len() == 2 => Set::all(),
        _ => Bdd::from_nodes(&nodes).map_or_else(|error| unreachable!("{error}"), Set),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_values_is_the_union_of_its_values(
            masks in prop::array::uniform6(prop_oneof![Just(0), Just(3), Just(1 << 63), Just(u64::MAX), any::<u64>()]),
            values in prop::collection::vec(prop::array::uniform6(prop_oneof![0..6u64, any::<u64>()]), 0..24),
        ) {
            let masked = |value: &Args| -> Args { std::array::from_fn(|nth| value[nth] & masks[nth]) };
            let values: BTreeSet<Args> = values.iter().map(masked).collect();
            let each = values.iter().map(|value| Set::cube(&Cube { mask: masks, value: *value }));
            let united = Set::union(each.collect());
            let set = of_values(&masks, values);
            prop_assert!(set.equals(&united));
            prop_assert_eq!(set.size(), united.size());
        }

        #[test]
        fn all_values_of_some_bits_are_no_condition(mask in 1..16u64) {
            let values = (0..16u64).map(|value| [value & mask, 0, 0, 0, 0, 0]).collect();
            prop_assert!(of_values(&[mask, 0, 0, 0, 0, 0], values).is_all());
        }
    }
}
