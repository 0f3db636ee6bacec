//! Files that may be a profile or a recording.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::exit::{self, Failure};
use super::{Ui, read_text, shown};
use crate::evidence::{self, Evidence};
use crate::machine::Machines;
use crate::policy::Capability;
use crate::profile::{self, OnMachines};
use crate::recording::{Recording, v1};
use crate::schema::schema;

/// What a file is.
pub enum Input {
    /// A profile, as each machine reads it.
    Profile(OnMachines),
    /// A recording.
    Recording(Box<Recording>),
}

/// Refuses to read standard input twice: the second time there is nothing in it.
pub fn only_once(paths: &[impl AsRef<Path>]) -> Result<(), Failure> {
    match paths.iter().filter(|path| path.as_ref().as_os_str() == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::new(exit::USAGE, anyhow!("standard input (-) can be given only once"))),
    }
}

/// Reads either, and gives the text back too.
pub fn read(path: &Path, machines: Machines, ui: &Ui) -> Result<(Input, String), Failure> {
    let text = read_text(path)?;
    let cannot_use = || format!("cannot use {}", shown(path));
    let schema = schema(&text)
        .map_err(|error| {
            anyhow!(
                "this is not a whole JSON file: {error}. Give a profile or a recording; \
                 `strait generate` and `strait record` never leave half a file behind"
            )
        })
        .with_context(cannot_use)?;
    let input = match schema {
        Some(schema) if schema.starts_with("strait.recording/") => {
            Input::Recording(Box::new(v1::parse(&text).with_context(cannot_use)?))
        }
        Some(schema) => {
            let error =
                anyhow!("this is a file of schema `{}`, neither a profile nor a recording", schema);
            return Err(error.context(cannot_use()).into());
        }
        None => Input::Profile(profile(path, &text, machines, ui)?),
    };
    Ok((input, text))
}

/// Reads a profile, in the dialect of Docker or podman too, as on each of these machines.
fn profile(path: &Path, text: &str, machines: Machines, ui: &Ui) -> Result<OnMachines, Failure> {
    let profile = profile::parse_on(text, machines, &Capability::docker_default(), None)
        .with_context(|| format!("cannot use {}", shown(path)))?;
    if profile::parse(text).is_err() {
        ui.warn(format_args!(
            "{} is written in the dialect of dockerd and podman, and taken as they do for Docker's default \
             capabilities on a new kernel",
            shown(path)
        ));
    }
    Ok(profile)
}

/// The evidence of a profile: the file that is named, or the one beside it if there is one.
pub fn evidence(
    path: &Path,
    profile: &OnMachines,
    named: Option<&Path>,
    ui: &Ui,
) -> Result<Option<Evidence>, Failure> {
    let beside = evidence::beside(path);
    let path = match named {
        Some(named) => named,
        None if beside.is_file() => &beside,
        None => return Ok(None),
    };
    let found = evidence::v1::parse(&read_text(path)?)
        .with_context(|| format!("cannot use {}", shown(path)))?;
    if !profile.profiles().into_iter().any(|profile| found.is_of(profile)) {
        ui.warn(format_args!(
            "{} is the evidence of another profile, or this one was changed since: what it says may be \
             out of date",
            shown(path)
        ));
    }
    Ok(Some(found))
}
