//! Conditions on the arguments of a call.
//!
//! # Terminology
//!
//! A *predicate* compares one argument with constants. A *clause* is one predicate for each of
//! some of the six arguments, all of which must hold; libseccomp can express no other kind. A
//! disjunction is several clauses.

use std::fmt;

/// The arguments of a call as the kernel hands them to a filter: six 64-bit registers. For a
/// 32-bit ABI only the lower halves count.
pub type Args = [u64; 6];

/// A comparison of one argument, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// `SCMP_CMP_NE`
    NotEqual(u64),
    /// `SCMP_CMP_LT`
    Less(u64),
    /// `SCMP_CMP_LE`
    LessOrEqual(u64),
    /// `SCMP_CMP_EQ`
    Equal(u64),
    /// `SCMP_CMP_GE`
    GreaterOrEqual(u64),
    /// `SCMP_CMP_GT`
    Greater(u64),
    /// `SCMP_CMP_MASKED_EQ`: the bits under the mask are those of the value.
    MaskedEqual {
        /// The bits that are compared.
        mask: u64,
        /// What they must be; its bits outside of the mask do not count.
        value: u64,
    },
}

impl Predicate {
    /// Whether it holds for an argument of which `width` bits count.
    #[must_use]
    pub fn holds(self, argument: u64, width: Width) -> bool {
        let cut = |value: u64| value & width.mask();
        let argument = cut(argument);
        match self {
            Self::NotEqual(value) => argument != cut(value),
            Self::Less(value) => argument < cut(value),
            Self::LessOrEqual(value) => argument <= cut(value),
            Self::Equal(value) => argument == cut(value),
            Self::GreaterOrEqual(value) => argument >= cut(value),
            Self::Greater(value) => argument > cut(value),
            Self::MaskedEqual { mask, value } => argument & cut(mask) == cut(value & mask),
        }
    }

    /// The same without bits that do not count: libseccomp takes two predicates for one that differ in nothing
    /// else.
    #[must_use]
    pub fn normal(self) -> Self {
        match self {
            Self::MaskedEqual { mask, value } => Self::MaskedEqual { mask, value: value & mask },
            other => other,
        }
    }

    /// The constants that it is written with, one of them twice if there is only one.
    #[must_use]
    pub fn constants(self) -> [u64; 2] {
        match self {
            Self::NotEqual(value)
            | Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Equal(value)
            | Self::GreaterOrEqual(value)
            | Self::Greater(value) => [value, value],
            Self::MaskedEqual { mask, value } => [mask, value],
        }
    }

    /// The constants at which the answer may change: what a test has to look at.
    #[must_use]
    pub fn edges(self) -> Vec<u64> {
        match self {
            Self::NotEqual(value)
            | Self::Less(value)
            | Self::LessOrEqual(value)
            | Self::Equal(value)
            | Self::GreaterOrEqual(value)
            | Self::Greater(value) => vec![value, value.wrapping_sub(1), value.wrapping_add(1)],
            Self::MaskedEqual { mask, value } => {
                vec![mask, value, !mask, value & mask, value | !mask]
            }
        }
    }
}

/// How many bits of an argument a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 32-bit ABIs, x32 among them: libseccomp compares the lower half only.
    Bits32,
    /// 64-bit ABIs.
    Bits64,
}

impl Width {
    /// The bits that are compared.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Bits32 => 0xffff_ffff,
            Self::Bits64 => u64::MAX,
        }
    }
}

/// One predicate at most for each argument; all of them must hold. Without any it always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clause([Option<Predicate>; 6]);

impl Clause {
    /// The clause that always holds.
    pub const ALWAYS: Self = Self([None; 6]);

    /// The clause with these predicates, by argument index.
    #[must_use]
    pub const fn new(predicates: [Option<Predicate>; 6]) -> Self {
        Self(predicates)
    }

    /// The clause with one predicate; `None` if the index is above 5.
    #[must_use]
    pub fn on(index: usize, predicate: Predicate) -> Option<Self> {
        let mut clause = Self::ALWAYS;
        *clause.0.get_mut(index)? = Some(predicate);
        Some(clause)
    }

    /// Its predicates and the argument each of them looks at, by index.
    pub fn predicates(&self) -> impl Iterator<Item = (usize, Predicate)> {
        self.0.iter().enumerate().filter_map(|(index, predicate)| Some((index, (*predicate)?)))
    }

    /// Whether it holds for any arguments.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        *self == Self::ALWAYS
    }

    /// Whether it holds for these arguments.
    #[must_use]
    pub fn holds(&self, args: &Args, width: Width) -> bool {
        self.0
            .iter()
            .zip(args)
            .all(|(predicate, arg)| predicate.is_none_or(|predicate| predicate.holds(*arg, width)))
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEqual(value) => write!(f, "!= {value:#x}"),
            Self::Less(value) => write!(f, "< {value:#x}"),
            Self::LessOrEqual(value) => write!(f, "<= {value:#x}"),
            Self::Equal(value) => write!(f, "== {value:#x}"),
            Self::GreaterOrEqual(value) => write!(f, ">= {value:#x}"),
            Self::Greater(value) => write!(f, "> {value:#x}"),
            Self::MaskedEqual { mask, value } => write!(f, "& {mask:#x} == {value:#x}"),
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unconditional() {
            return f.write_str("always");
        }
        for (nth, (index, predicate)) in self.predicates().enumerate() {
            let and = if nth == 0 { "" } else { " and " };
            write!(f, "{and}arg{index} {predicate}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_outside_of_the_mask_do_not_count() {
        let predicate = Predicate::MaskedEqual { mask: 0xf0, value: 0x5f };
        assert!(predicate.holds(0x53, Width::Bits64));
        assert!(!predicate.holds(0x63, Width::Bits64));
        assert_eq!(predicate.normal(), Predicate::MaskedEqual { mask: 0xf0, value: 0x50 });
    }

    #[test]
    fn a_32_bit_argument_has_no_upper_half() {
        let predicate = Predicate::Equal(0x1_0000_0002);
        assert!(predicate.holds(2, Width::Bits32));
        assert!(!predicate.holds(2, Width::Bits64));
    }

    #[test]
    fn every_predicate_of_a_clause_must_hold() {
        let mut predicates = [None; 6];
        predicates[0] = Some(Predicate::Less(3));
        predicates[5] = Some(Predicate::NotEqual(0));
        let clause = Clause::new(predicates);
        assert!(clause.holds(&[2, 0, 0, 0, 0, 1], Width::Bits64));
        assert!(!clause.holds(&[2, 0, 0, 0, 0, 0], Width::Bits64));
        assert!(!clause.holds(&[3, 0, 0, 0, 0, 1], Width::Bits64));
        assert_eq!(clause.to_string(), "arg0 < 0x3 and arg5 != 0x0");
    }
}
