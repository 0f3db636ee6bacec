//! What there is to say about a profile, and where.

use std::fmt;

use crate::untrusted::one_line;

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
        Self { severity, path: one_line(path), message: one_line(message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.path, self.message)
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
