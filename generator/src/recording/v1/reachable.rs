//! What a program can call, as it is in the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::abi::Abi;
use crate::scan;

/// Names of calls, separated by spaces, by the function by which they are known, its file and the kind of knowledge.
type ByKind = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Reachable {
    #[serde(default)]
    calls: BTreeMap<Abi, ByKind>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    open: BTreeSet<String>,
}

impl Reachable {
    pub(super) fn from_model(reachable: &scan::Reachable) -> Self {
        let mut calls: BTreeMap<Abi, ByKind> = BTreeMap::new();
        for (abi, number, ways) in reachable.iter() {
            let by_kind = calls.entry(abi).or_default();
            for scan::How { kind, file, symbol } in ways {
                let by_file = by_kind.entry(kind.name().to_owned()).or_default();
                let by_symbol = by_file.entry(file.clone()).or_default();
                let names = by_symbol.entry(symbol.clone()).or_default();
                if !names.is_empty() {
                    names.push(' ');
                }
                match abi.syscall_name(number) {
                    Some(name) => names.push_str(name),
                    None => names.push_str(&number.to_string()),
                }
            }
        }
        Self { calls, open: reachable.open.clone() }
    }

    /// Kinds and names that this release does not know are of a later one, and are passed over.
    pub(super) fn into_model(self) -> scan::Reachable {
        let mut made = scan::Reachable::default();
        for (abi, by_kind) in self.calls {
            for (kind, by_file) in by_kind {
                let Ok(kind) = kind.parse::<scan::Kind>() else { continue };
                for (file, by_symbol) in by_file {
                    for (symbol, names) in by_symbol {
                        let numbers = names.split(' ').filter_map(|name| number(abi, name));
                        for number in numbers {
                            let (file, symbol) = (file.clone(), symbol.clone());
                            made.add(abi, number, scan::How { kind, file, symbol });
                        }
                    }
                }
            }
        }
        self.open.into_iter().for_each(|reason| made.add_reason(reason));
        made
    }
}

/// Writes what programs can call, for another process of Strait's.
pub(super) fn print(
    programs: &BTreeMap<String, scan::Reachable>,
) -> Result<Vec<u8>, serde_json::Error> {
    let files: BTreeMap<&String, Reachable> =
        programs.iter().map(|(path, reachable)| (path, Reachable::from_model(reachable))).collect();
    serde_json::to_vec(&files)
}

/// Reads it.
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, scan::Reachable>, serde_json::Error> {
    let files: BTreeMap<String, Reachable> = serde_json::from_slice(bytes)?;
    Ok(files.into_iter().map(|(path, file)| (path, file.into_model())).collect())
}

fn number(abi: Abi, name: &str) -> Option<u32> {
    abi.syscall_number(name).or_else(|| name.parse().ok())
}
