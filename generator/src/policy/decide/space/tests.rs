use super::*;
use proptest::prelude::*;

fn predicate() -> impl Strategy<Value = Predicate> {
    let value = || {
        prop_oneof![
            0..6u64,
            Just(0xffff_ffff),
            Just(0x1_0000_0000),
            Just(0xffff_ffff_8000_0000),
            Just(u64::MAX),
            any::<u64>()
        ]
    };
    (0..7, value(), value()).prop_map(|(op, value, mask)| match op {
        0 => Predicate::NotEqual(value),
        1 => Predicate::Less(value),
        2 => Predicate::LessOrEqual(value),
        3 => Predicate::Equal(value),
        4 => Predicate::GreaterOrEqual(value),
        5 => Predicate::Greater(value),
        _ => Predicate::MaskedEqual { mask, value },
    })
}

fn clause() -> impl Strategy<Value = Clause> {
    prop::collection::btree_map(0..6usize, predicate(), 0..3).prop_map(|predicates| {
        let mut slots = [None; 6];
        for (index, predicate) in predicates {
            slots[index] = Some(predicate);
        }
        Clause::new(slots)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_set_holds_what_its_clause_holds_for(
        clauses in prop::collection::vec(clause(), 0..4),
        wide: bool,
        noise in any::<u64>(),
        picks in prop::collection::vec(prop::array::uniform6(0..997usize), 16),
    ) {
        let width = if wide { Width::Bits64 } else { Width::Bits32 };
        let set = Set::any(&clauses, width);
        let mut values = vec![0, 1, u64::MAX, noise];
        values.extend(clauses.iter().flat_map(Clause::predicates).flat_map(|(_, p)| p.edges()));
        for pick in picks {
            let args = pick.map(|index| values[index % values.len()]);
            let holds = clauses.iter().any(|clause| clause.holds(&args, width));
            prop_assert_eq!(set.contains(&args), holds, "{:x?}", args);
        }
        if let Some(first) = set.first() {
            prop_assert!(set.contains(&first));
        }
        if let Some(cubes) = set.cubes(80) {
            let parts = cubes.iter().map(Set::cube);
            prop_assert!(Set::union(parts.collect()).equals(&set));
        }
    }
}

#[test]
fn ranges_are_distinguished_from_masks() {
    let on = |predicate| Clause::on(2, predicate).unwrap();
    let socket = [Predicate::Less(38), Predicate::Equal(39), Predicate::Greater(40)].map(on);
    let set = Set::any(&socket, Width::Bits64);
    assert_eq!(set.ranges(8, Width::Bits64), Some((2, vec![(0, 37), (39, 39), (41, u64::MAX)])));
    let masked = on(Predicate::MaskedEqual { mask: 0x7e02_0000, value: 0 });
    assert_eq!(Set::from_clause(&masked, Width::Bits64).ranges(8, Width::Bits64), None);
    assert_eq!(Set::from_clause(&masked, Width::Bits64).cubes(8).unwrap().len(), 1);
}
