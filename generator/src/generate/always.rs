//! Calls that every workload needs sooner or later, though its tests may never make them.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::data::{embedded, words};

static ALWAYS: LazyLock<File> =
    LazyLock::new(|| embedded(include_str!("../../../profiles/always.json")));

#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    calls: String,
}

/// Their names.
pub(super) fn always() -> impl Iterator<Item = &'static str> {
    ALWAYS.groups.iter().flat_map(|group| words(&group.calls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;

    #[test]
    fn every_name_is_a_call() {
        for name in always() {
            let known = Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some());
            assert!(known, "{name}");
        }
    }
}
