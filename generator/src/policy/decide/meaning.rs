//! What a filter does, as a function: an action for every call with every argument.

use std::collections::BTreeMap;

use super::space::{Cube, Set};
use crate::abi::Abi;
use crate::machine::Machines;
use crate::policy::{Action, Args, Clause, Policy, Rule, UNLISTED_ABI, Width, width};

/// The largest number that is looked at. Bit 30 marks the calls of x32, and with any bit above it a
/// number is no call of any ABI: the kernel answers ENOSYS, whatever the filter says.
pub const LAST_NUMBER: u32 = 0x3fff_ffff;

/// What is done with the calls of one number.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// The same, whatever the arguments.
    Uniform(Action),
    /// By arguments: sets that share nothing and leave nothing out, each with an action of its own.
    ByArguments(Vec<(Action, Set)>),
}

impl Decision {
    /// From sets that share nothing and leave nothing out.
    pub fn new(parts: impl IntoIterator<Item = (Action, Set)>) -> Self {
        let mut cases: BTreeMap<Action, Vec<Set>> = BTreeMap::new();
        for (action, set) in parts {
            if !set.is_empty() {
                cases.entry(action).or_default().push(set);
            }
        }
        let cases: Vec<(Action, Set)> =
            cases.into_iter().map(|(action, sets)| (action, Set::union(sets))).collect();
        match cases.as_slice() {
            [(action, _)] => Self::Uniform(*action),
            _ => Self::ByArguments(cases),
        }
    }

    /// What the rules of a call mean. Where conditions with different actions overlap, the rule that
    /// was added first counts.
    pub fn of_rules(rules: &[Rule], default: Action, width: Width) -> Self {
        if rules.is_empty() {
            return Self::Uniform(default);
        }
        if let [Rule { action, clauses }] = rules
            && clauses.iter().any(|clause| clause.is_unconditional())
        {
            return Self::Uniform(*action);
        }
        let mut taken = Set::none();
        let mut parts = Vec::new();
        for rule in rules {
            let holds = Set::any(&rule.clauses, width);
            let holds = if taken.is_empty() { holds } else { holds.minus(&taken) };
            taken = if taken.is_empty() { holds.clone() } else { taken.or(&holds) };
            parts.push((rule.action, holds));
        }
        parts.push((default, taken.complement()));
        Self::new(parts)
    }

    /// Its parts; one for all arguments if they do not matter.
    pub fn parts(&self) -> Vec<(Action, Set)> {
        match self {
            Self::Uniform(action) => vec![(*action, Set::all())],
            Self::ByArguments(cases) => cases.clone(),
        }
    }

    /// The one action, if arguments do not matter.
    pub fn uniform(&self) -> Option<Action> {
        match self {
            Self::Uniform(action) => Some(*action),
            Self::ByArguments(_) => None,
        }
    }

    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uniform(one), Self::Uniform(other)) => one == other,
            (Self::ByArguments(one), Self::ByArguments(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|((left, these), (right, those))| left == right && these.equals(those))
            }
            _ => false,
        }
    }

    /// What comes of both by choosing an action where they differ.
    pub fn combine(&self, other: &Self, choose: impl Fn(Action, Action) -> Action) -> Self {
        if let (Self::Uniform(one), Self::Uniform(other)) = (self, other) {
            return Self::Uniform(choose(*one, *other));
        }
        let others = other.parts();
        Self::new(self.parts().iter().flat_map(|(one, these)| {
            others
                .iter()
                .map(|(other, those)| (choose(*one, *other), these.and(those)))
                .collect::<Vec<_>>()
        }))
    }

    /// An argument for which a pair of actions is of interest, the smallest one.
    pub fn first_difference(
        &self,
        other: &Self,
        interesting: impl Fn(Action, Action) -> bool,
    ) -> Option<(Args, Action, Action)> {
        if let (Self::Uniform(one), Self::Uniform(other)) = (self, other) {
            return interesting(*one, *other).then_some(([0; 6], *one, *other));
        }
        let others = other.parts();
        let mut found: Option<(Args, Action, Action)> = None;
        for (one, these) in self.parts() {
            for (other, those) in &others {
                if interesting(one, *other)
                    && let Some(args) = these.and(those).first()
                    && found.is_none_or(|(best, ..)| args < best)
                {
                    found = Some((args, one, *other));
                }
            }
        }
        found
    }
}

/// Whether a call is let through of which not all arguments are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Certainty {
    /// Whatever the others are.
    Always,
    /// For some values of the others.
    Sometimes,
}

/// What a filter does with every call: see [`super`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Meaning {
    /// For each ABI, from a number on.
    tables: BTreeMap<Abi, BTreeMap<u32, Decision>>,
}

const UNLISTED: Decision = Decision::Uniform(UNLISTED_ABI);

impl From<&Policy> for Meaning {
    fn from(policy: &Policy) -> Self {
        let default = policy.default_action();
        let mut tables = BTreeMap::new();
        for abi in policy.abis() {
            let mut pieces = BTreeMap::from([(0, Decision::Uniform(default))]);
            for (number, rules) in policy.table(abi) {
                pieces.insert(number, Decision::of_rules(rules, default, width(abi)));
                pieces.entry(number + 1).or_insert(Decision::Uniform(default));
            }
            tables.insert(abi, pieces);
        }
        Self { tables }
    }
}

