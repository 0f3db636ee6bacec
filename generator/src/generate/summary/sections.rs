//! A summary in parts that each say one thing, whoever shows them.

use super::super::arguments::Unfiltered;
use super::{LeftOut, Refused, Summary};
use crate::decode;

/// Most calls for which it is said why they were left out.
const MOST_LEFT_OUT: usize = 10;
/// Most names of calls that were refused while recording.
const MOST_REFUSED: usize = 20;

/// What there is to say about some calls of a profile. Names that others chose are in it as they are. Its
/// `Display` is plain text that begins with a newline and ends without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What holds for these calls, with a colon at the end.
    pub heading: String,
    /// Which ones.
    pub body: Body,
}

/// The calls that something is said about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// In one text.
    Text(String),
    /// Each with a text of its own.
    Items(Vec<Item>),
}

/// A call and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Words that stand below each other with those of the other items: the call, and its ABI if that
    /// matters.
    pub label: Vec<String>,
    /// What there is to say.
    pub text: String,
}

fn text(heading: impl Into<String>, names: &[String]) -> Option<Section> {
    let body = Body::Text(names.join(", "));
    (!names.is_empty()).then(|| Section { heading: heading.into(), body })
}

fn items(heading: impl Into<String>, items: Vec<Item>) -> Option<Section> {
    (!items.is_empty()).then(|| Section { heading: heading.into(), body: Body::Items(items) })
}

pub(super) fn plural(count: u64, word: &str) -> String {
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
    /// All that there is to say but for the counts.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let Self { baseline, .. } = self;
        let mut sections = Vec::new();
        sections
            .extend(text(format!("Allowed by argument, as {baseline} does:"), &self.by_argument));
        sections.extend(self.arguments());
        sections.extend(text(
            "Added, since another call that starts a task was seen:",
            &self.stands_in,
        ));
        sections.extend(text("Always allowed:", &self.always));
        sections.extend(self.added());
        let starters = list(&self.starters);
        sections.extend(text(format!("Added, so that {starters} can start it:"), &self.startup));
        sections.extend(text(
            format!("Not added, since {baseline} refuses it, though {starters} may call it:"),
            &self.startup_refused,
        ));
        sections.extend(text(
            "Left out, since only the recorded container's runtime called them:",
            &self.runtime_only,
        ));
        let count = self.refused.iter().map(|refused| refused.count).sum();
        let times = plural(count, "time");
        sections.extend(text(
            format!("Refused while recording, and so not counted as seen ({times}):"),
            &self.refused_calls(),
        ));
        sections.extend(self.left_out());
        let said = |heading: &str, text: &String| Section {
            heading: heading.to_owned(),
            body: Body::Text(text.clone()),
        };
        sections.extend(self.notes.iter().map(|note| said("Note:", note)));
        sections.extend(self.warnings.iter().map(|warning| said("Warning:", warning)));
        sections
    }

    fn added(&self) -> Option<Section> {
        let count: usize = self.added.iter().map(|(_, calls)| calls.len()).sum();
        let each = self
            .added
            .iter()
            .map(|(rule, calls)| Item { label: vec![format!("{rule}:")], text: calls.join(", ") });
        items(
            format!("Added, since they give no further reach ({count}, none above low risk):"),
            each.collect(),
        )
    }

    fn arguments(&self) -> Vec<Section> {
        let Self { baseline, .. } = self;
        let mut sections = Vec::new();
        let filtered = self.filtered.iter().map(|call| {
            let mut text = call.allowed.join(", ");
            if !call.refused.is_empty() {
                text += &format!("; refuses {}", call.refused.join(", "));
            }
            Item { label: vec![call.call.clone()], text }
        });
        let heading = format!("Filtered by argument, narrower than {baseline}:");
        sections.extend(items(heading, filtered.collect()));
        for why in
            [Unfiltered::NotRecorded, Unfiltered::Overflow, Unfiltered::Startup, Unfiltered::Family]
        {
            let of_this = self.unfiltered.iter().filter(|(_, reason)| *reason == why);
            let calls: Vec<String> = of_this.map(|(call, _)| call.clone()).collect();
            sections.extend(text(format!("Not filtered by argument, since {why}:"), &calls));
        }
        sections.extend(text(
            format!("Left out, though seen, since {baseline} refuses it:"),
            &self.refused_values(),
        ));
        sections.extend(text(
            format!("Wider than {baseline}, which looks at arguments:"),
            &self.without_conditions,
        ));
        sections
    }

    /// Whole calls whose arguments were seen and are not allowed.
    #[must_use]
    pub fn refused_values(&self) -> Vec<String> {
        let shown = self.refused_values.iter().map(|refused| {
            let abi = self.abis.first().map(|counts| counts.abi);
            let number = abi.and_then(|abi| Some((abi, abi.syscall_number(&refused.call)?)));
            number.map_or_else(
                || refused.call.clone(),
                |(abi, number)| decode::call(abi, number, &refused.args),
            )
        });
        shown.collect()
    }

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

    fn left_out(&self) -> Vec<Section> {
        let shown = self.left_out.iter().take(MOST_LEFT_OUT).map(|left_out| {
            let times = plural(left_out.count, "time");
            Item {
                label: vec![left_out.call(), left_out.abi.to_string()],
                text: format!("{times}: {}", left_out.because(&self.baseline)),
            }
        });
        let hidden = self.left_out.get(MOST_LEFT_OUT..).unwrap_or_default();
        let names: Vec<String> = hidden.iter().map(LeftOut::call).collect();
        let mut sections = Vec::new();
        sections.extend(items("Left out, though seen:", shown.collect()));
        sections.extend(text("  and", &names));
        sections
    }
}
