//! What a call is refused with that has no fallback, where ENOSYS makes programs spin: `profiles/refusals.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::Errno;
use super::data::{embedded, words};

static REFUSALS: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::REFUSALS));

#[derive(Deserialize)]
struct File {
    refusals: Vec<Row>,
    #[cfg(test)]
    spins: Vec<Tried>,
    #[cfg(test)]
    kept: Vec<Tried>,
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

/// Calls for which no error is better than ENOSYS.
#[cfg(test)]
#[derive(Deserialize)]
struct Tried {
    calls: String,
}

/// The calls in which programs spin whatever they are refused with.
#[cfg(test)]
pub(crate) fn spinning() -> impl Iterator<Item = &'static str> {
    REFUSALS.spins.iter().flat_map(|row| words(&row.calls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::policy::fallback::fallbacks;

    #[test]
    fn every_call_that_was_tried_is_one_and_has_one_answer() {
        for row in REFUSALS.kept.iter().chain(&REFUSALS.spins) {
            for name in words(&row.calls) {
                let known = Abi::ALL.into_iter().any(|abi| abi.syscall_number(name).is_some());
                assert!(known, "{name}");
            }
        }
        let kept: Vec<&str> = REFUSALS.kept.iter().flat_map(|row| words(&row.calls)).collect();
        assert!(kept.iter().all(|name| errno(name).is_none()), "kept, and with an error");
        assert!(spinning().all(|name| !kept.contains(&name)), "kept, although programs spin");
    }

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
