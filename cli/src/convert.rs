//! `strait convert`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::given::assumed;
use super::record::plural;
use super::ui::Report;
use super::workload::WorkloadArgs;
use super::{Ui, read_text, shown};
use strait_generator::machine::Machines;
use strait_generator::manifest::resource::{self, SeccompResource};
use strait_generator::profile::{self, resolve_on};
use strait_recorder::output::Output;

/// Convert a profile in any dialect to plain OCI
///
/// Reads profiles as dockerd and podman do (archMap, includes, excludes, minKernel, errors by name, one call
/// in name, fields in any case), and SeccompProfile resources of the Security Profiles Operator. Writes what
/// they say for one workload, with `architectures`, `names` and no conditions, which all engines read alike.
/// A profile that is plain OCI already is written byte for byte; on standard output, characters that are not
/// ASCII are escaped.
///
/// A dialect can say something else for other capabilities, kernels and machines. Without options, Strait
/// resolves it for the default capabilities of Docker, a new kernel, and all machines if one profile says the
/// same on each.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait convert docker.json -o app.json
  strait convert docker.json --caps ALL --kernel 5.10 --machine aarch64
  strait convert seccompprofile.yaml --name nginx -o nginx.json
  kubectl get seccompprofile nginx -o yaml | strait convert - -o nginx.json

The same file and options give the same bytes on every machine.")]
pub struct ConvertArgs {
    /// Profile; - is standard input
    profile: PathBuf,
    /// Write the result here; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    #[command(flatten)]
    workload: WorkloadArgs,
    /// Machines of the workload
    #[arg(long, value_name = "MACHINE", default_value = "all", value_parser = one_of::<Machines>(), help_heading = "The workload")]
    machine: Machines,
    /// Which SeccompProfile to convert, if the file has several
    #[arg(long, value_name = "NAME", help_heading = "Which profile")]
    name: Option<String>,
}

/// Runs `strait convert`.
pub fn main(args: &ConvertArgs, ui: &Ui) -> Outcome {
    let workload = args.workload.workload()?;
    let machines = args.machine;
    let output = Output::from(args.output.clone());
    output.check()?;
    let name = shown(&args.profile);
    let cannot_use = || format!("cannot use {name}");
    let text = read_text(&args.profile)?;
    let resource = resource(args, &text).with_context(cannot_use)?;
    let is_resource = resource.is_some();
    if !is_resource && args.name.is_some() {
        let error = anyhow!("--name is for a file with SeccompProfiles, and {name} is a profile");
        return Err(Failure::new(exit::USAGE, error));
    }
    let text = match resource {
        Some(SeccompResource { profile, notes, .. }) => {
            for note in notes {
                ui.warn(format_args!("{name}: {note}"));
            }
            profile
        }
        None => text,
    };
    let resolved = resolve_on(&text, &workload, machines).with_context(cannot_use)?;
    for finding in resolved.notes.iter().chain(&resolved.lint()) {
        ui.warn(format_args!("{name}: {finding}"));
    }
    let is_kept = resolved.is_plain() && !is_resource;
    let printed = if is_kept { text } else { resolved.print()? };
    match &output {
        // A terminal may obey what is written to standard output.
        Output::Stdout if !is_harmless(&printed) => Report::json(&printed).write(&output)?,
        _ => output.write(printed.as_bytes())?,
    }
    if is_kept {
        ui.say(format_args!("{name} is plain OCI already: nothing to convert"));
    } else if resolved.is_dialect {
        ui.say(format_args!(
            "{name}: {} of {} apply with {}",
            resolved.profile.entries.len(),
            plural(resolved.rules, "rule"),
            assumed(&workload, machines)
        ));
    }
    if let Output::File(path) = &output {
        ui.say(format_args!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a text has no character that is not ASCII, and none that controls a terminal.
fn is_harmless(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

/// The profile in a resource of Kubernetes, if the file is no profile itself.
fn resource(args: &ConvertArgs, text: &str) -> anyhow::Result<Option<SeccompResource>> {
    match profile::document(text) {
        Err(profile::ParseError::Resource(_)) => {
            Ok(Some(resource::find(text, args.name.as_deref())?))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(None),
    }
}
