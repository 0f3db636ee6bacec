//! What Strait needs Linux for.

pub mod enforce;
pub mod files;
pub mod host;
pub mod inspect;
pub mod output;
pub mod record;
mod walk;
