//! `strait.lint/v1`: what `strait lint --format json` writes. A type of its own, and so a contract.

use serde::Serialize;

use super::{Consumer, Effect, Remark};
use crate::profile::Finding;

/// The name of the format.
pub const SCHEMA: &str = "strait.lint/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: Tool,
    profile: &'a str,
    consumers: &'a [Consumer],
    errors: Vec<FindingJson<'a>>,
    warnings: Vec<FindingJson<'a>>,
    remarks: Vec<RemarkJson<'a>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    path: &'a str,
    places: usize,
    message: &'a str,
}

impl<'a> From<&'a Finding> for FindingJson<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self { path: &finding.path, places: finding.places, message: &finding.message }
    }
}

#[derive(Serialize)]
struct RemarkJson<'a> {
    consumer: Consumer,
    by: &'a str,
    effect: Effect,
    path: &'a str,
    places: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<&'a str>,
    what: &'a str,
    advice: &'a str,
    source: &'a str,
    date: &'a str,
    checked: bool,
}

/// Writes remarks down, as indented JSON that ends in a newline.
///
/// `errors` are wrong for every consumer, `warnings` may be.
///
/// # Errors
///
/// None in practice: every field can be written as JSON.
pub fn print(
    profile: &str,
    consumers: &[Consumer],
    (errors, warnings): (&[Finding], &[Finding]),
    remarks: &[Remark],
) -> Result<String, serde_json::Error> {
    let file = File {
        schema: SCHEMA,
        tool: Tool { name: crate::tool::NAME, version: crate::tool::VERSION },
        profile,
        consumers,
        errors: errors.iter().map(Into::into).collect(),
        warnings: warnings.iter().map(Into::into).collect(),
        remarks: remarks
            .iter()
            .map(|remark| RemarkJson {
                consumer: remark.consumer,
                by: remark.by,
                effect: remark.effect,
                path: &remark.path,
                places: remark.places,
                versions: remark.versions,
                what: &remark.what,
                advice: remark.advice,
                source: remark.source,
                date: remark.date,
                checked: remark.checked,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
