//! Sets of arguments as decision diagrams.
//!
//! A set of arguments is a function of 6 × 64 bits, the first argument's highest bit first. In this
//! order a comparison with a constant has one node for each bit, and the first member of a set, bit by
//! bit, is the one with the smallest first argument, then the smallest second one, and so on.

mod values;

use std::sync::LazyLock;

use biodivine_lib_bdd::{
    Bdd, BddNode, BddPartialValuation, BddPointer, BddVariable, BddVariableSet, op_function,
};

use crate::policy::{Args, Clause, Predicate, Width};
use values::parts;

const BITS: usize = 64;
const ARGUMENTS: usize = 6;
#[expect(clippy::cast_possible_truncation, reason = "384")]
const VARIABLES: u16 = (ARGUMENTS * BITS) as u16;

static SPACE: LazyLock<BddVariableSet> = LazyLock::new(|| BddVariableSet::new_anonymous(VARIABLES));

/// Some of all possible arguments of a call.
#[derive(Clone, Debug)]
pub(crate) struct Set(Bdd);

/// The variable of a bit of an argument; bit 0 is the lowest.
fn variable(argument: usize, bit: usize) -> BddVariable {
    BddVariable::from_index(argument * BITS + (BITS - 1 - bit))
}

/// The bit of the argument that a variable stands for.
fn bit_of(variable: BddVariable) -> (usize, usize) {
    (variable.to_index() / BITS, BITS - 1 - variable.to_index() % BITS)
}

/// For each argument, some bits and what they have to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cube {
    /// The bits that are fixed.
    pub mask: Args,
    /// What they are; 0 outside of the mask.
    pub value: Args,
}

impl Cube {
    /// Whether all of `other` is in here.
    pub fn contains(&self, other: &Self) -> bool {
        (0..ARGUMENTS).all(|index| {
            self.mask[index] & other.mask[index] == self.mask[index]
                && other.value[index] & self.mask[index] == self.value[index]
        })
    }

    /// The arguments for which a clause holds; `None` if it compares otherwise than for equality.
    pub fn of_clause(clause: &Clause, width: Width) -> Option<Self> {
        let mut cube = Self::default();
        for (index, predicate) in clause.predicates() {
            let (mask, value) = match predicate {
                Predicate::Equal(value) => (width.mask(), value),
                Predicate::MaskedEqual { mask, value } => (mask & width.mask(), value),
                _ => return None,
            };
            (cube.mask[index], cube.value[index]) = (mask, value & mask);
        }
        Some(cube)
    }

    fn valuation(&self) -> BddPartialValuation {
        let mut valuation = BddPartialValuation::empty();
        for (argument, (mask, value)) in self.mask.iter().zip(self.value).enumerate() {
            for bit in (0..BITS).filter(|bit| mask >> bit & 1 == 1) {
                valuation.set_value(variable(argument, bit), value >> bit & 1 == 1);
            }
        }
        valuation
    }

    fn from_valuation(valuation: &BddPartialValuation) -> Self {
        let mut cube = Self::default();
        for (variable, value) in valuation.to_values() {
            let (argument, bit) = bit_of(variable);
            cube.mask[argument] |= 1 << bit;
            cube.value[argument] |= u64::from(value) << bit;
        }
        cube
    }
}

impl Set {
    /// All arguments.
    pub fn all() -> Self {
        Self(SPACE.mk_true())
    }

    /// None at all.
    pub fn none() -> Self {
        Self(SPACE.mk_false())
    }

    /// Those that have a bit of an argument set.
    pub fn bit(argument: usize, bit: usize) -> Self {
        Self(SPACE.mk_var(variable(argument, bit)))
    }

    /// Those whose bits are what the cube says.
    pub fn cube(cube: &Cube) -> Self {
        Self(SPACE.mk_conjunctive_clause(&cube.valuation()))
    }

    /// Those for which the clause holds.
    pub fn from_clause(clause: &Clause, width: Width) -> Self {
        let mut fixed = Cube::default();
        let mut rest = Vec::new();
        for (index, predicate) in clause.predicates() {
            match predicate {
                Predicate::Equal(value) => {
                    fixed.mask[index] = width.mask();
                    fixed.value[index] = value & width.mask();
                }
                Predicate::MaskedEqual { mask, value } => {
                    fixed.mask[index] = mask & width.mask();
                    fixed.value[index] = value & mask & width.mask();
                }
                other => rest.push(comparison(index, other, width)),
            }
        }
        let fixed = Self::cube(&fixed);
        rest.into_iter().fold(fixed, |set, comparison| set.and(&comparison))
    }

