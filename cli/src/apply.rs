//! `strait apply`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::choice::one_of;
use super::exit::{self, Failure, Outcome};
use super::given::{self, What};
use super::manifests::{self, Edit, Source};
use super::profiles::{ProfileFile, is_profile};
use super::{Ui, shown};
use strait_generator::export::Release;
use strait_generator::manifest::apply::{Applied, Level, Options, apply};
use strait_generator::manifest::assign::{Candidate, Mapping, Profiles, Used};
use strait_generator::manifest::audit::{Audit, Version};
use strait_generator::manifest::{Manifest, ManifestError};
use strait_generator::profile;
use strait_recorder::output::Output;

/// Set profiles in Kubernetes manifests and leave all other bytes untouched
///
/// Sets securityContext.seccompProfile on each container that has the same name as the profile (its file name
/// without version), runs an image of that name, or is named by --map. Supports pods, everything with a pod
/// template, lists, and files with several documents. Comments, order, quotes and indentation stay as they
/// are: Strait parses the edited file again and writes it only if it differs in nothing else.
///
/// Shows a unified diff unless --in-place or --output is given; manifests from standard input go to standard
/// output. A folder stands for all *.yaml, *.yml and *.json files in it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait apply nginx.json deploy/web.yaml
  strait apply nginx.json redis.json deploy/ --in-place
  strait apply app.json web.yaml --map frontend=app.json
  strait apply nginx.json deploy/ --release 1.27 --in-place
  helm template shop | strait apply shop.json - | kubectl apply -f -

With --release 1.27, localhostProfile is nginx/1.27-3f9a2c41d08e.json: a node reads a profile only when a \
container starts, so give each release its own name. `strait bundle` makes the files for the nodes.

Exit status: 1, and nothing is written, if a profile matches no container, two match one, or a file cannot \
be edited without changing something else.")]
pub struct ApplyArgs {
    /// Profiles and manifests in any order; - is a manifest from standard input. Evidence beside profiles is
    /// skipped
    #[arg(required = true, value_name = "PROFILE… MANIFEST…")]
    files: Vec<PathBuf>,
    /// Use a profile for a container, whatever their names are; WORKLOAD/CONTAINER for only one
    #[arg(short, long, value_name = "CONTAINER=PROFILE", help_heading = "Which container")]
    map: Vec<String>,
    /// Name the profile after a release: APP/RELEASE-HASH.json, as `strait bundle` does
    #[arg(long, value_name = "RELEASE", help_heading = "What to write")]
    release: Option<Release>,
    /// Folder of the profiles below the seccomp folder of the kubelet
    #[arg(long, value_name = "FOLDER", help_heading = "What to write")]
    prefix: Option<String>,
    /// Where to set the profile; on a pod only if it is for all of its containers
    #[arg(long, value_name = "LEVEL", default_value = "container", value_parser = one_of::<Level>(), help_heading = "What to write")]
    level: Level,
    /// Set allowPrivilegeEscalation: false on these containers, too
    ///
    /// Then `strait generate --no-new-privs` makes a smaller profile.
    #[arg(long, help_heading = "What to write")]
    no_privilege_escalation: bool,
    /// Remove the annotations that the field has replaced, too
    #[arg(long, help_heading = "What to write")]
    fix: bool,
    /// Edit the files
    #[arg(short, long, conflicts_with = "output", help_heading = "Output")]
    in_place: bool,
    /// Write all files, edited or not, to this folder
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Show a diff of standard input, too
    #[arg(long, conflicts_with_all = ["in_place", "output"], help_heading = "Output")]
    diff: bool,
}

/// Runs `strait apply`.
pub fn main(args: &ApplyArgs, ui: &Ui) -> Outcome {
    let (mut files, sources) = sort(args, ui)?;
    let profiles = profiles(args, &mut files, ui)?;
    let options =
        Options { level: args.level, no_escalation: args.no_privilege_escalation, fix: args.fix };
    let mut used = Used::default();
    let mut applied = Vec::new();
    let mut audits = Vec::new();
    for source in &sources {
        let mut used_with_it = used.clone();
        match apply_to(source, &profiles, options, &mut used_with_it) {
            Ok((outcome, audit)) => {
                used = used_with_it;
                applied.push(outcome);
                audits.push(audit);
            }
            // One template in a folder is no reason to leave the others as they are.
            Err(error) if !source.named && error.is_about_the_file() => {
                ui.warn(format_args!("not changed: {}", source.failure(&error).error));
                applied.push(Applied::nothing(&source.text));
            }
            Err(error) => return Err(source.failure(&error)),
        }
    }
    check_all_used(args, &profiles, &used, &applied)?;
    let edits: Vec<Edit<'_>> = sources
        .iter()
        .zip(&applied)
        .filter(|(_, applied)| !applied.edited.splices.is_empty())
        .map(|(source, applied)| Edit { source, text: applied.edited.text.clone() })
        .collect();
    deliver(args, &sources, &edits, ui)?;
    tell(&profiles, &applied, &audits, &edits, ui);
    Ok(ExitCode::SUCCESS)
}

