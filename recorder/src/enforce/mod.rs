//! Makes a filter of a profile, proves it, and installs it.
//!
//! libseccomp compiles it, since runc, crun and podman use it too, and it is driven as runc drives
//! it (`libcontainer/seccomp/seccomp_linux.go`):
//!
//! - The machine's own architecture is always covered; listed ones are added. Calls of any other
//!   kill the thread.
//! - An entry that does what happens anyway is skipped.
//! - Names that libseccomp does not know are ignored. Here they are [reported](Compiled::unknown).
//! - Where an entry compares an argument twice, every comparison is a rule of its own.

mod compile;
mod faithful;
#[cfg(test)]
mod generated_tests;
mod install;
#[cfg(test)]
mod machine_tests;
#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witnesses;

pub use compile::{CompileError, Compiled, Layout, compile, compile_as, compile_for};
pub use faithful::{Proven, Unenforceable, Unfaithful, faithful, lacking, prove, prove_for};
pub(crate) use install::instruction;
pub use install::{NoNewPrivs, Program, install};