impl FromIterator<Meaning> for Meaning {
    /// What each of these does with the ABIs that it lists; none may be listed twice.
    fn from_iter<T: IntoIterator<Item = Self>>(parts: T) -> Self {
        Self { tables: parts.into_iter().flat_map(|part| part.tables).collect() }
    }
}

impl Meaning {
    /// From what is done with the numbers of each ABI, from each key on; 0 has to be among the keys.
    /// Calls of ABIs that are not named kill the thread.
    pub(crate) fn from_pieces(tables: BTreeMap<Abi, BTreeMap<u32, Decision>>) -> Self {
        Self { tables }
    }

    /// The ABIs of which any call does something else than kill the thread.
    pub fn abis(&self) -> impl Iterator<Item = Abi> {
        self.tables.keys().copied()
    }

    /// What it does with some ABIs; the calls of all others kill the thread.
    pub fn only(mut self, wanted: impl Fn(Abi) -> bool) -> Self {
        self.tables.retain(|abi, _| wanted(*abi));
        self
    }

    /// The machines on which it lets any call through at all.
    pub fn machines(&self) -> Machines {
        let through = |abi: &Abi| self.starts(*abi).any(|start| self.may_allow(*abi, start));
        self.abis().filter(through).map(Abi::machine).collect()
    }

    /// What is done with a number.
    pub(crate) fn decision(&self, abi: Abi, number: u32) -> &Decision {
        self.tables
            .get(&abi)
            .and_then(|pieces| pieces.range(..=number).next_back())
            .map_or(&UNLISTED, |(_, decision)| decision)
    }

    /// Numbers from each of which on something else may be done than before.
    pub(crate) fn starts(&self, abi: Abi) -> impl Iterator<Item = u32> {
        self.tables.get(&abi).into_iter().flat_map(|pieces| pieces.keys().copied())
    }

    /// Whether a call is let through for some of its arguments.
    #[must_use]
    pub fn may_allow(&self, abi: Abi, number: u32) -> bool {
        match self.decision(abi, number) {
            Decision::Uniform(action) => action.lets_through(),
            Decision::ByArguments(cases) => cases.iter().any(|(action, _)| action.lets_through()),
        }
    }

    /// What is done with a call.
    #[must_use]
    pub fn evaluate(&self, abi: Abi, number: u32, args: &Args) -> Action {
        match self.decision(abi, number) {
            Decision::Uniform(action) => *action,
            Decision::ByArguments(cases) => cases
                .iter()
                .find(|(_, set)| set.contains(args))
                .map_or(UNLISTED_ABI, |(action, _)| *action),
        }
    }

    /// Whether a call is let through of which is known only that one of the clauses holds.
    ///
    /// # Errors
    ///
    /// What is done with such a call if it is never let through.
    pub fn lets_through(
        &self,
        abi: Abi,
        number: u32,
        known: &[Clause],
    ) -> Result<Certainty, Action> {
        let cases = match self.decision(abi, number) {
            Decision::Uniform(action) if action.lets_through() => return Ok(Certainty::Always),
            Decision::Uniform(action) => return Err(*action),
            Decision::ByArguments(cases) => cases,
        };
        let cubes = known.iter().map(|clause| Cube::of_clause(clause, Width::Bits64));
        let cubes: Option<Vec<Cube>> = cubes.collect();
        // What was recorded is known as values, for which it is enough to walk through a diagram.
        let such = cubes.is_none().then(|| Set::any(known, Width::Bits64));
        let meets = |set: &Set| match (&cubes, &such) {
            (Some(cubes), _) => cubes.iter().any(|cube| set.meets(cube)),
            (None, such) => such.as_ref().is_some_and(|such| !set.and(such).is_empty()),
        };
        let through = cases.iter().any(|(action, set)| action.lets_through() && meets(set));
        let refused = cases.iter().find(|(action, set)| !action.lets_through() && meets(set));
        match refused {
            None => Ok(Certainty::Always),
            Some(_) if through => Ok(Certainty::Sometimes),
            Some((action, _)) => Err(*action),
        }
    }

    /// Whether what is done with a call depends on its arguments.
    #[must_use]
    pub fn depends_on_arguments(&self, abi: Abi, number: u32) -> bool {
        self.decision(abi, number).uniform().is_none()
    }

    /// The two together, call by call.
    pub(crate) fn combine(
        &self,
        other: &Self,
        choose: impl Fn(Action, Action) -> Action + Copy,
    ) -> Self {
        let mut tables = BTreeMap::new();
        for abi in Abi::ALL {
            if !self.tables.contains_key(&abi) && !other.tables.contains_key(&abi) {
                continue;
            }
            let pieces = self.starts(abi).chain(other.starts(abi)).map(|number| {
                let decision =
                    self.decision(abi, number).combine(other.decision(abi, number), choose);
                (number, decision)
            });
            tables.insert(abi, pieces.collect());
        }
        Self { tables }
    }
}
