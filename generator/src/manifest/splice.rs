//! Replacements of text.

use std::ops::Range;

/// A replacement of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that go; empty if something is only put in.
    pub at: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

/// Replaces text. What is put in at one place stays in the order of the list.
pub fn apply(text: &str, splices: &[Splice]) -> String {
    let mut order: Vec<&Splice> = splices.iter().collect();
    // What is put in where something goes stands before that.
    order.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    for splice in order {
        edited.push_str(text.get(done..splice.at.start).unwrap_or_default());
        edited.push_str(&splice.text);
        done = splice.at.end;
    }
    edited + text.get(done..).unwrap_or_default()
}
