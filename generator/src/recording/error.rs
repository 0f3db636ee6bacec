//! What can be wrong with a recording that is read.

use thiserror::Error;

/// Why a text is not a recording that this release can use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, cut off, or JSON of another shape.
    #[error(
        "this is not a complete recording: {0}. If the file was cut off, record again; `strait record` never \
         writes half a file"
    )]
    Malformed(#[source] serde_json::Error),
    /// JSON without a `schema` field.
    #[error(
        "this is JSON, but not a recording of Strait: it has no `schema` field. If it is a profile, give the \
         recording that it was made of; `strait record -- COMMAND` makes one"
    )]
    Foreign,
    /// A schema of another name.
    #[error("expected a file of schema `strait.recording/v1`, but this one is {}", other_schema(.0))]
    WrongSchema(String),
    /// A recording of a version that this release does not know.
    #[error(
        "this recording has schema `{0}`, and this release of Strait reads `strait.recording/v1`. \
         Use the release that wrote it, or a newer one"
    )]
    UnknownVersion(String),
    /// The parts of the recording contradict each other.
    #[error(
        "this recording contradicts itself: {0}. It was changed by hand or damaged; record again"
    )]
    Inconsistent(String),
}

/// What a file of another schema is.
fn other_schema(schema: &str) -> String {
    match schema.split('/').next() {
        Some("strait.evidence") => {
            format!(
                "the evidence of a profile (`{schema}`): give the recording that the profile was made of"
            )
        }
        _ => format!("`{schema}`"),
    }
}
