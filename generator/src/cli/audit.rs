//! `strait audit`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::Ui;
use super::exit::{self, Failure, Outcome};
use super::manifests::{self, Edit, Source};
use super::ui::Report;
use crate::manifest::audit::{Audit, Level, json, sarif};
use crate::manifest::{Manifest, fix};
use crate::output::Output;

/// Say what keeps seccomp from having an effect in Kubernetes manifests, and what else is unsafe
///
/// Looks at every pod and pod template: deprecated annotations, privileged containers, type: Unconfined,
/// missing allowPrivilegeEscalation: false, runAsNonRoot, readOnlyRootFilesystem and
/// capabilities.drop: [ALL], host namespaces, service-account tokens, writable hostPath mounts, Windows
/// pods. Tells for each container which level of the Pod Security Standards it reaches, and which fields
/// are in the way of the next.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait audit deploy/
  strait audit deploy/ --require restricted        in CI: 10 if a container is below that
  strait audit deploy/ --format sarif -o audit.sarif
  strait audit deploy/ --fix                       replace annotations that are ignored

Exit status: 10 if a container does not reach the level of --require.")]
pub struct AuditArgs {
    /// Manifests, or folders with all *.yaml, *.yml and *.json in them; - is standard input
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    /// What the report looks like
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Where the report goes; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The level of the Pod Security Standards that every container has to reach
    #[arg(long, value_name = "LEVEL")]
    require: Option<Required>,
    /// Edit the files: replace deprecated annotations by the fields that mean the same
    #[arg(long)]
    fix: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// A line for each finding and each container
    Text,
    /// strait.audit/v1
    Json,
    /// SARIF 2.1.0
    Sarif,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Required {
    /// No known way to more privileges
    Baseline,
    /// Hardened
    Restricted,
}

impl From<Required> for Level {
    fn from(required: Required) -> Self {
        match required {
            Required::Baseline => Self::Baseline,
            Required::Restricted => Self::Restricted,
        }
    }
}

/// Runs `strait audit`.
pub fn main(args: &AuditArgs, ui: &Ui) -> Outcome {
    let sources = manifests::read(&args.manifests)?;
    if args.fix && sources.iter().any(Source::is_stdin) {
        let error = anyhow!("standard input cannot be edited in place: leave out --fix");
        return Err(Failure::new(exit::USAGE, error));
    }
    let output = Output::from(args.output.clone());
    output.check()?;
    let mut audits = Vec::new();
    let mut edits = Vec::new();
    for source in &sources {
        let manifest = Manifest::parse(&source.text).map_err(|error| source.failure(&error))?;
        if manifest.pods.is_empty() {
            continue;
        }
        if !args.fix {
            audits.push(Audit::of(&source.shown(), &manifest));
            continue;
        }
        let edited = fix::fix(&manifest).map_err(|error| source.failure(&error))?;
        let after = Manifest::parse(&edited.text).map_err(|error| source.failure(&error))?;
        audits.push(Audit::compare(&source.shown(), &manifest, &after));
        if !edited.splices.is_empty() {
            edits.push(Edit { source, text: edited.text });
        }
    }
    manifests::write_in_place(&edits, ui)?;
    let report = match args.format {
        Format::Text => Report::Text(audits.iter().map(|audit| audit.text(false)).collect()),
        Format::Json => Report::json(&json::print(&audits)?),
        Format::Sarif => Report::json(&sarif::print(&audits)?),
    };
    report.write(&output)?;
    if audits.is_empty() {
        ui.warn("there is no pod in these manifests");
    }
    Ok(judge(args.require, &audits, ui))
}

fn judge(required: Option<Required>, audits: &[Audit], ui: &Ui) -> ExitCode {
    let Some(required) = required.map(Level::from) else { return ExitCode::SUCCESS };
    let below: Vec<String> = audits
        .iter()
        .flat_map(|audit| audit.below(required))
        .map(|container| format!("{} of {}", container.container, container.owner))
        .collect();
    if below.is_empty() {
        return ExitCode::SUCCESS;
    }
    ui.warn(format_args!("below {required}: {}", below.join(", ")));
    ExitCode::from(exit::WIDER)
}