    /// Those for which any of the clauses holds.
    pub fn any<'a>(clauses: impl IntoIterator<Item = &'a Clause>, width: Width) -> Self {
        Self::union(parts(clauses, width))
    }

    /// As [`any`](Self::any), if that takes no more than `most` nodes, and no more of `work`: the nodes of all
    /// diagrams that are made on the way. What it took is taken off.
    pub fn any_within<'a>(
        clauses: impl IntoIterator<Item = &'a Clause>,
        width: Width,
        most: usize,
        work: &mut usize,
    ) -> Option<Self> {
        let sets = parts(clauses, width);
        spend(work, sets.iter().map(Self::size).sum())?;
        union(sets, |one, other| {
            let both = one.or_within(other, most)?;
            spend(work, both.size())?;
            Some(both)
        })
    }

    /// Whether any of these arguments is in it.
    pub fn meets(&self, cube: &Cube) -> bool {
        self.follow(cube).any(|at| at.is_one())
    }

    /// All members of all sets.
    pub fn union(sets: Vec<Self>) -> Self {
        union(sets, |one, other| Some(one.or(other))).unwrap_or_else(Self::none)
    }

    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.and(&other.0))
    }

    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.or(&other.0))
    }

    /// As [`or`](Self::or), if that takes no more than `most` nodes.
    pub fn or_within(&self, other: &Self, most: usize) -> Option<Self> {
        Bdd::binary_op_with_limit(most, &self.0, &other.0, op_function::or).map(Self)
    }

    /// What is not in it.
    pub fn complement(&self) -> Self {
        Self(self.0.not())
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.and_not(&other.0))
    }

    /// As [`minus`](Self::minus), if that takes no more than `most` nodes.
    pub fn minus_within(&self, other: &Self, most: usize) -> Option<Self> {
        Bdd::binary_op_with_limit(most, &self.0, &other.0, op_function::and_not).map(Self)
    }

    /// How many nodes its diagram has.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_false()
    }

    pub fn is_all(&self) -> bool {
        self.0.is_true()
    }

    pub fn equals(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.xor(&other.0).is_false()
    }

    /// Its smallest member: the smallest first argument, with that the smallest second one, …
    pub fn first(&self) -> Option<Args> {
        let valuation = self.0.first_valuation()?;
        let mut args = [0; ARGUMENTS];
        for (index, value) in valuation.into_vector().into_iter().enumerate() {
            let (argument, bit) = bit_of(BddVariable::from_index(index));
            args[argument] |= u64::from(value) << bit;
        }
        Some(args)
    }

    /// Whether these arguments are in it.
    pub fn contains(&self, args: &Args) -> bool {
        let cube = Cube { mask: [u64::MAX; ARGUMENTS], value: *args };
        self.holds_all_of(&cube)
    }

    /// Parts that make up the set, each as large as can be; they may overlap. `None` if there are more
    /// than `most` paths to go.
    pub fn cubes(&self, most: usize) -> Option<Vec<Cube>> {
        // Counted first: there can be very many, and to widen one takes its time.
        if self.0.sat_clauses().take(most + 1).count() > most {
            return None;
        }
        let mut kept: Vec<Cube> = Vec::new();
        for path in self.0.sat_clauses() {
            let path = Cube::from_valuation(&path);
            if kept.iter().any(|cube| cube.contains(&path)) {
                continue;
            }
            let wider = self.widened(path);
            kept.retain(|cube| !wider.contains(cube));
            kept.push(wider);
        }
        kept.sort_unstable();
        Some(kept)
    }

    /// The largest cube around this one that is still in the set; high bits are given up first.
    fn widened(&self, mut cube: Cube) -> Cube {
        for argument in 0..ARGUMENTS {
            for bit in (0..BITS).rev().map(|bit| 1u64 << bit) {
                if cube.mask[argument] & bit == 0 {
                    continue;
                }
                let mut wider = cube;
                wider.mask[argument] &= !bit;
                wider.value[argument] &= !bit;
                if self.holds_all_of(&wider) {
                    cube = wider;
                }
            }
        }
        cube
    }

    fn holds_all_of(&self, cube: &Cube) -> bool {
        self.follow(cube).all(|at| !at.is_zero())
    }

    /// The nodes on the ways that the cube leaves open.
    fn follow(&self, cube: &Cube) -> impl Iterator<Item = BddPointer> {
        let mut seen = std::collections::HashSet::new();
        let mut todo = vec![self.0.root_pointer()];
        std::iter::from_fn(move || {
            let at = todo.pop()?;
            if at.as_bool().is_none() {
                let (argument, bit) = bit_of(self.0.var_of(at));
                let fixed = cube.mask[argument] >> bit & 1 == 1;
                let value = cube.value[argument] >> bit & 1 == 1;
                // Only where ways part it has to be known who was there: between them there is one way.
                if fixed || seen.insert(at.to_index()) {
                    if !fixed || value {
                        todo.push(self.0.high_link_of(at));
                    }
                    if !fixed || !value {
                        todo.push(self.0.low_link_of(at));
                    }
                }
            }
            Some(at)
        })
    }

    /// The only argument that matters and the ranges of its values, first and last, if the set is made
    /// of at most `most` ranges of one argument.
    pub fn ranges(&self, most: usize, width: Width) -> Option<(usize, Vec<(u64, u64)>)> {
        let mut argument = None;
        let mut ranges = Vec::new();
        for path in self.0.sat_clauses() {
            let cube = Cube::from_valuation(&path);
            let mut used = (0..ARGUMENTS).filter(|index| cube.mask[*index] != 0);
            let (index, None) = (used.next()?, used.next()) else { return None };
            if *argument.get_or_insert(index) != index || ranges.len() > most * BITS {
                return None;
            }
            let free = width.mask() & !cube.mask[index];
            // Free bits below all fixed ones are a range; else there are many of them.
            if free & free.wrapping_add(1) != 0 {
                return None;
            }
            ranges.push((cube.value[index], cube.value[index] | free));
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
                _ => merged.push((first, last)),
            }
        }
        (merged.len() <= most).then_some((argument?, merged))
    }
}

