//! What `apply`, `audit` and `bundle` share: finding manifests, reading them, and showing or writing edits.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use similar::TextDiff;

use super::exit::Failure;
use super::ui::Report;
use super::{Ui, shown};
use strait_generator::manifest::ManifestError;
use strait_generator::untrusted::{Line, Text, one_line};
use strait_recorder::output;

/// Files that are larger are no manifests: the API server takes 3 MiB for an object.
const MAX_BYTES: u64 = strait_generator::limits::MANIFEST_BYTES as u64;

/// How deep folders may be nested.
const MAX_FOLDERS: usize = 64;

/// A file with manifests.
#[derive(Debug)]
pub struct Source {
    /// Where it is; `-` for standard input.
    pub path: PathBuf,
    /// Its path below the folder that was given, or its name.
    pub below: PathBuf,
    /// What is in it.
    pub text: String,
    /// Whether it was named, and is not only in a folder that was.
    pub named: bool,
}

/// What there is in files and folders.
#[derive(Debug, Default)]
pub struct Found {
    /// What could be read.
    pub sources: Vec<Source>,
    /// Files in folders that could not, and why.
    pub unreadable: Vec<(PathBuf, anyhow::Error)>,
}

impl Source {
    /// What to call it in messages.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }

    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// An error with the file before its line and column.
    pub fn failure(&self, error: &ManifestError) -> Failure {
        anyhow!("{}:{error}", self.shown()).into()
    }
}

/// A file that changes.
#[derive(Debug)]
pub struct Edit<'a> {
    /// The file.
    pub source: &'a Source,
    /// What will be in it.
    pub text: String,
}

/// Reads manifests: files, standard input, and folders with all `*.yaml`, `*.yml` and `*.json` in them.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let found = read_lenient(paths)?;
    match found.unreadable.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(found.sources),
    }
}

/// The same, and goes on behind a file in a folder that cannot be read.
pub fn read_lenient(paths: &[PathBuf]) -> anyhow::Result<Found> {
    let mut all = Found::default();
    for path in paths {
        if path.as_os_str() != "-" && path.is_dir() {
            let root =
                path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
            let mut found = Vec::new();
            walk(path, &root, 0, &mut found)?;
            ensure!(
                !found.is_empty(),
                "there is no *.yaml, *.yml or *.json in {}: name a folder with manifests, or a file",
                path.display()
            );
            for file in found {
                let below = file.strip_prefix(path).unwrap_or(&file).to_owned();
                match read_file(&file) {
                    Ok(text) => all.sources.push(Source { text, below, path: file, named: false }),
                    Err(error) => all.unreadable.push((file, error)),
                }
            }
        } else {
            let below = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            let text = read_file(path)?;
            all.sources.push(Source { text, below, path: path.clone(), named: true });
        }
    }
    Ok(all)
}

/// The manifests in a folder, in the order of their names. What is hidden is left out, as is a link to
/// something within the folder, which is there anyway.
fn walk(folder: &Path, root: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    ensure!(depth < MAX_FOLDERS, "{}: folders nested too deeply", folder.display());
    let mut entries: Vec<PathBuf> = folder
        .read_dir()
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(cannot_read)?;
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let kind = path.symlink_metadata().with_context(cannot_read)?.file_type();
        if hidden {
            continue;
        }
        if kind.is_symlink() {
            let target = path
                .canonicalize()
                .with_context(|| format!("{} is a link that leads nowhere", path.display()))?;
            ensure!(
                target.starts_with(root) || !(target.is_dir() || is_manifest(&path)),
                "{} is a link that leaves the folder, to {}: name that itself if you mean it",
                path.display(),
                target.display()
            );
        } else if kind.is_dir() {
            walk(&path, root, depth + 1, found)?;
        } else if kind.is_file() && is_manifest(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Reads a file that is not too large and is text, or standard input.
pub fn read_file(path: &Path) -> anyhow::Result<String> {
    let name = shown(path);
    let cannot_read = || format!("cannot read {name}");
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(cannot_read)?;
    } else {
        let file = std::fs::File::open(path).with_context(cannot_read)?;
        let metadata = file.metadata().with_context(cannot_read)?;
        if metadata.is_dir() {
            bail!("{name} is a folder");
        }
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(cannot_read)?;
    }
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "{name} is larger than {} MiB, which no manifest is",
        MAX_BYTES >> 20
    );
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        anyhow!("{name}:{line}:{column}: this is not text in UTF-8")
    })
}

