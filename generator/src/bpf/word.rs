//! What a register has when a filter is followed for all arguments at once, and what comes of calculating and
//! comparing with it.

use super::instruction::{Arithmetic, Comparison};
use crate::abi::Abi;
use crate::policy::decide::space::{Cube, Set};

/// Why a filter is not turned into a policy. Nothing is guessed instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instruction {at} {why}, which no policy can say")]
pub struct Unclear {
    /// Place of the instruction, from 0.
    pub at: usize,
    /// What it does.
    pub why: &'static str,
}

/// A bit of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bit {
    Known(bool),
    Argument(u8, u8),
}

/// What a register has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Known(u32),
    Bits([Bit; 32]),
    /// Any number of the class.
    Number,
    /// A half of the address of the instruction.
    Address,
}

/// Numbers from the first to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub first: u32,
    pub last: u32,
}

/// Why a class could not be decided about.
pub(super) enum Stuck {
    Unclear(Unclear),
    /// Has to be cut: this number belongs to the second part.
    Cut(usize, u32),
}

impl From<Unclear> for Stuck {
    fn from(unclear: Unclear) -> Self {
        Self::Unclear(unclear)
    }
}

/// A word of the data of the calls of a class, by its offset in bytes.
#[expect(clippy::cast_possible_truncation, reason = "6 arguments of 64 bits")]
pub(super) fn load(abi: Abi, class: Class, offset: u32) -> Word {
    match offset {
        0 if class.first == class.last => Word::Known(class.first),
        0 => Word::Number,
        4 => Word::Known(abi.audit_arch()),
        8 | 12 => Word::Address,
        // A 32-bit program has no upper halves.
        _ if abi == Abi::X86 && !offset.is_multiple_of(8) => Word::Known(0),
        _ => {
            let argument = ((offset - 16) / 8) as u8;
            let lowest = if offset.is_multiple_of(8) { 0 } else { 32 };
            Word::Bits(std::array::from_fn(|bit| Bit::Argument(argument, lowest + bit as u8)))
        }
    }
}

fn bits(word: Word) -> Option<[Bit; 32]> {
    match word {
        Word::Known(value) => Some(std::array::from_fn(|bit| Bit::Known(value >> bit & 1 == 1))),
        Word::Bits(bits) => Some(bits),
        Word::Number | Word::Address => None,
    }
}

fn word(bits: [Bit; 32]) -> Word {
    let mut value = 0;
    for (place, bit) in bits.iter().enumerate() {
        match bit {
            Bit::Known(set) => value |= u32::from(*set) << place,
            Bit::Argument(..) => return Word::Bits(bits),
        }
    }
    Word::Known(value)
}

/// Cuts a class where the bits from the lowest of `mask` on change; fine if they are all the same.
fn same_bits(class: Class, mask: u32, at: usize) -> Result<u32, Stuck> {
    let low = (mask & mask.wrapping_neg()).wrapping_sub(1);
    let end = class.first | low;
    if end < class.last { Err(Stuck::Cut(at, end + 1)) } else { Ok(class.first & !low & mask) }
}

/// The result; `None` for a division by zero.
pub(super) fn calculate(
    arithmetic: Arithmetic,
    left: Word,
    right: Word,
    class: Class,
    at: usize,
) -> Result<Option<Word>, Stuck> {
    let unclear = |why| Stuck::from(Unclear { at, why });
    if let (Word::Known(left), Word::Known(right)) = (left, right) {
        return Ok(arithmetic.apply(left, right).map(Word::Known));
    }
    let masked = match (left, right) {
        (Word::Number, Word::Known(mask)) | (Word::Known(mask), Word::Number) => Some(mask),
        _ => None,
    };
    match (arithmetic, masked) {
        (Arithmetic::And, Some(0)) => return Ok(Some(Word::Known(0))),
        (Arithmetic::And, Some(mask)) => {
            return Ok(Some(Word::Known(same_bits(class, mask, at)?)));
        }
        _ => {}
    }
    let (Some(left), Some(by)) = (bits(left), bits(right)) else {
        return Err(unclear("calculates with the number or the address of the call"));
    };
    let zero = Bit::Known(false);
    let result: Option<Vec<Bit>> = match (arithmetic, right) {
        (Arithmetic::And, _) => pairwise(left, by, |known, other| if known { other } else { zero }),
        (Arithmetic::Or, _) => {
            pairwise(left, by, |known, other| if known { Bit::Known(true) } else { other })
        }
        (Arithmetic::Left, Word::Known(places)) => {
            let places = (places % 32) as usize;
            Some((0..32).map(|bit| if bit < places { zero } else { left[bit - places] }).collect())
        }
        (Arithmetic::Right, Word::Known(places)) => {
            let places = (places % 32) as usize;
            Some((0..32).map(|bit| left.get(bit + places).copied().unwrap_or(zero)).collect())
        }
        _ => None,
    };
    let bits = result.and_then(|bits| <[Bit; 32]>::try_from(bits).ok());
    bits.map(|bits| Some(word(bits))).ok_or_else(|| unclear("calculates with an argument"))
}

