//! What the probe has numbers for.

use probe_common::{SET_FIRST, SET_LAUNCH, SET_OTHER, abi, phase};
use strait_generator::abi::Abi;
use strait_generator::recording::Phase;

/// The ABI that the probe gave as an index.
pub fn abi_of(index: u32) -> Option<Abi> {
    match index {
        abi::X86_64 => Some(Abi::X86_64),
        abi::X86 => Some(Abi::X86),
        abi::X32 => Some(Abi::X32),
        abi::AARCH64 => Some(Abi::Aarch64),
        _ => None,
    }
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

/// The index by which the probe knows an ABI.
pub fn index_of(of: Abi) -> u32 {
    match of {
        Abi::X86_64 => abi::X86_64,
        Abi::X86 => abi::X86,
        Abi::X32 => abi::X32,
        Abi::Aarch64 => abi::AARCH64,
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
    looked_at.iter().map(|(abi, number, bits)| (index_of(*abi), *number, *bits)).collect()
}
