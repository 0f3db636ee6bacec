//! What programs can call, read from their files: bytes in, facts out.

mod reachable;

pub use reachable::{How, Kind, Reachable};
