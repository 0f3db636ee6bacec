//! Data from `profiles/` that is part of the program.

use serde::de::DeserializeOwned;

/// Reads an embedded file.
#[expect(
    clippy::expect_used,
    reason = "the text is embedded at build time, and tests read every one"
)]
pub(crate) fn embedded<T: DeserializeOwned>(text: &'static str) -> T {
    serde_json::from_str(text).expect("embedded data has the shape that its module gives it")
}

/// The names in a list that is separated by spaces.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
}
