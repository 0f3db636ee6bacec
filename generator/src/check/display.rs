//! A report as text.

use std::collections::BTreeSet;
use std::fmt;

use super::{Count, Coverage, Missing, Report, Within};
use crate::abi::Abi;
use crate::decode;
use crate::machine::Machines;
use crate::policy::Capability;
use crate::policy::decide::ChangeKind;
use crate::untrusted::Text;

/// Most calls that a line names.
const MOST_NAMES: usize = 12;

impl Report {
    /// The report as people read it.
    pub fn text(&self) -> Text {
        let mut text = Text::new();
        if let Some(within) = &self.within {
            self.verdict(&mut text, within);
        }
        text.line(format_args!("  ABIs          {}", counts(&self.allowed)));
        if let Some(within) = &self.within {
            text.line(format_args!("  baseline      {}", counts(&within.allowed)));
        }
        let unlisted: Vec<String> = self
            .machines
            .abis()
            .filter(|abi| self.allowed.iter().all(|count| count.abi != *abi))
            .map(Abi::place)
            .collect();
        if !unlisted.is_empty() {
            text.line(format_args!(
                "  not listed    {}: every call is killed",
                unlisted.join(", ")
            ));
        }
        text.line(format_args!("  capabilities  {}", self.capabilities()));
        match self.assumed.kernel {
            Some((major, minor)) => text.line(format_args!("  kernel        {major}.{minor}")),
            None => text.line("  kernel        any that is new enough for all rules"),
        }
        for coverage in &self.covers {
            coverage.describe(&mut text, self.machines);
        }
        text
    }
}

fn counts(counts: &[Count]) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|Count { abi, calls, by_argument }| match by_argument {
            0 => format!("{abi}: {calls} calls allowed"),
            _ => format!("{abi}: {calls} calls allowed, {by_argument} of them by argument"),
        })
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join("; ") }
}

/// ABIs with the machines that have them.
fn places(abis: &[Abi]) -> String {
    abis.iter().map(|abi| abi.place()).collect::<Vec<_>>().join(", ")
}

/// A line for each call, and the ABIs for which it is true.
fn escapes(within: &Within) -> Vec<(String, Vec<Abi>)> {
    let mut lines: Vec<(String, Vec<Abi>)> = Vec::new();
    for witness in within.escapes() {
        let text = format!("{witness}: {}, there: {}", witness.before, witness.after);
        match lines.iter_mut().find(|(known, _)| *known == text) {
            Some((_, abis)) => abis.push(witness.abi),
            None => lines.push((text, vec![witness.abi])),
        }
    }
    lines
}

impl Report {
    fn verdict(&self, text: &mut Text, within: &Within) {
        let Within { baseline, comparison, .. } = within;
        let (profile, machines) = (&self.profile, self.machines);
        if comparison.is_equal() {
            text.line(format_args!(
                "{profile} does the same as {baseline} on {machines} with every call and all arguments"
            ));
        } else if comparison.is_within() {
            text.line(format_args!(
                "{profile} is within {baseline} on {machines}: proved for every call and all arguments"
            ));
            let listed = |abi| self.allowed.iter().any(|count| count.abi == abi);
            // A call of several ABIs is one call.
            let kinds = |kind| {
                let changes = comparison.changes().filter(|change| listed(change.abi));
                let names = changes.filter(move |change| change.kind == kind).map(|change| {
                    change.name().map_or_else(|| change.number.to_string(), str::to_owned)
                });
                names.collect::<BTreeSet<_>>()
            };
            let (narrower, refused) =
                (kinds(ChangeKind::Widened).len(), kinds(ChangeKind::Refusal).len());
            text.line(format_args!(
                "  narrower for  {narrower} calls; {refused} more get another answer"
            ));
        } else {
            let lines = escapes(within);
            let (calls, ways) = (lines.len(), within.escapes().count());
            let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
            let over = if ways > lines.len() { " over several ABIs" } else { "" };
            let on: Machines = within.escapes().map(|witness| witness.abi.machine()).collect();
            text.line(format_args!("{profile} is wider than {baseline} on {on}: {calls}{over}"));
            for (call, abis) in lines {
                text.line(format_args!("  wider         {call} ({})", places(&abis)));
            }
            let others: Machines =
                machines.iter().filter(|machine| !on.contains(*machine)).collect();
            if !others.is_empty() {
                text.line(format_args!("  within        on {others}"));
            }
        }
    }

    fn capabilities(&self) -> String {
        let capabilities = &self.assumed.capabilities;
        if *capabilities == Capability::docker_default() {
            return "the 14 that Docker gives by default".to_owned();
        }
        if capabilities.is_empty() {
            return "none".to_owned();
        }
        if *capabilities == Capability::all() {
            return "all".to_owned();
        }
        capabilities.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.args, self.abi.syscall_name(self.number)) {
            (Some(args), _) => f.write_str(&decode::call(self.abi, self.number, args))?,
            (None, Some(name)) => f.write_str(name)?,
            (None, None) => f.write_str(&self.abi.raw_number(self.number))?,
        }
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        write!(f, ": {}", self.action)
    }
}

impl Coverage {
    /// The ABI of a call, if the recording has calls of several.
    fn abi(&self, abi: Abi) -> String {
        if self.abis.len() > 1 { format!(" ({})", abi.place()) } else { String::new() }
    }

    fn describe(&self, text: &mut Text, machines: Machines) {
        let Self { recording, abis, calls, missing, fallbacks, uncertain, no_such_call, .. } = self;
        let is_complete = self.is_complete;
        let on: Machines = abis.iter().map(|abi| abi.machine()).collect();
        let on = if on.is_empty() { machines } else { on };
        let refused: BTreeSet<_> = missing.iter().map(|one| (one.abi, one.number)).collect();
        match (refused.len(), uncertain.len()) {
            (0, 0) => text.line(format_args!(
                "covers {recording} on {on}: all {calls} recorded calls"
            )),
            (0, some) => text.line(format_args!(
                "covers {recording} on {on}: all {calls} recorded calls, {some} of them not for certain"
            )),
            (count, _) => {
                text.line(format_args!(
                    "does not cover {recording} on {on}: {count} of {calls} recorded calls"
                ));
            }
        }
        for missing in missing {
            text.line(format_args!("  refused       {missing}{}", self.abi(missing.abi)));
        }
        for fallback in fallbacks {
            text.line(format_args!(
                "  fallback      {fallback}{}; {} is allowed",
                self.abi(fallback.abi),
                fallback.falls_back_to.join(", ")
            ));
        }
        for missing in no_such_call {
            text.line(format_args!("  no call       {missing}; Linux has no such call"));
        }
        if !uncertain.is_empty() {
            let names: Vec<String> = uncertain
                .iter()
                .take(MOST_NAMES)
                .map(|(abi, number)| {
                    let name = abi.syscall_name(*number);
                    let name = name.map_or_else(|| number.to_string(), str::to_owned);
                    format!("{name}{}", self.abi(*abi))
                })
                .collect();
            let more = uncertain.len() - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.line(format_args!("  not certain   {}{more}: allowed for some arguments, and not all of their bits were recorded",
                names.join(", ")
            ));
        }
        if !is_complete {
            text.line("  incomplete    the recording lacks calls that were made");
        }
    }
}
