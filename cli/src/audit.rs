//! `strait audit`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::format::{Format, formats};
use super::manifests::{self, Edit, Source};
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::manifest::audit::{Audit, Level, Version, json, sarif};
use strait_generator::manifest::{Manifest, ManifestError, fix};
use strait_recorder::output::Output;

/// What the report may look like.
const FORMATS: [(Format, &str); 3] = [
    (Format::Text, "One line for each finding and each container"),
    (Format::Json, "strait.audit/v1"),
    (Format::Sarif, "SARIF 2.1.0"),
];

/// Find what disables seccomp in Kubernetes manifests, and what else is unsafe
///
/// Checks every pod and pod template for deprecated annotations, privileged containers, type: Unconfined,
/// missing allowPrivilegeEscalation: false, runAsNonRoot, readOnlyRootFilesystem and capabilities.drop:
/// [ALL], host namespaces, service account tokens, writable hostPath mounts, and Windows pods. Shows for each
/// container the level of the Pod Security Standards that it reaches, and the fields that keep it from the
/// next one.
///
/// In kinds that Strait does not know, pods are found by their shape. Objects without one that are not known
/// to start no pod are listed as not understood; templates ({{ }}) and files that are not YAML are skipped
/// and listed. All of them fail --require.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait audit deploy/
  strait audit deploy/ --require restricted
  strait audit deploy/ --require baseline --kubernetes 1.33
  helm template shop | strait audit - --require restricted
  strait audit deploy/ --format sarif -o audit.sarif
  strait audit deploy/ --fix

Exit status: 10 if a container does not reach the level of --require or, without --ignore-unknown, something \
was not understood; 1 if no file could be read.")]
pub struct AuditArgs {
    /// Manifests, or folders with *.yaml, *.yml and *.json files; - is standard input
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS), help_heading = "Output")]
    format: Format,
    /// Write the report here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Level of the Pod Security Standards that every container has to reach
    #[arg(long, value_name = "LEVEL", help_heading = "What fails")]
    require: Option<Required>,
    /// Version of the cluster, which decides about levels [default: the newest known]
    #[arg(long, value_name = "VERSION", help_heading = "What fails")]
    kubernetes: Option<Version>,
    /// Pass --require even if objects or files were not understood
    #[arg(long, requires = "require", help_heading = "What fails")]
    ignore_unknown: bool,
    /// Edit the files: replace deprecated annotations with the fields that mean the same
    #[arg(long, help_heading = "Edits")]
    fix: bool,
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
    let manifests::Found { sources, unreadable } = manifests::read_lenient(&args.manifests)?;
    if args.fix && sources.iter().any(Source::is_stdin) {
        let error = anyhow!("standard input cannot be edited in place: leave out --fix");
        return Err(Failure::new(exit::USAGE, error));
    }
    let output = Output::from(args.output.clone());
    output.check()?;
    let version = args.kubernetes.unwrap_or_else(Version::newest);
    let mut audits = Vec::new();
    let mut edits = Vec::new();
    let mut skipped: Vec<anyhow::Error> = Vec::new();
    for (path, error) in unreadable {
        audits.push(Audit::unreadable(&shown(&path), &error.to_string(), version));
        skipped.push(error);
    }
    let not_read = skipped.len();
    for source in &sources {
        match look(source, args.fix, version) {
            Ok((audit, edit)) => {
                audits.extend(audit);
                edits.extend(edit.map(|text| Edit { source, text }));
            }
            Err(error) if error.is_about_the_file() => {
                audits.push(Audit::skipped(&source.shown(), &error, version));
                skipped.push(source.failure(&error).error);
            }
            Err(error) => return Err(source.failure(&error)),
        }
    }
    let all = sources.len() + not_read;
    if let Some(first) = skipped.first()
        && skipped.len() == all
    {
        let others =
            if all > 1 { format!(" (none of {all} files can be audited)") } else { String::new() };
        return Err(anyhow!("{first}{others}").into());
    }
    for error in &skipped {
        ui.warn(format_args!("skipped {error}"));
    }
    manifests::write_in_place(&edits, ui)?;
    let report = match args.format {
        Format::Json => Report::json(&json::print(&audits, version)?),
        Format::Sarif => Report::json(&sarif::print(&audits)?),
        _ => Report::Text(audits.iter().map(|audit| audit.text(false)).collect()),
    };
    report.write(&output)?;
    if audits.iter().all(|audit| audit.levels.is_empty()) {
        ui.warn("there is no pod in these manifests");
    } else if args.kubernetes.is_none() {
        ui.say(format_args!(
            "levels are those of Kubernetes {version}, the newest version known; --kubernetes names another"
        ));
    }
    Ok(exit_code(args, &audits, ui))
}

/// Looks at a file: what there is to say, if there is anything in it, and the text after repairs.
fn look(
    source: &Source,
    fix: bool,
    version: Version,
) -> Result<(Option<Audit>, Option<String>), ManifestError> {
    let manifest = Manifest::parse(&source.text)?;
    manifest.check_not_templated()?;
    if manifest.pods.is_empty() && manifest.unknown.is_empty() {
        return Ok((None, None));
    }
    if !fix {
        return Ok((Some(Audit::new(&source.shown(), &manifest, version)), None));
    }
    let edited = fix::fix(&manifest)?;
    let after = Manifest::parse(&edited.text)?;
    let audit = Audit::compare(&source.shown(), &manifest, &after, version);
    Ok((Some(audit), (!edited.splices.is_empty()).then_some(edited.text)))
}

fn exit_code(args: &AuditArgs, audits: &[Audit], ui: &Ui) -> ExitCode {
    let Some(required) = args.require.map(Level::from) else { return ExitCode::SUCCESS };
    let below: Vec<String> = audits
        .iter()
        .flat_map(|audit| audit.below(required))
        .map(|container| format!("{} of {}", container.container, container.owner))
        .collect();
    if !below.is_empty() {
        ui.warn(format_args!("below {required}: {}", below.join(", ")));
    }
    let unknown: Vec<&str> = audits
        .iter()
        .flat_map(|audit| {
            audit.not_understood().map(|finding| match finding.owner.as_str() {
                "" => audit.file.as_str(),
                owner => owner,
            })
        })
        .collect();
    let fails = !unknown.is_empty() && !args.ignore_unknown;
    if fails {
        ui.warn(format_args!(
            "not understood, so not known to reach {required}: {}. Audit what these start, or pass --ignore-unknown",
            unknown.join(", ")
        ));
    }
    if below.is_empty() && !fails { ExitCode::SUCCESS } else { ExitCode::from(exit::WIDER) }
}
