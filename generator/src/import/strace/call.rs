//! A call of a log: its name and arguments, its result, and how it is counted.

use super::line::{Mode, low_half};
use super::split::split;
use super::tally::{ArgumentValues, Name, NodeId, Seen, Tally};
use super::value;
use crate::policy::argument::ArgumentRule;

/// The longest path that the kernel takes (`include/uapi/linux/limits.h`).
const PATH_MAX: usize = 4096;

/// A call that has begun and not returned.
#[derive(Debug)]
pub struct Pending {
    /// Its name.
    pub name: Name,
    /// What stands behind the bracket so far.
    pub text: String,
    /// How the task calls.
    pub mode: Option<Mode>,
    /// What the task runs.
    pub node: NodeId,
    /// When it began.
    pub first: Option<u64>,
    /// Of how many lines it is so far.
    pub lines: u8,
    /// Whether it was counted before it returned, since there was no room to wait for the rest of its arguments.
    pub is_counted: bool,
}

/// Counts a call that will not return, with the arguments that were shown.
pub fn give_up(call: &Pending, tally: &mut Tally) {
    let text = format!("{}<unfinished ...>", call.text);
    count(call, &split(&text).args, tally);
}

/// Whether a call makes a task.
pub fn makes_a_task(name: &str) -> bool {
    matches!(name, "fork" | "vfork" | "clone" | "clone3")
}

/// Whether a result is zero.
pub fn is_zero(result: &str) -> bool {
    result.trim_start_matches('=').split_whitespace().next() == Some("0")
}

/// Counts a call, if it was not yet.
pub fn count(call: &Pending, args: &[&str], tally: &mut Tally) {
    if call.is_counted {
        return;
    }
    let name = call.name.name.as_str();
    let kept = match ArgumentRule::for_call(name) {
        None => ArgumentValues::Nothing,
        Some(rule) => {
            value::reduced(name, rule, args).map_or(ArgumentValues::Lost, ArgumentValues::Values)
        }
    };
    tally.add(call.node, call.mode, call.name.clone(), kept, Seen { count: 1, first: call.first });
}

/// The pid of the task that a call has made: the one in strace's own namespace, if it says so
/// (`--pidns-translation`: `= 3 /* 77 in strace's PID NS */`).
pub fn child(result: &str) -> Option<u32> {
    let result = result.strip_prefix('=')?.trim_start();
    let translated = result
        .split_once("/* ")
        .and_then(|(_, rest)| rest.split_once(" in strace's PID NS"))
        .and_then(|(pid, _)| value::number(pid));
    let pid = translated.or_else(|| value::number(result.split([' ', '\t']).next()?))?;
    low_half(Some(pid)).filter(|low| *low > 0 && u64::from(*low) == pid)
}

/// The path of the program that a call has executed.
pub fn executed(name: &str, args: &[&str]) -> Option<String> {
    let (folder, path) = match name {
        "execve" => (None, args.first()?),
        _ => (args.first().copied(), args.get(1)?),
    };
    let path = value::text(path).filter(|path| path.len() <= PATH_MAX)?;
    if !path.is_empty() {
        return Some(path);
    }
    // The file itself, by its descriptor (AT_EMPTY_PATH), which -y shows with its path.
    let (_, file) = folder?.split_once('<')?;
    let file = value::text(&format!("\"{}\"", file.strip_suffix('>')?))?;
    file.starts_with('/').then_some(file)
}

/// Program and arguments, as far as the log has all of them.
pub fn command(path: String, args: &[&str]) -> Vec<String> {
    let list = args.iter().find_map(|arg| arg.strip_prefix('[')?.strip_suffix(']'));
    let list = list.map(|list| format!("{list})"));
    let words: Option<Vec<String>> =
        list.and_then(|list| split(&list).args.into_iter().map(value::text).collect());
    let mut command = vec![path];
    command.extend(words.into_iter().flatten().skip(1));
    command
}
