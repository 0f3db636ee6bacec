//! The values of an argument for which none of some predicates holds, as predicates again.
//!
//! A filter that allows some values of an argument and gives all others an error of their own
//! needs a rule for the others, and libseccomp has no "else". A clause holds one predicate for
//! each argument, so a range between two bounds cannot be written as such: it is split into blocks
//! of a power of two, each of them a masked comparison, which are then widened as far as they stay
//! clear of the given predicates, so that few are left.

use super::clause::Predicate;

/// All values with the given bits under the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cube {
    mask: u64,
    value: u64,
}

impl Cube {
    /// Its smallest member that is not below `low`.
    fn first_from(self, low: u64) -> Option<u64> {
        let free = !self.mask;
        let candidate = self.value | (low & free);
        let difference = candidate ^ low;
        if difference == 0 {
            return Some(low);
        }
        let highest = 63 - difference.leading_zeros();
        let below = (1u64 << highest) - 1;
        if candidate > low {
            return Some(candidate & !(free & below));
        }
        let above = !below & !(1u64 << highest);
        let carry = free & above & !low;
        if carry == 0 {
            return None;
        }
        let bit = 1u64 << carry.trailing_zeros();
        Some((candidate | bit) & !(free & (bit - 1)))
    }

    fn meets(self, range: Range) -> bool {
        self.first_from(range.first).is_some_and(|first| first <= range.last)
    }

    fn contains(self, other: Self) -> bool {
        self.mask & other.mask == self.mask && other.value & self.mask == self.value
    }

    /// The largest cube around this one that meets none of the ranges; high bits are given up first.
    fn widened(mut self, outside: &[Range]) -> Self {
        for bit in (0..64).rev().map(|shift| 1u64 << shift) {
            let wider = Self { mask: self.mask & !bit, value: self.value & !bit };
            if !outside.iter().any(|range| wider.meets(*range)) {
                self = wider;
            }
        }
        self
    }
}

/// Values from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// The aligned blocks of a power of two that make up the range.
    fn blocks(self) -> Vec<Cube> {
        let mut blocks = Vec::new();
        let mut first = self.first;
        loop {
            let mut low = 0u64;
            while low != u64::MAX {
                let wider = low << 1 | 1;
                let fits = first & wider == 0 && first | wider <= self.last;
                if !fits {
                    break;
                }
                low = wider;
            }
            blocks.push(Cube { mask: !low, value: first });
            match (first | low).checked_add(1) {
                Some(next) if next <= self.last => first = next,
                _ => return blocks,
            }
        }
    }
}

/// The ranges in which a comparison holds; `None` for a masked one.
fn ranges(predicate: Predicate) -> Option<Vec<Range>> {
    let range = |first: u64, last: u64| (first <= last).then_some(Range { first, last });
    let below = |value: u64| value.checked_sub(1).and_then(|last| range(0, last));
    let above = |value: u64| value.checked_add(1).and_then(|first| range(first, u64::MAX));
    let parts = match predicate {
        Predicate::NotEqual(value) => [below(value), above(value)],
        Predicate::Less(value) => [below(value), None],
        Predicate::LessOrEqual(value) => [range(0, value), None],
        Predicate::Equal(value) => [range(value, value), None],
        Predicate::GreaterOrEqual(value) => [range(value, u64::MAX), None],
        Predicate::Greater(value) => [above(value), None],
        Predicate::MaskedEqual { .. } => return None,
    };
    Some(parts.into_iter().flatten().collect())
}

/// The ranges between the given ones.
fn gaps(mut taken: Vec<Range>) -> Vec<Range> {
    taken.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some(0);
    for range in taken {
        let Some(first) = next else { break };
        if range.first > first {
            gaps.push(Range { first, last: range.first - 1 });
        }
        next = range.last.checked_add(1).map(|after| after.max(first));
    }
    gaps.extend(next.map(|first| Range { first, last: u64::MAX }));
    gaps
}

/// Whether there is a value for which both hold, over 64 bits.
#[must_use]
pub fn overlap(one: Predicate, other: Predicate) -> bool {
    match (Shape::from_predicate(one), Shape::from_predicate(other)) {
        (Shape::Cube(left), Shape::Cube(right)) => {
            left.mask & right.mask & (left.value ^ right.value) == 0
        }
        (Shape::Cube(cube), Shape::Ranges(ranges)) | (Shape::Ranges(ranges), Shape::Cube(cube)) => {
            ranges.iter().any(|range| cube.meets(*range))
        }
        (Shape::Ranges(left), Shape::Ranges(right)) => left.iter().any(|one| {
            right.iter().any(|other| one.first <= other.last && other.first <= one.last)
        }),
    }
}

