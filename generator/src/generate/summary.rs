//! What a generated profile allows and what it does not, on one screen.

use std::collections::BTreeSet;
use std::fmt;

use super::select::Selection;
use crate::abi::Abi;
use crate::policy::baseline::{KernelVersion, Requirement, Resolved, Treatment};
use crate::policy::fallback::fallbacks;
use crate::policy::{Action, Capability, Conflict, Errno};
use crate::profile::Profile;
use crate::recording::{Completeness, Recording};

/// Columns of a line.
const WIDTH: usize = 96;
/// Most lines for what was left out.
const MOST_LEFT_OUT: usize = 10;

/// What went into a profile and what did not. Its `Display` is plain text, several lines without
/// a newline at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Names of the targets, each once.
    pub targets: Vec<String>,
    /// How many recordings there were.
    pub recordings: usize,
    /// How many calls they hold.
    pub calls: u64,
    /// What the baseline is called, with an article.
    pub baseline: String,
    /// How many calls there are, by ABI.
    pub abis: Vec<AbiCounts>,
    /// Allowed by their arguments only, under the baseline's conditions.
    pub by_argument: Vec<String>,
    /// Allowed though never seen, because every workload needs them.
    pub always: Vec<String>,
    /// Allowed though never seen, because they stand in for a call that was.
    pub stands_in: Vec<String>,
    /// Seen, but not allowed.
    pub left_out: Vec<LeftOut>,
    /// What else there is to know before the profile is used.
    pub warnings: Vec<String>,
}

/// Calls of one ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbiCounts {
    /// The ABI.
    pub abi: Abi,
    /// Calls that were seen.
    pub seen: usize,
    /// Calls that the profile allows, for some arguments at least.
    pub allowed: usize,
    /// Calls that the baseline allows, for some arguments at least.
    pub baseline: usize,
    /// Calls that the kernel has, as far as this release knows.
    pub kernel: usize,
}

/// A call that was seen and is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The ABI it was made through.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// How often it was made.
    pub count: u64,
    /// Why it is not allowed.
    pub reason: Reason,
}

/// Why a call that was seen is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The baseline allows it with any of these capabilities only.
    NeedsCapability(Vec<Capability>),
    /// The baseline allows it from this kernel on only.
    NeedsKernel(KernelVersion),
    /// The baseline refuses it to everybody.
    Refused,
    /// The baseline gives it an error of its own, on which software makes another call.
    Answered(Errno),
    /// No name is known for the number, and a profile has only names.
    UnknownNumber,
}

impl From<Requirement> for Reason {
    fn from(requirement: Requirement) -> Self {
        match requirement {
            Requirement::Capability(capabilities) => Self::NeedsCapability(capabilities),
            Requirement::Kernel(version) => Self::NeedsKernel(version),
            Requirement::Never => Self::Refused,
        }
    }
}

impl LeftOut {
    /// The call's name, or its number and ABI if it has none.
    pub fn call(&self) -> String {
        self.abi
            .syscall_name(self.number)
            .map_or_else(|| format!("number {}", self.number), str::to_owned)
    }

    fn because(&self, baseline: &str) -> String {
        match &self.reason {
            Reason::NeedsCapability(any) => {
                let names: Vec<String> = any.iter().map(Capability::to_string).collect();
                format!("{baseline} allows it only with {}", names.join(" or "))
            }
            Reason::NeedsKernel((major, minor)) => {
                format!("{baseline} allows it only from Linux {major}.{minor} on")
            }
            Reason::Refused => format!("{baseline} refuses it"),
            Reason::Answered(errno) => {
                let targets: Vec<&str> = fallbacks(&self.call()).collect();
                format!("answers {errno}, so that {} is used", targets.join(" or "))
            }
            Reason::UnknownNumber => "this release knows no name for it".to_owned(),
        }
    }
}

