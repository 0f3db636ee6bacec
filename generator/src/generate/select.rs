//! Which calls a profile allows: those that were seen and those that are always needed, as far as
//! the baseline allows them.

use std::collections::{BTreeMap, BTreeSet};

use super::always::Needed;
use super::counterparts::Counterparts;
use super::left_out::{LeftOut, Reason};
use super::rule::Rule;
use super::runtime::Startup;
use crate::abi::{Abi, Existence};
use crate::policy::baseline::{KernelVersion, Resolved, Treatment, release};
use crate::recording::{Call, Phase, Recording, TargetKind};

/// Calls that start a task. Whoever makes one makes another under the next C library or kernel,
/// and `clone` is the only one that a filter can look into.
pub(super) const STARTS_A_TASK: [&str; 4] = ["fork", "vfork", "clone", "clone3"];

/// What was decided, by name: a profile's names go for all its architectures.
pub(super) struct Selection {
    /// Allowed, with what the baseline does with them.
    pub allowed: BTreeMap<&'static str, Treatment>,
    /// What is needed whether or not it was seen.
    pub needed: Needed,
    /// Allowed though never seen, because they are needed.
    pub always: BTreeSet<&'static str>,
    /// `clone`, if it is allowed only because another call that starts a task was seen.
    pub stands_in: BTreeSet<&'static str>,
    /// Allowed though never seen, because they give no further reach than what is allowed already.
    pub added: BTreeMap<&'static str, Rule>,
    /// Values of arguments with which calls are allowed for the same reason.
    pub added_values: BTreeMap<&'static str, BTreeSet<Vec<u64>>>,
    /// What other calls are on machines that do not have them.
    pub counterparts: Counterparts,
    /// Allowed only because a runtime starts the workload with them.
    pub startup: BTreeSet<&'static str>,
    /// A runtime starts workloads with them, but the baseline refuses them.
    pub startup_refused: BTreeSet<&'static str>,
    /// Seen, but only of a runtime, and not needed to start the workload.
    pub runtime_only: BTreeSet<String>,
    /// Seen, but not allowed.
    pub left_out: Vec<LeftOut>,
    /// Calls whose conditions in the baseline were dropped.
    pub without_conditions: BTreeSet<&'static str>,
}

impl Selection {
    /// Allows with any arguments what the baseline allows with some.
    pub fn forget_conditions(&mut self) {
        for (name, treatment) in &mut self.allowed {
            if *treatment != Treatment::Allow {
                *treatment = Treatment::Allow;
                self.without_conditions.insert(name);
            }
        }
    }
}

/// What the baseline does with a call on all of the ABIs that have it: the strictest, since a name
/// in a profile goes for all of them. `None` if it is refused on one of them, or none has it.
pub(super) fn everywhere(baseline: &Resolved<'_>, name: &str) -> Option<Treatment> {
    let abis = baseline.context().abis.iter();
    let mut having = abis.filter(|abi| abi.syscall_number(name).is_some());
    let first = baseline.treatment(*having.next()?, name)?;
    having.all(|abi| baseline.treatment(*abi, name) == Some(first)).then(|| first.clone())
}

/// Whether nobody but the runtime made this call.
fn is_runtimes_own(call: &Call) -> bool {
    !call.phases.is_empty() && call.phases.keys().all(|phase| *phase == Phase::Runtime)
}

/// How often each call was made that counts, and the calls that do not: those of a runtime only.
struct Tally {
    calls: BTreeMap<(Abi, u32), u64>,
    runtime_only: BTreeSet<(Abi, u32)>,
}

fn tally(recordings: &[Recording], startup: &Startup) -> Tally {
    let mut tally = Tally { calls: BTreeMap::new(), runtime_only: BTreeSet::new() };
    for recording in recordings {
        for (abi, number, call) in recording.iter() {
            let kept = match &recording.target.kind {
                TargetKind::Container(container) if is_runtimes_own(call) => {
                    startup.keeps(abi.syscall_name(number).unwrap_or_default(), container)
                }
                TargetKind::Container(_) | TargetKind::Command | TargetKind::Processes => true,
            };
            if kept {
                let count = tally.calls.entry((abi, number)).or_default();
                *count = count.saturating_add(call.count);
            } else {
                tally.runtime_only.insert((abi, number));
            }
        }
    }
    let Tally { calls, runtime_only } = &mut tally;
    runtime_only.retain(|key| !calls.contains_key(key));
    tally
}

pub(super) fn select(
    recordings: &[Recording],
    baseline: &Resolved<'_>,
    startup: &Startup,
) -> Selection {
    let Tally { calls, runtime_only } = tally(recordings, startup);
    let mut selection = Selection {
        allowed: BTreeMap::new(),
        needed: Needed::by(|name| {
            calls.keys().any(|(abi, number)| abi.syscall_name(*number) == Some(name))
        }),
        always: BTreeSet::new(),
        stands_in: BTreeSet::new(),
        added: BTreeMap::new(),
        added_values: BTreeMap::new(),
        counterparts: Counterparts::default(),
        startup: BTreeSet::new(),
        startup_refused: BTreeSet::new(),
        runtime_only: BTreeSet::new(),
        left_out: Vec::new(),
        without_conditions: BTreeSet::new(),
    };
    let newest = newest_kernel(recordings);
    let mut starts_a_task = false;
    for ((abi, number), count) in calls {
        let name = abi.syscall_name(number);
        starts_a_task |= name.is_some_and(|name| STARTS_A_TASK.contains(&name));
        let verdict = name.map(|name| (name, everywhere(baseline, name)));
        let reason = match verdict {
            None => match abi.existence(number, newest) {
                Existence::None if baseline.context().abis.contains(&abi) => Reason::NoSuchCall,
                Existence::None => Reason::NoSuchCallIsKilled,
                Existence::Known | Existence::Unclear => Reason::UnknownNumber,
            },
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
        Some(
            treatment @ (Treatment::Allow
            | Treatment::AllowIf { .. }
            | Treatment::ByArguments { .. }),
        ) => selection.allowed.insert(name, treatment).is_none(),
        Some(Treatment::Refuse(_)) | None => false,
    };
    if starts_a_task && add("clone") {
        selection.stands_in.insert("clone");
    }
    selection.always = selection.needed.calls().filter(|name| add(name)).collect();
    let needed = startup.calls();
    selection.startup = needed.iter().copied().filter(|name| add(name)).collect();
    selection.startup_refused = needed
        .into_iter()
        .filter(|name| !selection.allowed.contains_key(name) && exists(baseline, name))
        .collect();
    selection.runtime_only = runtime_only
        .into_iter()
        .filter_map(|(abi, number)| match abi.syscall_name(number) {
            Some(name) => (!selection.allowed.contains_key(name)).then(|| name.to_owned()),
            None => Some(format!("number {}", abi.raw_number(number))),
        })
        .collect();
    selection
}

/// The newest kernel under which something was recorded; `None` if one of them is not known.
fn newest_kernel(recordings: &[Recording]) -> Option<KernelVersion> {
    let kernels: Option<Vec<_>> =
        recordings.iter().map(|recording| release(&recording.host.kernel)).collect();
    kernels?.into_iter().max()
}

/// Whether one of the ABIs has a call of this name.
fn exists(baseline: &Resolved<'_>, name: &str) -> bool {
    baseline.context().abis.iter().any(|abi| abi.syscall_number(name).is_some())
}
