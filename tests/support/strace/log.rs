//! Reads the log of `strace -f -n --quiet=none --signal=none -o FILE`.

use std::collections::{BTreeMap, BTreeSet};

use strait_generator::abi::Abi;

use super::super::Calls;

const X32_BIT: u32 = 0x4000_0000;

/// Counts the calls in a log.
///
/// A call is counted where it starts. Its other half (`<... read resumed>`) is not counted again; a
/// call that the kernel restarts starts again and counts again, as it does for a filter.
///
/// A task that is killed while it stops for strace at the start of a call never makes that call, and
/// strace finds nothing there to read (`???(`). It is not counted. If it is killed a moment before or after, strace
/// can read a call that was about to be made, or even take a number from the wrong register: the last call of a
/// task that never came back from it, or of which strace saw no more, is doubtful.
///
/// # Errors
///
/// The first line that is of no known kind, or whose name and number belong to another ABI than the
/// one that strace last said the task was in, or that has a task go on after it was killed.
pub fn parse(log: &str) -> Result<Calls, String> {
    let mut calls = Calls::default();
    let mut personalities = BTreeMap::<u32, Abi>::new();
    let mut killed = BTreeSet::new();
    let mut open = BTreeMap::<u32, (Abi, u32)>::new();
    // strace starts a new task with the personality of the task that it handled last.
    let mut last = Abi::X86_64;
    for line in log.lines() {
        let (pid, number, event) =
            split(line).ok_or_else(|| format!("not a line of strace -f -n: {line}"))?;
        let abi = *personalities.entry(pid).or_insert(last);
        let event = kind(event);
        if killed.contains(&pid)
            && !matches!(event, Event::Rest(_) | Event::Superseded(_) | Event::Other)
        {
            return Err(format!("goes on after strace had found it killed: {line}"));
        }
        last = match event {
            Event::Personality(changed) => {
                personalities.insert(pid, changed);
                changed
            }
            Event::Call(name) => {
                let number = call_number(number, name)
                    .ok_or_else(|| format!("no system call number: {line}"))?;
                check(abi, number, name).map_err(|problem| format!("{problem}: {line}"))?;
                // Only where strace says so: bit 30 is set in −1 too.
                let number = if abi == Abi::X32 { number & !X32_BIT } else { number };
                calls.add(abi, number);
                if line.ends_with("<unfinished ...>") {
                    open.insert(pid, (abi, number));
                } else if never_came_back(line) && !name.starts_with("exit") {
                    calls.doubt((abi, number));
                }
                abi
            }
            Event::Rest(name) => {
                let call = open.remove(&pid);
                if never_came_back(line) && !name.starts_with("exit") {
                    call.into_iter().for_each(|call| calls.doubt(call));
                }
                abi
            }
            Event::Killed => {
                killed.insert(pid);
                abi
            }
            Event::Superseded(by) => {
                // It goes on under the other's pid.
                open.remove(&by);
                abi
            }
            Event::Other => abi,
            Event::Unknown => return Err(format!("neither a call nor an event: {line}")),
        };
    }
    // strace stays until all have ended.
    open.into_values().for_each(|call| calls.doubt(call));
    Ok(calls)
}

/// Whether a call has no result: the task was killed, or was not to come back.
fn never_came_back(line: &str) -> bool {
    line.ends_with("= ?")
}

/// `9493  [  10] mprotect(…` → 9493, `10`, `mprotect(…`.
fn split(line: &str) -> Option<(u32, &str, &str)> {
    let (pid, rest) = line.split_once(char::is_whitespace)?;
    let (number, event) = rest.trim_start().strip_prefix('[')?.split_once(']')?;
    Some((pid.parse().ok()?, number.trim(), event.trim_start()))
}

enum Event<'a> {
    Call(&'a str),
    /// The other half of a call, with its name.
    Rest(&'a str),
    Personality(Abi),
    /// By an exec in the task with this pid.
    Superseded(u32),
    /// Before the call that it had stopped for.
    Killed,
    Other,
    Unknown,
}

fn kind(event: &str) -> Event<'_> {
    if let Some(mode) = event.strip_prefix("[ Process PID=") {
        return match mode.split_once("runs in ").map(|(_, mode)| mode) {
            Some("64 bit mode. ]") => Event::Personality(Abi::X86_64),
            Some("32 bit mode. ]") => Event::Personality(Abi::X86),
            Some("x32 mode. ]") => Event::Personality(Abi::X32),
            _ => Event::Unknown,
        };
    }
    if let Some(name) = event.strip_prefix("<... ") {
        return Event::Rest(name.split(' ').next().unwrap_or_default());
    }
    let by = event.strip_prefix("+++ superseded by execve in pid ");
    if let Some(pid) = by.and_then(|rest| rest.strip_suffix(" +++")?.parse().ok()) {
        return Event::Superseded(pid);
    }
    let is_other = ["+++ ", "--- "].iter().any(|prefix| event.starts_with(prefix));
    if is_other {
        return Event::Other;
    }
    if event.starts_with("???(") {
        return Event::Killed;
    }
    match event.split_once('(') {
        Some((name, _))
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
        {
            Event::Call(name)
        }
        _ => Event::Unknown,
    }
}

/// The number as the kernel takes it: 32 bits. strace prints it sign-extended to 64 bits, and −1,
/// which means *unknown* to it, only in the name.
fn call_number(number: &str, name: &str) -> Option<u32> {
    let wide = match number {
        "???" => u64::from_str_radix(name.strip_prefix("syscall_0x")?, 16).ok()?,
        decimal => decimal.parse::<u64>().ok()?,
    };
    u32::try_from(wide & u64::from(u32::MAX)).ok()
}

/// That name and number fit the ABI in which strace says the task is. That it got lost between ABIs
/// would show here: few numbers have the same name in two of them.
fn check(abi: Abi, number: u32, name: &str) -> Result<(), String> {
    let name_in = |abi: Abi| {
        let number = if abi == Abi::X32 { number & !X32_BIT } else { number };
        abi.syscall_name(number)
    };
    if name_in(abi) == Some(name) {
        return Ok(());
    }
    let fits =
        [Abi::X86_64, Abi::X86, Abi::X32].into_iter().find(|other| name_in(*other) == Some(name));
    match fits {
        Some(other) => Err(format!("strace should be in {abi}, but {name} is {other}'s")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