pub(super) fn summarise(
    recordings: &[Recording],
    selection: &Selection,
    baseline: &Resolved<'_>,
    profile: &Profile,
) -> Result<Summary, Conflict> {
    let mut abis = Vec::new();
    for abi in baseline.context().abis.iter().copied() {
        let policy = profile.policy(abi)?;
        let seen: BTreeSet<u32> = recordings
            .iter()
            .flat_map(Recording::iter)
            .filter(|(of, ..)| *of == abi)
            .map(|(_, number, _)| number)
            .collect();
        let named = |number: u32| {
            let rules = policy.rules(abi, number);
            rules.iter().any(|rule| rule.action == Action::Allow)
        };
        abis.push(AbiCounts {
            abi,
            seen: seen.len(),
            allowed: abi.syscalls().filter(|(number, _)| named(*number)).count(),
            baseline: baseline.allowed_count(abi),
            kernel: abi.syscalls().count(),
        });
    }
    let owned = |names: &BTreeSet<&str>| names.iter().map(|name| (*name).to_owned()).collect();
    let targets: BTreeSet<&str> =
        recordings.iter().map(|recording| recording.target.name.as_str()).collect();
    Ok(Summary {
        targets: owned(&targets),
        recordings: recordings.len(),
        calls: recordings.iter().map(Recording::total).sum(),
        baseline: baseline.baseline().title().to_owned(),
        abis,
        by_argument: selection
            .allowed
            .iter()
            .filter(|(_, treatment)| **treatment != Treatment::Allow)
            .map(|(name, _)| (*name).to_owned())
            .collect(),
        always: owned(&selection.always),
        stands_in: owned(&selection.stands_in),
        left_out: selection.left_out.clone(),
        warnings: warnings(recordings, selection, profile),
    })
}

fn warnings(recordings: &[Recording], selection: &Selection, profile: &Profile) -> Vec<String> {
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

/// Writes a text below its heading, broken at spaces.
fn paragraph(f: &mut fmt::Formatter<'_>, heading: &str, text: &str) -> fmt::Result {
    write!(f, "\n{heading}")?;
    let mut column = heading.len();
    for word in text.split(' ') {
        if column + 1 + word.len() > WIDTH {
            write!(f, "\n    {word}")?;
            column = 4 + word.len();
        } else {
            write!(f, " {word}")?;
            column += 1 + word.len();
        }
    }
    Ok(())
}

fn plural(count: u64, word: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {word}{s}")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recordings = u64::try_from(self.recordings).unwrap_or(u64::MAX);
        write!(
            f,
            "{}: {}, {}",
            self.targets.join(", "),
            plural(recordings, "recording"),
            plural(self.calls, "call"),
        )?;
        for counts in &self.abis {
            write!(
                f,
                "\n{}: allowed {} / {} allows {} / kernel has {} ({} seen)",
                counts.abi,
                counts.allowed,
                self.baseline,
                counts.baseline,
                counts.kernel,
                counts.seen,
            )?;
        }
        if !self.by_argument.is_empty() {
            let heading = format!("Allowed by argument, as {} does:", self.baseline);
            paragraph(f, &heading, &self.by_argument.join(", "))?;
        }
        if !self.stands_in.is_empty() {
            paragraph(
                f,
                "Added, since another call that starts a task was seen:",
                &self.stands_in.join(", "),
            )?;
        }
        if !self.always.is_empty() {
            paragraph(
                f,
                "Added, since every workload needs them sooner or later:",
                &self.always.join(", "),
            )?;
        }
        if !self.left_out.is_empty() {
            write!(f, "\nLeft out, though seen:")?;
        }
        for left_out in self.left_out.iter().take(MOST_LEFT_OUT) {
            write!(
                f,
                "\n  {:<20} {:<8} {}: {}",
                left_out.call(),
                left_out.abi,
                plural(left_out.count, "time"),
                left_out.because(&self.baseline),
            )?;
        }
        let hidden = self.left_out.get(MOST_LEFT_OUT..).unwrap_or_default();
        if !hidden.is_empty() {
            let names: Vec<String> = hidden.iter().map(LeftOut::call).collect();
            paragraph(f, "  and", &names.join(", "))?;
        }
        for warning in &self.warnings {
            paragraph(f, "Warning:", warning)?;
        }
        Ok(())
    }
}
