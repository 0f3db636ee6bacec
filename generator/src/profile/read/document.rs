//! What a text is, and why it is not a profile.

use serde_json::Value;

use crate::limits::TooLarge;
use crate::machine::Machine;
use crate::profile::json::json;
use crate::profile::{Findings, TooManyRules};
use crate::untrusted::{one_line, short};

/// Why a text is not a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing at all.
    #[error(
        "this file is empty: is the path right, and did the command that wrote it succeed? `strait generate \
         RECORDING -o PROFILE` makes a profile"
    )]
    Empty,
    /// JSON after a mark that no runtime passes over.
    #[error(
        "there is a byte order mark in front of the JSON, and docker, podman and containerd do not read \
         past one: save the file as UTF-8 without it"
    )]
    ByteOrderMark,
    /// Not JSON, or cut off.
    #[error("this is not a complete JSON file: {0}. If it was cut off, generate it again")]
    Malformed(#[source] serde_json::Error),
    /// JSON of Strait's own that is no profile.
    #[error("{}", other_schema(.0))]
    OtherSchema(String),
    /// An object of Kubernetes.
    #[error(
        "this is a Kubernetes resource (`kind: {0}`), not a profile. If it is a SeccompProfile of the Security \
         Profiles Operator, `strait convert FILE -o PROFILE` makes a profile of it"
    )]
    Resource(String),
    /// A dialect that says something else on each machine.
    #[error(
        "its rules differ between {0} and {1}, so no single profile in plain OCI means the same on both. Make \
         one for each: `strait convert PROFILE --machine {0} -o FILE`"
    )]
    Machines(Machine, Machine),
    /// Larger than a profile may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A profile of more rules than can be compared.
    #[error(transparent)]
    TooManyRules(#[from] TooManyRules),
    /// JSON, but not a profile that means the same to every runtime.
    #[error("this profile cannot be used: {0}")]
    Invalid(#[source] Findings),
}

/// The JSON of a text that may be a profile.
///
/// # Errors
///
/// [`ParseError`] if it is something else for certain.
pub fn document(text: &str) -> Result<Value, ParseError> {
    let value = json(text).map_err(|error| match resource_kind(text) {
        Some(kind) if matches!(error, ParseError::Malformed(_)) => ParseError::Resource(kind),
        _ => error,
    })?;
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    match (field("schema"), field("apiVersion"), field("kind")) {
        (Some(schema), ..) => Err(ParseError::OtherSchema(one_line(schema))),
        (_, Some(_), Some(kind)) => Err(ParseError::Resource(one_line(kind))),
        _ => Ok(value),
    }
}

/// The kind of the first object of Kubernetes in a text that is YAML.
fn resource_kind(text: &str) -> Option<String> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    value("apiVersion:").and(value("kind:")).map(short)
}

/// What a file of Strait's own is, and what to give in its place.
pub(crate) fn other_schema(schema: &str) -> String {
    match schema.split('/').next().unwrap_or_default() {
        "strait.evidence" => format!(
            "this is the evidence of a profile (schema `{schema}`), not the profile: give the file beside it, \
             without `.evidence` in its name"
        ),
        "strait.recording" => format!(
            "this is a recording (schema `{schema}`), not a profile. \
             Make a profile of it with `strait generate RECORDING -o PROFILE`"
        ),
        _ => format!(
            "this is a file of schema `{schema}`, not a profile. \
             Make a profile of a recording with `strait generate RECORDING -o PROFILE`"
        ),
    }
}
