//! Files that may be a profile or a recording.

use std::path::Path;

use anyhow::{Context, anyhow};

use super::exit::Failure;
use super::given::{self, What};
use super::{Ui, read_text, shown};
use strait_generator::evidence::{self, Evidence};
use strait_generator::machine::Machines;
use strait_generator::profile::{self, OnMachines, ParseError};
use strait_generator::recording::{Recording, v1};
use strait_generator::schema::schema;

/// What a file is.
pub enum Input {
    /// A profile, as each machine reads it.
    Profile(OnMachines),
    /// A recording.
    Recording(Box<Recording>),
}

/// Reads either, and gives the text back too.
pub fn read(path: &Path, machines: Machines, ui: &Ui) -> Result<(Input, String), Failure> {
    let text = read_text(path)?;
    let cannot_use = || format!("cannot use {}", shown(path));
    // YAML is no JSON, and neither is what was cut off.
    if let Err(error @ ParseError::Resource(_)) = profile::document(&text) {
        return Err(anyhow!(error).context(cannot_use()).into());
    }
    let schema = schema(&text)
        .map_err(|error| {
            anyhow!(
                "this is not a complete JSON file: {error}. Give a profile or a recording; `strait generate` \
                 and `strait record` never write half a file"
            )
        })
        .with_context(cannot_use)?;
    let input = match schema {
        Some(schema) if schema.starts_with("strait.recording/") => {
            Input::Recording(Box::new(v1::parse(&text).with_context(cannot_use)?))
        }
        Some(schema) => {
            let error = match given::what(&text) {
                What::Evidence => anyhow!(ParseError::OtherSchema(schema)),
                _ => anyhow!(
                    "this is a file of schema `{schema}`, neither a profile nor a recording"
                ),
            };
            return Err(error.context(cannot_use()).into());
        }
        None => Input::Profile(given::on_machines(path, &text, machines, ui)?),
    };
    Ok((input, text))
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
