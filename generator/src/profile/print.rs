//! A [`Profile`] into JSON that every runtime reads as it is.

use serde::Serialize;

use super::{Arg, Entry, Profile};
use crate::policy::{Action, Predicate};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    default_action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    flags: &'a [String],
    syscalls: Vec<EntryJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryJson<'a> {
    names: &'a [String],
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArgJson {
    index: usize,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_two: Option<u64>,
    op: &'static str,
}

/// Name and number of an action. The number is written even where runtimes would take EPERM for
/// it, since the default of a missing one has changed between them.
fn action(action: Action) -> (&'static str, Option<u16>) {
    match action {
        Action::Allow => ("SCMP_ACT_ALLOW", None),
        Action::Log => ("SCMP_ACT_LOG", None),
        Action::Errno(errno) => ("SCMP_ACT_ERRNO", Some(errno.number())),
        Action::Trace(message) => ("SCMP_ACT_TRACE", Some(message)),
        Action::Trap => ("SCMP_ACT_TRAP", None),
        Action::KillThread => ("SCMP_ACT_KILL_THREAD", None),
        Action::KillProcess => ("SCMP_ACT_KILL_PROCESS", None),
    }
}

impl From<&Arg> for ArgJson {
    fn from(arg: &Arg) -> Self {
        let (op, value, value_two) = match arg.predicate {
            Predicate::NotEqual(value) => ("SCMP_CMP_NE", value, None),
            Predicate::Less(value) => ("SCMP_CMP_LT", value, None),
            Predicate::LessOrEqual(value) => ("SCMP_CMP_LE", value, None),
            Predicate::Equal(value) => ("SCMP_CMP_EQ", value, None),
            Predicate::GreaterOrEqual(value) => ("SCMP_CMP_GE", value, None),
            Predicate::Greater(value) => ("SCMP_CMP_GT", value, None),
            Predicate::MaskedEqual { mask, value } => ("SCMP_CMP_MASKED_EQ", mask, Some(value)),
        };
        Self { index: arg.index, value, value_two, op }
    }
}

impl<'a> From<&'a Entry> for EntryJson<'a> {
    fn from(entry: &'a Entry) -> Self {
        let (name, number) = action(entry.action);
        Self {
            names: &entry.names,
            action: name,
            errno_ret: number,
            args: entry.args.iter().map(ArgJson::from).collect(),
        }
    }
}

/// Writes a profile, as indented JSON that ends in a newline. The same profile gives the same bytes.
///
/// # Errors
///
/// None in practice: every field of the model can be written as JSON.
pub fn print(profile: &Profile) -> Result<String, serde_json::Error> {
    print_with(profile, &[])
}

/// The same with flags of seccomp(2) for the filter.
pub(super) fn print_with(profile: &Profile, flags: &[String]) -> Result<String, serde_json::Error> {
    let (name, number) = action(profile.default);
    let file = File {
        default_action: name,
        default_errno_ret: number,
        architectures: profile
            .architectures
            .iter()
            .map(|architecture| architecture.name())
            .collect(),
        flags,
        syscalls: profile.entries.iter().map(EntryJson::from).collect(),
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    Ok(text)
}
