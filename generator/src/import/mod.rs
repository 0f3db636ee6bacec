//! Recordings from logs of other tools: strace, the kernel's audit records, profiles.
//!
//! [`import`] finds out of what kind the files are, reads them line by line and sums up what they say as
//! [`Observations`](crate::observation::Observations). What a source cannot tell is in the recording: its
//! [`Tracer`](crate::recording::Tracer), its [`Losses`], and [`Values`](crate::observation::Values) that are lost or
//! not told. Nothing is guessed.
//!
//! A log without a date says nothing of when it was made: its recording begins at the Unix epoch, so that the same
//! bytes make the same recording.
//!
//! To add a format, write a [`Reader`] for it in a file here, and add a row to [`FORMATS`].
//!
//! ```
//! use strait_generator::abi::Abi;
//! use strait_generator::import::{Options, Source, import};
//!
//! let log = r#"7 execve("/bin/true", ["true"], 0x7ffd /* 9 vars */) = 0
//! 7 arch_prctl(ARCH_SET_FS, 0x7f11) = 0
//! 7 exit_group(0) = ?
//! "#;
//! let source = Source::new("true.log", log.as_bytes());
//! let imported = import(vec![source], &Options::default())?;
//! assert_eq!(imported.format.name(), "strace");
//! assert_eq!(imported.recording.calls[&Abi::X86_64].len(), 3);
//! # Ok::<(), strait_generator::import::ImportError>(())
//! ```

mod audit;
mod error;
mod lines;
mod list;
mod notes;
mod strace;

use std::fmt;
use std::io::{self, BufRead, Read};
use std::str::FromStr;

use crate::machine::{Machine, Machines};
use crate::recording::{Host, Losses, Program, Recording, Start, Target, TargetKind};

pub use error::ImportError;
use lines::Lines;
use notes::Notes;
pub use notes::Remark;

/// How much of a file is looked at to find out what it is.
const HEAD: usize = 64 << 10;

/// Reads the files of a format, one after the other.
trait Reader {
    /// Reads a file.
    fn read(&mut self, lines: Lines<'_>, notes: &mut Notes) -> Result<(), ImportError>;

    /// What was in all of them.
    fn finish(
        self: Box<Self>,
        about: &About<'_>,
        notes: &mut Notes,
    ) -> Result<Recording, ImportError>;
}

/// A format.
struct Row {
    name: &'static str,
    /// What a file of it is.
    about: &'static str,
    /// How many lines of the beginning of a text look like it.
    likeness: fn(&str) -> usize,
    reader: fn(&Options) -> Box<dyn Reader>,
}

/// All formats. If several fit as well, the first does.
static FORMATS: [Row; 3] = [
    Row {
        name: "strace",
        about: "a log or summary of strace",
        likeness: strace::likeness,
        reader: |options| Box::new(strace::Strace::new(options)),
    },
    Row {
        name: "audit",
        about: "records of the kernel's audit (auditd, journalctl -o json, dmesg)",
        likeness: audit::likeness,
        reader: |_| Box::<audit::Audit>::default(),
    },
    Row {
        name: "profile",
        about: "a seccomp profile or SeccompProfile",
        likeness: list::likeness,
        reader: |options| Box::new(list::List::new(options)),
    },
];

/// A format that can be imported.
#[derive(Clone, Copy)]
pub struct Format(&'static Row);

impl Format {
    /// Each of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMATS.iter().map(Self)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What a file of it is, as `a log of strace`.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.0.about
    }

    /// The one that most lines of a beginning look like.
    fn detect(head: &str) -> Option<Self> {
        let scored = Self::all().map(|format| ((format.0.likeness)(head), format));
        let fitting = scored.filter(|(lines, _)| *lines > 0);
        let best = fitting.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, format)| format)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is that of no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format that can be imported")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::all().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

type Open<'a> = dyn FnOnce() -> io::Result<Box<dyn BufRead + 'a>> + 'a;

/// A file. It is opened when it is its turn.
pub struct Source<'a> {
    name: String,
    open: Box<Open<'a>>,
}

impl<'a> Source<'a> {
    /// A text that is there already. `name` is what remarks call it; for strace's `-ff` it ends in the pid.
    pub fn new(name: impl Into<String>, text: impl BufRead + 'a) -> Self {
        Self::opened(name, move || Ok(Box::new(text)))
    }

