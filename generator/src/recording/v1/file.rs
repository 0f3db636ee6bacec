//! The file as it is, field by field.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reachable::Reachable;
use crate::abi::Abi;

#[derive(Serialize, Deserialize)]
pub(super) struct File {
    pub schema: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub tool: Tool,
    pub host: Host,
    pub target: Target,
    pub started: Timestamp,
    pub finished: Timestamp,
    pub complete: bool,
    pub losses: Losses,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<Caveat>,
    pub programs: Vec<Program>,
    pub abis: BTreeMap<Abi, AbiTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<File>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Sample {
    pub name: String,
    pub finished_ms: u64,
    /// Of a merged recording only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recording: String,
    /// Counts by ABI and by the key of `abis`.
    pub calls: BTreeMap<Abi, BTreeMap<String, u64>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<Abi, BTreeMap<String, BTreeSet<Vec<u64>>>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Source {
    pub id: String,
    pub name: String,
    pub started: Timestamp,
    pub finished: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tool {
    pub name: String,
    pub version: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Host {
    pub kernel: String,
    pub arch: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Target {
    pub kind: Kind,
    pub name: String,
    pub command: Vec<String>,
    #[serde(default)]
    pub start: Start,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Command,
    Container,
    Processes,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Start {
    Filter,
    /// As for every command.
    #[default]
    Exec,
    Attached,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Container {
    pub id: String,
    pub engine: String,
    pub name: String,
    pub image: String,
    pub image_digest: String,
    pub labels: BTreeMap<String, String>,
    pub runtime: String,
    pub runtime_version: String,
    pub no_new_privs: bool,
    /// Sixteen hexadecimal digits, as in `/proc/PID/status`; empty if it is not known.
    pub bounding_set: String,
    pub filtered: bool,
    pub profile: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unconfirmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ContainerOrigin>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContainerOrigin {
    Time,
    Engine,
    Descent,
    /// Of a later release.
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Losses {
    pub calls: u64,
    pub programs: u64,
    pub missed: u64,
    pub tasks: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub starts: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unread: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partial: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Caveat {
    EngineClient {
        program: String,
    },
    IoUring,
    Listener,
    NoNewPrivs,
    StillRunning {
        tasks: u64,
    },
    SupervisorRefused,
    TracedBy {
        tracer: String,
    },
    /// Of a later release.
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Program {
    pub path: String,
    pub device: String,
    pub inode: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<Reachable>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AbiTable {
    pub syscalls: BTreeMap<String, Call>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Call {
    pub number: u32,
    pub count: u64,
    pub first_seen_ms: u64,
    pub programs: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<Phase, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Arguments {
    pub indexes: Vec<u8>,
    pub values: Vec<ArgumentUse>,
    pub overflow: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ArgumentUse {
    pub values: Vec<u64>,
    pub count: u64,
    pub first_seen_ms: u64,
    pub programs: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<Phase, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Runtime,
    Startup,
    Running,
    Exec,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Refused {
    pub abi: Abi,
    pub syscall: String,
    pub number: u32,
    /// `null` if the task was killed.
    pub errno: Option<u16>,
    pub count: u64,
}
