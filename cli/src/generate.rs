//! `strait generate`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::targets::{self, Group};
use super::ui::Report;
use super::{Ui, capabilities, record};
use strait_generator::evidence::{self, Added, Evidence};
use strait_generator::generate::{
    ArgumentFilters, Generalize, GenerateError, Generated, Options, RefuseWith, Runtimes, Startup,
    check, generate,
};
use strait_generator::machine::{Machine, Machines};
use strait_generator::policy::Capability;
use strait_generator::profile::{self, Profile};
use strait_generator::recording::Recording;
use strait_generator::recording::merge::merge;
use strait_generator::recording::target::{TargetIds, file_names};
use strait_recorder::enforce::prove_for;
use strait_recorder::output::{self, Output};

/// Make a seccomp profile from recordings
///
/// Recordings of one target, its releases, replicas and test runs, make one profile. The target of a
/// container is its engine, namespace or project, workload, name and image without tag and digest; commands
/// are one target unless they were recorded with a name (record --name). Different targets are mixed only
/// with --allow-mixed; if the output is a folder, each target gets a profile there.
///
/// The profile allows what was recorded and what every program needs, and nothing that the Docker default
/// refuses. It is plain OCI seccomp JSON, as docker, podman, containerd, CRI-O and Kubernetes load it. A
/// summary goes to standard error.
///
/// A container runtime makes calls of its own after the profile is in force and before the workload starts.
/// They differ between runtimes, so a profile allows what runc, crun and youki need; --runtime and
/// --no-new-privs reduce that. Calls that only the runtime of a recorded container made are left out unless a
/// runtime that may start the workload needs them. --runtime recorded adds nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait generate nginx.recording.json -o nginx.json
  strait generate shard-*.recording.json > app.json
  strait generate recordings/ -o profiles/
  strait generate app.recording.json --runtime runc --no-new-privs -o app.json
  strait generate app.recording.json --arch x86_64,aarch64 -o app.json
  docker run --security-opt seccomp=nginx.json nginx

Exit status: 1 if recordings are of different targets; 3 if nothing was recorded; 4 if a recording is \
incomplete.")]
pub struct GenerateArgs {
    /// Recordings, or folders of them (*.recording.json); - is standard input
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// Write the profile here; - is standard output; a folder, or a path that ends in /, gets a profile for
    /// each target
    #[arg(short, long, value_name = "FILE|DIR", default_value = "-", help_heading = "Output")]
    output: PathBuf,
    /// Make one profile of different targets: it allows each of them what only others need
    #[arg(long, help_heading = "Which recordings")]
    allow_mixed: bool,
    /// Use incomplete recordings, too
    #[arg(long, help_heading = "Which recordings")]
    allow_incomplete: bool,
    /// Use recordings of processes that only look like a container (unconfirmed@…), too
    #[arg(long, help_heading = "Which recordings")]
    allow_unconfirmed: bool,
    /// Action for calls that the profile does not name
    #[arg(long, value_name = "ACTION", default_value = "enosys", value_parser = one_of::<RefuseWith>(), help_heading = "How narrow")]
    refuse_with: RefuseWith,
    /// Capabilities that the workload will have besides those that Docker gives by default; or ALL
    ///
    /// Without this and --cap-drop, the recording of a container says which it has.
    #[arg(long, value_name = "CAP", value_delimiter = ',', help_heading = "The workload")]
    cap_add: Vec<String>,
    /// Capabilities that the workload will not have; ALL drops those that Docker gives by default
    #[arg(long, value_name = "CAP", value_delimiter = ',', help_heading = "The workload")]
    cap_drop: Vec<String>,
    /// How much to filter by argument
    #[arg(long, value_name = "HOW", default_value = "standard", value_parser = one_of::<ArgumentFilters>(), help_heading = "How narrow")]
    args: ArgumentFilters,
    /// What the profile allows besides what was recorded
    ///
    /// A test run does not show all that a workload does: a reload, a crash, a full disk. With `reach` the profile also
    /// allows calls of low risk that give a compromised process nothing that it does not have already, each with its
    /// reason (`strait explain`).
    #[arg(long, value_name = "HOW", default_value = "reach", value_parser = one_of::<Generalize>(), help_heading = "How narrow")]
    generalize: Generalize,
    /// Machines on which the profile is used, besides those of the recordings: x86_64,aarch64,riscv64
    ///
    /// Other machines have other calls: a program that calls `open` on x86-64 calls `openat` on arm64. What stands for
    /// what is known from a table; the summary lists what was added, and what has no counterpart.
    #[arg(long, value_name = "MACHINE", value_delimiter = ',', value_parser = one_of::<Machines>(), help_heading = "The workload")]
    arch: Vec<Machines>,
    /// Container runtimes that must be able to start the workload
    #[arg(long, value_name = "RUNTIME", default_value = "any", value_parser = one_of::<Runtimes>(), help_heading = "The workload")]
    runtime: Runtimes,
    /// The workload will have no_new_privs, so fewer calls are needed to start it
    ///
    /// Kubernetes: allowPrivilegeEscalation: false. Docker: --security-opt no-new-privileges.
    #[arg(long, help_heading = "The workload")]
    no_new_privs: bool,
    /// An init process will run in front of the workload, as with docker run --init
    #[arg(long, help_heading = "The workload")]
    init: bool,
    /// Do not write the evidence: which program and test made each call
    ///
    /// Evidence goes into FILE.evidence.json beside FILE.json; `strait diff` and `strait explain` read it.
    #[arg(long, help_heading = "Output")]
    no_evidence: bool,
}

