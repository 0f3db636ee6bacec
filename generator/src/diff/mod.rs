//! Compares two profiles or recordings by meaning: what is newly allowed, and what is no longer allowed, with examples.
//!
//! [`diff`] compares two [`Side`]s by meaning: JSON that says the same in other words is equal. Each
//! [`Change`] has a witness, a call that the two treat differently. Pure: no file, no clock.
//!
//! - [`allow`]: reviewed exceptions
//! - [`json`], [`markdown`], [`sarif`], and [`Diff::text`]: what it looks like
//! - `change`, `risk`, `wording`: what changed, what that exposes, and which arguments it is about

pub mod allow;
mod change;
mod fold;
pub mod json;
pub mod markdown;
mod risk;
pub mod sarif;
mod settings;
mod side;
mod text;
mod wording;

use std::collections::BTreeSet;

use change::{Pair, UseOf};

use crate::abi::Abi;
use crate::evidence::{Evidence, Seen};
use crate::machine::Machines;
use crate::policy::Action;
use crate::policy::decide::{ChangeKind, Comparison, Witness};

pub(crate) use allow::ByCall;
pub use allow::{Exception, Exceptions};
pub(crate) use change::let_through;
pub use risk::{Level, Risk};
pub(crate) use risk::{assess as assess_risk, assess_all as assess_risk_of_all};
pub use settings::Setting;
pub use side::{Kind, Side, called};
pub(crate) use wording::describe as describe_arguments;

/// What the new side is, seen from the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// Every call gets the same from both.
    Equal,
    /// Some calls are no longer let through, and none is newly.
    Narrowed,
    /// Some calls are newly let through, and all that were still are.
    Widened,
    /// Some calls are newly let through, others no longer.
    Mixed,
    /// The same calls are let through, but some are refused in another way.
    Changed,
}

impl Verdict {
    /// Its name in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Narrowed => "narrowed",
            Self::Widened => "widened",
            Self::Mixed => "mixed",
            Self::Changed => "changed",
        }
    }
}

/// What to object to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Any call that is newly let through.
    Widened,
    /// One whose [`Risk`] is high.
    Risky,
    /// Any change at all.
    Changed,
    /// Nothing.
    Never,
}

crate::choice::choices!(FailOn {
    Widened => "widened", "Any call that is newly allowed";
    Risky => "risky", "One that exposes much";
    Changed => "changed", "Any change at all";
    Never => "never", "Nothing";
});

impl FailOn {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Widened => "widened",
            Self::Risky => "risky",
            Self::Changed => "changed",
            Self::Never => "never",
        }
    }
}

/// A call that the two sides treat differently.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its ABI.
    pub abi: Abi,
    /// Other ABIs on which the call changes alike, in order.
    pub also_on: Vec<Abi>,
    /// Its number, without the x32 bit; the smallest of those without a name that change alike.
    pub number: u32,
    /// How many more numbers without a name change alike.
    pub more: u32,
    /// In which direction.
    pub direction: ChangeKind,
    /// What was let through, in words, or how the call was refused.
    pub before: String,
    /// What is let through, or how it is refused.
    pub after: String,
    /// Arguments that are newly let through, in words.
    pub gained: Option<String>,
    /// Arguments that no longer are.
    pub lost: Option<String>,
    /// A call that shows it.
    pub witness: Witness,
    /// What the old side did with the witness, and what the new one does.
    pub of_witness: (String, String),
    /// What it exposes; for a call that was narrowed, what it exposed.
    pub risk: Risk,
    /// Who made it: while the new side was recorded if it is wider, else the old one.
    pub seen: Option<Seen>,
    /// Calls that software makes instead, and that the new side lets through: then it is no loss.
    pub instead: Vec<&'static str>,
    /// The reviewed exceptions that cover all that is newly let through.
    pub excepted: Vec<Exception>,
}

impl Change {
    /// Name of the call, or its number.
    pub fn call(&self) -> String {
        self.abi.syscall_name(self.number).map_or_else(|| self.number.to_string(), str::to_owned)
    }

    /// The ABIs on which it changes so.
    pub fn abis(&self) -> impl Iterator<Item = Abi> {
        [self.abi].into_iter().chain(self.also_on.iter().copied())
    }

    /// Whether something is newly let through.
    #[must_use]
    pub fn widens(&self) -> bool {
        matches!(self.direction, ChangeKind::Widened | ChangeKind::Mixed)
    }

    /// Whether something is no longer let through.
    #[must_use]
    pub fn narrows(&self) -> bool {
        matches!(self.direction, ChangeKind::Narrowed | ChangeKind::Mixed)
    }

