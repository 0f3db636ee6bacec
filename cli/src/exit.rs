//! Exit statuses. All others are reserved.

use std::process::ExitCode;

/// Done, and nothing to object to.
pub const DONE: u8 = 0;
/// Strait failed.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Nothing was recorded.
pub const EMPTY: u8 = 3;
/// The recording is incomplete.
pub const INCOMPLETE: u8 = 4;
/// Something is wider than it may be, or is not read as it is written.
pub const WIDER: u8 = 10;
/// A call was refused.
pub const REFUSED: u8 = 12;
/// Strait failed before it could run the command.
pub const NOT_RUN: u8 = 125;
/// The command is not executable.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;

/// An error together with the status that it ends with.
#[derive(Debug)]
pub struct Failure {
    /// What goes to standard error.
    pub error: anyhow::Error,
    /// Exit status.
    pub code: u8,
}

impl Failure {
    /// An error with a status of its own.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(FAILED, error)
    }
}

/// What a subcommand ends with.
pub type Outcome = Result<ExitCode, Failure>;
