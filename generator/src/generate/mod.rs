//! Recordings in, one profile out.
//!
//! What a call gets, in the order in which the questions are asked:
//!
//! | The call | gets |
//! |---|---|
//! | was seen, or is always needed, and the baseline allows it | ALLOW, under the baseline's own conditions; where values of arguments were kept, with those that were seen |
//! | is needed by a runtime that will start the workload, and the baseline allows it | the same |
//! | was made by nobody but the recorded container's runtime, and no other needs it | as if it had not been seen |
//! | is refused by the baseline with an error of its own (clone3) | that error |
//! | is refused by the baseline | the baseline's error (EPERM), by name |
//! | is allowed by the baseline under conditions, and was not seen | the baseline's error, by name |
//! | has no fallback, and ENOSYS makes programs spin | what makes them give up (`profiles/refusals.json`) |
//! | anything else: allowed by the baseline but not seen, or unknown to it | the default (ENOSYS) |
//!
//! So a call that the baseline refuses gets the error it always got, and a call that is newly
//! refused gets the one on which software falls back to an older call.

mod always;
mod arguments;
mod calls;
mod counterparts;
mod emit;
mod error;
mod family;
mod generalize;
mod left_out;
mod machines;
mod reach;
mod reasons;
mod rule;
mod runtime;
mod select;
mod summary;

use std::collections::{BTreeMap, BTreeSet};

use arguments::Filters;

use crate::abi::Abi;
use crate::evidence::Added;
use crate::machine::Machines;
use crate::policy::argument::Level;
use crate::policy::baseline::{Baseline, Context, KernelVersion};
use crate::policy::{Action, Capability, Errno};
use crate::profile::Profile;
use crate::recording::{Completeness, Recording, TargetKind};
use crate::untrusted::one_line;

pub use arguments::{ArgumentFilters, RefusedValues, Unfiltered};
pub use error::GenerateError;
pub use left_out::{LeftOut, Reason};
pub use runtime::{Runtime, Runtimes, Startup};
pub use summary::{AbiCounts, Body, FilteredCall, Item, Refused, Section, Summary};

/// What a call gets that the profile does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseWith {
    /// ENOSYS: software falls back.
    Enosys,
    /// EPERM: what Docker does.
    Eperm,
    /// The call is made and logged: to find out what a profile lacks. It confines nothing.
    Log,
    /// The process is killed.
    Kill,
}

crate::choice::choices!(RefuseWith {
    Enosys => "enosys", "Software falls back to older calls";
    Eperm => "eperm", "What Docker does";
    Log => "log", "Allowed and logged; confines nothing";
    Kill => "kill", "The process is killed";
});

impl RefuseWith {
    /// The action of a profile.
    #[must_use]
    pub fn action(self) -> Action {
        match self {
            Self::Enosys => Action::Errno(Errno::ENOSYS),
            Self::Eperm => Action::Errno(Errno::EPERM),
            Self::Log => Action::Log,
            Self::Kill => Action::KillProcess,
        }
    }
}

/// What a profile allows besides what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generalize {
    /// Nothing but what every workload and its runtime need.
    Exact,
    /// Calls that give no further reach than what was recorded.
    Reach,
    /// Also what the programs can call.
    Imports,
}

crate::choice::choices!(Generalize {
    Exact => "exact", "Only what every workload and its runtime need";
    Reach => "reach", "Also calls of low risk that give no further reach than what was recorded";
    Imports => "imports", "Also calls of low risk that the recorded programs and their libraries can make";
});

/// How a profile is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Make one of what is there, although something was lost.
    pub allow_incomplete: bool,
    /// Use recordings of what only looks like a container too.
    pub allow_unconfirmed: bool,
    /// What a call gets that the profile does not name.
    pub refuse_with: RefuseWith,
    /// The bounding set under which the workload will run; `None` for that of the recordings, where a
    /// recording without one counts as having what Docker gives by default.
    pub capabilities: Option<BTreeSet<Capability>>,
    /// The oldest kernel it will run on; `None` for any that Strait can record on (5.8).
    pub kernel: Option<KernelVersion>,
    /// How the workload will be started.
    pub startup: Startup,
    /// How much of it looks at arguments.
    pub arguments: ArgumentFilters,
    /// What it allows besides what was recorded.
    pub generalize: Generalize,
    /// Machines on which it is used, besides those of the recordings.
    pub machines: Machines,
}

impl Default for Options {
    /// A complete recording, ENOSYS, the capabilities of the recordings, any runtime, and the arguments that
    /// were seen where they matter.
    fn default() -> Self {
        Self {
            allow_incomplete: false,
            allow_unconfirmed: false,
            refuse_with: RefuseWith::Enosys,
            capabilities: None,
            kernel: None,
            startup: Startup::default(),
            arguments: ArgumentFilters::Seen(Level::Standard),
            generalize: Generalize::Reach,
            machines: Machines::default(),
        }
    }
}

