//! What of a file is about its calls, as it was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::abi::Abi;

/// How many symbols, functions and relocations are read; browsers have some 700 000.
pub(super) const MOST_ENTRIES: usize = 4_000_000;

/// Bytes that are executed.
pub(super) struct Code<'a> {
    pub address: u64,
    pub bytes: &'a [u8],
    /// Whether it is a table of jumps into libraries, which is not the program's own code.
    pub is_stubs: bool,
}

impl Code<'_> {
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }

    pub fn contains(&self, address: u64) -> bool {
        (self.address..self.end()).contains(&address)
    }
}

/// What of a file is about its calls.
pub(super) struct Object<'a> {
    pub abi: Abi,
    /// Bits of an address: 32 or 64.
    pub bits: u32,
    pub is_library: bool,
    /// Where a program begins; 0 of a library.
    pub entry: u64,
    pub interpreter: Option<String>,
    pub is_dynamic: bool,
    pub needed: Vec<String>,
    pub search: Vec<String>,
    pub soname: Option<String>,
    pub imports: BTreeSet<String>,
    pub exports: BTreeMap<String, u64>,
    /// Sorted, and none overlaps another.
    pub code: Vec<Code<'a>>,
    /// Where functions begin, sorted.
    pub starts: Vec<u64>,
    /// Whether they are all known, by tables, and not found by what is called.
    pub are_starts_exact: bool,
    /// Those of them that may as well be within a function.
    pub doubtful: BTreeSet<u64>,
    /// Whether all functions have symbols, and not only those that other files may call.
    pub has_symbols: bool,
    /// Names of functions by where they begin.
    pub names: BTreeMap<u64, &'a str>,
    /// Where the addresses of imported functions are put.
    pub slots: BTreeMap<u64, &'a str>,
    /// Code addresses that data holds (relative relocations), sorted.
    pub pointers: Vec<u64>,
    pub is_go: bool,
    /// Why there may be more in it than was read.
    pub doubts: BTreeSet<String>,
}

impl<'a> Object<'a> {
    /// One of which nothing but the code is known.
    pub fn of_code(abi: Abi, bits: u32, code: Vec<Code<'a>>) -> Self {
        Self {
            abi,
            bits,
            is_library: false,
            entry: 0,
            interpreter: None,
            is_dynamic: false,
            needed: Vec::new(),
            search: Vec::new(),
            soname: None,
            imports: BTreeSet::new(),
            exports: BTreeMap::new(),
            code,
            starts: Vec::new(),
            are_starts_exact: true,
            doubtful: BTreeSet::new(),
            has_symbols: false,
            names: BTreeMap::new(),
            slots: BTreeMap::new(),
            pointers: Vec::new(),
            is_go: false,
            doubts: BTreeSet::new(),
        }
    }
}