/// Writes edits back to their files, all of them or none.
pub fn write_in_place(edits: &[Edit<'_>], ui: &Ui) -> anyhow::Result<()> {
    for edit in edits {
        let path = &edit.source.path;
        let metadata =
            path.metadata().with_context(|| format!("cannot write {}", path.display()))?;
        ensure!(
            !metadata.permissions().readonly(),
            "{} is read-only: nothing was written. Make it writable, or use --output DIR",
            path.display()
        );
    }
    output::write_all(edits.iter().map(|edit| (edit.source.path.as_path(), edit.text.as_bytes())))?;
    for edit in edits {
        ui.say(format_args!("edited {}", edit.source.shown()));
    }
    Ok(())
}

/// Writes all files, edited or not, below a folder.
pub fn write_below(
    folder: &Path,
    sources: &[Source],
    edits: &[Edit<'_>],
    ui: &Ui,
) -> anyhow::Result<()> {
    let mut places: Vec<(PathBuf, &str)> = Vec::new();
    for source in sources {
        let place = folder.join(&source.below);
        ensure!(
            !places.iter().any(|(other, _)| *other == place),
            "two manifests would become {}: name a folder that has both, or use --in-place",
            place.display()
        );
        ensure!(
            place
                .canonicalize()
                .ok()
                .zip(source.path.canonicalize().ok())
                .is_none_or(|(a, b)| a != b),
            "{} would be overwritten by its own copy: use --in-place if you mean that",
            place.display()
        );
        let edit = edits.iter().find(|edit| edit.source.path == source.path);
        places.push((place, edit.map_or(&source.text, |edit| &edit.text)));
    }
    for (place, _) in &places {
        let parent = place.parent().unwrap_or(folder);
        output::make_folder(parent)
            .with_context(|| format!("cannot create the folder {}", parent.display()))?;
    }
    output::write_all(places.iter().map(|(place, text)| (place.as_path(), text.as_bytes())))?;
    for (place, _) in &places {
        ui.say(format_args!("wrote {}", place.display()));
    }
    Ok(())
}

/// Edits as a unified diff: as it is for `patch -p1` and `git apply`, and for people on a terminal.
pub fn diff(edits: &[Edit<'_>]) -> Report {
    let mut diff = String::new();
    for edit in edits {
        let name = match edit.source.is_stdin() {
            true => "standard input".into(),
            false => edit.source.path.to_string_lossy(),
        };
        let name = name.trim_start_matches('/');
        let unified = TextDiff::from_lines(&edit.source.text, &edit.text)
            .unified_diff()
            .context_radius(3)
            .header(&quoted(&format!("a/{name}")), &quoted(&format!("b/{name}")))
            .to_string();
        diff.push_str(&unified);
    }
    let is_for_people = match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
        anstream::ColorChoice::Auto | anstream::ColorChoice::Never => {
            std::io::stdout().is_terminal()
        }
    };
    if is_for_people { Report::Text(coloured(&diff)) } else { Report::Other(diff) }
}

/// A file's name in a diff: as git and GNU patch quote it if it has characters that would not stay in the line.
fn quoted(name: &str) -> String {
    if one_line(name) == name && !name.contains(['"', '\\']) {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            // No CI runner finds `##[error]` where it is an escape.
            b' '..=b'~' if byte != b'#' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}

fn coloured(diff: &str) -> Text {
    use anstyle::{AnsiColor, Style};
    let mut text = Text::new();
    for line in diff.lines() {
        let style: Style = match line.as_bytes().first() {
            Some(b'+') => AnsiColor::Green.on_default(),
            Some(b'-') => AnsiColor::Red.on_default(),
            Some(b'@') => AnsiColor::Cyan.on_default(),
            _ => Style::new(),
        };
        text.push(&Line::default().styled(style, line));
    }
    text
}
