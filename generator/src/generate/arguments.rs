//! Which values of arguments a profile allows: those that were seen, as far as the baseline allows them.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::calls_of;
use super::counterparts::Carried;
use super::runtime::Startup;
use super::select::{STARTS_A_TASK, Selection};
use crate::limits::CONDITIONS;
use crate::policy::argument::{ArgumentRule, Level};
use crate::policy::baseline::Treatment;
use crate::policy::decide::narrowed;
use crate::policy::{Clause, Width};
use crate::recording::{Phase, Recording, TargetKind};

/// For how many conditions of arguments that were seen a profile has room: half of what it may have.
const ROOM: usize = CONDITIONS / 2;

/// How much of a profile looks at arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentFilters {
    /// Nothing: wider than the baseline, where that looks at arguments.
    None,
    /// What the baseline looks at, under its conditions.
    Baseline,
    /// What was seen, for the rules of this level.
    Seen(Level),
}

crate::choice::choices!(ArgumentFilters {
    None => "none", "Nothing; wider than the Docker default for socket, clone and personality";
    Baseline => "baseline", "What the Docker default looks at, under its own conditions";
    Seen(Level::Standard) => "standard", "Also what was recorded, where it protects the kernel or others and the call is not hot";
    Seen(Level::Strict) => "strict", "What was recorded, wherever it was";
});

/// What a call that is filtered by its arguments is allowed with.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub rule: &'static ArgumentRule,
    /// Combinations of values.
    pub values: BTreeSet<Vec<u64>>,
    /// Any of these; empty if it is allowed with no arguments at all.
    pub clauses: Vec<Clause>,
}

/// Values that were seen and are not allowed, since the baseline refuses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedValues {
    /// Name of the call.
    pub call: String,
    /// Arguments that show it, all six.
    pub args: [u64; 6],
}

/// Why a call is not filtered by its arguments although there is a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfiltered {
    /// A recording does not have them: an older release made it.
    NotRecorded,
    /// There were more of them than a recording or a profile has room for.
    Overflow,
    /// It is needed to start the workload, and nobody knows with which.
    Startup,
    /// It was not seen, and is allowed since it gives no further reach, whatever its arguments.
    Family,
}

/// What was decided about arguments, by name of the call.
#[derive(Default)]
pub(super) struct Filters {
    pub filtered: BTreeMap<&'static str, Filter>,
    pub unfiltered: BTreeMap<&'static str, Unfiltered>,
    pub refused: Vec<RefusedValues>,
}

/// Finds the values for every call that is allowed and has a rule of the level.
pub(super) fn filters(
    recordings: &[Recording],
    selection: &Selection,
    startup: &Startup,
    level: Level,
) -> Filters {
    let mut filters = Filters::default();
    for (name, treatment) in &selection.allowed {
        let Some(rule) = ArgumentRule::for_call(name).filter(|rule| rule.level <= level) else {
            continue;
        };
        match values(name, rule, recordings, selection, startup) {
            Err(reason) => {
                filters.unfiltered.insert(name, reason);
            }
            Ok(seen) if seen.len() > ROOM => {
                filters.unfiltered.insert(name, Unfiltered::Overflow);
            }
            Ok(seen) => {
                let (values, refused): (BTreeSet<_>, BTreeSet<_>) =
                    seen.into_iter().partition(|values| allows(treatment, rule, values));
                filters.refused.extend(refused.iter().map(|values| RefusedValues {
                    call: (*name).to_owned(),
                    args: rule.example(values),
                }));
                // A rule looks at the half of an argument that the kernel takes, and the baseline may look at
                // all of it: at `personality`'s.
                let clauses = rule.condition(&values);
                if let Some(clauses) = clauses.and_then(|all| narrowed(all, &treatment.allowed())) {
                    filters.filtered.insert(name, Filter { rule, values, clauses });
                }
            }
        }
    }
    filters.fit();
    filters
}