/// What becomes of a file, and what there is to say about it then.
fn apply_to(
    source: &Source,
    profiles: &Profiles,
    options: Options,
    used: &mut Used,
) -> Result<(Applied, Audit), ManifestError> {
    let before = Manifest::parse(&source.text)?;
    let outcome = apply(&before, profiles, options, used)?;
    let after = Manifest::parse(&outcome.edited.text)?;
    let audit = Audit::compare(&source.shown(), &before, &after, Version::newest());
    Ok((outcome, audit))
}

/// Tells profiles from manifests.
fn sort(args: &ApplyArgs, ui: &Ui) -> Result<(Vec<ProfileFile>, Vec<Source>), Failure> {
    let mut files: Vec<ProfileFile> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    for path in &args.files {
        let read = manifests::read(std::slice::from_ref(path))?;
        let is_own = |source: &Source| !source.is_stdin() && is_profile(&source.text);
        // A folder with nothing but profiles and what is beside them is one of profiles.
        let are_profiles = read.iter().all(is_own);
        if are_profiles && read.iter().all(|source| given::what(&source.text) == What::Recording) {
            let error = anyhow!(
                "{} is neither a profile nor a manifest: make a profile of its recordings with \
                 `strait generate RECORDING -o PROFILE`",
                shown(path)
            );
            return Err(error.into());
        }
        for source in read {
            if are_profiles && given::what(&source.text) == What::Evidence {
                ui.say(format_args!("{} is evidence and was skipped", source.shown()));
            } else if are_profiles && path.is_dir() && given::what(&source.text) != What::Profile {
                ui.say(format_args!("{} is not a profile and was skipped", source.shown()));
            } else if are_profiles {
                files.push(ProfileFile::new(&source.path, source.text, ui)?);
            } else if !sources.iter().any(|other| other.path == source.path) {
                sources.push(source);
            }
        }
    }
    let wrong = |text: &str| Failure::new(exit::USAGE, anyhow!("{text}"));
    if files.is_empty() && args.map.is_empty() {
        // It may have been meant as one.
        for source in sources.iter().filter(|source| args.files.contains(&source.path)) {
            if source.path.extension().is_some_and(|extension| extension == "json") {
                profile::json(&source.text)
                    .with_context(|| format!("cannot use {}", source.path.display()))?;
            }
        }
        return Err(wrong("no profile is given: name one that `strait generate` has made"));
    }
    if sources.is_empty() {
        return Err(wrong("no manifest is given: name a file, a folder, or - for standard input"));
    }
    if args.in_place && sources.iter().any(Source::is_stdin) {
        return Err(wrong("standard input cannot be edited in place: leave out --in-place"));
    }
    if args.output.is_some() && sources.iter().any(Source::is_stdin) {
        return Err(wrong("standard input has no name in a folder: leave out --output"));
    }
    if sources.len() > 1 && sources.iter().any(Source::is_stdin) {
        return Err(wrong("standard input cannot be mixed with files: run Strait for each"));
    }
    Ok((files, sources))
}

/// Names the profiles, and finds those of `--map`.
fn profiles(args: &ApplyArgs, files: &mut Vec<ProfileFile>, ui: &Ui) -> Result<Profiles, Failure> {
    let mut profiles = Profiles::default();
    let named = files.len();
    for mapping in &args.map {
        let mapping =
            parse_mapping(mapping, files, ui).map_err(|error| Failure::new(exit::USAGE, error))?;
        profiles.mappings.push(mapping);
    }
    for (nth, file) in files.iter().enumerate() {
        if !file.is_plain && args.release.is_none() {
            ui.warn(format_args!(
                "{} is not plain OCI, and nodes have to get it as plain OCI: `strait convert` or `strait bundle` \
                 writes it",
                shown(&file.path)
            ));
        }
        let localhost = file.localhost(args.release.as_ref(), args.prefix.as_deref())?;
        let same_name = |other: &Candidate| other.localhost == localhost;
        if let Some(other) = profiles.candidates.iter().find(|other| same_name(other)) {
            return Err(anyhow!(
                "{} and {} would both be {localhost} on a node: rename one of them, or use --release",
                other.file,
                file.path.display()
            )
            .into());
        }
        let mut names = vec![file.named.app.clone()];
        if nth >= named {
            // Only named in a mapping, and so only for what that says.
            names.clear();
        } else if file.named.bundled.is_none() && file.named.stem != file.named.app {
            names.push(file.named.stem.clone());
        }
        let file = file.path.display().to_string();
        profiles.candidates.push(Candidate { file, names, localhost });
    }
    Ok(profiles)
}

