//! Which system calls the functions of C libraries make, by tables of `profiles/libc/`.
//!
//! `fork` is not `fork`, and `getaddrinfo` is a dozen calls. The tables are made by `cargo xtask libc` from the libraries
//! themselves, with additions by hand where a library calls through pointers.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::abi::Abi;
use crate::policy::data::{embedded, words};

#[derive(Deserialize)]
struct File {
    name: String,
    libraries: String,
    startup: BTreeMap<Abi, String>,
    calls: BTreeMap<Abi, Vec<Group>>,
    open: Vec<Opening>,
}

/// Functions that make the same calls.
#[derive(Deserialize)]
struct Group {
    calls: String,
    functions: String,
}

/// Functions that load code which is not known.
#[derive(Deserialize)]
struct Opening {
    functions: String,
    reason: String,
}

/// The name by which others need a library that is at this path.
pub(super) fn name_of<'a>(path: &'a str, soname: Option<&'a str>) -> &'a str {
    soname.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default())
}

/// The table of a C library.
pub(super) struct Libc {
    file: File,
    /// By the name of a function, its place in the list of its machine.
    functions: BTreeMap<Abi, HashMap<String, usize>>,
    /// The numbers of the calls of each place in that list.
    numbers: BTreeMap<Abi, Vec<Vec<u32>>>,
    /// Why functions may lead to code that is not known.
    reasons: HashMap<String, String>,
}

static ALL: LazyLock<[Libc; 2]> = LazyLock::new(|| {
    [
        Libc::new(embedded(strait_profiles::libc::GLIBC)),
        Libc::new(embedded(strait_profiles::libc::MUSL)),
    ]
});

impl Libc {
    fn new(file: File) -> Self {
        let functions = file.calls.iter().map(|(abi, groups)| {
            let functions = groups.iter().enumerate().flat_map(|(index, group)| {
                words(&group.functions).map(move |name| (name.to_owned(), index))
            });
            (*abi, functions.collect())
        });
        let functions = functions.collect();
        let numbers = file.calls.iter().map(|(abi, groups)| {
            let of_group = |group: &Group| {
                words(&group.calls).filter_map(|name| abi.syscall_number(name)).collect()
            };
            (*abi, groups.iter().map(of_group).collect())
        });
        let numbers = numbers.collect();
        let mut reasons = HashMap::new();
        for Opening { functions, reason } in &file.open {
            for name in words(functions) {
                reasons.entry(name.to_owned()).or_insert_with(|| reason.clone());
            }
        }
        Self { file, functions, numbers, reasons }
    }

    /// Its name, such as `glibc`.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The C library that has a file of this name.
    pub fn having(library: &str) -> Option<&'static Self> {
        ALL.iter().find(|libc| libc.has(library))
    }

    /// The one that a program is made for.
    pub fn of_program(interpreter: Option<&str>, needed: &[String]) -> Option<&'static Self> {
        // Others than musl have a `libc.so`, too: the dynamic loader tells more.
        match interpreter {
            Some(interpreter) => Self::having(interpreter.rsplit('/').next().unwrap_or_default()),
            None => needed.iter().find_map(|needed| Self::having(needed)),
        }
    }

    /// Whether a library of this name is a part of it, and so what it calls is in the table.
    pub fn has(&self, library: &str) -> bool {
        words(&self.file.libraries).any(|name| name == library)
    }

    /// Whether there is a table for programs of this ABI.
    pub fn knows(&self, abi: Abi) -> bool {
        self.functions.contains_key(&abi)
    }

    /// What its dynamic loader and its start and end of a program call.
    pub fn startup(&self, abi: Abi) -> impl Iterator<Item = &str> {
        words(self.file.startup.get(&abi).map_or("", String::as_str))
    }

    /// The numbers of what a function of it calls; nothing for those that make no call.
    pub fn calls(&self, abi: Abi, function: &str) -> &[u32] {
        let index = self.functions.get(&abi).and_then(|functions| functions.get(function));
        let numbers = index.and_then(|index| self.numbers.get(&abi)?.get(*index));
        numbers.map_or(&[], Vec::as_slice)
    }

    /// Why a function of it may lead to code that is not known.
    pub fn opens(&self, function: &str) -> Option<&str> {
        self.reasons.get(function).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(library: &str, abi: Abi, function: &str) -> Vec<&'static str> {
        let numbers = Libc::having(library).unwrap().calls(abi, function).iter();
        numbers.filter_map(|number| abi.syscall_name(*number)).collect()
    }

    #[test]
    fn every_call_of_the_tables_is_one() {
        for libc in ALL.iter() {
            for (abi, groups) in &libc.file.calls {
                let all = groups.iter().flat_map(|group| words(&group.calls));
                for name in all.chain(libc.startup(*abi)) {
                    assert!(abi.syscall_number(name).is_some(), "{} {abi} {name}", libc.name());
                }
                assert!(groups.len() > 100, "{} {abi}", libc.name());
                assert!(libc.startup(*abi).count() > 10, "{} {abi}", libc.name());
            }
        }
    }

    #[test]
    fn wrappers_are_known_by_what_they_really_call() {
        let glibc = |function: &str| calls("libc.so.6", Abi::X86_64, function);
        let has = |function: &str, expected: &str| {
            let found = glibc(function);
            for name in words(expected) {
                assert!(found.contains(&name), "{function} without {name}: {found:?}");
            }
        };
        has("fork", "clone");
        has("posix_spawn", "clone3 clone execve rt_sigprocmask");
        has("system", "clone wait4");
        has("popen", "pipe2 clone");
        has(
            "getaddrinfo",
            "socket connect sendto sendmmsg recvfrom poll openat read newfstatat close",
        );
        has("opendir", "openat newfstatat");
        has("readdir", "getdents64");
        has("sysconf", "sysinfo sched_getaffinity prlimit64");
        has("getrlimit", "prlimit64");
        has("sleep", "clock_nanosleep");
        has("fopen", "openat");
        has("fread", "read");
        has("printf", "write");
        has("sigaction", "rt_sigaction");
        assert!(glibc("strlen").is_empty());
        let arm64 = calls("libc.so.6", Abi::Aarch64, "poll");
        assert!(arm64.contains(&"ppoll") && !arm64.contains(&"poll"), "{arm64:?}");
        assert!(calls("libc.musl-x86_64.so.1", Abi::X86_64, "fork").contains(&"fork"));
    }
}
