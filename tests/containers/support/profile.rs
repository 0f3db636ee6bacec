//! Profiles made of recordings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Recording;
use crate::common::strait;

/// Generates a profile of these recordings, with more options, into a file.
pub fn generate(recordings: &[&Recording], options: &[&str], into: &Path) -> PathBuf {
    assert!(!recordings.is_empty());
    strait()
        .arg("generate")
        .args(recordings.iter().map(|recording| recording.path.as_os_str()))
        .args(options.iter().map(OsString::from))
        .arg("-o")
        .arg(into)
        .run();
    into.to_owned()
}