/// A profile, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Generated {
    /// The profile.
    pub profile: Profile,
    /// What went into it and what did not.
    pub summary: Summary,
    /// Why it allows the calls that were not recorded, by name.
    pub added: BTreeMap<String, Added>,
}

/// Makes one profile of recordings. Their order does not matter.
///
/// # Errors
///
/// [`GenerateError`] if there is nothing to make a profile of, or something was lost.
pub fn generate(recordings: &[Recording], options: &Options) -> Result<Generated, GenerateError> {
    if recordings.is_empty() {
        return Err(GenerateError::NoRecording);
    }
    recordings.iter().try_for_each(|recording| check(recording, options))?;
    let baseline = Baseline::docker_default().resolve(&context(recordings, options));
    let mut selection = select::select(recordings, &baseline, &options.startup);
    let level = match options.arguments {
        ArgumentFilters::Seen(level) => Some(level),
        ArgumentFilters::Baseline | ArgumentFilters::None => None,
    };
    let missing = machines::carry_over(&mut selection, &abis(recordings), &baseline);
    generalize::extend(&mut selection, recordings, &baseline, options.generalize, level);
    let filters = match options.arguments {
        ArgumentFilters::Seen(level) => {
            arguments::filters(recordings, &selection, &options.startup, level)
        }
        ArgumentFilters::Baseline => Filters::default(),
        ArgumentFilters::None => {
            selection.forget_conditions();
            Filters::default()
        }
    };
    let profile = emit::profile(&selection, &filters, &baseline, options.refuse_with);
    let decided = summary::Decided { selection: &selection, filters: &filters };
    let mut summary =
        summary::summarise(recordings, decided, &baseline, &options.startup, &profile)?;
    summary.notes.extend(machines::notes(&selection, &abis(recordings), &baseline, &missing));
    let added = reasons::of(&selection, &options.startup.starters().join(", "));
    Ok(Generated { profile, summary, added })
}

/// What the Docker default is resolved for.
pub(crate) fn context(recordings: &[Recording], options: &Options) -> Context {
    Context {
        abis: machines::with_native(abis(recordings), options.machines),
        capabilities: options.capabilities.clone().unwrap_or_else(|| bounding_sets(recordings)),
        kernel: options.kernel,
    }
}

/// The ABIs of calls that exist in them: `syscall(-2)` has the x32 bit, and is no reason to open x32. If there
/// are none, those of the machines' own programs.
fn abis(recordings: &[Recording]) -> BTreeSet<Abi> {
    let calls = || recordings.iter().flat_map(Recording::iter);
    let exist = calls().filter(|(abi, number, _)| abi.syscall_name(*number).is_some());
    let exist: BTreeSet<Abi> = exist.map(|(abi, ..)| abi).collect();
    if exist.is_empty() { calls().map(|(abi, ..)| abi.machine().native()).collect() } else { exist }
}

/// The capabilities that a recorded container could have had; `None` if they are not known.
fn bounding_set(recording: &Recording) -> Option<BTreeSet<Capability>> {
    match &recording.target.kind {
        TargetKind::Container(container) => container.bounding_set.map(Capability::from_mask),
        TargetKind::Command | TargetKind::Processes => None,
    }
}

/// Those of all recordings together.
fn bounding_sets(recordings: &[Recording]) -> BTreeSet<Capability> {
    let sets = recordings.iter().map(bounding_set);
    sets.flat_map(|set| set.unwrap_or_else(Capability::docker_default)).collect()
}

/// Says whether a profile may be made of a recording.
///
/// # Errors
///
/// [`GenerateError::Unconfirmed`], [`GenerateError::Empty`], [`GenerateError::NotStarted`] and
/// [`GenerateError::Incomplete`].
pub fn check(recording: &Recording, options: &Options) -> Result<(), GenerateError> {
    let name = || one_line(&recording.target.name);
    if recording.is_unconfirmed() && !options.allow_unconfirmed {
        return Err(GenerateError::Unconfirmed { name: name() });
    }
    if recording.is_empty() {
        return Err(GenerateError::Empty { name: name() });
    }
    if recording.is_before_start() {
        return Err(GenerateError::NotStarted { name: name() });
    }
    match recording.completeness {
        Completeness::Incomplete(losses) if !options.allow_incomplete => {
            Err(GenerateError::Incomplete { name: name(), losses: losses.describe().join("; ") })
        }
        Completeness::Incomplete(_) | Completeness::Complete => Ok(()),
    }
}

#[cfg(test)]
mod tests;
