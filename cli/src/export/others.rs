//! Files of other exports in the output folder.

use std::path::Path;

use anyhow::ensure;

use strait_generator::export::Exported;
use strait_recorder::files;

/// Refuses to overwrite a file that says something about an application that is not exported now: a target that reads
/// one file for all of them would lose the others without a word.
pub fn check(folder: &Path, exported: &Exported, names: &[&str]) -> anyhow::Result<()> {
    let others = others(folder, names);
    for file in exported.files.iter().filter(|file| !is_of(&file.path, names)) {
        let path = folder.join(&file.path);
        let Ok(there) = files::read(&path) else { continue };
        let text = String::from_utf8_lossy(&there);
        let is_ours = there == file.bytes
            || (names.iter().any(|name| mentions(&text, name))
                && !others.iter().any(|other| text.contains(&format!("{other}/"))));
        ensure!(
            is_ours,
            "{} exists and is not from {}: nothing was written. Give all profiles in one command, name \
             another folder, or remove the file",
            path.display(),
            names.join(", ")
        );
    }
    Ok(())
}

/// Whether the name of an application is in the path, so that the file is of no other.
fn is_of(path: &Path, names: &[&str]) -> bool {
    let first =
        path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    first.is_some_and(|first| {
        names.iter().any(|name| {
            first
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        })
    })
}

/// The applications whose profiles are in the folder, but for those that are exported now.
fn others(folder: &Path, names: &[&str]) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let all = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    all.filter(|name| !names.contains(&name.as_str())).collect()
}

/// Whether a text has a name in it that is not a part of a longer word.
fn mentions(text: &str, name: &str) -> bool {
    let is_part = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !is_part(before) && !is_part(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word() {
        assert!(mentions("seccomp:./web/1-0.json", "web") && mentions("web-seccomp", "web"));
        assert!(!mentions("webhook", "web") && !mentions("cobweb", "web") && !mentions("", "web"));
    }

    #[test]
    fn a_path_with_the_name_is_of_the_application() {
        assert!(is_of(Path::new("web/1-0.json"), &["db", "web"]));
        assert!(is_of(Path::new("web.service.d/50-seccomp.conf"), &["web"]));
        assert!(!is_of(Path::new("webhook/1-0.json"), &["web"]));
        assert!(!is_of(Path::new("compose.override.yaml"), &["web"]));
    }
}
