//! Why there is no profile.

use thiserror::Error;

use crate::policy::NoPolicy;

/// Why no profile was made of some recordings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// No recording was given.
    #[error("there is no recording to make a profile of: make one with `strait record -- COMMAND`")]
    NoRecording,
    /// A recording without a single call.
    #[error(
        "nothing was recorded in `{name}`: a profile made of it would refuse everything. \
         Record the command again, and see that it runs"
    )]
    Empty {
        /// Name of the target.
        name: String,
    },
    /// A recording of a container that never came to execute its program.
    #[error(
        "nothing of the workload was recorded in `{name}`: its runtime ended before it executed the \
         container's program, so every call is the runtime's own. Find out why the container did not start, \
         and record it again"
    )]
    NotStarted {
        /// Name of the target.
        name: String,
    },
    /// A recording that says itself that it lacks something.
    #[error(
        "the recording of `{name}` is incomplete: {losses}. A profile made of it may refuse what the \
         workload needs: record again, or pass --allow-incomplete to make one of what is there"
    )]
    Incomplete {
        /// Name of the target.
        name: String,
        /// What was lost, in words.
        losses: String,
    },
    /// A recording of what only looks like a container.
    #[error(
        "`{name}` is unconfirmed: a user other than root made what was recorded, and no container engine \
         knows it, so it can be anything. Pass --allow-unconfirmed to make a profile of it all the same"
    )]
    Unconfirmed {
        /// Name of the target.
        name: String,
    },
    /// Two rules contradict each other.
    #[error("the generated rules contradict each other, which is a bug in Strait: {0}")]
    NoPolicy(#[from] NoPolicy),
}
