//! What there is to say about a profile, and where.

use std::fmt;

use crate::limits::LISTED;
use crate::untrusted::{one_line, short};

/// How many characters of a message are kept: with names and values of a sane length none has as many.
const LONGEST: usize = 4000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, though perhaps not everywhere or not as meant.
    Warning,
    /// A runtime fails on it, or it does not confine.
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
    /// What is wrong, and what to do.
    pub message: String,
}

impl Finding {
    pub(super) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, &path.into(), &message.into())
    }

    pub(super) fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, &path.into(), &message.into())
    }

    /// Fields and names in it are those of the file, whoever wrote that.
    fn new(severity: Severity, path: &str, message: &str) -> Self {
        let message = message.chars().take(LONGEST).collect::<String>();
        Self { severity, path: short(path), message: one_line(&message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.path, self.message)
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

/// The first of each severity, and how many more there are.
pub(super) fn listed(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept = Vec::new();
    let (mut errors, mut warnings) = (0, 0);
    for finding in findings {
        let count = match finding.severity {
            Severity::Error => &mut errors,
            Severity::Warning => &mut warnings,
        };
        *count += 1;
        if *count <= LISTED {
            kept.push(finding);
        }
    }
    if errors > LISTED {
        kept.push(Finding::error("syscalls", format!("and {} more errors", errors - LISTED)));
    }
    if warnings > LISTED {
        kept.push(Finding::warning("syscalls", format!("and {} more warnings", warnings - LISTED)));
    }
    kept
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
