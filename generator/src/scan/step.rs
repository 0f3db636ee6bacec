//! Instructions, reduced to what decides which number a system call has: where they lead, what they put into which
//! register, and how they move the stack.

use crate::abi::Abi;

/// Where a value is before or after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// In this register, by its number in the machine's encoding.
    Register(u8),
    /// In memory, this far from the stack pointer.
    Stack(i64),
}

/// What an instruction puts somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Constant(u64),
    /// What was there before the instruction.
    Place(Place),
    /// What was in this register, with the bits of the mask replaced.
    Insert {
        register: u8,
        bits: u64,
        mask: u64,
    },
    Unknown,
}

/// What a jump or call leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Address(u64),
    /// What the dynamic loader has put there.
    Slot(u64),
    Unknown,
}

/// What comes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Jump(Target),
    Branch(u64),
    Call(Target),
    Stop,
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub address: u64,
    /// Where the next one begins.
    pub next: u64,
    pub flow: Flow,
    /// The register that it sets.
    pub set: Option<(u8, Source)>,
    /// Whether it may as well leave that register alone.
    pub is_conditional: bool,
    /// What it puts on the stack, this far from the stack pointer that it leaves.
    pub store: Option<(i64, Source)>,
    /// Registers that it changes in another way, a bit for each.
    pub clobbers: u32,
    /// By how much it moves the stack pointer; `None` if that is not known.
    pub moves: Option<i64>,
    /// The way into the kernel that it is.
    pub enters: Option<Abi>,
    /// An address in the file that it computes.
    pub takes: Option<u64>,
    /// The register that it compares with zero, all of it.
    pub tests: Option<u8>,
    /// Of a branch that depends on such a comparison: whether it is taken if the register is zero.
    pub when_zero: Option<bool>,
    /// Whether it only fills the space between functions.
    pub is_padding: bool,
}

impl Step {
    pub const fn new(address: u64, next: u64) -> Self {
        Self {
            address,
            next,
            flow: Flow::Next,
            set: None,
            is_conditional: false,
            store: None,
            clobbers: 0,
            moves: Some(0),
            enters: None,
            takes: None,
            tests: None,
            when_zero: None,
            is_padding: false,
        }
    }

    /// Where the value comes from that is at `place` after this instruction; where else it may come from, too.
    pub fn before(&self, place: Place) -> [Option<Source>; 2] {
        match place {
            Place::Register(register) => match self.set {
                Some((set, source)) if set == register => {
                    let kept = self.is_conditional.then_some(Source::Place(place));
                    [Some(source), kept]
                }
                _ if self.clobbers & 1 << (register & 31) != 0 => [Some(Source::Unknown), None],
                _ => [Some(Source::Place(place)), None],
            },
            Place::Stack(offset) => match (self.store, self.moves) {
                (Some((stored, source)), _) if stored == offset => [Some(source), None],
                (_, Some(moved)) => {
                    let before = offset.checked_add(moved).map(Place::Stack);
                    [Some(before.map_or(Source::Unknown, Source::Place)), None]
                }
                (_, None) => [Some(Source::Unknown), None],
            },
        }
    }
}
