//! `strait.recording/v1`, the file format. A public contract: JSON Schema in
//! `profiles/schema/recording-v1.json`.

mod container;
mod convert;
mod file;
mod reachable;

use std::collections::BTreeMap;

use super::{ReadError, Recording};
use crate::scan::Reachable;
use crate::schema::schema;
use crate::untrusted::short;
use file::File;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.recording/v1";

const FAMILY: &str = "strait.recording/";

/// Reads a recording.
///
/// # Errors
///
/// [`ReadError`] says what is wrong with the text; unknown fields are no error.
pub fn parse(text: &str) -> Result<Recording, ReadError> {
    match serde_json::from_str::<File>(text) {
        Ok(file) if file.schema == SCHEMA => file.into_model(),
        _ => explain(text),
    }
}

/// Reads it piece by piece, to say what is wrong.
fn explain(text: &str) -> Result<Recording, ReadError> {
    match schema(text).map_err(ReadError::Malformed)?.as_deref() {
        None => return Err(ReadError::Foreign),
        Some(SCHEMA) => {}
        Some(other) if other.starts_with(FAMILY) => {
            return Err(ReadError::UnknownVersion(short(other)));
        }
        Some(other) => return Err(ReadError::WrongSchema(short(other))),
    }
    let file: File = serde_json::from_str(text).map_err(ReadError::Malformed)?;
    file.into_model()
}

/// What programs can call, by path, as JSON: for what one process of Strait's tells another. It is no file format.
///
/// # Errors
///
/// None in practice.
pub fn print_reachable(
    programs: &BTreeMap<String, Reachable>,
) -> Result<Vec<u8>, serde_json::Error> {
    reachable::print(programs)
}

/// Reads what [`print_reachable`] wrote.
///
/// # Errors
///
/// What is wrong with the JSON.
pub fn parse_reachable(bytes: &[u8]) -> Result<BTreeMap<String, Reachable>, serde_json::Error> {
    reachable::parse(bytes)
}

/// Writes a recording, as indented JSON that ends in a newline. One without an id gets one.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(recording: &Recording) -> Result<String, serde_json::Error> {
    let mut file = File::from_model(recording);
    if file.id.is_empty() {
        file.id = file.hash()?;
    }
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
