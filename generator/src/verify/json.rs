//! `strait.verify/v1`, the report as JSON. A public contract: JSON Schema in
//! `profiles/schema/verify-v1.json`.

use serde::Serialize;

use super::{Fallback, Refused, Report};

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.verify/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolV1,
    profile: &'a str,
    command: &'a [String],
    command_status: u8,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    containers: &'a [String],
    refused: Vec<RefusedV1<'a>>,
    refused_without_room: u64,
    fallbacks: Vec<FallbackV1<'a>>,
}

#[derive(Serialize)]
struct ToolV1 {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct RefusedV1<'a> {
    syscall: String,
    abi: &'static str,
    number: Option<u32>,
    args: &'a [String],
    errno: Option<String>,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    count: u64,
}

#[derive(Serialize)]
struct FallbackV1<'a> {
    #[serde(flatten)]
    refused: RefusedV1<'a>,
    falls_back_to: &'a [&'static str],
}

/// Writes a report, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(report: &Report) -> Result<String, serde_json::Error> {
    let file = File {
        schema: SCHEMA,
        tool: ToolV1 { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
        profile: &report.profile,
        command: &report.command,
        command_status: report.status.code(),
        containers: &report.containers,
        refused: report.refused.iter().map(RefusedV1::new).collect(),
        refused_without_room: report.lost,
        fallbacks: report
            .fallbacks
            .iter()
            .map(|Fallback { refused, falls_back_to }| FallbackV1 {
                refused: RefusedV1::new(refused),
                falls_back_to,
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

impl<'a> RefusedV1<'a> {
    fn new(refused: &'a Refused) -> Self {
        Self {
            syscall: refused.syscall(),
            abi: refused.abi.name(),
            number: refused.number,
            args: &refused.args,
            errno: refused.errno.map(|errno| errno.to_string()),
            program: &refused.program,
            container: refused.container.as_deref(),
            count: refused.count,
        }
    }
}
