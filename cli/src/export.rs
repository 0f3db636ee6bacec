//! `strait export`.

#[path = "export/others.rs"]
mod others;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::ui::Report;
use super::{Ui, given, shown};
use strait_generator::choice::Choice;
use strait_generator::export::{
    ExportError, Exported, InvalidName, Kind, Label, Options, Reference, Release, Target,
    WorkloadRef, export_all,
};
use strait_generator::machine::Machines;
use strait_generator::manifest::name::Named;
use strait_generator::profile::Workload;
use strait_recorder::output::{self, Output};

/// Convert a profile for Kubernetes, compose, systemd and other targets
///
/// Writes what the software reads that --to names, each the way its users write it. What a target cannot
/// express is left out, so that less is allowed, and reported on standard error. Only systemd, which cannot
/// compare arguments, may allow more: these calls are named.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait export nginx.json --to configmap --namespace web | kubectl apply -f -
  strait export nginx.json --to spo --image nginx:1.27 -o manifests
  strait export nginx.json --to systemd > 50-seccomp.conf
  strait export profiles/ --to compose -o seccomp
  strait export init.json --to kustomize --workload deployment/web \\
      --container migrate --init -o component
  strait export nginx.json --to oci-artifact -o layout
  skopeo copy oci:layout docker://registry.example.com/seccomp/nginx:1.27

Several profiles go into one file if the target has one for all of its containers (compose, kustomize), and \
into a folder for each application otherwise. A file that another export has written to DIR is not \
overwritten.

Without -o the text goes to standard output. A profile that the target needs as a file of its own is written \
only with -o. File names contain the release and a hash of the content, because a node reads a profile only \
when a container starts.")]
pub struct ExportArgs {
    /// Profiles, or folders of them; - is standard input. Evidence beside them is skipped
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    /// Target
    #[arg(long, value_name = "TARGET", value_parser = one_of::<Target>(), help_heading = "Target")]
    to: Target,
    /// Folder for the files; created if it is missing; - is standard output [default: -]
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Name of the application [default: the file name of the profile, without version]
    #[arg(long, value_name = "NAME", help_heading = "The application")]
    name: Option<Label>,
    /// Release of the application, such as 1.27.3
    #[arg(long, value_name = "RELEASE", help_heading = "The application")]
    release: Option<Release>,
    /// Namespace of the objects
    #[arg(long, value_name = "NAMESPACE", help_heading = "The application")]
    namespace: Option<Label>,
    /// Image that runs under the profile
    #[arg(long, value_name = "IMAGE", help_heading = "The application")]
    image: Option<Reference>,
    /// Container, or compose service, that runs under the profile [default: the whole pod]
    #[arg(long, value_name = "CONTAINER", help_heading = "The application")]
    container: Option<Label>,
    /// The container is an init container or a sidecar (kustomize)
    ///
    /// Both are in initContainers of a pod. Ephemeral containers are in no pod template: give them a profile
    /// when you add them, with `kubectl debug --custom`.
    #[arg(long, requires = "container", help_heading = "The application")]
    init: bool,
    /// Workload to patch [default: deployment/NAME]
    #[arg(long, value_name = "KIND/NAME", help_heading = "The application")]
    workload: Option<WorkloadRef>,
    /// Reference of the profile in a registry
    #[arg(long, value_name = "REFERENCE", help_heading = "The application")]
    artifact: Option<Reference>,
    /// Machines that will load the profile, for targets that need the names of calls [default: all]
    #[arg(long, value_name = "MACHINE", value_parser = one_of::<Machines>(), help_heading = "The application")]
    machine: Option<Machines>,
}

