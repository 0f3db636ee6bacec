//! Which system calls the functions of C libraries make: `profiles/libc/*.json`, from the libraries of Debian's packages
//! and what was found out by hand (`profiles/libc/by-hand.json`).

mod packages;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use strait_generator::scan::Graph;

use crate::{tree, ui};
use packages::Package;
use table::Functions;

/// What is added by hand, for each C library.
#[derive(Deserialize)]
struct ByHand {
    glibc: table::Hand,
    musl: table::Hand,
}

/// Makes the tables.
pub fn run(root: &Path) -> Result<()> {
    let folder = root.join("profiles/libc");
    let path = folder.join("by-hand.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let hand: ByHand =
        serde_json::from_str(&text).with_context(|| format!("cannot use {}", path.display()))?;
    let packages = packages::fetch(&tree::target(root).join("libc"))?;
    for (name, package, hand) in [("glibc", "libc6", &hand.glibc), ("musl", "musl", &hand.musl)] {
        let mut machines: BTreeMap<&'static str, Functions> = BTreeMap::new();
        let mut sources = BTreeSet::new();
        for package in packages.iter().filter(|found| found.name == package) {
            sources
                .insert(format!("{} {} ({})", package.name, package.version, package.architecture));
            let (abi, functions) = functions(package)?;
            let all = machines.entry(abi).or_default();
            for (function, calls) in functions {
                all.entry(function).or_default().extend(calls);
            }
        }
        let text = table::print(name, &sources, &machines, hand)?;
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        ui::good(format_args!("{}: {} bytes", path.display(), text.len()));
    }
    Ok(())
}

/// What each function leads to that the libraries of a package export, by name.
fn functions(package: &Package) -> Result<(&'static str, Functions)> {
    let mut graphs = Vec::new();
    for path in &package.libraries {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        graphs
            .push(Graph::read(&bytes).with_context(|| format!("cannot scan {}", path.display()))?);
    }
    let abi = graphs.first().context("the package has no library")?.abi;
    let mut found = Functions::new();
    for graph in &graphs {
        for function in graph.exports() {
            let calls = found.entry(function.to_owned()).or_default();
            // What it calls in the other libraries of the package, too.
            let mut names = BTreeSet::from([function.to_owned()]);
            let mut open = vec![function.to_owned()];
            while let Some(name) = open.pop() {
                for graph in &graphs {
                    let reach = graph.reach([name.as_str()]);
                    calls.extend(
                        reach.calls.iter().filter_map(|(abi, number)| {
                            abi.syscall_name(*number).map(str::to_owned)
                        }),
                    );
                    open.extend(
                        reach.imports.into_iter().filter(|import| names.insert(import.clone())),
                    );
                }
            }
        }
    }
    Ok((abi.name(), found))
}
