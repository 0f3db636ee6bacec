//! What a program can call, of all the files that it consists of.

use std::collections::BTreeMap;

use super::image::Image;
use super::libc::{self, Libc};
use super::reachable::{Kind, Reachable};
use crate::abi::Abi;
use crate::untrusted::short;

/// A file of a program, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its path, as it is shown.
    pub path: &'a str,
    /// What it says.
    pub image: &'a Image,
}

impl File<'_> {
    /// The name by which others need it.
    fn name(&self) -> &str {
        libc::name_of(self.path, self.image.soname.as_deref())
    }
}

/// What a program can call: its executable, and the libraries that it loads. `missing` are those that were not found or
/// could not be read, with the reason.
#[must_use]
pub fn reachable(executable: File<'_>, libraries: &[File<'_>], missing: &[String]) -> Reachable {
    let abi = executable.image.abi;
    let mut made = Reachable::default();
    for reason in missing {
        made.add_reason(reason.clone());
    }
    let libc = executable.image.libc();
    let is_dynamic = executable.image.is_dynamic && executable.image.interpreter.is_some();
    match libc {
        Some(libc) if libc.knows(abi) => add_startup(&mut made, libc, &executable),
        Some(libc) => {
            made.add_reason(format!("there is no table of what {} calls on {abi}", libc.name()));
        }
        None if is_dynamic => made.add_reason("its C library is not known"),
        None => {}
    }
    let others =
        libraries.iter().filter(|library| !libc.is_some_and(|libc| libc.has(library.name())));
    for file in [&executable].into_iter().chain(others) {
        add_file(&mut made, file, libc, abi);
    }
    add_kernels(&mut made);
    made
}

fn add(made: &mut Reachable, abi: Abi, name: &str, kind: Kind, file: &str, symbol: &str) {
    if let Some(number) = abi.syscall_number(name) {
        made.add_way(abi, number, (kind, file, symbol));
    }
}

fn add_startup(made: &mut Reachable, libc: &Libc, executable: &File<'_>) {
    let abi = executable.image.abi;
    let file = executable.image.interpreter.as_deref().unwrap_or(executable.path);
    let symbol = format!("start of {}", libc.name());
    for name in libc.startup(abi) {
        add(made, abi, name, Kind::Table, file, &symbol);
    }
}

fn add_file<'a>(made: &mut Reachable, file: &File<'a>, libc: Option<&Libc>, abi: Abi) {
    let File { path, image } = file;
    if image.abi != abi {
        made.add_reason(format!("{path} is of another machine ({})", image.abi));
        return;
    }
    // One way for each file is kept, the first one.
    let mut ways: BTreeMap<(Abi, u32), (Kind, &'a str)> = BTreeMap::new();
    let mut add = |call, way: (Kind, &'a str)| {
        let known = ways.entry(call).or_insert(way);
        *known = way.min(*known);
    };
    for (call, functions) in &image.calls {
        for symbol in functions {
            add(*call, (Kind::Instruction, symbol));
        }
    }
    let mut opened: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for import in &image.imports {
        // Versions of a function have one name in the table.
        let Some(libc) = libc else { break };
        for number in libc.calls(abi, import) {
            add((abi, *number), (Kind::Import, import));
        }
        if let Some(reason) = libc.opens(import) {
            opened.entry(reason).or_default().push(import.as_str());
        }
    }
    for ((abi, number), (kind, symbol)) in ways {
        made.add_way(abi, number, (kind, path, symbol));
    }
    for (reason, functions) in opened {
        made.add_reason(format!("{path} imports {}: {reason}", listed(&functions)));
    }
    if !image.unknown.is_empty() {
        let named: Vec<&str> =
            image.unknown.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let names = match named.is_empty() {
            true => String::new(),
            false => format!(" ({})", listed(&named)),
        };
        made.add_reason(format!(
            "{path} makes calls whose numbers were not found{names}: unknown: {}",
            image.unknown.len()
        ));
    }
    for doubt in &image.doubts {
        made.add_reason(format!("{path}: {doubt}"));
    }
}

/// Some names, and how many there are more.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().copied().take(SHOWN).map(short).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What the kernel makes programs call: the return from a signal's handler, and what it restarts after a stop.
fn add_kernels(made: &mut Reachable) {
    let abis: Vec<Abi> = made.calls.keys().copied().collect();
    for abi in abis {
        let handles_signals =
            abi.syscall_number("rt_sigaction").is_some_and(|number| made.has(abi, number));
        if handles_signals {
            add(made, abi, "rt_sigreturn", Kind::Table, "", "sigaction(2)");
        }
        add(made, abi, "restart_syscall", Kind::Table, "", "restart_syscall(2)");
    }
}