fn parse_mapping(text: &str, files: &mut Vec<ProfileFile>, ui: &Ui) -> anyhow::Result<Mapping> {
    let Some((who, name)) =
        text.split_once('=').filter(|(who, name)| !who.is_empty() && !name.is_empty())
    else {
        bail!("--map {text}: write it as CONTAINER=PROFILE");
    };
    let called: Vec<usize> = files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.is_called(name))
        .map(|(nth, _)| nth)
        .collect();
    let profile = match called.as_slice() {
        [one] => *one,
        [] if std::path::Path::new(name).is_file() => {
            files.push(ProfileFile::read(std::path::Path::new(name), ui)?);
            files.len() - 1
        }
        [] => bail!(
            "--map {text}: there is no profile {name}. Name a file, or a profile that is given"
        ),
        [_, ..] => bail!("--map {text}: several profiles have the name {name}. Give the file"),
    };
    let (workload, container) = match who.rsplit_once('/') {
        Some((workload, container)) => (Some(workload.to_owned()), container.to_owned()),
        None => (None, who.to_owned()),
    };
    Ok(Mapping { workload, container, profile })
}

/// Refuses profiles and mappings that nothing in the manifests is meant by.
fn check_all_used(
    args: &ApplyArgs,
    profiles: &Profiles,
    used: &Used,
    applied: &[Applied],
) -> anyhow::Result<()> {
    let mut names: Vec<&str> = applied
        .iter()
        .flat_map(|one| {
            let served = one.served.iter().map(|served| served.container.as_str());
            served.chain(one.unserved.iter().map(|(_, container)| container.as_str()))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let there = if names.is_empty() {
        "there are none in these manifests".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    let mut windows: Vec<&str> =
        applied.iter().flat_map(|one| &one.windows).map(String::as_str).collect();
    windows.dedup();
    let windows = if windows.is_empty() {
        String::new()
    } else {
        format!(" (Windows pods must not have a profile: {})", windows.join(", "))
    };
    for (index, mapping) in args.map.iter().enumerate() {
        if !used.mappings.contains(&index) {
            bail!("--map {mapping}: there is no such container{windows}; {there}");
        }
    }
    for (index, profile) in profiles.candidates.iter().enumerate() {
        if !used.profiles.contains(&index) {
            bail!(
                "{} matches no container{windows}: none has the name {} or an image of that name; {there}. \
                 Choose one with --map CONTAINER={}",
                profile.file,
                profile.names.join(" or "),
                profile.file
            );
        }
    }
    Ok(())
}

fn deliver(
    args: &ApplyArgs,
    sources: &[Source],
    edits: &[Edit<'_>],
    ui: &Ui,
) -> anyhow::Result<()> {
    let stdin = sources.first().filter(|source| source.is_stdin());
    if args.in_place {
        manifests::write_in_place(edits, ui)
    } else if let Some(folder) = &args.output {
        manifests::write_below(folder, sources, edits, ui)
    } else if let Some(source) = stdin.filter(|_| !args.diff) {
        let text = edits.first().map_or(&source.text, |edit| &edit.text);
        Ok(Output::Stdout.write(text.as_bytes())?)
    } else {
        manifests::diff(edits).write(&Output::Stdout).map_err(|failure| failure.error)
    }
}

/// What people want to know besides the edit itself.
fn tell(profiles: &Profiles, applied: &[Applied], audits: &[Audit], edits: &[Edit<'_>], ui: &Ui) {
    for (index, profile) in profiles.candidates.iter().enumerate() {
        let served = applied.iter().flat_map(|one| &one.served);
        let who: Vec<String> = served
            .filter(|served| served.profile == index)
            .map(|served| format!("{} of {}", served.container, served.owner))
            .collect();
        ui.say(format_args!("{} is for {}", profile.localhost, who.join(", ")));
    }
    let unserved: Vec<String> = applied
        .iter()
        .flat_map(|one| &one.unserved)
        .map(|(owner, container)| format!("{container} of {owner}"))
        .collect();
    if !unserved.is_empty() {
        ui.say(format_args!("no profile is for {}", unserved.join(", ")));
    }
    for pod in applied.iter().flat_map(|one| &one.windows) {
        ui.warn(format_args!("{pod} runs on Windows and must not have a profile: left unchanged"));
    }
    for audit in audits {
        ui.show(&audit.text(true));
    }
    if edits.is_empty() {
        ui.say("nothing to change");
    }
}
