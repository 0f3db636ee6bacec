//! `strait.evidence/v1`, the file format. A public contract: JSON Schema in
//! `profiles/schema/evidence-v1.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::digest::sha256;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Added, Evidence, First, Seen, Value};
use crate::abi::Abi;
use crate::decode;
use crate::profile::{self, Profile};
use crate::recording::{Phase, Source, Tool};
use crate::schema::schema;
use crate::untrusted::short;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.evidence/v1";

/// Why a text is no evidence that this release can use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, cut off, or JSON of another shape.
    #[error("this is not a complete evidence file: {0}. `strait generate` writes it again")]
    Malformed(#[source] serde_json::Error),
    /// Of another schema.
    #[error("expected a file of schema `{SCHEMA}`, but this one is `{0}`")]
    WrongSchema(String),
}

#[derive(Serialize, Deserialize)]
struct File {
    schema: String,
    tool: ToolJson,
    profile: ProfileJson,
    recordings: Vec<SourceJson>,
    abis: BTreeMap<Abi, Table>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    added: BTreeMap<String, AddedJson>,
}

#[derive(Serialize, Deserialize)]
struct AddedJson {
    rule: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct ToolJson {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct ProfileJson {
    sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SourceJson {
    id: String,
    name: String,
    started: Timestamp,
    finished: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Table {
    syscalls: BTreeMap<String, SeenJson>,
}

#[derive(Serialize, Deserialize)]
struct SeenJson {
    number: u32,
    count: u64,
    first_seen_ms: u64,
    programs: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    phases: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<FirstJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    samples: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    more_samples: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<ValueJson>,
}

#[derive(Serialize, Deserialize)]
struct ValueJson {
    /// For people.
    #[serde(default)]
    call: String,
    /// Hexadecimal text: JSON readers lose digits of large numbers.
    args: Vec<String>,
    count: u64,
    programs: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<FirstJson>,
}

#[derive(Serialize, Deserialize)]
struct FirstJson {
    sample: String,
    recording: String,
    finished_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The SHA-256 of a profile as Strait prints it, in hexadecimal digits.
pub(super) fn fingerprint(profile: &Profile) -> Option<String> {
    let text = profile::print(profile).ok()?;
    Some(sha256(text.as_bytes()))
}

impl From<&First> for FirstJson {
    fn from(first: &First) -> Self {
        Self {
            sample: first.sample.clone(),
            recording: first.recording.clone(),
            finished_ms: milliseconds(first.finished),
        }
    }
}

impl From<FirstJson> for First {
    fn from(first: FirstJson) -> Self {
        Self {
            sample: first.sample,
            recording: first.recording,
            finished: Duration::from_millis(first.finished_ms),
        }
    }
}

impl From<&Value> for ValueJson {
    fn from(value: &Value) -> Self {
        Self {
            call: String::new(),
            args: value.args.iter().map(|arg| format!("{arg:#x}")).collect(),
            count: value.count,
            programs: value.programs.clone(),
            first: value.first.as_ref().map(FirstJson::from),
        }
    }
}

impl From<ValueJson> for Value {
    fn from(json: ValueJson) -> Self {
        let mut args = [0; 6];
        for (slot, text) in args.iter_mut().zip(&json.args) {
            *slot = u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_default();
        }
        Self {
            args,
            count: json.count,
            programs: json.programs,
            first: json.first.map(First::from),
        }
    }
}

impl From<&Seen> for SeenJson {
    fn from(seen: &Seen) -> Self {
        Self {
            number: 0,
            count: seen.count,
            first_seen_ms: milliseconds(seen.first_seen),
            programs: seen.programs.clone(),
            phases: seen
                .phases
                .iter()
                .map(|(phase, count)| (phase.name().into(), *count))
                .collect(),
            first: seen.first.as_ref().map(FirstJson::from),
            samples: seen.samples.iter().cloned().collect(),
            more_samples: seen.more_samples,
            values: seen.values.iter().map(ValueJson::from).collect(),
        }
    }
}

impl From<SeenJson> for Seen {
    fn from(json: SeenJson) -> Self {
        let phase = |name: &str| Phase::ALL.into_iter().find(|phase| phase.name() == name);
        Self {
            count: json.count,
            first_seen: Duration::from_millis(json.first_seen_ms),
            programs: json.programs,
            phases: json
                .phases
                .iter()
                .filter_map(|(name, count)| Some((phase(name)?, *count)))
                .collect(),
            first: json.first.map(First::from),
            samples: json.samples.into_iter().collect(),
            more_samples: json.more_samples,
            values: json.values.into_iter().map(Value::from).collect(),
        }
    }
}

/// Writes evidence, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(evidence: &Evidence) -> Result<String, serde_json::Error> {
    let Tool { name, version } = Tool::this();
    let table = |abi: Abi, calls: &BTreeMap<u32, Seen>| {
        let entries = calls.iter().map(|(number, seen)| {
            let name = abi.syscall_name(*number).map_or_else(|| number.to_string(), str::to_owned);
            let mut json = SeenJson { number: *number, ..SeenJson::from(seen) };
            for (json, value) in json.values.iter_mut().zip(&seen.values) {
                json.call = decode::call(abi, *number, &value.args);
            }
            (name, json)
        });
        Table { syscalls: entries.collect() }
    };
    let sources = evidence.recordings.iter().cloned();
    let file = File {
        schema: SCHEMA.to_owned(),
        tool: ToolJson { name, version },
        profile: ProfileJson { sha256: evidence.profile.clone() },
        recordings: sources
            .map(|Source { id, name, started, finished }| SourceJson {
                id,
                name,
                started,
                finished,
            })
            .collect(),
        abis: evidence.calls.iter().map(|(abi, calls)| (*abi, table(*abi, calls))).collect(),
        added: evidence
            .added
            .iter()
            .map(|(call, Added { rule, reason })| {
                (call.clone(), AddedJson { rule: rule.clone(), reason: reason.clone() })
            })
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}

/// Reads evidence; unknown fields are no error.
///
/// # Errors
///
/// [`ReadError`] says what is wrong with the text.
pub fn parse(text: &str) -> Result<Evidence, ReadError> {
    match schema(text).map_err(ReadError::Malformed)?.as_deref() {
        Some(SCHEMA) => {}
        other => return Err(ReadError::WrongSchema(short(other.unwrap_or("none")))),
    }
    let file: File = serde_json::from_str(text).map_err(ReadError::Malformed)?;
    let sources = file.recordings.into_iter();
    let calls = file.abis.into_iter().map(|(abi, table)| {
        let calls = table.syscalls.into_values().map(|seen| (seen.number, Seen::from(seen)));
        (abi, calls.collect())
    });
    Ok(Evidence {
        profile: file.profile.sha256,
        recordings: sources
            .map(|SourceJson { id, name, started, finished }| Source {
                id,
                name,
                started,
                finished,
            })
            .collect(),
        calls: calls.collect(),
        added: file
            .added
            .into_iter()
            .map(|(call, AddedJson { rule, reason })| (call, Added { rule, reason }))
            .collect(),
    })
}
