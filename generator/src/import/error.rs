//! Why nothing could be imported.

use std::io;

use super::Format;
use crate::limits::LOG_BYTES;
use crate::manifest::resource::ResourceError;
use crate::policy::NoPolicy;
use crate::profile::ParseError;

/// Why there is no recording to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// No file was given.
    #[error("there is nothing to import: give a file")]
    NoSource,
    /// A file could not be read.
    #[error("cannot read {name}: {error}")]
    Read {
        /// Which.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// A file is too large.
    #[error("cannot use {name}: it has more than {limit} bytes")]
    TooLarge {
        /// Which.
        name: String,
        /// What it may have.
        limit: u64,
    },
    /// No format fits.
    #[error(
        "cannot use {name}: it is in no format that Strait imports. The formats are: {}",
        formats()
    )]
    Unknown {
        /// Which file.
        name: String,
    },
    /// A format was asked for, or looked right, and nothing could be read.
    #[error("no line of {name} can be read as {}. The formats are: {}", format.about(), formats())]
    Nothing {
        /// The files.
        name: String,
        /// The format.
        format: Format,
    },
    /// Files of different formats.
    #[error(
        "{first} is {}, and {second} is {}: import each by itself, and make one recording of them with `strait merge`",
        first_format.about(), second_format.about()
    )]
    Mixed {
        /// A file.
        first: String,
        /// What it is.
        first_format: Format,
        /// Another.
        second: String,
        /// What that is.
        second_format: Format,
    },
    /// The files were read, and no call is in them.
    #[error("there is no system call in {name}")]
    Empty {
        /// The files.
        name: String,
    },
    /// Nothing tells the machine, on which the numbers of calls depend.
    #[error(
        "{name} does not say on which machine it was made, and the numbers of calls depend on that: give it \
         with --machine {}", crate::machine::names(crate::machine::Machine::ALL.into_iter(), " or ")
    )]
    WhichMachine {
        /// The files.
        name: String,
    },
    /// Calls of different machines.
    #[error(
        "{name} has calls of different machines: import the logs of each machine by themselves"
    )]
    Machines {
        /// The files.
        name: String,
    },
    /// Not a profile.
    #[error("cannot use {name}: {error}")]
    Profile {
        /// Which file.
        name: String,
        /// Why.
        error: ParseError,
    },
    /// Not a resource with a profile.
    #[error("cannot use {name}: {error}")]
    Resource {
        /// Which file.
        name: String,
        /// Why.
        error: ResourceError,
    },
    /// A profile that means nothing.
    #[error("cannot use {name}: {error}")]
    NoPolicy {
        /// Which file.
        name: String,
        /// Why.
        error: NoPolicy,
    },
}

impl ImportError {
    pub(super) fn stopped(name: &str, stop: super::lines::Stop) -> Self {
        let name = name.to_owned();
        match stop {
            super::lines::Stop::Failed(error) => Self::Read { name, error },
            super::lines::Stop::TooLarge => Self::TooLarge { name, limit: LOG_BYTES },
        }
    }
}

/// What can be imported, in a sentence.
fn formats() -> String {
    let each = Format::all().map(|format| format!("{} (--from {format})", format.about()));
    each.collect::<Vec<_>>().join(", ")
}
