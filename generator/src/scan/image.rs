//! What one file says: a program or a library.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Reader;
use super::elf;
use super::error::ScanError;
use super::libc::{self, Libc};
use super::object::Object;
use super::sites::Sites;
use super::{go, sites};
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
    /// Names of libraries in its data that it may give to `dlopen`.
    pub loads: BTreeSet<String>,
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
        Self::read_unless(bytes, |_| false)
    }

    /// Reads the bytes of a library, which is at this path, of a program. What its C library calls is in a table, and not
    /// looked for.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_library(bytes: &[u8], path: &str, program: &Self) -> Result<Self, ScanError> {
        let table = program.libc();
        Self::read_unless(bytes, |object| {
            table.is_some_and(|table| table.has(libc::name_of(path, object.soname.as_deref())))
        })
    }

    /// The name of the C library that this program is made for, if there is a table of it.
    pub fn libc_name(&self) -> Option<&'static str> {
        self.libc().map(Libc::name)
    }

    pub(super) fn libc(&self) -> Option<&'static Libc> {
        Libc::of_program(self.interpreter.as_deref(), &self.needed)
    }

    fn read_unless(
        bytes: &[u8],
        is_in_table: impl Fn(&Object<'_>) -> bool,
    ) -> Result<Self, ScanError> {
        let object = elf::parse(bytes)?;
        let may_load = ["dlopen", "dlmopen"].iter().any(|name| object.imports.contains(*name));
        let loads = if may_load { names_of_libraries(bytes) } else { BTreeSet::new() };
        let found = match is_in_table(&object) {
            true => Sites::default(),
            false => sites::find(&mut Reader::new(&object), sites::SYSCALL),
        };
        Ok(Self::from_object(&object, &found, loads))
    }

    fn from_object(object: &Object<'_>, found: &Sites, loads: BTreeSet<String>) -> Self {
        let name = |start: &u64| match object.names.get(start) {
            Some(name) => (*name).to_owned(),
            None => String::new(),
        };
        let calls = found.calls.iter().map(|(call, functions)| {
            // A few are enough to tell where it comes from.
            (*call, functions.iter().map(name).take(3).collect())
        });
        let mut calls: BTreeMap<(Abi, u32), BTreeSet<String>> = calls.collect();
        let mut unknown: BTreeSet<String> = found.unknown.iter().map(name).collect();
        if object.is_go {
            unknown.retain(|function| {
                let Some(known) = go::by_variable(function) else { return true };
                for number in known.filter_map(|call| object.abi.syscall_number(call)) {
                    calls.entry((object.abi, number)).or_default().insert(function.clone());
                }
                false
            });
        }
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
            calls,
            unknown,
            loads,
            is_go: object.is_go,
            doubts,
        }
    }
}

/// How many names of libraries are taken from a file's data.
const MOST_NAMES: usize = 64;

/// Strings that are names of libraries, such as `libnuma.so.1`: all of a string, up to its zero.
fn names_of_libraries(bytes: &[u8]) -> BTreeSet<String> {
    const ENDING: &[u8] = b".so";
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-/".contains(byte);
    let finder = memchr::memmem::Finder::new(ENDING);
    let mut names = BTreeSet::new();
    let mut from = 0;
    while let Some(at) = finder.find(&bytes[from..]) {
        let dot = from + at;
        from = dot + ENDING.len();
        let before = bytes[..dot].iter().rev().take(128).take_while(|byte| is_part(byte)).count();
        let after = bytes[from..].iter().take(16).take_while(|byte| is_part(byte)).count();
        let (start, end) = (dot - before, from + after);
        let is_whole =
            bytes.get(end) == Some(&0) && start.checked_sub(1).is_none_or(|at| bytes[at] == 0);
        let version = &bytes[from..end];
        let is_version = version.is_empty()
            || version
                .strip_prefix(b".")
                .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'));
        if before > 0 && is_whole && is_version && names.len() < MOST_NAMES {
            names.insert(String::from_utf8_lossy(&bytes[start..end]).into_owned());
        }
    }
    names
}
