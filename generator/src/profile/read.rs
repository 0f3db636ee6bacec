//! JSON into a [`Profile`].
//!
//! Strict: what a runtime would fail on, silently drop or take for something else is refused, with
//! every such place named at once.

mod resolve;

use serde_json::{Map, Value};

use super::dialect::Context;
use super::finding::Listed;
use super::json::{child, json};
use super::{Architecture, Arg, Entry, Finding, Findings, Profile, TooManyRules};
use crate::limits::TooLarge;
use crate::policy::{Action, Errno, Predicate};
use crate::untrusted::{one_line, short};

/// Fields of Docker's own dialect, which only dockerd and the podman family resolve.
const DIALECT: [&str; 7] =
    ["archMap", "includes", "excludes", "minKernel", "name", "caps", "arches"];
/// What runc returns if the profile names no error.
const UNNAMED_ERRNO: Errno = Errno::EPERM;

/// Why a text is not a profile.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Nothing at all.
    #[error(
        "this file is empty: was the path right, and did whatever wrote it succeed? \
         `strait generate RECORDING -o PROFILE` makes a profile"
    )]
    Empty,
    /// JSON after a mark that no runtime passes over.
    #[error(
        "there is a byte order mark in front of the JSON, and docker, podman and containerd do not read \
         past one: save the file as UTF-8 without it"
    )]
    ByteOrderMark,
    /// Not JSON, or cut off.
    #[error("this is not a whole JSON file: {0}. If it was cut off, generate it again")]
    Malformed(#[source] serde_json::Error),
    /// JSON of Strait's own that is no profile.
    #[error(
        "this is a file of schema `{0}`, not a profile. \
         Make a profile of a recording with `strait generate RECORDING -o PROFILE`"
    )]
    OtherSchema(String),
    /// Larger than a profile may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A profile of more rules than can be compared.
    #[error(transparent)]
    TooManyRules(#[from] TooManyRules),
    /// JSON, but not a profile that means the same to every runtime.
    #[error("this is no profile that can be used: {0}")]
    Invalid(#[source] Findings),
}

/// Reads a profile.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn parse(text: &str) -> Result<Profile, ParseError> {
    read(text, None)
}

/// Reads a profile that may be written in the dialect of Docker or containers/common, and resolves it
/// as dockerd or podman would for a container with these capabilities on this machine and kernel.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn parse_for(text: &str, context: &Context) -> Result<Profile, ParseError> {
    read(text, Some(context))
}

fn read(text: &str, context: Option<&Context>) -> Result<Profile, ParseError> {
    let value = json(text)?;
    if let Some(schema) = value.get("schema").and_then(Value::as_str) {
        return Err(ParseError::OtherSchema(one_line(schema)));
    }
    let mut reader = Reader { findings: Listed::default(), context };
    match reader.profile(&value) {
        Some(profile) if reader.findings.is_empty() => {
            profile.check_size()?;
            Ok(profile)
        }
        _ => Err(ParseError::Invalid(reader.findings.into())),
    }
}

struct Reader<'a> {
    findings: Listed,
    /// What to resolve a dialect for; without, it is refused.
    context: Option<&'a Context>,
}

