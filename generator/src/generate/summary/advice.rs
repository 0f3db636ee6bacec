//! What to keep in mind about a profile, in sentences.

use std::collections::BTreeSet;

use super::super::runtime::Runtimes;
use super::super::select::Selection;
use super::super::{Startup, bounding_set};
use crate::policy::baseline::Resolved;
use crate::policy::{Action, Capability};
use crate::profile::Profile;
use crate::recording::{Completeness, Recording, Start, TargetKind};

/// A container that had no filter: its recording begins at the first exec.
fn is_unfiltered_container(recording: &Recording) -> bool {
    matches!(recording.target.kind, TargetKind::Container(_))
        && recording.target.start == Start::Exec
}

/// The names of the targets for which this holds.
fn named(recordings: &[Recording], holds: impl Fn(&Recording) -> bool) -> String {
    let matching = recordings.iter().filter(|recording| holds(recording));
    let names: BTreeSet<&str> = matching.map(|recording| recording.target.name.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// What follows from how it was recorded and will be started.
pub(super) fn notes(
    recordings: &[Recording],
    baseline: &Resolved<'_>,
    startup: &Startup,
) -> Vec<String> {
    let mut notes = Vec::new();
    let unfiltered = named(recordings, is_unfiltered_container);
    if !unfiltered.is_empty() && startup.runtimes != Runtimes::Recorded {
        notes.push(format!(
            "{unfiltered} had no filter while recording, so what its runtime calls under one was \
             not seen. What is known of it was added"
        ));
    }
    if startup.no_new_privs {
        notes.push(
            "made for no_new_privs (allowPrivilegeEscalation: false): without it a container may \
             not start under this profile"
                .to_owned(),
        );
    }
    notes.extend(more_capabilities(recordings, &baseline.context().capabilities));
    notes
}

/// The capabilities of recorded containers that Docker does not give by default, and for which the
/// baseline allows more.
fn more_capabilities(recordings: &[Recording], granted: &BTreeSet<Capability>) -> Option<String> {
    let recorded: BTreeSet<Capability> =
        recordings.iter().filter_map(bounding_set).flatten().collect();
    let more = &(&recorded - &Capability::docker_default()) & granted;
    let names: Vec<String> = more.iter().map(Capability::to_string).collect();
    let names = match names.len() {
        0 => return None,
        _ if recorded == Capability::all() => "all capabilities".to_owned(),
        _ => names.join(", "),
    };
    Some(format!("recorded with {names}, and made for a container that has the same"))
}

/// What there is to know before the profile is used.
pub(super) fn warnings(
    recordings: &[Recording],
    selection: &Selection,
    startup: &Startup,
    profile: &Profile,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let incomplete: BTreeSet<String> = recordings
        .iter()
        .filter_map(|recording| match recording.completeness {
            Completeness::Complete => None,
            Completeness::Incomplete(lost) => {
                Some(format!("{}: {}", recording.target.name, lost.describe().join("; ")))
            }
        })
        .collect();
    for lost in incomplete {
        warnings.push(format!("made of an incomplete recording ({lost})"));
    }
    let caveats: BTreeSet<String> = recordings
        .iter()
        .flat_map(|recording| {
            let name = &recording.target.name;
            recording.caveats.iter().map(move |caveat| format!("{name}: {caveat}"))
        })
        .collect();
    warnings.extend(caveats);
    let attached = named(recordings, |recording| recording.target.start == Start::Attached);
    if !attached.is_empty() {
        warnings.push(format!(
            "{attached} ran already when recording began. Unless another of these recordings has \
             the start, a container may not start under this profile"
        ));
    }
    let unfiltered = named(recordings, is_unfiltered_container);
    if !unfiltered.is_empty() && startup.runtimes == Runtimes::Recorded {
        warnings.push(format!(
            "{unfiltered} had no filter while recording, so what its runtime calls under one was \
             not seen, and --runtime recorded adds nothing: it may not start"
        ));
    }
    if selection.allowed.contains_key("socketcall") {
        warnings.push(
            "i386's socketcall is allowed, and opens every kind of socket: its arguments are in \
             memory, where no filter can look"
                .to_owned(),
        );
    }
    match profile.default {
        Action::Log => warnings.push(
            "calls that were not seen are made and logged, not refused: this profile is for \
             finding out what is missing, not for confining"
                .to_owned(),
        ),
        Action::KillProcess => warnings.push(
            "calls that were not seen kill the process, those too that software makes only to \
             find out whether they are there"
                .to_owned(),
        ),
        _ => {}
    }
    warnings
}
