//! What a call was added by that was not recorded.

use super::family::Family;
use crate::evidence::Added;

/// What a call was added by.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// It gives no further reach than what is allowed already.
    Family(&'static Family),
    /// The program can call it, which is known in this way.
    Program(String),
}

impl Rule {
    /// What a summary calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Family(family) => &family.name,
            Self::Program(_) => "what the programs can call",
        }
    }

    /// Its name and reason, for the evidence.
    pub fn describe(&self) -> Added {
        match self {
            Self::Family(family) => {
                Added { rule: format!("family: {}", family.name), reason: family.reason.clone() }
            }
            Self::Program(how) => Added {
                rule: "reachable".to_owned(),
                reason: format!("the program can call it: {how}"),
            },
        }
    }
}
