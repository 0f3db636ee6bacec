//! `strait export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::exit::{self, Failure, Outcome};
use super::machine::MachineArg;
use super::ui::Report;
use super::{Ui, read_text, shown};
use crate::export::{
    ExportError, Exported, Home, InvalidName, Label, Options, Reference, Release, WorkloadRef,
    export,
};
use crate::output::{self, Output};
use crate::profile::{self, Findings, Severity, lint};

/// Write a profile the way another home wants it
///
/// For the Security Profiles Operator, a ConfigMap with what installs it on every node, kustomize, Helm,
/// docker compose, docker, podman, systemd, Nomad, CRI-O, or as the OCI artifact of KEP-6061. What a home
/// cannot hold is left out, so that less is allowed, and said on standard error. Only systemd, which
/// cannot compare arguments, may allow more: the calls are named.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait export nginx.json --to configmap --release 1.27 --namespace web | kubectl apply -f -
  strait export nginx.json --to spo --image nginx:1.27 -o manifests
  strait export nginx.json --to systemd | sudo tee /etc/systemd/system/nginx.service.d/50-seccomp.conf
  strait export nginx.json --to oci-artifact -o layout && skopeo copy oci:layout docker://…

Without -o the text goes to standard output; the profile itself, where a home needs it as a file of its
own, is written only with -o. File names carry the release and the content's hash, since a node reads a
profile only when a container starts.")]
pub struct ExportArgs {
    /// The profile; - is standard input
    profile: PathBuf,
    /// Which home
    #[arg(long, value_name = "HOME")]
    to: HomeArg,
    /// A folder for the files, which is made if it is missing [default: standard output]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What the application is called [default: the profile's file name]
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
    /// Its release, such as 1.27.3
    #[arg(long, value_name = "RELEASE")]
    release: Option<Release>,
    /// The namespace of the objects
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<Label>,
    /// The image that runs under the profile
    #[arg(long, value_name = "IMAGE")]
    image: Option<Reference>,
    /// The container (compose: the service) that runs under it; without it the whole pod
    #[arg(long, value_name = "CONTAINER")]
    container: Option<Label>,
    /// The workload to patch [default: deployment/NAME]
    #[arg(long, value_name = "KIND/NAME")]
    workload: Option<WorkloadRef>,
    /// Where the profile will be in a registry
    #[arg(long, value_name = "REFERENCE")]
    artifact: Option<Reference>,
    /// The machines that it will be loaded on, for spo and systemd, which are given names of calls [default: all]
    #[arg(long, value_name = "MACHINE")]
    machine: Option<MachineArg>,
}

/// Homes, as they are called on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum HomeArg {
    /// SeccompProfile and ProfileBinding of the Security Profiles Operator
    Spo,
    /// A ConfigMap, and a DaemonSet that installs it on every node
    Configmap,
    /// A kustomize component with a patch
    Kustomize,
    /// Values and a template of a chart
    Helm,
    /// An override file for docker compose
    Compose,
    /// A command line of docker
    Docker,
    /// A command line of podman; with --image a quadlet unit
    Podman,
    /// A drop-in for a service
    Systemd,
    /// A task of Nomad's docker driver
    Nomad,
    /// Annotations for a profile in a registry
    Crio,
    /// An OCI layout as KEP-6061 wants it; needs -o
    OciArtifact,
}

impl From<HomeArg> for Home {
    fn from(arg: HomeArg) -> Self {
        match arg {
            HomeArg::Spo => Self::Spo,
            HomeArg::Configmap => Self::Configmap,
            HomeArg::Kustomize => Self::Kustomize,
            HomeArg::Helm => Self::Helm,
            HomeArg::Compose => Self::Compose,
            HomeArg::Docker => Self::Docker,
            HomeArg::Podman => Self::Podman,
            HomeArg::Systemd => Self::Systemd,
            HomeArg::Nomad => Self::Nomad,
            HomeArg::Crio => Self::Crio,
            HomeArg::OciArtifact => Self::OciArtifact,
        }
    }
}