impl ExportArgs {
    /// How one of the profiles is called and what it is bound to.
    fn options(&self, profile: &Path) -> Result<Options, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => name_of(profile).map_err(|error| Failure::new(exit::USAGE, error))?,
        };
        Ok(Options {
            name,
            release: self.release.clone(),
            namespace: self.namespace.clone(),
            image: self.image.clone(),
            container: self.container.clone(),
            is_init: self.init,
            workload: self.workload.clone(),
            artifact: self.artifact.clone(),
            machines: self.machine.unwrap_or(Machines::ALL),
        })
    }

    fn folder(&self) -> Option<&Path> {
        self.output.as_deref().filter(|folder| folder.as_os_str() != "-")
    }

    /// Refuses options that contradict the number of profiles, or the target.
    fn check(&self, count: usize) -> Result<(), Failure> {
        for (option, is_given) in [
            ("--name", self.name.is_some()),
            ("--image", self.image.is_some()),
            ("--container", self.container.is_some()),
            ("--workload", self.workload.is_some()),
            ("--artifact", self.artifact.is_some()),
        ] {
            given::only_for_one(count, option, is_given)?;
        }
        let usage = |error| Err(Failure::new(exit::USAGE, error));
        if self.init && !self.to.has_init() {
            return usage(anyhow!(
                "--init is for {}: no other target patches init containers",
                names(Target::has_init)
            ));
        }
        if self.to.kind() == Kind::Layout && self.folder().is_none() {
            return usage(anyhow!("an OCI layout is a folder: say where it goes with -o DIR"));
        }
        Ok(())
    }
}

/// The targets of which something is true, as in a sentence.
fn names(are: fn(Target) -> bool) -> String {
    let names = Target::all().into_iter().filter(|target| are(*target)).map(Target::name);
    let names: Vec<_> = names.collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// The application's name, from the profile's: `nginx` for `nginx.json` and `nginx-1.27.json`.
fn name_of(profile: &Path) -> anyhow::Result<Label> {
    if profile.as_os_str() == "-" {
        bail!("standard input has no name: name the application with --name");
    }
    let app = Named::new(profile, b"").app;
    app.parse().map_err(|error: InvalidName| anyhow!("{error}. Or choose a name with --name"))
}

/// Runs `strait export`.
pub fn main(args: &ExportArgs, ui: &Ui) -> Outcome {
    let target = args.to;
    args.check(1)?;
    let found = given::profiles(&args.profiles, ui)?;
    args.check(found.len())?;
    let mut profiles = Vec::new();
    for (path, text) in found {
        let given = given::parse(&path, text, &Workload::default(), Machines::ALL, ui)?;
        let options = args.options(&path)?;
        given.require_usable(&path, ui)?;
        if !given.flags.is_empty() {
            let flags = given.flags.join(", ");
            ui.warn(format_args!(
                "{}: left out, since not every target has them: {flags}",
                shown(&path)
            ));
        }
        profiles.push((given.profile, options));
    }
    if args.machine.is_some() && !target.depends_on_machine() {
        let error = anyhow!(
            "--machine is for {}: all others are given the profile as it is, for every machine",
            names(Target::depends_on_machine)
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    let exported = export_all(&profiles, target).map_err(|error| {
        let usage = matches!(error, ExportError::Missing { .. });
        Failure::new(if usage { exit::USAGE } else { exit::FAILED }, error)
    })?;
    match args.folder() {
        Some(folder) => {
            let names: Vec<&str> =
                profiles.iter().map(|(_, options)| options.name.as_str()).collect();
            others::check(folder, &exported, &names)?;
            write_folder(folder, &exported, ui)?;
        }
        None => Report::Other(stream(&exported, target)).write(&Output::Stdout)?,
    }
    for warning in &exported.warnings {
        ui.warn(warning);
    }
    for note in &exported.notes {
        ui.say(note);
    }
    if args.folder().is_none()
        && let Some(file) = exported.files.iter().find(|file| file.is_data)
    {
        ui.say(format_args!("-o DIR writes the profile too, as {}", file.path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// All text in one stream. Documents of YAML are separated as such, all other files by their names.
fn stream(exported: &Exported, target: Target) -> String {
    let texts: Vec<(&Path, String)> = exported
        .files
        .iter()
        .filter(|file| !file.is_data)
        .map(|file| (file.path.as_path(), String::from_utf8_lossy(&file.bytes).into_owned()))
        .collect();
    if let [(_, text)] = texts.as_slice() {
        return text.clone();
    }
    let manifests = target.kind() == Kind::Manifest;
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
