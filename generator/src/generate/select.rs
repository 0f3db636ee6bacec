//! Which calls a profile allows: those that were seen and those that are always needed, as far as
//! the baseline allows them.

use std::collections::{BTreeMap, BTreeSet};

use super::always::always;
use super::summary::{LeftOut, Reason};
use crate::abi::Abi;
use crate::policy::baseline::{Resolved, Treatment};
use crate::recording::Recording;

/// Calls that start a task. Whoever makes one makes another under the next C library or kernel,
/// and `clone` is the only one that a filter can look into.
const STARTS_A_TASK: [&str; 4] = ["fork", "vfork", "clone", "clone3"];

/// What was decided, by name: a profile's names go for all its architectures.
pub(super) struct Selection {
    /// Allowed, with what the baseline does with them.
    pub allowed: BTreeMap<&'static str, Treatment>,
    /// Allowed though never seen, because every workload needs them.
    pub always: BTreeSet<&'static str>,
    /// `clone`, if it is allowed only because another call that starts a task was seen.
    pub stands_in: BTreeSet<&'static str>,
    /// Seen, but not allowed.
    pub left_out: Vec<LeftOut>,
}

/// What the baseline does with a call on all of the ABIs that have it: the strictest, since a name
/// in a profile goes for all of them. `None` if it is refused on one of them, or none has it.
pub(super) fn everywhere(baseline: &Resolved<'_>, name: &str) -> Option<Treatment> {
    let abis = baseline.context().abis.iter();
    let mut having = abis.filter(|abi| abi.syscall_number(name).is_some());
    let first = baseline.treatment(*having.next()?, name)?;
    having.all(|abi| baseline.treatment(*abi, name) == Some(first)).then(|| first.clone())
}

/// Adds up how often each call was made.
fn tally(recordings: &[Recording]) -> BTreeMap<(Abi, u32), u64> {
    let mut calls = BTreeMap::new();
    for (abi, number, call) in recordings.iter().flat_map(Recording::iter) {
        let count: &mut u64 = calls.entry((abi, number)).or_default();
        *count = count.saturating_add(call.count);
    }
    calls
}

pub(super) fn select(recordings: &[Recording], baseline: &Resolved<'_>) -> Selection {
    let mut selection = Selection {
        allowed: BTreeMap::new(),
        always: BTreeSet::new(),
        stands_in: BTreeSet::new(),
        left_out: Vec::new(),
    };
    let mut starts_a_task = false;
    for ((abi, number), count) in tally(recordings) {
        let name = abi.syscall_name(number);
        starts_a_task |= name.is_some_and(|name| STARTS_A_TASK.contains(&name));
        let verdict = name.map(|name| (name, everywhere(baseline, name)));
        let reason = match verdict {
            None => Reason::UnknownNumber,
            Some((_, Some(Treatment::Refuse(errno)))) => Reason::Answered(errno),
            Some((name, None)) => {
                baseline.baseline().requirement(name, baseline.context().kernel).into()
            }
            Some((name, Some(treatment))) => {
                selection.allowed.insert(name, treatment);
                continue;
            }
        };
        selection.left_out.push(LeftOut { abi, number, count, reason });
    }
    let mut add = |name: &'static str| match everywhere(baseline, name) {
        Some(treatment @ (Treatment::Allow | Treatment::AllowIf { .. })) => {
            selection.allowed.insert(name, treatment).is_none()
        }
        Some(Treatment::Refuse(_)) | None => false,
    };
    if starts_a_task && add("clone") {
        selection.stands_in.insert("clone");
    }
    selection.always = always().filter(|name| add(name)).collect();
    selection
}
