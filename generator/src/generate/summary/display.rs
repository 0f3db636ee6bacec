//! A summary as text.

use super::Summary;
use super::sections::{Body, Section, plural};
use crate::untrusted::Text;

/// Columns of a line.
const WIDTH: usize = 96;

/// Adds a text after its heading.
fn paragraph(all: &mut Text, heading: &str, text: &str) {
    all.paragraph(heading, text, 4, WIDTH);
}

impl Section {
    fn add(&self, all: &mut Text) {
        let items = match &self.body {
            Body::Text(text) => return paragraph(all, &self.heading, text),
            Body::Items(items) => items,
        };
        all.line(&self.heading);
        for item in items {
            let label = match item.label.as_slice() {
                [call, abi] => format!("  {call:<20} {abi}"),
                label => format!("  {:<12}", label.join(" ")),
            };
            paragraph(all, &label, &item.text);
        }
    }
}

impl Summary {
    /// The summary as people read it.
    pub fn text(&self) -> Text {
        let mut all = Text::new();
        let recordings = u64::try_from(self.recordings).unwrap_or(u64::MAX);
        all.line(format_args!(
            "{}: {}, {}",
            self.targets.join(", "),
            plural(recordings, "recording"),
            plural(self.calls, "call"),
        ));
        for counts in &self.abis {
            all.line(format_args!(
                "{}: allowed {} / {} allows {} / kernel has {} ({} seen)",
                counts.abi,
                counts.allowed,
                self.baseline,
                counts.baseline,
                counts.kernel,
                counts.seen,
            ));
        }
        self.sections().iter().for_each(|section| section.add(&mut all));
        all
    }
}
