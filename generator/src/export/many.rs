//! Several profiles for one target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ExportError, Exported, File, Kind, Named, Options, Target, export};
use crate::profile::Profile;

/// Writes several profiles for a target. All of them are in what it is given: in one file where the target has one
/// for all of its containers, else in a folder for each application.
///
/// # Errors
///
/// [`ExportError`], if the target cannot hold one of them, an option is missing, or two are for the same name.
pub fn export_all(
    profiles: &[(Profile, Options)],
    target: Target,
) -> Result<Exported, ExportError> {
    if let [(profile, options)] = profiles {
        return export(profile, target, options);
    }
    let mut names = BTreeSet::new();
    for (_, options) in profiles {
        if !names.insert(&options.name) {
            return Err(ExportError::SameName(options.name.to_string()));
        }
    }
    let mut parts = Vec::new();
    let mut named = Vec::new();
    for (profile, options) in profiles {
        parts.push((options, export(profile, target, options)?));
        named.push((options, Named::new(profile, options)?));
    }
    let together = target.row().together.map(|write| write(&named));
    let mut all = Exported { files: Vec::new(), warnings: Vec::new(), notes: Vec::new() };
    for (options, part) in parts {
        all.warnings
            .extend(part.warnings.into_iter().map(|text| format!("{}: {text}", options.name)));
        match &together {
            Some(_) => all.files.extend(part.files.into_iter().filter(|file| file.is_data)),
            None => {
                all.files.extend(part.files.into_iter().map(|file| below(options, target, file)));
                all.notes.extend(part.notes);
            }
        }
    }
    if let Some(Exported { mut files, notes, .. }) = together {
        files.append(&mut all.files);
        all.files = files;
        all.notes = notes;
    }
    all.files = once(all.files)?;
    let mut said = BTreeSet::new();
    all.notes.retain(|note| said.insert(note.clone()));
    Ok(all)
}

/// Whether the application's name is in a file's path, so that it is never that of another one.
fn is_of(options: &Options, path: &Path) -> bool {
    let first =
        path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let name = options.name.as_str();
    first.is_some_and(|first| {
        first.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// A file in the folder of its application, unless its name is the application's own.
fn below(options: &Options, target: Target, file: File) -> File {
    // A layout is a folder; a profile is where the other files say that it is.
    if is_of(options, &file.path) || (file.is_data && target.kind() != Kind::Layout) {
        return file;
    }
    File { path: Path::new(options.name.as_str()).join(&file.path), ..file }
}

/// What several write alike, once.
fn once(files: Vec<File>) -> Result<Vec<File>, ExportError> {
    let mut places: BTreeMap<std::path::PathBuf, usize> = BTreeMap::new();
    let mut kept: Vec<File> = Vec::new();
    for file in files {
        let known = places.get(&file.path).and_then(|nth| kept.get(*nth));
        match known {
            Some(other) if other.bytes == file.bytes => {}
            Some(_) => return Err(ExportError::SameName(file.path.display().to_string())),
            None => {
                places.insert(file.path.clone(), kept.len());
                kept.push(file);
            }
        }
    }
    Ok(kept)
}
