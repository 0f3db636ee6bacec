//! The tables as they are written: functions that make the same calls share a line.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use strait_generator::abi::Abi;

/// Names of calls, by function.
pub type Functions = BTreeMap<String, BTreeSet<String>>;

/// What is added by hand for a C library.
#[derive(Deserialize)]
pub struct Hand {
    libraries: String,
    startup: Startup,
    additions: Vec<Addition>,
    leave_out: Vec<LeaveOut>,
    open: Vec<Opening>,
}

#[derive(Deserialize)]
struct Startup {
    calls: String,
}

#[derive(Deserialize)]
struct Addition {
    functions: String,
    calls: String,
}

#[derive(Deserialize)]
struct LeaveOut {
    calls: String,
    but: String,
}

#[derive(Clone, Deserialize, Serialize)]
struct Opening {
    functions: String,
    reason: String,
}

#[derive(Serialize)]
struct File {
    name: &'static str,
    date: String,
    tested: &'static str,
    note: &'static str,
    sources: Vec<String>,
    libraries: String,
    startup: BTreeMap<&'static str, String>,
    open: Vec<Opening>,
    calls: BTreeMap<&'static str, Vec<Group>>,
}

#[derive(Serialize)]
struct Group {
    calls: String,
    functions: String,
}

const NOTE: &str = "What the functions of this C library call, by machine; made by `cargo xtask libc` from the libraries of these \
packages, and with what by-hand.json adds. Functions that call nothing are not in it. Names are separated by spaces.";

const TESTED: &str =
    "what tools call under glibc 2.36 on x86-64: tests/root/scan.rs; all else: by no test";

/// The text of a table.
pub fn print(
    name: &'static str,
    sources: &BTreeSet<String>,
    machines: &BTreeMap<&'static str, Functions>,
    hand: &Hand,
) -> Result<String> {
    let mut file = File {
        name,
        date: "2026-11-28".to_owned(),
        tested: if name == "glibc" { TESTED } else { "by no test" },
        note: NOTE,
        sources: sources.iter().cloned().collect(),
        libraries: hand.libraries.clone(),
        startup: BTreeMap::new(),
        open: hand.open.clone(),
        calls: BTreeMap::new(),
    };
    for abi in Abi::ALL {
        let Some(functions) = machines.get(abi.name()) else { continue };
        file.startup.insert(abi.name(), of_machine(&hand.startup.calls, abi).join(" "));
        file.calls.insert(abi.name(), groups(with_hand(functions, hand, abi)));
    }
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

/// The calls of a list that a machine has.
fn of_machine(calls: &str, abi: Abi) -> Vec<&str> {
    calls.split_ascii_whitespace().filter(|call| abi.syscall_number(call).is_some()).collect()
}

fn with_hand(functions: &Functions, hand: &Hand, abi: Abi) -> Functions {
    let mut all = functions.clone();
    for LeaveOut { calls, but } in &hand.leave_out {
        for (_, of_function) in all.iter_mut().filter(|(function, _)| !is_in(function, but)) {
            of_function.retain(|call| !calls.split_ascii_whitespace().any(|other| other == call));
        }
    }
    for Addition { functions, calls } in &hand.additions {
        for (_, of_function) in all.iter_mut().filter(|(function, _)| is_in(function, functions)) {
            of_function.extend(of_machine(calls, abi).into_iter().map(str::to_owned));
        }
    }
    all
}

/// Whether a list has a name, or the beginning of it with a star.
fn is_in(name: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|other| match other.split_once('*') {
        Some((start, end)) => name
            .strip_prefix(start)
            .is_some_and(|rest| end.is_empty() || rest.contains(end.trim_end_matches('*'))),
        None => name == other,
    })
}

fn groups(functions: Functions) -> Vec<Group> {
    let mut by_calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (function, calls) in functions {
        if !calls.is_empty() {
            let calls = calls.into_iter().collect::<Vec<_>>().join(" ");
            by_calls.entry(calls).or_default().push(function);
        }
    }
    by_calls
        .into_iter()
        .map(|(calls, functions)| Group { calls, functions: functions.join(" ") })
        .collect()
}
