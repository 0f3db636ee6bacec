//! JSON into a [`Profile`].
//!
//! [`parse`] is strict: what a runtime would fail on, silently drop or take for something else is refused, with
//! every such place named at once. [`resolve`] takes what engines take, reads it as they do and says what that
//! is; it refuses what no container starts with, and what engines read in different ways.

mod case;
mod document;
mod lenient;
pub(crate) use case::fold;
pub use document::{ParseError, document};
mod resolve;

use serde_json::{Map, Value};

use super::dialect::Context;
use super::finding::{Causes, Listed};
use super::json::{child, is_void, items};
use super::resolved::Resolved;
use super::{Architecture, Arg, Entry, Finding, Profile};
use crate::policy::{Action, Errno, Predicate};
use crate::untrusted::short;

/// What runc returns if the profile names no error.
const UNNAMED_ERRNO: Errno = Errno::EPERM;

/// Reads a profile.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn parse(text: &str) -> Result<Profile, ParseError> {
    Ok(read(text, None)?.profile)
}

/// Reads a profile that may be written in the dialect of Docker or containers/common, and resolves it
/// as dockerd or podman would for a container with these capabilities on this machine and kernel.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn parse_for(text: &str, context: &Context) -> Result<Profile, ParseError> {
    Ok(resolve(text, context)?.profile)
}

/// The same, with what there is to say about it.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn resolve(text: &str, context: &Context) -> Result<Resolved, ParseError> {
    read(text, Some(context))
}

fn read(text: &str, context: Option<&Context>) -> Result<Resolved, ParseError> {
    read_value(document(text)?, context)
}

/// Reads a profile that is JSON already, strictly.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub(crate) fn read_plain(value: &Value) -> Result<Profile, ParseError> {
    Ok(read_value(value.clone(), None)?.profile)
}

/// Reads a profile that is JSON already.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub(super) fn read_value(
    mut value: Value,
    context: Option<&Context>,
) -> Result<Resolved, ParseError> {
    let mut reader = Reader::new(context);
    if context.is_some() {
        reader.fold_case(&mut value);
    }
    match reader.profile(&value) {
        Some((profile, places)) if reader.findings.is_empty() => {
            profile.check_size()?;
            let Reader { notes, flags, is_dialect, is_rewritten, .. } = reader;
            let notes = notes.findings();
            let rules = value.get("syscalls").and_then(Value::as_array).map_or(0, Vec::len);
            Ok(Resolved { profile, notes, flags, is_dialect, is_rewritten, rules, places })
        }
        _ => Err(ParseError::Invalid(reader.findings.into())),
    }
}

struct Reader<'a> {
    findings: Listed,
    /// What to resolve a dialect for; without, it is refused.
    context: Option<&'a Context>,
    /// What engines take, but not all of them, or not for what it seems to be.
    notes: Causes,
    flags: Vec<String>,
    is_dialect: bool,
    is_rewritten: bool,
}

impl<'a> Reader<'a> {
    fn new(context: Option<&'a Context>) -> Self {
        Self {
            findings: Listed::default(),
            context,
            notes: Causes::default(),
            flags: Vec::new(),
            is_dialect: false,
            is_rewritten: false,
        }
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
                    format!("docker reads this as `{meant}`, and others do not: write it that way"),
                );
                continue;
            }
            if is_void(value) {
                continue;
            }
            if self.context.is_some() && resolved.contains(&field.as_str()) {
                self.is_dialect = true;
                continue;
            }
            self.other_field(path, field, value);
        }
        Some(fields)
    }

    fn list<'a>(&mut self, path: &str, value: Option<&'a Value>) -> &'a [Value] {
        items(value).unwrap_or_else(|| {
            self.note(path, "expected a list");
            &[]
        })
    }

    /// The profile, and which of the rules in the file its entries are.
    fn profile(&mut self, value: &Value) -> Option<(Profile, Vec<usize>)> {
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
        let (places, entries) = listed
            .iter()
            .enumerate()
            .filter_map(|(nth, value)| Some((nth, self.entry(&format!("syscalls[{nth}]"), value)?)))
            .unzip();
        Some((Profile { default: default?, architectures, entries }, places))
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
            self.rewrite(
                &at,
                "names no call: name at least one, or remove the entry",
                "names no call, and so says nothing: it is left out",
            );
        }
        let mut names = Vec::new();
        for (nth, name) in listed.iter().enumerate() {
            let at = format!("{at}[{nth}]");
            match name.as_str() {
                Some(name) if !name.is_empty() => names.push(name.to_owned()),
                Some(_) => self.rewrite(
                    &at,
                    "expected the name of a call; runc fails on this",
                    "an empty name, on which runc fails: it is left out",
                ),
                None => self.note(&at, "expected the name of a call; runc fails on this"),
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
        let action = action?;
        (!names.is_empty()).then_some(Entry { names, action, args })
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
                        "`{}` is not a valid action: write a name such as SCMP_ACT_ALLOW or SCMP_ACT_ERRNO",
                        short(name)
                    ),
                );
            }
        };
        if let Some((path, _)) = number {
            self.rewrite(
                &path,
                format!("{name} returns no error, and crun fails on this: remove the number"),
                "this action returns no error, and crun fails on the number: it is left out",
            );
            self.context?;
        }
        Some(plain)
    }

    fn arg(&mut self, path: &str, value: &Value) -> Option<Arg> {
        let fields = self.object(path, value, &["index", "value", "valueTwo", "op"], &[])?;
        let index = self.index(path, fields.get("index"));
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
                    "`{}` is not a valid comparison: write SCMP_CMP_EQ, NE, LT, LE, GE, GT or MASKED_EQ",
                    short(op)
                ),
            ),
        };
        datum?;
        Some(Arg { index: index?, predicate: predicate? })
    }

    fn index(&mut self, path: &str, value: Option<&Value>) -> Option<usize> {
        const WRONG: &str = "expected an argument's index, 0 to 5";
        let at = child(path, "index");
        if matches!(value, None | Some(Value::Null)) {
            self.rewrite(&at, WRONG, "missing, and taken for 0");
            return self.context.map(|_| 0);
        }
        value
            .and_then(Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < 6)
            .or_else(|| self.wrong(&at, WRONG))
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
