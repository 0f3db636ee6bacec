//! The program that wrote a file, as its files name it.

/// Its name, whichever crate of it writes.
pub const NAME: &str = "strait";
/// Its version: that of all crates of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
