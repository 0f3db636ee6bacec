//! What there is to say about a profile, and where.

use std::collections::HashMap;
use std::fmt;

use crate::limits::LISTED;
use crate::untrusted::{one_line, short};

/// How many characters of a message are kept: with names and values of a sane length none has as many.
const LONGEST: usize = 4000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It works, though perhaps not everywhere or not as meant.
    Warning,
    /// No container starts under it, it confines nothing, or a filter made of it lets through what it refuses.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something to say about a place in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where, such as `syscalls[3].args[0].op`; `$` for the profile as a whole.
    pub path: String,
    /// What is wrong, and what to do. If it is so in several places, it names some of them.
    pub message: String,
    /// In how many places it is so; 1 for most.
    pub places: usize,
}

impl Finding {
    pub(super) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, &path.into(), &message.into())
    }

    /// Fields and names in it are those of the file, which is untrusted.
    fn new(severity: Severity, path: &str, message: &str) -> Self {
        let message = message.chars().take(LONGEST).collect::<String>();
        Self { severity, path: short(path), message: one_line(&message), places: 1 }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.path, self.message)
    }
}

/// Findings put together by their cause: a file may have one mistake three hundred times, and it is one thing
/// to correct.
#[derive(Debug, Default)]
pub(super) struct Causes {
    causes: Vec<Cause>,
    /// Which of them says this.
    known: HashMap<(Severity, &'static str), usize>,
}

/// One cause, and the first places where it is.
#[derive(Debug)]
struct Cause {
    severity: Severity,
    message: &'static str,
    path: String,
    details: Vec<String>,
    places: usize,
}

/// How many places, or what they hold, are shown of each cause.
const EXAMPLES: usize = 5;

impl Causes {
    /// Notes a place, and what there is to say of it besides.
    pub fn note(
        &mut self,
        severity: Severity,
        path: impl Into<String>,
        message: &'static str,
        detail: impl Into<String>,
    ) {
        let nth = *self.known.entry((severity, message)).or_insert(self.causes.len());
        if nth == self.causes.len() {
            let (path, details) = (path.into(), vec![detail.into()]);
            self.causes.push(Cause { severity, message, path, details, places: 1 });
        } else if let Some(cause) = self.causes.get_mut(nth) {
            cause.places += 1;
            if cause.details.len() < EXAMPLES {
                let (path, detail) = (path.into(), detail.into());
                cause.details.push(if detail.is_empty() { path } else { detail });
            }
        }
    }

    /// A finding for each cause, in the order in which they were first met.
    pub fn findings(self) -> Vec<Finding> {
        self.causes.into_iter().map(Cause::finding).collect()
    }
}

impl Cause {
    fn finding(self) -> Finding {
        let Self { severity, message, path, details, places } = self;
        let more = places.saturating_sub(details.len());
        let (first, others) =
            details.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
        let mut said = first.to_owned();
        if !others.is_empty() {
            said += if first.is_empty() { "also " } else { "; also " };
            said += &others.join("; ");
        }
        if more > 0 {
            said += &format!(" and {more} more");
        }
        let message =
            if said.is_empty() { message.to_owned() } else { format!("{message} ({said})") };
        Finding { places, ..Finding::new(severity, &path, &message) }
    }
}

/// The first findings of one kind, and how many more there are: a file may have millions.
#[derive(Debug, Default)]
pub(super) struct Listed {
    first: Vec<Finding>,
    more: usize,
}

impl Listed {
    /// Notes one; only of those that are listed the text is made.
    pub fn note(&mut self, finding: impl FnOnce() -> Finding) {
        if self.first.len() < LISTED {
            self.first.push(finding());
        } else {
            self.more += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

impl From<Listed> for Findings {
    fn from(listed: Listed) -> Self {
        let Listed { mut first, more } = listed;
        if more > 0 {
            first.push(Finding::error("$", format!("and {more} more places are wrong")));
        }
        Self(first)
    }
}

/// Findings that are all errors, printed one on each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl std::error::Error for Findings {}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, finding) in self.0.iter().enumerate() {
            let between = if nth == 0 { "" } else { "\n" };
            write!(f, "{between}{}: {}", finding.path, finding.message)?;
        }
        Ok(())
    }
}
