//! What a call is refused with that has no fallback, where ENOSYS makes programs spin: `profiles/refusals.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::Errno;
use super::data::{embedded, words};

static REFUSALS: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::REFUSALS));

#[derive(Deserialize)]
struct File {
    refusals: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    calls: String,
    errno: String,
}

/// The error with which programs give up a call, if that is not ENOSYS.
pub(crate) fn errno(name: &str) -> Option<Errno> {
    let row = REFUSALS.refusals.iter().find(|row| words(&row.calls).any(|call| call == name))?;
    row.errno.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fallback::fallbacks;

    #[test]
    fn every_row_is_of_calls_without_a_fallback_and_names_an_error() {
        for row in &REFUSALS.refusals {
            assert!(row.errno.parse::<Errno>().is_ok(), "{}", row.errno);
            for name in words(&row.calls) {
                assert!(fallbacks(name).next().is_none() && errno(name).is_some(), "{name}");
            }
        }
        assert_eq!(errno("read"), None);
    }
}
