//! `strait.verify/v1`, the report as JSON. A public contract: JSON Schema in
//! `profiles/schema/verify-v1.json`.

use serde::Serialize;

use super::{Accepted, Conclusion, Fallback, Refused, Report};
use crate::outcome::Answer;
use crate::policy::Errno;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.verify/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolV1,
    profile: &'a str,
    command: &'a [String],
    command_status: u8,
    conclusion: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    containers: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unknown_containers: &'a [String],
    refused: Vec<RefusedV1<'a>>,
    refused_without_room: u64,
    fallbacks: Vec<FallbackV1<'a>>,
    accepted: Vec<AcceptedV1<'a>>,
    runtime: Vec<RefusedV1<'a>>,
    not_by_profile: Vec<RefusedV1<'a>>,
    no_such_call: Vec<RefusedV1<'a>>,
    missed: &'a [String],
    still_running: u64,
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    other_args: bool,
    answer: &'static str,
    errno: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certain: Option<bool>,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    count: u64,
}

#[derive(Serialize)]
struct AcceptedV1<'a> {
    #[serde(flatten)]
    refused: RefusedV1<'a>,
    reason: &'a str,
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
        tool: ToolV1 { name: crate::tool::NAME, version: crate::tool::VERSION },
        profile: &report.profile,
        command: &report.command,
        command_status: report.status.code(),
        conclusion: match report.conclusion() {
            Conclusion::Clean => "clean",
            Conclusion::Incomplete => "incomplete",
            Conclusion::Refused => "refused",
        },
        containers: &report.containers,
        unknown_containers: &report.unknown,
        refused: all(&report.refused),
        refused_without_room: report.lost,
        fallbacks: report
            .fallbacks
            .iter()
            .map(|Fallback { refused, falls_back_to }| FallbackV1 {
                refused: RefusedV1::new(refused),
                falls_back_to,
            })
            .collect(),
        accepted: report
            .accepted
            .iter()
            .map(|Accepted { refused, reason }| AcceptedV1 {
                refused: RefusedV1::new(refused),
                reason,
            })
            .collect(),
        runtime: all(&report.runtime),
        not_by_profile: all(&report.elsewhere),
        no_such_call: all(&report.no_such_call),
        missed: &report.missed,
        still_running: report.still_running,
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

fn all(refused: &[Refused]) -> Vec<RefusedV1<'_>> {
    refused.iter().map(RefusedV1::new).collect()
}

impl<'a> RefusedV1<'a> {
    fn new(refused: &'a Refused) -> Self {
        Self {
            syscall: refused.syscall(),
            abi: refused.abi.name(),
            number: refused.number,
            args: &refused.args,
            other_args: refused.others,
            answer: match refused.answer {
                Answer::Errno(_) => "errno",
                Answer::Success => "success",
                Answer::Returned => "value",
                Answer::Sigsys => "sigsys",
                Answer::Killed => "killed",
            },
            errno: match refused.answer {
                Answer::Errno(number) => {
                    Some(Errno::new(number).map_or_else(|| number.to_string(), |it| it.to_string()))
                }
                _ => None,
            },
            certain: (!refused.sure).then_some(false),
            program: &refused.program,
            container: refused.container.as_deref(),
            count: refused.count,
        }
    }
}
