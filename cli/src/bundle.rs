//! `strait bundle`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::Ui;
use super::exit::{self, Failure, Outcome};
use super::given;
use super::manifests;
use super::profiles::ProfileFile;
use strait_generator::export::Release;
use strait_generator::manifest::bundle::{self, Usage};
use strait_recorder::files;
use strait_recorder::output::{self, Output};

/// Keep the profiles of several releases side by side, named after their content
///
/// DIR becomes the folder that nodes have as /var/lib/kubelet/seccomp: APP/RELEASE-HASH.json for each
/// profile, where APP is the file name of the profile without version, and HASH is the beginning of the
/// SHA-256 of its content. Old releases stay for the pods that still run, until --prune removes those that no
/// manifest uses.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  strait bundle seccomp nginx.json redis.json --release 1.27
  strait bundle seccomp nginx.json --release 1.28 --manifests deploy/
  strait bundle seccomp --manifests deploy/ --manifests live.yaml --prune
  strait bundle seccomp --manifests deploy/ --prune --dry-run

Give --manifests of every cluster that gets the bundle, and of what runs there now (kubectl get \
pods,deployments,… -A -o yaml): a pod whose profile is gone does not start again.")]
pub struct BundleArgs {
    /// Folder of the bundle; created if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Profiles to add, or folders of them; evidence beside them is skipped
    #[arg(value_name = "PROFILE", requires = "release")]
    profiles: Vec<PathBuf>,
    /// Release of the profiles
    #[arg(long, value_name = "RELEASE", help_heading = "What to add")]
    release: Option<Release>,
    /// Manifests, or folders of them, that use profiles; - is standard input
    #[arg(long, value_name = "MANIFEST", help_heading = "What to remove")]
    manifests: Vec<PathBuf>,
    /// Remove the profiles that no manifest uses
    #[arg(long, requires = "manifests", help_heading = "What to remove")]
    prune: bool,
    /// Show what would be done, and change nothing
    #[arg(long, help_heading = "Output")]
    dry_run: bool,
}

/// Runs `strait bundle`.
pub fn main(args: &BundleArgs, ui: &Ui) -> Outcome {
    if args.profiles.is_empty() && args.manifests.is_empty() {
        let error =
            anyhow!("nothing to do: name profiles to put in, or --manifests to compare with");
        return Err(Failure::new(exit::USAGE, error));
    }
    let new = new_profiles(args, ui)?;
    let mut usage = Usage::default();
    for source in manifests::read(&args.manifests)? {
        usage.add(&source.shown(), &source.text);
    }
    if args.prune {
        usage.may_prune().map_err(|why| anyhow!("{why}"))?;
    }
    let there = there(&args.folder)?;
    let names = new.iter().map(|(name, _)| name.clone()).collect();
    let stale = bundle::unused(&there, &names, &usage.used);

    for (name, text) in &new {
        add(args, name, text, ui)?;
    }
    if args.manifests.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for name in usage.missing(&there, &names) {
        ui.warn(format_args!("a manifest uses {name}, which is not in the bundle"));
    }
    for (called, error) in &usage.unclear {
        match error {
            Some(error) => {
                ui.warn(format_args!("not clear which profiles it uses: {called}:{error}"));
            }
            None => ui.warn(format_args!("there is no pod in {called}")),
        }
    }
    for name in &stale {
        let path = args.folder.join(name);
        match (args.prune, args.dry_run) {
            (true, false) => {
                std::fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
                // Other releases may be there.
                let _ = path.parent().map(std::fs::remove_dir);
                ui.warn(format_args!("removed {}: no manifest uses it", path.display()));
            }
            (true, true) => ui.warn(format_args!("would remove {}", path.display())),
            (false, _) => {
                let path = path.display();
                ui.say(format_args!("{path} is used by no manifest; --prune removes it"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Names and contents of what goes in.
fn new_profiles(args: &BundleArgs, ui: &Ui) -> Result<Vec<(String, String)>, Failure> {
    let mut new: Vec<(String, String)> = Vec::new();
    // clap requires it if there are profiles.
    let Some(release) = &args.release else { return Ok(new) };
    for (path, text) in given::profiles(&args.profiles, ui)? {
        let file = ProfileFile::new(&path, text, ui)?;
        let name = file.versioned(release)?;
        if let Some(other) = bundle::same_app(&new, &name) {
            let app = &file.named.app;
            let error = anyhow!(
                "two profiles of {app} are for release {release}: {other}, and {name} of {}. Rename one of \
                 them, or make one profile of their recordings",
                path.display()
            );
            return Err(error.into());
        }
        new.push((name, file.text));
    }
    Ok(new)
}

/// The names of what is in the bundle and whole: what was changed by hand is not removed.
fn there(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut there = BTreeSet::new();
    if !folder.exists() {
        return Ok(there);
    }
    let cannot_read = || format!("cannot read {}", folder.display());
    for app in folder.read_dir().with_context(cannot_read)? {
        let app = app.with_context(cannot_read)?;
        if !app.file_type().with_context(cannot_read)?.is_dir() {
            continue;
        }
        for file in app.path().read_dir().with_context(cannot_read)? {
            let file = file.with_context(cannot_read)?;
            let name = format!(
                "{}/{}",
                app.file_name().to_string_lossy(),
                file.file_name().to_string_lossy()
            );
            let is_file = file.file_type().with_context(cannot_read)?.is_file();
            if is_file
                && bundle::is_versioned(&name)
                && let Ok(bytes) = files::read(&file.path())
                && bundle::is_true(&name, &bytes)
            {
                there.insert(name);
            }
        }
    }
    Ok(there)
}

fn add(args: &BundleArgs, name: &str, text: &str, ui: &Ui) -> anyhow::Result<()> {
    let path = args.folder.join(name);
    if files::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        ui.say(format_args!("{} is there already", path.display()));
        return Ok(());
    }
    if args.dry_run {
        ui.say(format_args!("would write {}", path.display()));
        return Ok(());
    }
    let folder = path.parent().unwrap_or(&args.folder);
    output::make_folder(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    Output::File(path.clone()).write(text.as_bytes())?;
    ui.say(format_args!("wrote {}", path.display()));
    Ok(())
}