impl GenerateArgs {
    /// Where profiles of several targets go, if that is what was asked for.
    fn folder(&self) -> Option<&Path> {
        let is_folder = self.output.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_standard_output = self.output.as_os_str() == "-";
        let is_folder = is_folder || !is_standard_output && self.output.is_dir();
        is_folder.then_some(self.output.as_path())
    }

    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            allow_incomplete: self.allow_incomplete,
            allow_unconfirmed: self.allow_unconfirmed,
            refuse_with: self.refuse_with,
            capabilities: self.capabilities()?,
            startup: Startup {
                runtimes: self.runtime,
                no_new_privs: self.no_new_privs,
                init: self.init,
            },
            arguments: self.args,
            generalize: self.generalize,
            machines: Machine::ALL
                .into_iter()
                .filter(|machine| self.arch.iter().any(|some| some.contains(*machine)))
                .collect(),
            ..Options::default()
        })
    }

    /// Docker's default with what was asked for; `None` if nothing was.
    fn capabilities(&self) -> Result<Option<BTreeSet<Capability>>, Failure> {
        if self.cap_add.is_empty() && self.cap_drop.is_empty() {
            return Ok(None);
        }
        let (added, dropped) = (capabilities(&self.cap_add)?, capabilities(&self.cap_drop)?);
        // As Docker has it: of ALL what is dropped is taken away, of others it is not.
        Ok(Some(match added == Capability::all() {
            true => &added - &dropped,
            false => &(&Capability::docker_default() - &dropped) | &added,
        }))
    }
}

/// The exit status for it.
pub fn code(error: &GenerateError) -> u8 {
    match error {
        GenerateError::NoRecording
        | GenerateError::Empty { .. }
        | GenerateError::Unconfirmed { .. }
        | GenerateError::NotStarted { .. } => exit::EMPTY,
        GenerateError::Incomplete { .. } => exit::INCOMPLETE,
        _ => exit::FAILED,
    }
}

/// Who made the calls, as a file.
fn evidence_of(
    recordings: Vec<Recording>,
    profile: &Profile,
    added: BTreeMap<String, Added>,
) -> Result<String, Failure> {
    // Recordings of different targets make one profile if that is what was asked for.
    let all = merge(recordings, true)?;
    Ok(evidence::v1::print(&Evidence::from_recording(&all).for_profile(profile).with_added(added))?)
}

