//! A summary as text.

use std::fmt;

use super::Summary;
use super::sections::{Body, Section, plural};
use crate::foreign::one_line;

/// Columns of a line.
const WIDTH: usize = 96;

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

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = match &self.body {
            Body::Text(text) => return paragraph(f, &self.heading, text),
            Body::Items(items) => items,
        };
        write!(f, "\n{}", self.heading)?;
        for item in items {
            let label = match item.label.as_slice() {
                [call, abi] => format!("  {call:<20} {abi}"),
                label => format!("  {:<12}", label.join(" ")),
            };
            paragraph(f, &label, &item.text)?;
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
        self.sections().iter().try_for_each(|section| section.fmt(f))
    }
}