impl ExportArgs {
    fn options(&self) -> Result<Options, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => name_of(&self.profile).map_err(|error| Failure::new(exit::USAGE, error))?,
        };
        Ok(Options {
            name,
            release: self.release.clone(),
            namespace: self.namespace.clone(),
            image: self.image.clone(),
            container: self.container.clone(),
            workload: self.workload.clone(),
            artifact: self.artifact.clone(),
            machines: self.machine.unwrap_or_default().into(),
        })
    }
}

/// The application's name, from the profile's: `nginx` for `nginx.json`.
fn name_of(profile: &Path) -> anyhow::Result<Label> {
    let stem = profile.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    match stem {
        Some(stem) if stem != "-" => stem
            .parse()
            .map_err(|error: InvalidName| anyhow!("{error}. Or give another one with --name")),
        _ => Err(anyhow!(
            "standard input has no name: say what the application is called with --name"
        )),
    }
}

/// Runs `strait export`.
pub fn main(args: &ExportArgs, ui: &Ui) -> Outcome {
    let options = args.options()?;
    let home = Home::from(args.to);
    if home == Home::OciArtifact && args.output.is_none() {
        let error = anyhow!("an OCI layout is a folder: say where it goes with -o DIR");
        return Err(Failure::new(exit::USAGE, error));
    }
    if args.machine.is_some() && !home.depends_on_machine() {
        let error = anyhow!(
            "--machine is for spo and systemd: all others are given the profile as it is, for every machine"
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    let name = shown(&args.profile);
    let cannot_use = || format!("cannot use {name}");
    let profile = profile::parse(&read_text(&args.profile)?).with_context(cannot_use)?;
    let errors: Vec<_> =
        lint(&profile).into_iter().filter(|found| found.severity == Severity::Error).collect();
    if !errors.is_empty() {
        return Err(anyhow::Error::new(Findings(errors)).context(cannot_use()).into());
    }
    let exported = export(&profile, home, &options).map_err(|error| {
        let usage = matches!(error, ExportError::Missing { .. });
        Failure::new(if usage { exit::USAGE } else { exit::FAILED }, error)
    })?;
    match &args.output {
        Some(folder) => write_folder(folder, &exported, ui)?,
        None => Report::Other(stream(&exported, home)).write(&Output::Stdout)?,
    }
    for warning in &exported.warnings {
        ui.warn(warning);
    }
    for note in &exported.notes {
        ui.say(note);
    }
    if args.output.is_none()
        && let Some(file) = exported.files.iter().find(|file| file.is_data)
    {
        ui.say(format_args!("-o DIR writes the profile too, as {}", file.path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// All text in one stream. Documents of YAML are separated as such, all other files by their names.
fn stream(exported: &Exported, home: Home) -> String {
    let texts: Vec<(&Path, String)> = exported
        .files
        .iter()
        .filter(|file| !file.is_data)
        .map(|file| (file.path.as_path(), String::from_utf8_lossy(&file.bytes).into_owned()))
        .collect();
    if let [(_, text)] = texts.as_slice() {
        return text.clone();
    }
    let manifests = matches!(home, Home::Configmap | Home::Kustomize | Home::Spo);
    let mut stream = String::new();
    for (nth, (path, text)) in texts.iter().enumerate() {
        if nth > 0 {
            stream.push_str(if manifests { "---\n" } else { "\n" });
        }
        stream.push_str(&format!("# {}\n{text}", path.display()));
    }
    stream
}

/// Writes every file, the folder and its subfolders if they are missing.
fn write_folder(folder: &Path, exported: &Exported, ui: &Ui) -> Result<(), Failure> {
    let places: Vec<PathBuf> = exported.files.iter().map(|file| folder.join(&file.path)).collect();
    for place in &places {
        if let Some(parent) = place.parent() {
            output::make_folder(parent)
                .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        }
        Output::File(place.clone()).check()?;
    }
    // What is most important comes last, so that it never names a file that is not there.
    for (file, place) in exported.files.iter().zip(&places).rev() {
        Output::File(place.clone()).write(&file.bytes)?;
    }
    for place in &places {
        ui.say(format_args!("wrote {}", place.display()));
    }
    Ok(())
}
