//! A summary as text.

use std::fmt;

use super::super::arguments::Unfiltered;
use super::{LeftOut, Refused, Summary};
use crate::foreign::one_line;

/// Columns of a line.
const WIDTH: usize = 96;
/// Most lines for what was left out.
const MOST_LEFT_OUT: usize = 10;
/// Most names of calls that were refused while recording.
const MOST_REFUSED: usize = 20;

/// Writes a text below its heading, broken at spaces.
fn paragraph(f: &mut fmt::Formatter<'_>, heading: &str, text: &str) -> fmt::Result {
    write!(f, "\n{heading}")?;
    let mut column = heading.len();
    for word in one_line(text).split(' ') {
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

/// "a, b and c".
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl Summary {
    /// Calls that were refused while recording, with their answer; the most frequent ones first.
    fn refused_calls(&self) -> Vec<String> {
        let mut calls: Vec<&Refused> = self.refused.iter().collect();
        calls.sort_by_key(|refused| std::cmp::Reverse(refused.count));
        let shown = calls.iter().take(MOST_REFUSED).map(|refused| match refused.errno {
            Some(errno) => format!("{} ({errno})", refused.call()),
            None => format!("{} (killed)", refused.call()),
        });
        let hidden = calls.len().saturating_sub(MOST_REFUSED);
        shown.chain((hidden > 0).then(|| format!("and {hidden} more"))).collect()
    }
}

impl Summary {
    fn show_arguments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.filtered.is_empty() {
            let heading = format!("Filtered by argument, narrower than {}:", self.baseline);
            write!(f, "\n{heading}")?;
        }
        for call in &self.filtered {
            let mut text = call.allowed.join(", ");
            if !call.refused.is_empty() {
                text += &format!("; refuses {}", call.refused.join(", "));
            }
            paragraph(f, &format!("  {:<12}", call.call), &text)?;
        }
        for why in [Unfiltered::NotRecorded, Unfiltered::Overflow, Unfiltered::Startup] {
            let of_this = self.unfiltered.iter().filter(|(_, reason)| *reason == why);
            let calls: Vec<&str> = of_this.map(|(call, _)| call.as_str()).collect();
            if !calls.is_empty() {
                let heading = format!("Not filtered by argument, since {why}:");
                paragraph(f, &heading, &calls.join(", "))?;
            }
        }
        if !self.refused_values.is_empty() {
            let shown = self.refused_values.iter().map(|refused| {
                let abi = self.abis.first().map(|counts| counts.abi);
                let number = abi.and_then(|abi| Some((abi, abi.syscall_number(&refused.call)?)));
                number.map_or_else(
                    || refused.call.clone(),
                    |(abi, number)| crate::decode::call(abi, number, &refused.args),
                )
            });
            let heading = format!("Left out, though seen, since {} refuses it:", self.baseline);
            paragraph(f, &heading, &shown.collect::<Vec<_>>().join(", "))?;
        }
        if !self.without_conditions.is_empty() {
            let heading = format!("Wider than {}, which looks at arguments:", self.baseline);
            paragraph(f, &heading, &self.without_conditions.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recordings = u64::try_from(self.recordings).unwrap_or(u64::MAX);
        write!(
            f,
            "{}: {}, {}",
            one_line(&self.targets.join(", ")),
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
        self.show_arguments(f)?;
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
        if !self.startup.is_empty() {
            let heading = format!("Added, so that {} can start it:", list(&self.starters));
            paragraph(f, &heading, &self.startup.join(", "))?;
        }
        if !self.startup_refused.is_empty() {
            let heading = format!(
                "Not added, since {} refuses it, though {} may call it:",
                self.baseline,
                list(&self.starters)
            );
            paragraph(f, &heading, &self.startup_refused.join(", "))?;
        }
        if !self.runtime_only.is_empty() {
            paragraph(
                f,
                "Left out, since only the recorded container's runtime called them:",
                &self.runtime_only.join(", "),
            )?;
        }
        if !self.refused.is_empty() {
            let count = self.refused.iter().map(|refused| refused.count).sum();
            let heading = format!(
                "Refused while recording, and so not counted as seen ({}):",
                plural(count, "time")
            );
            paragraph(f, &heading, &self.refused_calls().join(", "))?;
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
        for note in &self.notes {
            paragraph(f, "Note:", note)?;
        }
        for warning in &self.warnings {
            paragraph(f, "Warning:", warning)?;
        }
        Ok(())
    }
}
