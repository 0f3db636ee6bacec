//! The parts of Strait that need Linux.

pub mod backend;
pub mod enforce;
pub mod files;
pub mod host;
pub mod inspect;
pub mod notify;
pub mod output;
pub mod record;
pub mod scan;
mod walk;
