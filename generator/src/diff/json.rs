//! A diff as JSON, for machines: `strait.diff/v1`. A public contract: JSON Schema in
//! `profiles/schema/diff-v1.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Change, Diff, Exception, FailOn, Kind, action_text};
use crate::abi::Abi;
use crate::machine::Machine;
use crate::policy::Action;
use crate::policy::decide::ChangeKind;
use crate::recording::Tool;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.diff/v1";

#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    tool: ToolJson,
    old: SideJson<'a>,
    new: SideJson<'a>,
    verdict: &'static str,
    machines: Vec<&'static str>,
    gate: Gate,
    counts: Counts,
    settings: Vec<SettingJson<'a>>,
    changes: Vec<ChangeJson<'a>>,
    expired_exceptions: &'a [Exception],
    partial_exceptions: &'a [Exception],
    unused_exceptions: &'a [Exception],
}

#[derive(Serialize)]
struct ToolJson {
    name: String,
    version: String,
}

#[derive(Serialize)]
struct SideJson<'a> {
    name: &'a str,
    kind: &'static str,
    /// Only of a recording from which calls may be missing: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
}

#[derive(Serialize)]
struct Gate {
    fail_on: &'static str,
    failed: bool,
}

#[derive(Serialize)]
struct Counts {
    widened: usize,
    narrowed: usize,
    refused_otherwise: usize,
}

#[derive(Serialize)]
struct SettingJson<'a> {
    what: &'static str,
    before: &'a str,
    after: &'a str,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    machine: &'static str,
    abi: Abi,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    also_on: &'a [Abi],
    syscall: String,
    number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_numbers: Option<u32>,
    direction: &'static str,
    before: &'a str,
    after: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gained: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a str>,
    witness: WitnessJson,
    risk: RiskJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<SeenJson<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    falls_back_to: &'a [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exceptions: &'a [Exception],
}

#[derive(Serialize)]
struct WitnessJson {
    call: String,
    /// Registers, as hexadecimal text: JSON readers lose digits of large numbers.
    args: Vec<String>,
    before: String,
    after: String,
}

#[derive(Serialize)]
struct RiskJson {
    class: &'static str,
    level: &'static str,
    reason: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
struct SeenJson<'a> {
    count: u64,
    programs: &'a BTreeMap<String, u64>,
    phases: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<FirstJson<'a>>,
    samples: Vec<&'a str>,
    more_samples: u64,
}

#[derive(Serialize)]
struct FirstJson<'a> {
    sample: &'a str,
    recording: &'a str,
}

/// What a side does with a call.
fn done(kind: Kind, action: Action) -> String {
    match kind {
        Kind::Profile => action.to_string(),
        Kind::Recording => action_text(kind, action),
    }
}

impl<'a> ChangeJson<'a> {
    fn new(change: &'a Change, diff: &Diff) -> Self {
        let witness = &change.witness;
        Self {
            machine: change.abi.machine().name(),
            abi: change.abi,
            also_on: &change.also_on,
            syscall: change.call(),
            number: change.number,
            more_numbers: (change.more > 0).then_some(change.more),
            direction: match change.direction {
                ChangeKind::Widened => "widened",
                ChangeKind::Narrowed => "narrowed",
                ChangeKind::Mixed => "mixed",
                ChangeKind::Refusal => "refused otherwise",
            },
            before: &change.before,
            after: &change.after,
            gained: change.gained.as_deref(),
            lost: change.lost.as_deref(),
            witness: WitnessJson {
                call: witness.to_string(),
                args: witness.args.iter().map(|value| format!("{value:#x}")).collect(),
                before: done(diff.old.1, witness.before),
                after: done(diff.new.1, witness.after),
            },
            risk: RiskJson {
                class: change.risk.class,
                level: change.risk.level.name(),
                reason: change.risk.reason,
                source: change.risk.source,
            },
            evidence: change.seen.as_ref().map(|seen| SeenJson {
                count: seen.count,
                programs: &seen.programs,
                phases: seen.phases.iter().map(|(phase, count)| (phase.name(), *count)).collect(),
                first: seen
                    .first
                    .as_ref()
                    .map(|first| FirstJson { sample: &first.sample, recording: &first.recording }),
                samples: seen.samples.iter().map(String::as_str).collect(),
                more_samples: seen.more_samples,
            }),
            falls_back_to: &change.instead,
            exceptions: &change.excepted,
        }
    }
}

/// Writes a diff, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field can be written as JSON.
pub fn print(diff: &Diff, fail_on: FailOn) -> Result<String, serde_json::Error> {
    let Tool { name, version } = Tool::this();
    let side = |(name, kind): &'_ (String, super::Kind)| (name.clone(), kind.name());
    let (old, new) = (side(&diff.old), side(&diff.new));
    let complete = |incomplete: bool| incomplete.then_some(false);
    let file = File {
        schema: SCHEMA,
        tool: ToolJson { name, version },
        old: SideJson { name: &old.0, kind: old.1, complete: complete(diff.incomplete.0) },
        new: SideJson { name: &new.0, kind: new.1, complete: complete(diff.incomplete.1) },
        verdict: diff.verdict.name(),
        machines: diff.machines.iter().map(Machine::name).collect(),
        gate: Gate { fail_on: fail_on.name(), failed: diff.fails(fail_on) },
        counts: Counts {
            widened: diff.widened().count(),
            narrowed: diff.narrowed().count(),
            refused_otherwise: diff.refused_otherwise().count(),
        },
        settings: diff
            .settings
            .iter()
            .map(|setting| SettingJson {
                what: setting.what,
                before: &setting.before,
                after: &setting.after,
            })
            .collect(),
        changes: diff.changes.iter().map(|change| ChangeJson::new(change, diff)).collect(),
        expired_exceptions: &diff.expired,
        partial_exceptions: &diff.partial,
        unused_exceptions: &diff.unused,
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