    /// What changed, such as `AF_UNIX, AF_INET; adds AF_NETLINK`.
    #[must_use]
    pub fn summary(&self) -> String {
        let gained = self.gained.iter().map(|gained| format!("adds {gained}"));
        let lost = self.lost.iter().map(|lost| format!("removes {lost}"));
        let parts: Vec<_> = gained.chain(lost).collect();
        if parts.is_empty() {
            format!("{} → {}", self.before, self.after)
        } else {
            format!("{}; {}", self.before, parts.join("; "))
        }
    }
}

/// How two sides differ.
#[derive(Clone, Debug)]
#[must_use]
pub struct Diff {
    /// What the old side is called, and what it is.
    pub old: (String, Kind),
    /// The new side.
    pub new: (String, Kind),
    /// Whether the old side is a recording from which calls may be missing, and whether the new one is.
    pub incomplete: (bool, bool),
    /// The machines that were compared.
    pub machines: Machines,
    /// The ABIs that at least one side covers.
    pub abis: BTreeSet<Abi>,
    /// All in one word.
    pub verdict: Verdict,
    /// Changes of the whole.
    pub settings: Vec<Setting>,
    /// Changes of calls: wider ones first, of these the riskiest.
    pub changes: Vec<Change>,
    /// ABIs that only one side lists: all of their calls changed.
    pub whole_abis: BTreeSet<Abi>,
    /// Whether the new side came with evidence.
    pub has_evidence: bool,
    /// Exceptions that have expired, and so do not count.
    pub expired: Vec<Exception>,
    /// Exceptions that cover a part of what a call newly may, which without the rest counts for nothing.
    pub partial: Vec<Exception>,
    /// Exceptions that nothing needs.
    pub unused: Vec<Exception>,
}

impl Diff {
    /// The verdict, and the machines on which it is so.
    pub fn sentence(&self) -> String {
        let changed: Machines =
            self.changes.iter().flat_map(Change::abis).map(Abi::machine).collect();
        let on = if changed.is_empty() { self.machines } else { changed };
        if on.is_empty() {
            return self.verdict.name().to_owned();
        }
        format!("{} on {on}", self.verdict.name())
    }

    /// Where a call changes so, unless that is everywhere.
    pub(crate) fn places(&self, change: &Change) -> Option<String> {
        let mut shared = self.abis.difference(&self.whole_abis);
        let everywhere = shared.all(|abi| change.abis().any(|other| other == *abi));
        let places = || change.abis().map(Abi::place).collect::<Vec<_>>().join(", ");
        (!everywhere).then(places)
    }

    /// The changes that newly let something through.
    pub fn widened(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.widens())
    }

    /// Those that only let less through.
    pub fn narrowed(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.direction == ChangeKind::Narrowed)
    }

    /// Those that let through what they did, and refuse in another way.
    pub fn refused_otherwise(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.direction == ChangeKind::Refusal)
    }

    /// The sides from which calls may be missing, so that the comparison may be otherwise.
    pub fn incomplete_sides(&self) -> impl Iterator<Item = &str> {
        let sides = [(self.incomplete.0, &self.old), (self.incomplete.1, &self.new)];
        sides.into_iter().filter(|(incomplete, _)| *incomplete).map(|(_, (name, _))| name.as_str())
    }

    /// Whether there is something to object to that no exception covers.
    pub fn fails(&self, fail_on: FailOn) -> bool {
        let mut open = self.changes.iter().filter(|change| change.excepted.is_empty());
        match fail_on {
            FailOn::Widened => {
                open.any(Change::widens) || self.settings.iter().any(Setting::widens)
            }
            FailOn::Risky => open.any(|change| change.widens() && change.risk.level == Level::High),
            // An exception is for what a call newly may, and not for what it no longer may.
            FailOn::Changed => {
                open.next().is_some()
                    || self.changes.iter().any(Change::narrows)
                    || !self.settings.is_empty()
            }
            FailOn::Never => false,
        }
    }
}

