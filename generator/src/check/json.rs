//! `strait.check/v1`, the report as JSON. A public contract: JSON Schema in
//! `profiles/schema/check-v1.json`.

use serde::Serialize;

use super::{Count, Coverage, Missing, Report, Within};
use crate::decode;
use crate::machine::Machine;
use crate::policy::decide::Witness;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.check/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolV1,
    profile: &'a str,
    machines: Vec<&'static str>,
    abis: Vec<CountV1>,
    capabilities: Vec<String>,
    kernel: Option<String>,
    within: Option<WithinV1<'a>>,
    covers: Vec<CoverageV1<'a>>,
}

#[derive(Serialize)]
struct ToolV1 {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct CountV1 {
    abi: &'static str,
    allowed: usize,
    by_argument: usize,
}

#[derive(Serialize)]
struct WithinV1<'a> {
    baseline: &'a str,
    is_within: bool,
    is_equal: bool,
    abis: Vec<CountV1>,
    wider: Vec<CallV1>,
}

#[derive(Serialize)]
struct CallV1 {
    machine: &'static str,
    abi: &'static str,
    number: u32,
    syscall: Option<&'static str>,
    args: Option<[u64; 6]>,
    decoded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_action: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    falls_back_to: Vec<&'static str>,
}

#[derive(Serialize)]
struct CoverageV1<'a> {
    recording: &'a str,
    complete: bool,
    calls: usize,
    missing: Vec<CallV1>,
    fallbacks: Vec<CallV1>,
    uncertain: Vec<UncertainV1>,
    no_such_call: Vec<CallV1>,
}

#[derive(Serialize)]
struct UncertainV1 {
    abi: &'static str,
    number: u32,
    syscall: Option<&'static str>,
}

impl From<&Count> for CountV1 {
    fn from(count: &Count) -> Self {
        Self { abi: count.abi.name(), allowed: count.calls, by_argument: count.by_argument }
    }
}

impl From<&Witness> for CallV1 {
    fn from(witness: &Witness) -> Self {
        Self {
            machine: witness.abi.machine().name(),
            abi: witness.abi.name(),
            number: witness.number,
            syscall: witness.abi.syscall_name(witness.number),
            args: Some(witness.args),
            decoded: Some(witness.to_string()),
            count: None,
            action: witness.before.to_string(),
            baseline_action: Some(witness.after.to_string()),
            falls_back_to: Vec::new(),
        }
    }
}

impl From<&Missing> for CallV1 {
    fn from(missing: &Missing) -> Self {
        Self {
            machine: missing.abi.machine().name(),
            abi: missing.abi.name(),
            number: missing.number,
            syscall: missing.abi.syscall_name(missing.number),
            args: missing.args,
            decoded: missing.args.map(|args| decode::call(missing.abi, missing.number, &args)),
            count: Some(missing.count),
            action: missing.action.to_string(),
            baseline_action: None,
            falls_back_to: missing.falls_back_to.clone(),
        }
    }
}

impl<'a> From<&'a Within> for WithinV1<'a> {
    fn from(within: &'a Within) -> Self {
        Self {
            baseline: &within.baseline,
            is_within: within.comparison.is_within(),
            is_equal: within.comparison.is_equal(),
            abis: within.allowed.iter().map(Into::into).collect(),
            wider: within.escapes().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a Coverage> for CoverageV1<'a> {
    fn from(coverage: &'a Coverage) -> Self {
        let uncertain = coverage.uncertain.iter().map(|(abi, number)| UncertainV1 {
            abi: abi.name(),
            number: *number,
            syscall: abi.syscall_name(*number),
        });
        Self {
            recording: &coverage.recording,
            complete: coverage.is_complete,
            calls: coverage.calls,
            missing: coverage.missing.iter().map(Into::into).collect(),
            fallbacks: coverage.fallbacks.iter().map(Into::into).collect(),
            uncertain: uncertain.collect(),
            no_such_call: coverage.no_such_call.iter().map(Into::into).collect(),
        }
    }
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
        machines: report.machines.iter().map(Machine::name).collect(),
        abis: report.allowed.iter().map(Into::into).collect(),
        capabilities: report.assumed.capabilities.iter().map(ToString::to_string).collect(),
        kernel: report.assumed.kernel.map(|(major, minor)| format!("{major}.{minor}")),
        within: report.within.as_ref().map(Into::into),
        covers: report.covers.iter().map(Into::into).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
