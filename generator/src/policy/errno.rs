//! Error numbers as people write them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;

use super::data::embedded;

/// Names of error numbers, and other names of the same.
#[derive(Deserialize)]
struct Table {
    names: BTreeMap<String, u16>,
    aliases: BTreeMap<String, String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| embedded(strait_profiles::ERRNO));

/// An error number that a refused call returns, 0 to 4095 (`MAX_ERRNO` in the kernel's
/// `include/linux/err.h`; a filter that asks for more gets 4095).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(u16);

impl Errno {
    /// The largest number that a filter can return.
    pub const MAX: u16 = 4095;
    /// Operation not permitted: what most software takes for a final no.
    pub const EPERM: Self = Self(1);
    /// Function not implemented: the answer on which software falls back to an older call.
    pub const ENOSYS: Self = Self(38);

    /// The error with this number; `None` above [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    fn name(self) -> Option<&'static str> {
        TABLE.names.iter().find(|(_, number)| **number == self.0).map(|(name, _)| name.as_str())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&self.0.to_string()),
        }
    }
}

/// The text is neither the name nor the number of an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid error number: write a name such as ENOSYS, or a number up to 4095")]
pub struct UnknownErrno(String);

impl FromStr for Errno {
    type Err = UnknownErrno;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let by_number = text.parse().ok().and_then(Self::new);
        // Numbers with two names are shown by the other one.
        let name = TABLE.aliases.get(text).map_or(text, String::as_str);
        let by_name = || TABLE.names.get(name).copied().and_then(Self::new);
        by_number.or_else(by_name).ok_or_else(|| UnknownErrno(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_each_other() {
        assert_eq!(Errno::ENOSYS.to_string(), "ENOSYS");
        assert_eq!("EPERM".parse(), Ok(Errno::EPERM));
        assert_eq!("38".parse(), Ok(Errno::ENOSYS));
        assert_eq!("ENOTSUP".parse(), "EOPNOTSUPP".parse::<Errno>());
        assert_eq!("EWOULDBLOCK".parse(), "EAGAIN".parse::<Errno>());
        assert_eq!("EDEADLOCK".parse(), "EDEADLK".parse::<Errno>());
        assert!("EAGAIN".parse::<Errno>().is_ok() && "EDEADLK".parse::<Errno>().is_ok());
        assert_eq!(Errno(4000).to_string(), "4000");
        assert!("ENOTHING".parse::<Errno>().is_err());
        assert!("4096".parse::<Errno>().is_err());
    }
}
