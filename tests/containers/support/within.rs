//! Whether one filter allows anything that another one refuses.

use strait_generator::policy::decide::{Comparison, Meaning, Witness};

/// A call that `narrow` allows and `wide` refuses, if there is one.
pub fn beyond(narrow: &Meaning, wide: &Meaning) -> Option<Witness> {
    Comparison::new(narrow, wide).escape().copied()
}
