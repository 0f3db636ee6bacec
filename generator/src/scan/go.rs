//! Names of functions in Go programs, which are there also when the symbols are stripped.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::policy::data::{embedded, words};

#[derive(Deserialize)]
struct File {
    functions: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    functions: String,
    calls: String,
}

static TABLE: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::libc::GO));

/// What a function calls that has the number in a variable; `None` if that is not known.
pub(super) fn by_variable(function: &str) -> Option<impl Iterator<Item = &'static str>> {
    let is_in = |group: &&Group| words(&group.functions).any(|name| name == function);
    TABLE.functions.iter().find(is_in).map(|group| words(&group.calls))
}

/// How many functions are read.
const MOST: usize = 2_000_000;

/// `runtime.pcHeader.magic` of Go 1.18 and 1.19, and of 1.20 and later (`src/internal/abi/symtab.go`, `src/runtime/symtab.go`).
const MAGICS: [u32; 2] = [0xffff_fff0, 0xffff_fff1];

/// Where each function begins, and its name, by the table that Go's runtime makes its tracebacks of.
///
/// Source: `pcHeader`, `functab` and `_func` in Go's `src/runtime/symtab.go` and `runtime2.go`, 1.18 to 1.25.
pub(super) fn functions(table: &[u8], text: u64) -> Vec<(u64, &str)> {
    read(table, text).unwrap_or_default()
}

fn read(table: &[u8], text: u64) -> Option<Vec<(u64, &str)>> {
    if !MAGICS.contains(&word(table, 0)?) || *table.get(7)? != 8 {
        return None;
    }
    let count = usize::try_from(long(table, 8)?).ok()?.min(MOST);
    // Since Go 1.26 the field is zero, and the text section's address counts.
    let start = long(table, 24)?;
    let start = if start == 0 { text } else { start };
    let names = table.get(usize::try_from(long(table, 32)?).ok()?..)?;
    let functions = table.get(usize::try_from(long(table, 64)?).ok()?..)?;
    let mut found = Vec::new();
    for index in 0..count {
        let entry = word(functions, index.checked_mul(8)?)?;
        let place = usize::try_from(word(functions, index * 8 + 4)?).ok()?;
        let name = usize::try_from(word(functions, place.checked_add(4)?)?).ok()?;
        let name = names.get(name..).and_then(|rest| {
            let end = rest.iter().take(512).position(|byte| *byte == 0)?;
            std::str::from_utf8(&rest[..end]).ok()
        });
        if let Some(name) = name {
            found.push((start.wrapping_add(entry.into()), name));
        }
    }
    Some(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