    /// A file that is opened when it is its turn.
    pub fn opened(
        name: impl Into<String>,
        open: impl FnOnce() -> io::Result<Box<dyn BufRead + 'a>> + 'a,
    ) -> Self {
        Self { name: name.into(), open: Box::new(open) }
    }
}

/// How files are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of which format they are; `None` to find out.
    pub format: Option<Format>,
    /// What the target is called; `None` for what the files say, or the name of the first.
    pub name: Option<String>,
    /// On which machine they were made; `None` for what the files say. Of a profile: on which machine it is meant to
    /// be used; `None` for all that it lists.
    pub machine: Option<Machine>,
}

/// What files say.
#[derive(Clone, Debug)]
#[must_use]
pub struct Imported {
    /// As a recording.
    pub recording: Recording,
    /// What they were.
    pub format: Format,
    /// What is to be said about them.
    pub remarks: Vec<Remark>,
}

/// Makes a recording of files that are of one run of one target.
///
/// # Errors
///
/// [`ImportError`] if a file cannot be read, if they are of no or several formats, or if no call is in them.
pub fn import(sources: Vec<Source<'_>>, options: &Options) -> Result<Imported, ImportError> {
    let all = match sources.as_slice() {
        [] => return Err(ImportError::NoSource),
        [one] => one.name.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.name, rest.len()),
    };
    let mut notes = Notes::default();
    let mut reading: Option<(Format, String, Box<dyn Reader>)> = None;
    for Source { name, open } in sources {
        let failed = |error| ImportError::Read { name: name.clone(), error };
        let mut text = open().map_err(failed)?;
        let mut head = Vec::new();
        text.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
        notes.file.clone_from(&name);
        if head.iter().all(u8::is_ascii_whitespace) {
            notes.say("it is empty");
            continue;
        }
        let beginning = String::from_utf8_lossy(&head).into_owned();
        let format = options.format.or_else(|| Format::detect(&beginning));
        let format = format.ok_or_else(|| ImportError::Unknown { name: name.clone() })?;
        if let Some((first_format, first, _)) = &reading
            && *first_format != format
        {
            return Err(ImportError::Mixed {
                first: first.clone(),
                first_format: *first_format,
                second: name,
                second_format: format,
            });
        }
        let (_, _, reader) =
            reading.get_or_insert_with(|| (format, name.clone(), (format.0.reader)(options)));
        reader.read(Lines::new(io::Cursor::new(head).chain(text)), &mut notes)?;
    }
    notes.file.clear();
    let Some((format, first, reader)) = reading else {
        return Err(ImportError::Unknown { name: all });
    };
    let about = About { options, all: &all, first: &first };
    let mut recording = reader.finish(&about, &mut notes)?;
    let losses = recording.completeness.losses();
    recording.completeness = Losses { unread: notes.unread, ..losses }.into();
    match (recording.is_empty() && recording.refused.is_empty(), notes.unread) {
        (false, _) => Ok(Imported { recording, format, remarks: notes.remarks }),
        (true, 0) => Err(ImportError::Empty { name: all }),
        (true, _) => Err(ImportError::Nothing { name: all, format }),
    }
}

/// What is known of the files, besides what is in them.
struct About<'a> {
    options: &'a Options,
    /// The files, in words.
    all: &'a str,
    /// The first of them with anything in it.
    first: &'a str,
}

impl About<'_> {
    /// What the target is called: as was asked for, else as the files say, else as the first of them.
    fn name(&self, found: Option<&str>) -> String {
        let asked = self.options.name.as_deref().or(found);
        asked.unwrap_or_else(|| stem(self.first)).to_owned()
    }

    /// A target that is a command, or looks like one.
    fn target(&self, found: Option<&str>, start: Start) -> Target {
        Target { kind: TargetKind::Command, name: self.name(found), command: Vec::new(), start }
    }
}

/// The name of a file without folder and ending.
fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.split('.').next() {
        Some(stem) if !stem.is_empty() => stem,
        _ => file,
    }
}

/// The machine, as far as the source tells; nothing is known of its kernel.
fn host(machines: Machines) -> Host {
    let names: Vec<&str> = machines.iter().map(Machine::name).collect();
    Host { kernel: String::new(), arch: names.join(", ") }
}

/// A program that is known by its path only.
fn program(path: &str) -> Program {
    Program { path: path.to_owned(), device: String::new(), inode: 0 }
}

/// What stands for the path of a program that the source does not tell.
const UNKNOWN: &str = "(unknown)";

#[cfg(test)]
mod tests;
