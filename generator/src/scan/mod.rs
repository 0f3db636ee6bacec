//! What programs can call, read from their files: bytes in, facts out.
//!
//! An [`Image`] is what one file says: which libraries and functions it wants, and which calls its own instructions
//! make. Everything in a file may be damaged or a lie; what cannot be read is said, and never makes a set smaller that
//! is said to be all.

mod arm64;
mod body;
mod elf;
mod error;
mod go;
mod graph;
mod image;
mod libc;
mod link;
mod loaded;
mod object;
pub mod program;
mod reachable;
mod search;
mod sites;
mod starts;
mod step;
mod x86;

pub use error::ScanError;
pub use graph::{Graph, Reach};
pub use image::Image;
pub use link::{File, reachable};
pub use program::Program;
pub use reachable::{How, Kind, Reachable};

#[cfg(test)]
mod tests;