/// Compares two sides. `today` is the day on which exceptions have to be valid.
pub fn diff(old: &Side, new: &Side, exceptions: &Exceptions, today: jiff::civil::Date) -> Diff {
    let (before, after) = (old.meaning(), new.meaning());
    // How a recording refuses says nothing.
    let answers_count = old.kind() == Kind::Profile && new.kind() == Kind::Profile;
    let (expired, valid): (Vec<&Exception>, Vec<&Exception>) =
        exceptions.iter().partition(|exception| exception.has_expired(today));
    let by_call = ByCall::new(&valid);
    let mut use_of = UseOf::default();
    let comparison = Comparison::new(&before, &after);
    let mut changes: Vec<Change> = comparison
        .changes()
        .filter(|change| answers_count || change.kind != ChangeKind::Refusal)
        .filter_map(|change| {
            let pair = Pair::new(&before, &after, change.abi, change.number);
            pair.change(change, old, new, &after, (&valid, &by_call), &mut use_of)
        })
        .collect();
    changes.sort_by_key(|change| {
        let place = match change.direction {
            ChangeKind::Widened | ChangeKind::Mixed => 0,
            ChangeKind::Narrowed => 1,
            ChangeKind::Refusal => 2,
        };
        (place, std::cmp::Reverse(change.risk.level), change.call(), change.abi)
    });
    let those = |wanted: &dyn Fn(usize) -> bool| {
        let all = valid.iter().enumerate().filter(|(nth, _)| wanted(*nth));
        all.map(|(_, exception)| (*exception).clone()).collect()
    };
    let abis = |side: &Side| side.policy.abis().collect::<BTreeSet<_>>();
    let whole_abis = &abis(old) ^ &abis(new);
    let changes = fold::fold(changes, &whole_abis);
    let settings = settings::settings(old, new, answers_count);
    Diff {
        old: (old.name.clone(), old.kind()),
        new: (new.name.clone(), new.kind()),
        incomplete: (old.incomplete, new.incomplete),
        machines: abis(old).union(&abis(new)).map(|abi| abi.machine()).collect(),
        abis: &abis(old) | &abis(new),
        verdict: verdict(&changes, &settings),
        settings,
        changes,
        whole_abis,
        has_evidence: new.evidence.is_some(),
        expired: expired.into_iter().cloned().collect(),
        partial: those(&|nth| use_of.partial.contains(&nth) && !use_of.whole.contains(&nth)),
        unused: those(&|nth| !use_of.partial.contains(&nth) && !use_of.whole.contains(&nth)),
    }
}

fn verdict(changes: &[Change], settings: &[Setting]) -> Verdict {
    let widened = changes.iter().any(Change::widens) || settings.iter().any(Setting::widens);
    let narrowed = changes.iter().any(Change::narrows) || settings.iter().any(Setting::narrows);
    match (widened, narrowed) {
        (true, true) => Verdict::Mixed,
        (true, false) => Verdict::Widened,
        (false, true) => Verdict::Narrowed,
        (false, false) if changes.is_empty() && settings.is_empty() => Verdict::Equal,
        (false, false) => Verdict::Changed,
    }
}

/// What a side says of a call. A recording has not refused what was not called.
fn action_text(kind: Kind, action: Action) -> String {
    match kind {
        Kind::Profile => past(action),
        Kind::Recording if action.lets_through() => "called".to_owned(),
        Kind::Recording => "not called".to_owned(),
    }
}

/// What was done to a call.
pub(crate) fn past(action: Action) -> String {
    match action {
        Action::Allow => "allowed".to_owned(),
        Action::Log => "allowed and logged".to_owned(),
        Action::Errno(errno) => format!("refused with {errno}"),
        Action::Trace(_) => "left to a tracer".to_owned(),
        Action::Trap => "trapped (SIGSYS)".to_owned(),
        Action::KillThread => "answered by killing the thread".to_owned(),
        Action::KillProcess => "answered by killing the process".to_owned(),
    }
}

/// A part of a sentence.
pub(crate) enum Part<'a> {
    /// Text that Strait made.
    Ours(String),
    /// The name of a test or a program.
    Name(&'a str),
}

/// Who made a call, in a few words: the test, the program, how often, when.
pub(crate) fn made(seen: &Seen) -> Vec<Part<'_>> {
    use Part::{Name, Ours};
    let mut parts = Vec::new();
    if let Some(first) = &seen.first {
        parts.extend([Ours("first in ".to_owned()), Name(&first.sample), Ours(", ".to_owned())]);
    }
    if let Some((path, others)) = seen.foremost() {
        let file = path.rsplit('/').next().unwrap_or(path);
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        parts.extend([Ours("by ".to_owned()), Name(file), Ours(format!("{more} "))]);
    }
    let times = match seen.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let phases = seen.phases.keys().map(|phase| phase.when()).collect::<Vec<_>>().join(", ");
    let phases = if phases.is_empty() { phases } else { format!(" {phases}") };
    parts.push(Ours(format!("{times}{phases}")));
    parts
}

/// The same as one text. `name` makes names fit for where it is shown.
pub(crate) fn who(seen: &Seen, name: impl Fn(&str) -> String) -> String {
    let text = made(seen).into_iter().map(|part| match part {
        Part::Ours(text) => text,
        Part::Name(text) => name(text),
    });
    text.collect()
}

#[cfg(test)]
mod tests;
