//! What one file says: a program or a library.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Reader;
use super::elf::{self, Object, ScanError};
use super::sites;
use crate::abi::Abi;

/// What the file of a program or a library says about the calls of its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The ABI of its machine's and its own.
    pub abi: Abi,
    /// The dynamic loader that it asks for; `None` for libraries and static programs.
    pub interpreter: Option<String>,
    /// Whether the dynamic loader has to do with it.
    pub is_dynamic: bool,
    /// The libraries that it needs, by name.
    pub needed: Vec<String>,
    /// Folders in which it wants them to be looked for, as they are written (`$ORIGIN`).
    pub search: Vec<String>,
    /// The name under which others need it.
    pub soname: Option<String>,
    /// Functions (and data, where that is not told) that it imports.
    pub imports: BTreeSet<String>,
    /// Calls that its instructions make, by ABI and number, and the names of the functions around them.
    pub calls: BTreeMap<(Abi, u32), BTreeSet<String>>,
    /// Functions around instructions whose number was not found.
    pub unknown: BTreeSet<String>,
    /// Whether Go's runtime is in it.
    pub is_go: bool,
    /// Other reasons for which its code may call more, in words.
    pub doubts: BTreeSet<String>,
}

impl Image {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`ScanError`] says why it cannot be scanned. What is damaged only in part is scanned, and
    /// [`doubts`](Self::doubts) says what is missing.
    pub fn read(bytes: &[u8]) -> Result<Self, ScanError> {
        let object = elf::parse(bytes)?;
        Ok(Self::from_object(&object))
    }

    fn from_object(object: &Object<'_>) -> Self {
        let mut reader = Reader::new(object);
        let found = sites::find(&mut reader, sites::SYSCALL);
        let name = |start: &u64| match object.names.get(start) {
            Some(name) => (*name).to_owned(),
            None => String::new(),
        };
        let calls = found.calls.iter().map(|(call, functions)| {
            // A few are enough to tell where it comes from.
            (*call, functions.iter().map(name).take(3).collect())
        });
        let mut doubts = object.doubts.clone();
        if found.is_cut {
            doubts.insert("it has more code than is looked at".to_owned());
        }
        if object.abi == Abi::Riscv64 {
            doubts.insert("instructions of riscv64 are not read".to_owned());
        }
        if object.code.is_empty() {
            doubts.insert("it has no code".to_owned());
        }
        Self {
            abi: object.abi,
            interpreter: object.interpreter.clone(),
            is_dynamic: object.is_dynamic,
            needed: object.needed.clone(),
            search: object.search.clone(),
            soname: object.soname.clone(),
            imports: object.imports.clone(),
            calls: calls.collect(),
            unknown: found.unknown.iter().map(name).collect(),
            is_go: object.is_go,
            doubts,
        }
    }
}