/// Takes `size` off, if there is so much left.
pub(crate) fn spend(work: &mut usize, size: usize) -> Option<()> {
    *work = work.checked_sub(size)?;
    Some(())
}

/// Unites sets in a balanced tree: one by one the work would be squared.
fn union(mut sets: Vec<Set>, mut or: impl FnMut(&Set, &Set) -> Option<Set>) -> Option<Set> {
    while sets.len() > 1 {
        sets = sets
            .chunks(2)
            .map(|pair| match pair {
                [one, other] => or(one, other),
                rest => rest.first().cloned(),
            })
            .collect::<Option<_>>()?;
    }
    Some(sets.pop().unwrap_or_else(Set::none))
}

/// The set of a predicate that is not a plain equality.
fn comparison(argument: usize, predicate: Predicate, width: Width) -> Set {
    match predicate {
        Predicate::Less(value) => below(argument, value & width.mask(), false, width),
        Predicate::LessOrEqual(value) => below(argument, value & width.mask(), true, width),
        Predicate::Greater(value) => {
            Set(below(argument, value & width.mask(), true, width).0.not())
        }
        Predicate::GreaterOrEqual(value) => {
            Set(below(argument, value & width.mask(), false, width).0.not())
        }
        Predicate::NotEqual(value) => {
            let equal = Clause::on(argument, Predicate::Equal(value)).unwrap_or(Clause::ALWAYS);
            Set(Set::from_clause(&equal, width).0.not())
        }
        Predicate::Equal(_) | Predicate::MaskedEqual { .. } => {
            Set::from_clause(&Clause::on(argument, predicate).unwrap_or(Clause::ALWAYS), width)
        }
    }
}

/// Values below a constant, or up to it: a node for each bit, made from the lowest one upwards.
fn below(argument: usize, constant: u64, or_equal: bool, width: Width) -> Set {
    let mut nodes = vec![BddNode::mk_zero(VARIABLES), BddNode::mk_one(VARIABLES)];
    let mut rest = BddPointer::from_bool(or_equal);
    for bit in (0..BITS).filter(|bit| width.mask() >> bit & 1 == 1) {
        let (low, high) = if constant >> bit & 1 == 1 {
            (BddPointer::one(), rest)
        } else {
            (rest, BddPointer::zero())
        };
        if low != high {
            nodes.push(BddNode::mk_node(variable(argument, bit), low, high));
            rest = BddPointer::from_index(nodes.len() - 1);
        }
    }
    match rest.as_bool() {
        Some(true) => Set::all(),
        Some(false) => Set::none(),
        None => Bdd::from_nodes(&nodes).map_or_else(|error| unreachable!("{error}"), Set),
    }
}

#[cfg(test)]
mod tests;