/// Runs `strait generate`.
pub fn main(args: &GenerateArgs, ui: &Ui) -> Outcome {
    let options = args.options()?;
    let paths = targets::expand(&args.recordings)?;
    let recordings: Vec<_> = paths
        .into_iter()
        .map(|path| record::read(&path).map(|recording| (path, recording)))
        .collect::<Result<_, Failure>>()?;
    let folder = args.folder();
    if folder.is_some() && args.allow_mixed {
        let error = anyhow!(
            "{} is a folder, which gets a profile for each target, and --allow-mixed makes one profile of \
             all: use one of the two",
            args.output.display()
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    if folder.is_none() {
        Output::from(args.output.clone()).check()?;
    }
    let used = confirmed(recordings, args.allow_unconfirmed, ui);
    for (path, recording) in &used {
        check(recording, &options).map_err(|error| {
            let code = code(&error);
            let context = format!("cannot use {}", super::shown(path));
            Failure::new(code, anyhow::Error::from(error).context(context))
        })?;
    }
    let groups = if args.allow_mixed {
        vec![used.into_iter().map(|(_, recording)| recording).collect()]
    } else {
        separate(used, folder.is_some(), ui)?
    };
    let Some(folder) = folder else {
        let made = groups.into_iter().map(|recordings| Made::from_recordings(recordings, &options));
        for made in made.collect::<Result<Vec<_>, Failure>>()? {
            made.write(&Output::from(args.output.clone()), !args.no_evidence, ui)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let targets: Vec<TargetIds> = groups.iter().map(|group| all_targets(group)).collect();
    let names = file_names(&targets.iter().collect::<Vec<_>>());
    // Before the first file is written, all can be.
    let made: Vec<Made> = groups
        .into_iter()
        .map(|recordings| Made::from_recordings(recordings, &options))
        .collect::<Result<_, Failure>>()?;
    output::make_folder(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let places = names.iter().map(|name| Output::File(folder.join(format!("{name}.json"))));
    let places: Vec<Output> = places.collect();
    places.iter().try_for_each(Output::check)?;
    for (made, place) in made.into_iter().zip(&places) {
        made.write(place, !args.no_evidence, ui)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves out what only looks like a container, and says so. If there is nothing else, that is the error.
fn confirmed(
    recordings: Vec<(PathBuf, Recording)>,
    allow_unconfirmed: bool,
    ui: &Ui,
) -> Vec<(PathBuf, Recording)> {
    let (used, left_out): (Vec<_>, Vec<_>) = recordings
        .into_iter()
        .partition(|(_, recording)| allow_unconfirmed || !recording.is_unconfirmed());
    let (used, left_out) = if used.is_empty() { (left_out, used) } else { (used, left_out) };
    for (path, _) in left_out {
        ui.warn(format_args!(
            "{} was left out: it is unconfirmed, a recording of what only looks like a container \
             (--allow-unconfirmed)",
            super::shown(&path)
        ));
    }
    used
}

/// The recordings of each target. Without a folder for several profiles there may be one target only.
fn separate(
    recordings: Vec<(PathBuf, Recording)>,
    several: bool,
    ui: &Ui,
) -> Result<Vec<Vec<Recording>>, Failure> {
    let groups = targets::grouped(recordings);
    if groups.len() > 1 && !several {
        let listed = groups.iter().map(|Group { targets, recordings }| {
            (targets, recordings.iter().map(|(path, _)| path.as_path()).collect())
        });
        let advice = "For a profile of each, give a folder (-o DIR/); for one profile of all, pass \
             --allow-mixed";
        return Err(targets::mixed(listed, advice).into());
    }
    let recordings = |group: Group| group.recordings.into_iter().map(|(_, one)| one).collect();
    let groups: Vec<Vec<Recording>> = groups.into_iter().map(recordings).collect();
    groups.iter().for_each(|group| targets::note_commands(group, ui));
    Ok(groups)
}

fn all_targets(recordings: &[Recording]) -> TargetIds {
    recordings.iter().flat_map(Recording::targets).collect()
}

/// A profile that is made and not yet written.
struct Made {
    recordings: Vec<Recording>,
    generated: Generated,
    text: String,
}

impl Made {
    fn from_recordings(recordings: Vec<Recording>, options: &Options) -> Result<Self, Failure> {
        let generated =
            generate(&recordings, options).map_err(|error| Failure::new(code(&error), error))?;
        let text =
            profile::print(&generated.profile).context("cannot write the profile as JSON")?;
        Ok(Self { recordings, generated, text })
    }

    /// Writes the profile, says what there is to say about it, and puts the evidence beside it.
    fn write(self, output: &Output, evidence: bool, ui: &Ui) -> Result<(), Failure> {
        let Self { recordings, generated: Generated { profile, summary, added }, text } = self;
        Report::json(&text).write(output)?;
        ui.show(&summary.text());
        if let Output::File(path) = output {
            ui.say(format_args!("wrote {}", path.display()));
        }
        for machine in profile.listed_machines().iter() {
            if let Err(error) = prove_for(&profile, machine) {
                ui.warn(format_args!(
                    "a container runtime on {machine} with this release of libseccomp does not enforce the \
                     profile as written, and `strait verify` would refuse it: {error}. Fewer conditions may \
                     help (--args baseline)"
                ));
            }
        }
        if let Some(beside) = output.beside(evidence::beside).filter(|_| evidence) {
            match evidence_of(recordings, &profile, added) {
                Ok(text) => Report::json(&text).write(&beside)?,
                Err(Failure { error, .. }) => {
                    ui.warn(format_args!("no evidence is written: {error}"));
                }
            }
        }
        Ok(())
    }
}
