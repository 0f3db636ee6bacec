//! The numbers that the probe uses.

use probe_common::{SET_FIRST, SET_LAUNCH, SET_OTHER, abi, phase};
use strait_generator::abi::Abi;
use strait_generator::recording::Phase;

/// The ABIs that the probe tells apart. On machines with others it is not loaded.
const INDEXES: [(u32, Abi); 4] = [
    (abi::X86_64, Abi::X86_64),
    (abi::X86, Abi::X86),
    (abi::X32, Abi::X32),
    (abi::AARCH64, Abi::Aarch64),
];

/// The ABI that the probe gave as an index.
pub fn abi_of(index: u32) -> Option<Abi> {
    INDEXES.iter().find(|(of, _)| *of == index).map(|(_, abi)| *abi)
}

/// The index by which the probe knows an ABI.
pub fn index_of(abi: Abi) -> Option<u32> {
    INDEXES.iter().find(|(_, of)| *of == abi).map(|(index, _)| *index)
}

/// The phase that the probe gave as a number.
pub fn phase_of(number: u16) -> Option<Phase> {
    match number & !phase::UNFILTERED {
        phase::RUNTIME => Some(Phase::Runtime),
        phase::STARTUP => Some(Phase::Startup),
        phase::RUNNING => Some(Phase::Running),
        phase::EXEC => Some(Phase::Exec),
        _ => None,
    }
}

/// The ABI of a set. Each has one: an executable has a set for every ABI that it used.
pub fn abi_of_set(set: u32, of_program: u32, native: u32) -> Option<Abi> {
    match set {
        set if set == u32::from(SET_LAUNCH) => abi_of(native),
        set if set < u32::from(SET_FIRST) => abi_of(set - u32::from(SET_OTHER)),
        _ => abi_of(of_program),
    }
}

/// A list of arguments to look at, as the probe takes it.
pub fn watch_list(looked_at: &[(Abi, u32, u8)]) -> Vec<(u32, u32, u8)> {
    let probes = |(abi, number, bits): &(Abi, u32, u8)| Some((index_of(*abi)?, *number, *bits));
    looked_at.iter().filter_map(probes).collect()
}
