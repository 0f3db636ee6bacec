//! `cargo xtask bench`: what recording costs, and how long the commands take, in one run and one table.
//!
//! Machines differ and are noisy, so every figure is measured in rounds that take turns with what
//! it is compared to, and rated by its relation to that, never by its absolute value.

mod decisions;
mod floor;
pub mod load;
mod manifests;
mod per_call;
mod report;
mod start;
mod stats;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{setup, tree, ui};

#[derive(clap::Args)]
pub struct Options {
    /// How many times each figure of the tight loop is measured
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many times each workload runs untraced and recorded
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    workload_rounds: u32,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// End with 1 if a bound is missed
    #[arg(long)]
    enforce: bool,
}

/// What every part of the bench uses.
struct Lab {
    /// The release build of `strait`.
    strait: PathBuf,
    /// xtask itself, for its loops.
    xtask: PathBuf,
    /// The committed eBPF object.
    object: PathBuf,
    scratch: tempfile::TempDir,
}

pub fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    setup::run(root, setup::Level::Bench)?;
    tree::require_root("the bench")?;
    ui::step("building strait");
    warn_of_company();
    let lab = Lab {
        strait: tree::build_strait(root)?,
        xtask: tree::myself()?,
        object: crate::ebpf::object(root),
        scratch: tempfile::tempdir().context("cannot make a temporary directory")?,
    };
    let mut lines = per_call::measure(&lab, options.rounds)?;
    lines.extend(start::measure(&lab, options.rounds)?);
    lines.extend(workloads::measure(&lab, options.workload_rounds)?);
    lines.extend(manifests::measure(&lab, options.workload_rounds)?);
    lines.extend(decisions::measure(&lab, options.workload_rounds)?);

    ui::data(&report::table(&lines));
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&lines)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let missed = lines.iter().any(report::Line::misses);
    Ok(if missed && options.enforce { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Says so when something else runs here: bounds measured on a busy machine mean little.
fn warn_of_company() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|one| one.parse().ok()).unwrap_or_default();
    // Building strait, just now, is one core's work or a few's, and is over.
    if load > 1.0 {
        ui::step(format_args!(
            "the load average is {load:.1}: other work, and other tracers most of all, distort the figures"
        ));
    }
}

impl Lab {
    /// The words that record what follows them.
    fn recorder(&self) -> crate::run::Tool {
        self.recorder_by("ebpf")
    }

    /// The same with this backend.
    fn recorder_by(&self, backend: &str) -> crate::run::Tool {
        crate::run::Tool::new(&self.strait)
            .args(["record", "--quiet", "--backend", backend, "-o"])
            .arg(self.scratch.path().join("bench.recording.json"))
            .arg("--")
    }
}
