//! Messages about the targets of recordings: different targets are never mixed silently.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::exit::{self, Failure};
use super::{Ui, shown};
use strait_generator::recording::Recording;
use strait_generator::recording::target::{TargetId, TargetIds, describe};
use strait_generator::untrusted::one_line;

/// The ending of the files that `strait record` writes.
const RECORDING: &str = ".recording.json";
/// How many targets, and files of each, are listed.
const LISTED: usize = 8;

/// Recordings of the same targets, with their files.
pub struct Group {
    /// What they are of.
    pub targets: TargetIds,
    /// The files and what is in them.
    pub recordings: Vec<(PathBuf, Recording)>,
}

/// The files that are meant: of a folder, the recordings in it, by name.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.with_context(|| format!("cannot read the folder {}", shown(path)))?;
        let is_recording = |file: &PathBuf| {
            file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(RECORDING))
        };
        let mut found: Vec<PathBuf> =
            entries.into_iter().map(|entry| entry.path()).filter(is_recording).collect();
        if found.is_empty() {
            let error = anyhow!(
                "there is no recording in the folder {}: their names end in {RECORDING}. If yours have other \
                 names, give the files themselves",
                shown(path)
            );
            return Err(Failure::new(exit::EMPTY, error));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Puts recordings of the same targets together.
pub fn grouped(recordings: Vec<(PathBuf, Recording)>) -> Vec<Group> {
    let groups = strait_generator::recording::target::grouped(recordings, |(_, recording)| {
        recording.targets()
    });
    let group = |(targets, recordings)| Group { targets, recordings };
    groups.into_iter().map(group).collect()
}

/// That files are of different targets, which ones, and what to do.
pub fn mixed<'a>(
    groups: impl IntoIterator<Item = (&'a TargetIds, Vec<&'a Path>)>,
    advice: &str,
) -> anyhow::Error {
    let groups: Vec<(&TargetIds, Vec<&Path>)> = groups.into_iter().collect();
    let mut listed: Vec<String> = groups
        .iter()
        .take(LISTED)
        .map(|(targets, paths)| {
            let few: Vec<String> = paths.iter().take(LISTED).map(|path| shown(path)).collect();
            let more = match paths.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{} ({}{more})", describe(targets), few.join(", "))
        })
        .collect();
    if let more @ 1.. = groups.len().saturating_sub(LISTED) {
        listed.push(format!("{more} more"));
    }
    anyhow!(
        "these are recordings of {} different targets: {}. One profile for all would allow each of them what \
         only another one needs. {advice}",
        groups.len(),
        listed.join("; ")
    )
}

/// Says if different commands are taken for one target.
pub fn note_commands<'a>(recordings: impl IntoIterator<Item = &'a Recording>, ui: &Ui) {
    let unnamed = TargetId::Command(String::new());
    let recordings = recordings.into_iter();
    let names: BTreeSet<String> = recordings
        .filter(|recording| recording.targets().contains(&unnamed))
        .flat_map(Recording::sources)
        .map(|source| one_line(&source.name))
        .collect();
    if names.len() > 1 {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        ui.note(format_args!(
            "commands count as the tests of one workload: {names}. To keep workloads apart, record each with a \
             name of its own (strait record --name)"
        ));
    }
}
