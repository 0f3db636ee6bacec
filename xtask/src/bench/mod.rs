//! `cargo xtask bench`: what recording and filters cost, and how long the commands take, in one run and one table.
//!
//! Machines differ and are noisy, so every figure is measured in rounds that take turns with what
//! it is compared to, and rated by its relation to that, never by its absolute value.

mod decisions;
mod filter;
mod floor;
pub mod load;
mod manifests;
mod per_call;
mod report;
mod servers;
mod start;
mod stats;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::run::Tool;
use crate::{setup, tree, ui};

/// What recordings are called that nothing reads.
const RECORDING: &str = "bench.recording.json";

#[derive(clap::Args)]
pub struct Options {
    /// Measure only these parts
    #[arg(long, value_name = "PART", num_args = 1.., value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Measure this binary and not a release build
    #[arg(long, value_name = "FILE")]
    strait: Option<PathBuf>,
    /// How many times each figure of the tight loop is measured
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many times each workload runs untraced and recorded
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    workload_rounds: u32,
    /// How many times each server under a filter is started again
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    lives: u32,
    /// Write what filters cost to docs/cost.md
    #[arg(long)]
    write: bool,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// End with 1 if a bound is missed
    #[arg(long)]
    enforce: bool,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What recording adds to a system call
    Call,
    /// How long the recorder takes to start, and its memory
    Start,
    /// What recording leaves of the throughput of workloads
    Workloads,
    /// What a profile's filter costs
    Filter,
    /// How long `strait apply` takes
    Manifests,
    /// How long the commands take that compare profiles
    Decisions,
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
    let strait = match &options.strait {
        Some(path) => {
            path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?
        }
        None => {
            ui::step("building strait");
            tree::build_strait(root)?
        }
    };
    let lab = Lab {
        strait,
        xtask: tree::myself()?,
        object: crate::ebpf::object(root),
        scratch: tempfile::tempdir().context("cannot make a temporary directory")?,
    };
    let includes = |part: Part| options.only.is_empty() || options.only.contains(&part);
    let filter = if includes(Part::Filter) { Some(tree::build_filter(root)?) } else { None };
    warn_of_company();
    let (rounds, workload_rounds) = (options.rounds, options.workload_rounds);
    let mut lines = Vec::new();
    if includes(Part::Call) {
        lines.extend(per_call::measure(&lab, rounds)?);
    }
    if includes(Part::Start) {
        lines.extend(start::measure(&lab, rounds)?);
    }
    if includes(Part::Workloads) {
        lines.extend(workloads::measure(&lab, workload_rounds)?);
    }
    if let Some(filter) = filter {
        let measured = filter::measure(&lab, &filter, rounds, options.lives)?;
        if options.write {
            crate::page::write(&root.join("docs/cost.md"), "bench", &measured.page()?)?;
            ui::good("wrote docs/cost.md");
        }
        ui::data(&measured.text());
        lines.extend(measured.lines());
    }
    if includes(Part::Manifests) {
        lines.extend(manifests::measure(&lab, workload_rounds)?);
    }
    if includes(Part::Decisions) {
        lines.extend(decisions::measure(&lab, workload_rounds)?);
    }

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
    fn recorder(&self) -> Tool {
        self.recorder_by("ebpf")
    }

    /// The same with this backend.
    fn recorder_by(&self, backend: &str) -> Tool {
        self.recorder_into(&["--backend", backend], &self.scratch.path().join(RECORDING))
    }

    /// The same with these options.
    fn recorder_with(&self, options: &[&str]) -> Tool {
        let options = [&["--backend", "ebpf"], options].concat();
        self.recorder_into(&options, &self.scratch.path().join(RECORDING))
    }

    fn recorder_into(&self, options: &[&str], recording: &Path) -> Tool {
        let tool = Tool::new(&self.strait).args(["record", "--quiet"]).args(options).arg("-o");
        tool.arg(recording).arg("--")
    }
}