/// What the values look like for which a predicate holds.
enum Shape {
    Cube(Cube),
    Ranges(Vec<Range>),
}

impl Shape {
    fn from_predicate(predicate: Predicate) -> Self {
        match predicate {
            Predicate::MaskedEqual { mask, value } => {
                Self::Cube(Cube { mask, value: value & mask })
            }
            comparison => Self::Ranges(ranges(comparison).unwrap_or_default()),
        }
    }
}

/// Predicates of which at least one holds exactly where none of the given ones does, over 64 bits.
///
/// `None` if a masked comparison comes together with others: no baseline has such a call.
#[must_use]
pub fn complement(predicates: &[Predicate]) -> Option<Vec<Predicate>> {
    if let [Predicate::MaskedEqual { mask, value }] = *predicates {
        let bits = (0..64).map(|shift| 1u64 << shift);
        return Some(
            bits.filter(|bit| mask & bit != 0)
                .map(|bit| Predicate::MaskedEqual { mask: bit, value: !value & bit })
                .collect(),
        );
    }
    let mut taken = Vec::new();
    for predicate in predicates {
        taken.extend(ranges(*predicate)?);
    }
    let mut simple = Vec::new();
    let mut cubes = Vec::new();
    for gap in gaps(taken.clone()) {
        if gap.first == gap.last {
            simple.push(Predicate::Equal(gap.first));
        } else if gap.last == u64::MAX {
            simple.push(Predicate::GreaterOrEqual(gap.first));
        } else if gap.first == 0 {
            simple.push(Predicate::LessOrEqual(gap.last));
        } else {
            cubes.extend(gap.blocks());
        }
    }
    // Clear of the comparisons too: where those overlap with others, libseccomp 2.5 loses values.
    let mut outside = taken;
    for predicate in &simple {
        outside.extend(ranges(*predicate)?);
    }
    let mut kept: Vec<Cube> = Vec::new();
    for cube in cubes {
        if !kept.iter().any(|other| other.contains(cube)) {
            let wider = cube.widened(&outside);
            kept.retain(|other| !wider.contains(*other));
            kept.push(wider);
        }
    }
    kept.sort_unstable();
    simple.extend(
        kept.into_iter().map(|Cube { mask, value }| Predicate::MaskedEqual { mask, value }),
    );
    Some(simple)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Width;
    use proptest::prelude::*;

    fn holds(predicates: &[Predicate], value: u64) -> bool {
        predicates.iter().any(|predicate| predicate.holds(value, Width::Bits64))
    }

    #[test]
    fn what_lies_between_the_domains_of_socket() {
        let allowed = [Predicate::Less(38), Predicate::Equal(39), Predicate::Greater(40)];
        let expected = vec![Predicate::Equal(38), Predicate::Equal(40)];
        assert_eq!(complement(&allowed), Some(expected));
    }

    #[test]
    fn one_bit_is_enough_to_miss_a_mask() {
        let allowed = [Predicate::MaskedEqual { mask: 0b101, value: 0b001 }];
        let others = complement(&allowed).unwrap();
        assert_eq!(others.len(), 2);
        for value in 0..8 {
            assert_ne!(holds(&allowed, value), holds(&others, value), "{value}");
        }
    }

    #[test]
    fn the_values_of_personality_leave_fewer_blocks_than_entries_fit_into_a_profile() {
        let allowed = [0, 8, 0x20000, 0x20008, 0xffff_ffff].map(Predicate::Equal);
        let others = complement(&allowed).unwrap();
        assert!(others.len() <= 64, "{}", others.len());
    }

    fn comparison() -> impl Strategy<Value = Predicate> {
        let value = prop_oneof![0..64u64, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)];
        (0..6, value).prop_map(|(op, value)| match op {
            0 => Predicate::NotEqual(value),
            1 => Predicate::Less(value),
            2 => Predicate::LessOrEqual(value),
            3 => Predicate::GreaterOrEqual(value),
            4 => Predicate::Greater(value),
            _ => Predicate::Equal(value),
        })
    }

    proptest! {
        #[test]
        fn exactly_one_side_holds(
            predicates in prop::collection::vec(comparison(), 0..6),
            values in prop::collection::vec(prop_oneof![0..70u64, any::<u64>()], 64),
        ) {
            let others = complement(&predicates).unwrap();
            let edges = predicates.iter().chain(&others).flat_map(|predicate| predicate.edges());
            for value in edges.chain(values) {
                prop_assert_ne!(holds(&predicates, value), holds(&others, value), "{:#x}", value);
            }
        }
    }
}
