//! Whose a container was, beside a command.

use std::fmt;

/// How it was told that the command started a container; the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ContainerOrigin {
    /// By time alone: it was started while the command ran, and nothing says by whom.
    Time,
    /// The command, or a descendant of it, asked a container engine to start it.
    Engine,
    /// The task that made it descends from the command.
    Descent,
}

impl ContainerOrigin {
    /// The name used in recordings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Engine => "engine",
            Self::Descent => "descent",
        }
    }
}

impl fmt::Display for ContainerOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "started while the command ran; what started it is not known",
            Self::Engine => "the command asked a container engine to start it",
            Self::Descent => "started by the command or a descendant of it",
        })
    }
}