impl Filters {
    /// Gives up the filters with the most conditions until a profile has room for the rest.
    fn fit(&mut self) {
        let conditions = |filter: &Filter| filter.clauses.len();
        let mut all: usize = self.filtered.values().map(conditions).sum();
        while all > ROOM
            && let Some(name) = self
                .filtered
                .iter()
                .max_by_key(|(_, filter)| conditions(filter))
                .map(|(name, _)| *name)
        {
            all -= self.filtered.remove(name).map_or(0, |filter| conditions(&filter));
            self.unfiltered.insert(name, Unfiltered::Overflow);
        }
    }
}

/// Whether the baseline allows the call with these values.
fn allows(treatment: &Treatment, rule: &ArgumentRule, values: &[u64]) -> bool {
    let args = rule.example(values);
    treatment.allowed().iter().any(|clause| clause.holds(&args, Width::Bits64))
}

/// The values with which a call was seen, or is needed.
fn values(
    name: &str,
    rule: &ArgumentRule,
    recordings: &[Recording],
    selection: &Selection,
    startup: &Startup,
) -> Result<BTreeSet<Vec<u64>>, Unfiltered> {
    let mut values = recorded(name, rule, recordings, startup)?;
    for (other, carried) in selection.counterparts.standing_for(name) {
        match (carried, ArgumentRule::for_call(other)) {
            (Carried::Same, Some(rule)) => {
                values.extend(recorded(other, rule, recordings, startup)?);
            }
            (Carried::Always, _) => values.extend(rule.always.iter().cloned()),
            (Carried::Same | Carried::Any, _) => return Err(Unfiltered::NotRecorded),
        }
    }
    if startup.calls().contains(name) {
        match startup.arguments(name) {
            Some(of_runtimes) => values.extend(of_runtimes),
            None if rule.always.is_empty() => return Err(Unfiltered::Startup),
            None => values.extend(rule.always.iter().cloned()),
        }
    }
    if let Some(needed) = selection.needed.arguments(rule, name) {
        values.extend(needed);
    }
    if let Some(added) = selection.added_values.get(name) {
        values.extend(added.iter().cloned());
    } else if selection.added.contains_key(name) {
        return Err(Unfiltered::Family);
    }
    let stands_in = STARTS_A_TASK.contains(&name) && starts_otherwise(recordings, name);
    if stands_in || selection.stands_in.contains(name) {
        values.extend(rule.always.iter().cloned());
    }
    Ok(values)
}

/// The values with which a call was seen.
fn recorded(
    name: &str,
    rule: &ArgumentRule,
    recordings: &[Recording],
    startup: &Startup,
) -> Result<BTreeSet<Vec<u64>>, Unfiltered> {
    let mut values = BTreeSet::new();
    for (recording, call) in calls_of(recordings, name) {
        let arguments = call.arguments.as_ref().ok_or(Unfiltered::NotRecorded)?;
        if !arguments.indexes.iter().copied().eq(rule.indexes()) {
            return Err(Unfiltered::NotRecorded);
        }
        if arguments.overflow > 0 {
            return Err(Unfiltered::Overflow);
        }
        let counts = |phases: &BTreeMap<Phase, u64>| match &recording.target.kind {
            TargetKind::Container(container) => {
                phases.is_empty()
                    || phases.keys().any(|phase| *phase != Phase::Runtime)
                    || startup.keeps(name, container)
            }
            TargetKind::Command | TargetKind::Processes => true,
        };
        let seen = arguments.values.iter().filter(|(_, one)| counts(&one.phases));
        values.extend(seen.map(|(values, _)| values.clone()));
    }
    Ok(values)
}

/// Whether another call that starts a task was seen, for which this one stands in.
fn starts_otherwise(recordings: &[Recording], name: &str) -> bool {
    STARTS_A_TASK
        .into_iter()
        .any(|other| other != name && calls_of(recordings, other).next().is_some())
}

impl Filter {
    /// Arguments that the baseline allows and this filter does not, which people may want to know about.
    pub fn notable(&self, treatment: &Treatment) -> Vec<[u64; 6]> {
        let refused =
            self.rule.notable.iter().map(|values| self.rule.example(values)).filter(|args| {
                treatment.allowed().iter().any(|clause| clause.holds(args, Width::Bits64))
                    && !self.clauses.iter().any(|clause| clause.holds(args, Width::Bits64))
            });
        refused.collect()
    }
}