/// Joins words bit by bit; `None` if two unknown bits meet.
fn pairwise(
    left: [Bit; 32],
    right: [Bit; 32],
    join: impl Fn(bool, Bit) -> Bit,
) -> Option<Vec<Bit>> {
    left.into_iter()
        .zip(right)
        .map(|pair| match pair {
            (Bit::Known(known), other) | (other, Bit::Known(known)) => Some(join(known, other)),
            (one, other) => (one == other).then_some(one),
        })
        .collect()
}

/// An answer to a comparison.
pub(super) enum Answer {
    Known(bool),
    /// For these arguments.
    For(Set),
}

/// Whether a comparison holds.
pub(super) fn compare(
    comparison: Comparison,
    left: Word,
    right: Word,
    class: Class,
    at: usize,
) -> Result<Answer, Stuck> {
    let unclear = |why| Stuck::from(Unclear { at, why });
    let right = match (left, right) {
        (Word::Known(left), Word::Known(right)) => {
            return Ok(Answer::Known(comparison.holds(left, right)));
        }
        (_, Word::Known(right)) => right,
        _ => return Err(unclear("compares two things that the call has")),
    };
    let bits = match left {
        Word::Address => return Err(unclear("decides by the address of the call")),
        Word::Number => return number(comparison, class, right, at).map(Answer::Known),
        Word::Known(left) => return Ok(Answer::Known(comparison.holds(left, right))),
        Word::Bits(bits) => bits,
    };
    let set = match comparison {
        Comparison::Equal => equal(&bits, right),
        Comparison::AnyBit => {
            let asked = bits.iter().enumerate().filter(|(place, _)| right >> place & 1 == 1);
            Set::union(asked.map(|(_, bit)| set(*bit)).collect())
        }
        Comparison::Greater => above(&bits, right, Set::none()),
        Comparison::GreaterOrEqual => above(&bits, right, Set::all()),
    };
    Ok(match () {
        () if set.is_empty() => Answer::Known(false),
        () if set.is_all() => Answer::Known(true),
        () => Answer::For(set),
    })
}

fn set(bit: Bit) -> Set {
    match bit {
        Bit::Known(true) => Set::all(),
        Bit::Known(false) => Set::none(),
        Bit::Argument(argument, bit) => Set::bit(argument.into(), bit.into()),
    }
}

fn equal(bits: &[Bit; 32], constant: u32) -> Set {
    let mut cube = Cube::default();
    for (place, bit) in bits.iter().enumerate() {
        let wanted = constant >> place & 1 == 1;
        match bit {
            Bit::Known(known) if *known == wanted => {}
            Bit::Known(_) => return Set::none(),
            Bit::Argument(argument, bit) => {
                let argument = usize::from(*argument);
                let known = cube.mask[argument] >> bit & 1 == 1;
                if known && (cube.value[argument] >> bit & 1 == 1) != wanted {
                    return Set::none();
                }
                cube.mask[argument] |= 1 << bit;
                cube.value[argument] |= u64::from(wanted) << bit;
            }
        }
    }
    Set::cube(&cube)
}

/// Values above a constant, from the lowest bit upwards; `equal` says whether the constant itself counts.
fn above(bits: &[Bit; 32], constant: u32, equal: Set) -> Set {
    bits.iter().enumerate().fold(equal, |above, (place, bit)| {
        let bit = set(*bit);
        if constant >> place & 1 == 1 { bit.and(&above) } else { bit.or(&above) }
    })
}

/// A comparison of the number; a class for which it may come out either way is cut.
fn number(comparison: Comparison, class: Class, right: u32, at: usize) -> Result<bool, Stuck> {
    let Class { first, last } = class;
    // Numbers from here on may get another answer.
    let mut edges = match comparison {
        Comparison::AnyBit => return Ok(right != 0 && same_bits(class, right, at)? != 0),
        Comparison::Equal => [Some(right), right.checked_add(1)],
        Comparison::Greater => [right.checked_add(1), None],
        Comparison::GreaterOrEqual => [Some(right), None],
    }
    .into_iter()
    .flatten();
    match edges.find(|edge| (first + 1..=last).contains(edge)) {
        Some(edge) => Err(Stuck::Cut(at, edge)),
        None => Ok(comparison.holds(first, right)),
    }
}
