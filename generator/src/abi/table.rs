//! Names and numbers of calls, from `profiles/calls.json`. Tests hold them against libseccomp's.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Abi;
use crate::policy::data::{embedded, words};

#[derive(Deserialize)]
struct File {
    abis: HashMap<Abi, Rows>,
}

#[derive(Deserialize)]
struct Rows {
    /// A first number, and the names of the calls from it on.
    calls: Vec<(u32, String)>,
}

/// Names and numbers of an ABI's calls.
pub struct Numbers {
    /// By number; not all numbers have a call.
    names: Vec<Option<&'static str>>,
    numbers: HashMap<&'static str, u32>,
}

/// A table for each ABI, in the order of [`Abi::ALL`].
static TABLES: LazyLock<[Numbers; Abi::ALL.len()]> = LazyLock::new(|| {
    // Names are borrowed from it as long as the program runs.
    let file: &'static File = Box::leak(Box::new(embedded(strait_profiles::CALLS)));
    Abi::ALL.map(|abi| Numbers::new(file.abis.get(&abi).map_or(&[], |rows| &rows.calls)))
});

impl Numbers {
    /// The table of an ABI.
    pub fn of(abi: Abi) -> &'static Self {
        &TABLES[abi as usize]
    }

    fn new(rows: &'static [(u32, String)]) -> Self {
        let calls = rows.iter().flat_map(|(first, names)| (*first..).zip(words(names)));
        let (mut names, mut numbers) = (Vec::new(), HashMap::new());
        for (number, name) in calls {
            numbers.insert(name, number);
            let at = number as usize;
            if names.len() <= at {
                names.resize(at + 1, None);
            }
            names[at] = Some(name);
        }
        Self { names, numbers }
    }

    /// The name of the call with this number.
    pub fn name(&self, number: u32) -> Option<&'static str> {
        *self.names.get(usize::try_from(number).ok()?)?
    }

    /// The number of the call with this name.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// All of them, by number.
    pub fn all(&self) -> impl Iterator<Item = (u32, &'static str)> {
        (0..).zip(&self.names).filter_map(|(number, name)| Some((number, (*name)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_abi_has_a_table_with_each_number_and_name_once() {
        let file: File = embedded(strait_profiles::CALLS);
        assert_eq!(file.abis.len(), Abi::ALL.len());
        for abi in Abi::ALL {
            let rows = &file.abis[&abi].calls;
            let given: usize = rows.iter().map(|(_, names)| words(names).count()).sum();
            let numbers = Numbers::of(abi);
            assert!(given > 300, "{abi}: {given}");
            assert_eq!(numbers.all().count(), given, "{abi}: a number is there twice");
            assert_eq!(numbers.numbers.len(), given, "{abi}: a name is there twice");
        }
    }
}
