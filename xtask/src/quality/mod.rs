//! `cargo xtask quality`: how profiles hold on events that the recorded test did not have.
//!
//! For each application of `tests/quality`: the events without a filter, the test recorded, and the events again
//! under the profile that each policy makes of the recording. `docs/quality.md` says how to read the result.

mod app;
mod document;
mod errno;
mod measure;
mod plot;
pub mod policy;
mod results;
mod shell;
mod stage;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::run::Tool;
use crate::{setup, tree, ui};
use policy::Policy;
use results::Results;

#[derive(clap::Args)]
pub struct Options {
    /// Measure only these applications of tests/quality
    #[arg(long, value_name = "APP", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Compare only these policies
    #[arg(long, value_name = "POLICY", num_args = 1.., value_delimiter = ',', value_enum)]
    policies: Vec<Policy>,
    /// Measure this binary and not a release build
    #[arg(long, value_name = "FILE")]
    strait: Option<PathBuf>,
    /// Keep recordings, profiles, reports and logs in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How many applications to run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: u16,
    /// Also write the results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure nothing, and take the results of these files; a later file's applications replace those of an earlier one
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "policies")]
    from: Vec<PathBuf>,
    /// Instead, find out with which error programs do best when a call is refused that they missed; with --from, of those
    /// results
    #[arg(long)]
    errno: bool,
    /// Write docs/quality.md and docs/quality.svg, even if something was left out
    #[arg(long)]
    write: bool,
}

pub fn run(root: &Path, options: &Options) -> Result<()> {
    if options.errno {
        return errors(root, options);
    }
    let measures = !options.only.is_empty() || options.strait.is_some() || options.keep.is_some();
    ensure!(
        options.from.is_empty() || !measures,
        "--from measures nothing: --only, --strait and --keep are for a measurement"
    );
    let (results, failed) =
        if options.from.is_empty() { measured(root, options)? } else { (read(&options.from)?, 0) };
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    ui::data(&table::text(&results));
    ensure!(failed == 0, "{failed} applications could not be measured: see above");
    let all = options.only.is_empty() && options.policies.is_empty() && options.from.is_empty();
    if all || options.write {
        document::write(root, &results)?;
        ui::good("wrote docs/quality.md and docs/quality.svg");
    } else {
        ui::step(
            "docs/quality.md stays as it is, since not everything was measured (--write writes it)",
        );
    }
    Ok(())
}

/// The hidden command.
pub fn stage(spec: &Path) -> Result<ExitCode> {
    stage::main(spec)
}

/// Debian's packages with the applications.
pub fn packages(root: &Path) -> Result<Vec<String>> {
    let apps = app::read_all(&root.join("tests/quality"), &[])?;
    Ok(apps.into_iter().flat_map(|app| app.packages).collect())
}

/// Measures, and says how many applications could not be.
fn measured(root: &Path, options: &Options) -> Result<(Results, usize)> {
    let apps = app::read_all(&root.join("tests/quality"), &options.only)?;
    let (lab, _scratch) = lab(root, options)?;
    measured_in(&lab, &apps, options)
}

fn measured_in(
    lab: &measure::Lab,
    apps: &[app::App],
    options: &Options,
) -> Result<(Results, usize)> {
    let version = Tool::new(&lab.strait).arg("--version").stdout("asking for the version")?;
    let measured = lab.measure(apps, options.jobs)?;
    let failed = apps.len() - measured.len();
    Ok((Results::new(version.trim().to_owned(), measured)?, failed))
}

/// Which error is best for the calls that are missed.
fn errors(root: &Path, options: &Options) -> Result<()> {
    let apps = app::read_all(&root.join("tests/quality"), &options.only)?;
    let (mut lab, _scratch) = lab(root, options)?;
    lab.policies = vec![Policy::Exact];
    let results = if options.from.is_empty() {
        measured_in(&lab, &apps, options)?.0
    } else {
        read(&options.from)?
    };
    let write = options.write || options.only.is_empty();
    errno::run(&lab, &apps, &results, options.jobs, write)
}

/// What the measurement needs; its folder goes with the second, unless it is kept.
fn lab(root: &Path, options: &Options) -> Result<(measure::Lab, tempfile::TempDir)> {
    setup::run(root, setup::Level::Quality)?;
    tree::require_root("the measurement")?;
    let strait = match &options.strait {
        Some(path) => {
            path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?
        }
        None => {
            ui::step("building strait");
            tree::build_strait(root)?
        }
    };
    let mut policies = policy::known_to(&strait)?;
    policies.retain(|policy| options.policies.is_empty() || options.policies.contains(policy));
    ensure!(!policies.is_empty(), "this binary has none of these policies");
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let folder = options.keep.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lab = measure::Lab {
        xtask: tree::myself()?,
        folder: folder.canonicalize()?,
        root: root.to_owned(),
        strait,
        policies,
    };
    Ok((lab, scratch))
}

fn read(files: &[PathBuf]) -> Result<Results> {
    let mut all: Option<Results> = None;
    for file in files {
        let later = Results::read(file)?;
        all = Some(match all {
            Some(earlier) => earlier.with(later),
            None => later,
        });
    }
    all.context("no results")
}
