//! Why a file cannot be scanned.

use thiserror::Error;

/// Why a file cannot be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    /// Something else than ELF.
    #[error("it is not an ELF file")]
    NotElf,
    /// Not for one of the machines that Strait knows.
    #[error("it is for a machine that is not supported ({0})")]
    OtherMachine(String),
    /// An object file, a core dump.
    #[error("it is neither a program nor a shared library")]
    NotExecutable,
    /// Truncated or nonsense.
    #[error("it is damaged or was cut off: {0}")]
    Damaged(String),
}
