//! How much the project's table of the Docker default allows.

use std::collections::BTreeSet;

use strait_generator::abi::Abi;
use strait_generator::policy::Capability;
use strait_generator::policy::baseline::{Baseline, Context, Treatment};

fn allowed(abi: Abi, capabilities: BTreeSet<Capability>, newest: u32) -> usize {
    let baseline = Baseline::docker_default().resolve(&Context {
        abis: [abi].into(),
        capabilities,
        kernel: None,
    });
    abi.syscalls()
        .filter(|(number, _)| *number <= newest)
        .filter_map(|(_, name)| baseline.treatment(abi, name))
        .filter(|treatment| !treatment.allowed().is_empty())
        .count()
}

#[test]
fn the_published_counts_hold() {
    let none = Baseline::docker_default().treatments("riscv64", &BTreeSet::new(), Some((4, 7)));
    let unconditional = none.values().filter(|t| **t == Treatment::Allow).count();
    assert_eq!(unconditional, 361 + 1, "361, and riscv_flush_icache");
    // Published for a table that ends with Linux 6.12 (number 462).
    assert_eq!(allowed(Abi::X86_64, Capability::docker_default(), 462), 305);
    assert_eq!(allowed(Abi::X86_64, BTreeSet::new(), 462), 304, "less chroot");
}
