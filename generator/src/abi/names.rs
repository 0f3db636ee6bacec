//! Names of calls of all architectures, also of those whose numbers Strait does not know.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Abi;
use crate::policy::data::{embedded, words};

#[derive(Deserialize)]
struct File {
    names: String,
    /// Of releases that the tests do not have.
    newer: String,
}

static FILE: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::CALL_NAMES));
static NAMES: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| words(&FILE.names).chain(words(&FILE.newer)).collect());

/// Whether a call of this name is known on any architecture: by Strait's tables, or by libseccomp. A rule for it
/// has no effect on the machines that lack it, which is as it should be.
pub fn is_call_somewhere(name: &str) -> bool {
    Abi::ALL.iter().any(|abi| abi.syscall_number(name).is_some()) || NAMES.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_other_architectures_are_calls() {
        for name in ["s390_pci_mmio_read", "breakpoint", "spu_run", "read", "riscv_flush_icache"] {
            assert!(is_call_somewhere(name), "{name}");
        }
        for name in ["", "raed", "frobnicate"] {
            assert!(!is_call_somewhere(name), "{name}");
        }
    }
}
