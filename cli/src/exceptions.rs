//! `--allow-file`: reviewed exceptions, and warnings about them.

use std::path::Path;

use anyhow::Context;

use super::exit::Failure;
use super::{Ui, read_text, shown};
use strait_generator::diff::{Exception, Exceptions};

/// Reads the file, if there is one.
pub fn read(path: Option<&Path>) -> Result<Exceptions, Failure> {
    let Some(path) = path else { return Ok(Exceptions::default()) };
    let text = read_text(path)?;
    Ok(Exceptions::parse(&text).with_context(|| format!("cannot use {}", shown(path)))?)
}

/// Warns of those that do not count any more.
pub fn warn_of_expired<'a>(expired: impl IntoIterator<Item = &'a Exception>, ui: &Ui) {
    for exception in expired {
        let day = exception.expires.map(|day| day.to_string()).unwrap_or_default();
        ui.warn(format_args!(
            "the exception for `{}` expired after {day} and does not count: look at it again, or remove it",
            exception.call
        ));
    }
}

/// Warns of those that nothing needs.
pub fn warn_of_unused<'a>(unused: impl IntoIterator<Item = &'a Exception>, ui: &Ui) {
    for exception in unused {
        ui.warn(format_args!("nothing needs the exception for `{}`: remove it", exception.call));
    }
}