/// Whether a field says nothing, as Docker writes those that do not apply.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_void),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Reader<'_> {
    /// Notes that something is wrong. `None`, for what could not be read.
    fn wrong<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        self.note(path, message);
        None
    }

    fn note(&mut self, path: &str, message: impl Into<String>) {
        self.findings.note(|| Finding::error(path, message));
    }

    fn object<'a>(
        &mut self,
        path: &str,
        value: &'a Value,
        known: &[&str],
        resolved: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let Some(fields) = value.as_object() else {
            return self.wrong(path, "expected an object");
        };
        for (field, value) in fields {
            if known.contains(&field.as_str()) || field == "comment" {
                continue;
            }
            // Go takes `Syscalls` for `syscalls`, also if it says nothing.
            if let Some(meant) = known.iter().find(|name| name.eq_ignore_ascii_case(field)) {
                self.note(
                    &child(path, field),
                    format!("docker takes this for `{meant}`, and others do not: write it so"),
                );
                continue;
            }
            if is_void(value) {
                continue;
            }
            if self.context.is_some() && resolved.contains(&field.as_str()) {
                continue;
            }
            let message = if DIALECT.contains(&field.as_str()) {
                "Docker's dialect, which containerd drops without a word: \
                 resolve it to plain OCI first (`architectures`, `names`, no conditions on capabilities)"
            } else if field == "flags" {
                "runc before 1.2 fails on any flag: remove it"
            } else if field.starts_with("listener") {
                "only for SCMP_ACT_NOTIFY, which a file cannot set up: remove it"
            } else {
                "unknown field: remove it, or correct its name"
            };
            self.note(&child(path, field), message);
        }
        Some(fields)
    }

    fn list<'a>(&mut self, path: &str, value: Option<&'a Value>) -> &'a [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.note(path, "expected a list");
                &[]
            }
        }
    }

    fn profile(&mut self, value: &Value) -> Option<Profile> {
        let known = ["defaultAction", "defaultErrnoRet", "architectures", "syscalls"];
        let fields = self.object("$", value, &known, &["archMap", "defaultErrno"])?;
        let default = match fields.get("defaultAction") {
            None | Some(Value::Null) => self.wrong(
                "defaultAction",
                "missing, and without it Docker and runc leave the container unconfined: \
                 write SCMP_ACT_ERRNO with a defaultErrnoRet of 38",
            ),
            Some(action) => self.action("$", "defaultAction", "defaultErrnoRet", action, fields),
        };
        let mut architectures = Vec::new();
        let listed = self.list("architectures", fields.get("architectures"));
        for (nth, value) in listed.iter().enumerate() {
            let path = format!("architectures[{nth}]");
            match value.as_str().map(str::parse::<Architecture>) {
                Some(Ok(architecture)) => architectures.push(architecture),
                Some(Err(error)) => self.note(&path, error.to_string()),
                None => self.note(&path, "expected the name of an architecture"),
            }
        }
        self.arch_map(fields, &mut architectures);
        let listed = self.list("syscalls", fields.get("syscalls"));
        let entries = listed
            .iter()
            .enumerate()
            .filter_map(|(nth, value)| self.entry(&format!("syscalls[{nth}]"), value))
            .collect();
        Some(Profile { default: default?, architectures, entries })
    }

    fn entry(&mut self, path: &str, value: &Value) -> Option<Entry> {
        let fields = self.object(
            path,
            value,
            &["names", "action", "errnoRet", "args"],
            &["includes", "excludes", "name", "errno"],
        )?;
        if !self.applies(path, fields) {
            return None;
        }
        let at = child(path, "names");
        let listed = self.list(&at, fields.get("names"));
        let single = fields.get("name").filter(|name| self.context.is_some() && !is_void(name));
        if let Some(_) = single
            && !listed.is_empty()
        {
            self.note(
                &child(path, "name"),
                "`name` and `names` together, which dockerd refuses: use `names`",
            );
        }
        let listed: Vec<&Value> = listed.iter().chain(single).collect();
        if listed.is_empty() {
            self.note(&at, "names no call: name at least one, or remove the entry");
        }
        let mut names = Vec::new();
        for (nth, name) in listed.iter().enumerate() {
            match name.as_str() {
                Some(name) if !name.is_empty() => names.push(name.to_owned()),
                _ => self.note(
                    &format!("{at}[{nth}]"),
                    "expected the name of a call; runc fails on this",
                ),
            }
        }
        let action = match fields.get("action") {
            None | Some(Value::Null) => self
                .wrong(&child(path, "action"), "missing: write SCMP_ACT_ALLOW or SCMP_ACT_ERRNO"),
            Some(action) => self.action(path, "action", "errnoRet", action, fields),
        };
        let at = child(path, "args");
        let listed = self.list(&at, fields.get("args"));
        let args: Vec<Arg> = listed
            .iter()
            .enumerate()
            .filter_map(|(nth, value)| self.arg(&format!("{at}[{nth}]"), value))
            .collect();
        Some(Entry { names, action: action?, args })
    }

    fn action(
        &mut self,
        parent: &str,
        field: &str,
        number_field: &str,
        value: &Value,
        fields: &Map<String, Value>,
    ) -> Option<Action> {
        let path = child(parent, field);
        let Some(name) = value.as_str() else {
            return self.wrong(&path, "expected the name of an action");
        };
        let number = match fields.get(number_field) {
            None | Some(Value::Null) => None,
            Some(number) => Some((child(parent, number_field), number)),
        };
        let plain = match name {
            "SCMP_ACT_ERRNO" => {
                if let Some(errno) = self.named_errno(parent, fields)? {
                    return Some(Action::Errno(errno));
                }
                let Some((path, number)) = number else {
                    return Some(Action::Errno(UNNAMED_ERRNO));
                };
                let errno = number
                    .as_u64()
                    .and_then(|number| u16::try_from(number).ok())
                    .and_then(Errno::new);
                return errno.map(Action::Errno).or_else(|| {
                    self.wrong(
                        &path,
                        "expected an error number from 0 to 4095, such as 38 for ENOSYS",
                    )
                });
            }
            "SCMP_ACT_TRACE" => {
                let Some((path, number)) = number else {
                    return Some(Action::Trace(UNNAMED_ERRNO.number()));
                };
                let message = number.as_u64().and_then(|number| u16::try_from(number).ok());
                return message
                    .map(Action::Trace)
                    .or_else(|| self.wrong(&path, "expected a number from 0 to 65535"));
            }
            "SCMP_ACT_ALLOW" => Action::Allow,
            "SCMP_ACT_LOG" => Action::Log,
            "SCMP_ACT_TRAP" => Action::Trap,
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
            "SCMP_ACT_NOTIFY" => {
                return self.wrong(
                    &path,
                    "SCMP_ACT_NOTIFY needs a listener, which a file cannot carry: use SCMP_ACT_ERRNO",
                );
            }
            _ => {
                return self.wrong(
                    &path,
                    format!(
                        "`{}` is no action: write a name such as SCMP_ACT_ALLOW or SCMP_ACT_ERRNO",
                        short(name)
                    ),
                );
            }
        };
        match number {
            None => Some(plain),
            Some((path, _)) => self.wrong(
                &path,
                format!("{name} returns no error, and crun fails on this: remove the number"),
            ),
        }
    }

    fn arg(&mut self, path: &str, value: &Value) -> Option<Arg> {
        let fields = self.object(path, value, &["index", "value", "valueTwo", "op"], &[])?;
        let index = fields
            .get("index")
            .and_then(Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < 6)
            .or_else(|| self.wrong(&child(path, "index"), "expected an argument's index, 0 to 5"));
        let value = self.number(path, "value", fields);
        let datum = self.number(path, "valueTwo", fields);
        let op = fields.get("op").and_then(Value::as_str).unwrap_or_default();
        let predicate = match op {
            "SCMP_CMP_NE" => value.map(Predicate::NotEqual),
            "SCMP_CMP_LT" => value.map(Predicate::Less),
            "SCMP_CMP_LE" => value.map(Predicate::LessOrEqual),
            "SCMP_CMP_EQ" => value.map(Predicate::Equal),
            "SCMP_CMP_GE" => value.map(Predicate::GreaterOrEqual),
            "SCMP_CMP_GT" => value.map(Predicate::Greater),
            // The mask comes first; a missing datum is 0, which every runtime takes it for.
            "SCMP_CMP_MASKED_EQ" => {
                value.zip(datum).map(|(mask, datum)| Predicate::MaskedEqual { mask, value: datum })
            }
            _ => self.wrong(
                &child(path, "op"),
                format!(
                    "`{}` is no comparison: write SCMP_CMP_EQ, NE, LT, LE, GE, GT or MASKED_EQ",
                    short(op)
                ),
            ),
        };
        datum?;
        Some(Arg { index: index?, predicate: predicate? })
    }

    fn number(&mut self, path: &str, field: &str, fields: &Map<String, Value>) -> Option<u64> {
        match fields.get(field) {
            None | Some(Value::Null) => Some(0),
            Some(value) => value.as_u64().or_else(|| {
                self.wrong(
                    &child(path, field),
                    "expected a whole number from 0 to 18446744073709551615",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests;
