//! What a program can call, and how that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::abi::Abi;

/// For how many files it is kept how each leads to a call, one way each. The first by name stay, and executables before
/// libraries, so that the order of unions does not matter.
const FILES: usize = 16;

/// How many reasons for which a set is open are kept.
const REASONS: usize = 64;

/// How it is known that a program can make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// By an instruction that enters the kernel with the number of the call.
    Instruction,
    /// By a function that is imported from a library, which makes the call.
    Import,
    /// By a table of what a C library, a dynamic loader or a runtime calls by itself.
    Table,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Instruction, Self::Import, Self::Table];

    /// The name used in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Import => "import",
            Self::Table => "table",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no way of knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// One way by which it is known that a program can make a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct How {
    /// What kind of knowledge it is.
    pub kind: Kind,
    /// The file in which it was found: the executable or one of its libraries.
    pub file: String,
    /// The imported function, the function around the instruction or the entry of the table; empty if it has no name.
    pub symbol: String,
}

impl How {
    /// Whether it was found in a library, by the file's name.
    #[must_use]
    pub fn is_of_library(&self) -> bool {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        name.ends_with(".so") || name.contains(".so.")
    }
}

/// The calls that a program can make with its own instructions and its libraries'. Programs that it executes are not
/// part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reachable {
    /// Calls by ABI and number (for x32 without the x32 bit), each with at least one way by which it is known.
    pub calls: BTreeMap<Abi, BTreeMap<u32, BTreeSet<How>>>,
    /// Why there may be more: a number that was not found, a library that is missing, what `dlopen` loads. If it is
    /// empty, [`calls`](Self::calls) is all.
    pub open: BTreeSet<String>,
}

impl Reachable {
    /// What is known of a program that was not read.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self { open: BTreeSet::from([reason.into()]), ..Self::default() }
    }

    /// Whether the calls are known to be all.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the program is known to be able to make this call.
    #[must_use]
    pub fn has(&self, abi: Abi, number: u32) -> bool {
        self.calls.get(&abi).is_some_and(|calls| calls.contains_key(&number))
    }

    /// All calls with their ABI and number.
    pub fn iter(&self) -> impl Iterator<Item = (Abi, u32, &BTreeSet<How>)> {
        self.calls
            .iter()
            .flat_map(|(abi, calls)| calls.iter().map(|(number, ways)| (*abi, *number, ways)))
    }

    /// Adds a call, or one more way by which it is known.
    pub fn add(&mut self, abi: Abi, number: u32, how: How) {
        self.add_way(abi, number, (how.kind, &how.file, &how.symbol));
    }

    /// The same, with a kind, a file and a symbol.
    pub(super) fn add_way(
        &mut self,
        abi: Abi,
        number: u32,
        (kind, file, symbol): (Kind, &str, &str),
    ) {
        let ways = self.calls.entry(abi).or_default().entry(number).or_default();
        let how = || How { kind, file: file.to_owned(), symbol: symbol.to_owned() };
        if let Some(known) = ways.iter().find(|known| known.file == file) {
            if (kind, symbol) < (known.kind, &known.symbol) {
                let known = known.clone();
                ways.remove(&known);
                ways.insert(how());
            }
            return;
        }
        ways.insert(how());
        if ways.len() > FILES {
            let last = ways.iter().max_by_key(|how| (how.is_of_library(), &how.file));
            if let Some(last) = last.cloned() {
                ways.remove(&last);
            }
        }
    }

    /// Adds a reason for which there may be more calls.
    pub fn add_reason(&mut self, reason: impl Into<String>) {
        self.open.insert(reason.into());
        if self.open.len() > REASONS {
            self.open.pop_last();
        }
    }

    /// Adds what another file or run of the same program can call.
    pub fn extend(&mut self, more: Self) {
        for (abi, calls) in more.calls {
            for (number, ways) in calls {
                for how in ways {
                    self.add(abi, number, how);
                }
            }
        }
        for reason in more.open {
            self.add_reason(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(file: &str) -> How {
        How { kind: Kind::Import, file: file.to_owned(), symbol: "f".to_owned() }
    }

    #[test]
    fn the_order_of_unions_does_not_matter() {
        let one = |symbols: &[&str], reasons: &[&str]| {
            let mut made = Reachable::default();
            symbols.iter().for_each(|symbol| made.add(Abi::X86_64, 0, how(symbol)));
            reasons.iter().for_each(|reason| made.add_reason(*reason));
            made
        };
        let sets = [one(&["d", "b"], &["x"]), one(&["a", "e"], &[]), one(&["c"], &["y", "x"])];
        let union = |order: [usize; 3]| {
            let mut all = Reachable::default();
            order.into_iter().for_each(|index| all.extend(sets[index].clone()));
            all
        };
        assert_eq!(union([0, 1, 2]), union([2, 1, 0]));
        let mut twice = union([1, 2, 0]);
        twice.extend(sets[1].clone());
        assert_eq!(twice, union([0, 1, 2]));
        let kept: Vec<_> = twice.calls[&Abi::X86_64][&0].iter().map(|how| &how.file).collect();
        assert_eq!(kept, ["a", "b", "c", "d", "e"]);
        assert!(!twice.is_closed() && twice.has(Abi::X86_64, 0) && !twice.has(Abi::X86, 0));
    }

    #[test]
    fn one_way_is_kept_for_each_file_and_executables_stay() {
        let mut made = Reachable::default();
        for nth in 0..40 {
            made.add(Abi::X86_64, 0, how(&format!("/lib/{nth:02}.so.1")));
        }
        made.add(Abi::X86_64, 0, how("/usr/bin/app"));
        made.add(Abi::X86_64, 0, How { symbol: "a".to_owned(), ..how("/usr/bin/app") });
        let kept = &made.calls[&Abi::X86_64][&0];
        assert_eq!(kept.len(), FILES);
        let of_app: Vec<_> = kept.iter().filter(|how| !how.is_of_library()).collect();
        assert_eq!(of_app, [&How { symbol: "a".to_owned(), ..how("/usr/bin/app") }]);
    }
}
