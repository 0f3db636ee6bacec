//! A report as people read it.

use std::collections::BTreeSet;
use std::fmt;

use super::{Count, Coverage, Missing, Report, Within};
use crate::abi::Abi;
use crate::decode;
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
        let unlisted: Vec<&str> = Abi::ALL
            .into_iter()
            .filter(|abi| self.allowed.iter().all(|count| count.abi != *abi))
            .map(Abi::name)
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
            coverage.describe(&mut text);
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
        let profile = &self.profile;
        if comparison.is_equal() {
            text.line(format_args!(
                "{profile} does the same as {baseline} with every call and all arguments"
            ));
        } else if comparison.is_within() {
            text.line(format_args!(
                "{profile} is within {baseline}: proved for every call and all arguments"
            ));
            let listed = |abi| self.allowed.iter().any(|count| count.abi == abi);
            let kinds = |kind| {
                let changes = comparison.changes().filter(|change| listed(change.abi));
                changes.filter(move |change| change.kind == kind)
            };
            let (narrower, refused) =
                (kinds(ChangeKind::Widened).count(), kinds(ChangeKind::Refusal).count());
            text.line(format_args!(
                "  narrower for  {narrower} calls; {refused} more get another answer"
            ));
        } else {
            let lines = escapes(within);
            let (calls, ways) = (lines.len(), within.escapes().count());
            let calls = if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") };
            let over = if ways > lines.len() { " over several ABIs" } else { "" };
            text.line(format_args!("{profile} is wider than {baseline}: {calls}{over}"));
            for (call, abis) in lines {
                let abis = if abis == [Abi::NATIVE] {
                    String::new()
                } else {
                    format!(
                        " ({})",
                        abis.iter().map(|abi| abi.name()).collect::<Vec<_>>().join(", ")
                    )
                };
                text.line(format_args!("  wider         {call}{abis}"));
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
        if self.abi != Abi::NATIVE {
            write!(f, " ({})", self.abi)?;
        }
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        write!(f, ": {}", self.action)
    }
}

impl Coverage {
    fn describe(&self, text: &mut Text) {
        let Self { recording, calls, missing, fallbacks, uncertain, no_such_call, .. } = self;
        let is_complete = self.is_complete;
        let refused: BTreeSet<_> = missing.iter().map(|one| (one.abi, one.number)).collect();
        match (refused.len(), uncertain.len()) {
            (0, 0) => text.line(format_args!("covers {recording}: all {calls} recorded calls")),
            (0, some) => text.line(format_args!(
                "covers {recording}: all {calls} recorded calls, {some} of them not for certain"
            )),
            (count, _) => {
                text.line(format_args!(
                    "does not cover {recording}: {count} of {calls} recorded calls"
                ));
            }
        }
        for missing in missing {
            text.line(format_args!("  refused       {missing}"));
        }
        for fallback in fallbacks {
            text.line(format_args!(
                "  fallback      {fallback}; {} is allowed",
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
                    abi.syscall_name(*number).map_or_else(|| number.to_string(), str::to_owned)
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
