//! `strait.filter/v1`: filters as they are, instruction by instruction. A public contract: JSON Schema in
//! `profiles/schema/filter-v1.json`.

use serde::{Deserialize, Serialize};

use super::Inspected;
use strait_generator::bpf::{Filter, FilterError, Instruction};
use strait_generator::untrusted::one_line;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.filter/v1";

/// Why a text is no file of filters.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, cut off, or without a field.
    #[error("this is not a file of filters: {0}. Make one with `strait inspect PID --format json`")]
    Malformed(#[source] serde_json::Error),
    /// Another version, or another file.
    #[error("this is a file of schema `{0}`, and this Strait reads `{SCHEMA}`")]
    OtherSchema(String),
    /// No filter at all.
    #[error("filters: there are none, which would allow everything")]
    Empty,
    /// An instruction that the kernel would not take.
    #[error("filters[{nth}]: {source}")]
    Filter {
        /// Its place.
        nth: usize,
        /// What is wrong with it.
        source: FilterError,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    schema: String,
    pid: i32,
    name: String,
    filters: Vec<Vec<(u16, u8, u8, u32)>>,
}

/// Whether a text says that it is such a file.
pub fn is_one(text: &str) -> bool {
    let schema = strait_generator::schema::schema(text).ok().flatten();
    schema.is_some_and(|schema| schema.starts_with("strait.filter/"))
}

/// Reads a file.
///
/// # Errors
///
/// [`ParseError`] names the filter and instruction that is wrong.
pub fn parse(text: &str) -> Result<Inspected, ParseError> {
    let file: File = serde_json::from_str(text).map_err(ParseError::Malformed)?;
    if file.schema != SCHEMA {
        return Err(ParseError::OtherSchema(one_line(&file.schema)));
    }
    let filters = file
        .filters
        .into_iter()
        .enumerate()
        .map(|(nth, program)| {
            let instructions =
                program.into_iter().map(|(code, jt, jf, k)| Instruction { code, jt, jf, k });
            Filter::new(instructions.collect()).map_err(|source| ParseError::Filter { nth, source })
        })
        .collect::<Result<Vec<Filter>, ParseError>>()?;
    if filters.is_empty() {
        return Err(ParseError::Empty);
    }
    Ok(Inspected { pid: file.pid, name: file.name, filters })
}

/// Writes a file: a line for each filter, that ends in a newline.
///
/// # Errors
///
/// None in practice: every field can be written as JSON.
pub fn print(inspected: &Inspected) -> Result<String, serde_json::Error> {
    let program = |filter: &Filter| {
        let instructions = filter.instructions().iter();
        instructions.map(|Instruction { code, jt, jf, k }| (*code, *jt, *jf, *k)).collect()
    };
    let file = File {
        schema: SCHEMA.to_owned(),
        pid: inspected.pid,
        name: inspected.name.clone(),
        filters: inspected.filters.iter().map(program).collect(),
    };
    let mut text = serde_json::to_string(&file)?;
    text.push('\n');
    Ok(text)
}
