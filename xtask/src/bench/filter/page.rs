//! The measured part of `docs/cost.md`.

use anyhow::Result;

use super::Measured;
use crate::page;
use crate::table::Table;

pub fn write(measured: &Measured) -> Result<String> {
    let about = format!(
        "Measured on {} on Linux {}, {}{}.",
        page::today()?,
        page::kernel()?,
        std::env::consts::ARCH,
        processor().map(|name| format!(" ({name})")).unwrap_or_default(),
    );
    let head = [
        "",
        "Requests per second",
        "Calls that run the filter",
        "Against no filter",
        "Against Docker's default",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(measured.servers.iter().flat_map(super::throughput::Served::rows));
    Ok(format!(
        "{about}\n\n{}\nWhat a call takes without a filter, and what the filter adds:\n\n{}\nInstructions that the kernel \
         runs for a call; 0 where it remembers the answer:\n\n{}",
        Table(rows).markdown(),
        measured.loops.table().markdown(),
        measured.counts.table().markdown()
    ))
}

/// What the processor calls itself, if it says so.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
