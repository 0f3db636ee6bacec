//! `strait.recording/v1`, the file format. A public contract: JSON Schema in
//! `profiles/schema/recording-v1.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Call, Completeness, Host, Losses, Program, ReadError, Recording, Target, TargetKind, Tool,
};
use crate::abi::Abi;

/// The value of the `schema` field.
pub const SCHEMA: &str = "strait.recording/v1";

const FAMILY: &str = "strait.recording/";

#[derive(Serialize, Deserialize)]
struct File {
    schema: String,
    tool: ToolV1,
    host: HostV1,
    target: TargetV1,
    started: Timestamp,
    finished: Timestamp,
    complete: bool,
    losses: LossesV1,
    programs: Vec<ProgramV1>,
    abis: BTreeMap<Abi, AbiV1>,
}

#[derive(Serialize, Deserialize)]
struct ToolV1 {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct HostV1 {
    kernel: String,
    arch: String,
}

#[derive(Serialize, Deserialize)]
struct TargetV1 {
    kind: KindV1,
    name: String,
    command: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindV1 {
    Command,
}

#[derive(Serialize, Deserialize)]
struct LossesV1 {
    calls: u64,
    programs: u64,
    missed: u64,
    tasks: u64,
}

#[derive(Serialize, Deserialize)]
struct ProgramV1 {
    path: String,
    device: String,
    inode: u64,
}

#[derive(Serialize, Deserialize)]
struct AbiV1 {
    syscalls: BTreeMap<String, CallV1>,
}

#[derive(Serialize, Deserialize)]
struct CallV1 {
    number: u32,
    count: u64,
    first_seen_ms: u64,
    programs: BTreeMap<String, u64>,
}

/// Reads a recording.
///
/// # Errors
///
/// [`ReadError`] says what is wrong with the text; unknown fields are no error.
pub fn parse(text: &str) -> Result<Recording, ReadError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(ReadError::Malformed)?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        None => return Err(ReadError::Foreign),
        Some(SCHEMA) => {}
        Some(other) if other.starts_with(FAMILY) => {
            return Err(ReadError::UnknownVersion(other.to_owned()));
        }
        Some(other) => return Err(ReadError::WrongSchema(other.to_owned())),
    }
    let file: File = serde_json::from_value(value).map_err(ReadError::Malformed)?;
    file.into_model()
}

/// Writes a recording, as indented JSON that ends in a newline.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(recording: &Recording) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&File::from_model(recording))?;
    text.push('\n');
    Ok(text)
}

/// The key under which a call stands in the file: its name, or its number if it has none.
fn key(abi: Abi, number: u32) -> String {
    abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

impl File {
    fn from_model(recording: &Recording) -> Self {
        let Losses { calls, programs, missed, tasks } = recording.completeness.losses();
        Self {
            schema: SCHEMA.to_owned(),
            tool: ToolV1 {
                name: recording.tool.name.clone(),
                version: recording.tool.version.clone(),
            },
            host: HostV1 {
                kernel: recording.host.kernel.clone(),
                arch: recording.host.arch.clone(),
            },
            target: TargetV1 {
                kind: match recording.target.kind {
                    TargetKind::Command => KindV1::Command,
                },
                name: recording.target.name.clone(),
                command: recording.target.command.clone(),
            },
            started: recording.started,
            finished: recording.finished,
            complete: recording.completeness == Completeness::Complete,
            losses: LossesV1 { calls, programs, missed, tasks },
            programs: recording
                .programs
                .iter()
                .map(|program| ProgramV1 {
                    path: program.path.clone(),
                    device: program.device.clone(),
                    inode: program.inode,
                })
                .collect(),
            abis: recording
                .calls
                .iter()
                .map(|(abi, calls)| {
                    let syscalls = calls
                        .iter()
                        .map(|(number, call)| {
                            (key(*abi, *number), CallV1::from_model(*number, call))
                        })
                        .collect();
                    (*abi, AbiV1 { syscalls })
                })
                .collect(),
        }
    }

    fn into_model(self) -> Result<Recording, ReadError> {
        let losses = Losses {
            calls: self.losses.calls,
            programs: self.losses.programs,
            missed: self.losses.missed,
            tasks: self.losses.tasks,
        };
        if self.complete != losses.is_zero() {
            return Err(ReadError::Inconsistent(format!(
                "`complete` is {}, but `losses` {}",
                self.complete,
                if losses.is_zero() { "are all zero" } else { "are not" },
            )));
        }
        let mut calls: BTreeMap<Abi, BTreeMap<u32, Call>> = BTreeMap::new();
        for (abi, table) in self.abis {
            let of_abi = calls.entry(abi).or_default();
            for (name, call) in table.syscalls {
                let number = resolve(abi, &name, call.number)?;
                let known =
                    |path: &String| self.programs.iter().any(|program| program.path == *path);
                if let Some(path) = call.programs.keys().find(|path| !known(path)) {
                    return Err(ReadError::Inconsistent(format!(
                        "`abis.{abi}.syscalls.{name}.programs` names `{path}`, which `programs` does not list"
                    )));
                }
                of_abi.insert(number, call.into_model());
            }
        }
        Ok(Recording {
            tool: Tool { name: self.tool.name, version: self.tool.version },
            host: Host { kernel: self.host.kernel, arch: self.host.arch },
            target: Target {
                kind: match self.target.kind {
                    KindV1::Command => TargetKind::Command,
                },
                name: self.target.name,
                command: self.target.command,
            },
            started: self.started,
            finished: self.finished,
            completeness: losses.into(),
            programs: self
                .programs
                .into_iter()
                .map(|program| Program {
                    path: program.path,
                    device: program.device,
                    inode: program.inode,
                })
                .collect(),
            calls,
        })
    }
}

/// The number of a call in the file. The number counts: a table of another release may have no name
/// for it, or may have written it as a number where this one has a name.
fn resolve(abi: Abi, name: &str, number: u32) -> Result<u32, ReadError> {
    let named = abi.syscall_number(name);
    if named.is_some_and(|named| named != number) {
        return Err(ReadError::Inconsistent(format!(
            "`abis.{abi}.syscalls.{name}` has number {number}, but {name} is number {}",
            named.unwrap_or_default(),
        )));
    }
    Ok(number)
}

impl CallV1 {
    fn from_model(number: u32, call: &Call) -> Self {
        Self {
            number,
            count: call.count,
            first_seen_ms: u64::try_from(call.first_seen.as_millis()).unwrap_or(u64::MAX),
            programs: call.programs.clone(),
        }
    }

    fn into_model(self) -> Call {
        Call {
            count: self.count,
            first_seen: Duration::from_millis(self.first_seen_ms),
            programs: self.programs,
        }
    }
}
