//! What a program can call, as it is in the file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::convert::key;
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
                names.push_str(&key(abi, number));
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

fn number(abi: Abi, name: &str) -> Option<u32> {
    abi.syscall_number(name).or_else(|| name.parse().ok())
}
