//! A line of a log of strace: its prefix, and the event.
//!
//! Source: strace 6.1 `src/strace.c` (`printleader`: the pid, the time, the number of the call for `-n`, the
//! instruction pointer for `-i`), and strace(1).

use super::clock::Time;

/// Largest pid of a kernel (`PID_MAX_LIMIT` in `include/linux/threads.h`). A larger number in front of a line is a
/// time.
const PID_MAX: u64 = 4 << 20;

/// How a task calls the kernel, as strace says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// As the machine's own programs do.
    Native,
    /// As 32-bit programs do.
    Bits32,
    /// With the x32 bit.
    X32,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The task; `None` if there is only one.
    pub pid: Option<u32>,
    /// When, in one of strace's ways.
    pub time: Option<Time>,
    /// Number of the call as `-n` shows it, cut to the 32 bits that the kernel looks at.
    pub number: Option<u32>,
    /// What happened.
    pub event: Event<'a>,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A call begins; with what follows the opening bracket.
    Call(&'a str, &'a str),
    /// The other half of a call, with its name and what follows.
    Resumed(&'a str, &'a str),
    /// The task calls in this mode from now on.
    Mode(Mode),
    /// The task has ended.
    Ended,
    /// Another task, with this pid, has executed a program, and goes on as this one.
    Superseded(u32),
    /// A task is traced from now on.
    Attached(u32),
    /// A call that was not made: its task was killed before.
    NotMade,
    /// Anything else that strace writes.
    Other,
}

/// Reads a line; `None` if strace writes no such line.
pub fn parse(line: &str) -> Option<Line<'_>> {
    let line = line.trim_start();
    let of = |event| Some(Line { pid: None, time: None, number: None, event });
    if let Some(event) = own(line) {
        return of(event);
    }
    let (pid, rest) = pid(line);
    let (time, rest) = time(rest);
    let (number, rest) = number(rest);
    let event = own(rest).or_else(|| event(rest))?;
    Some(Line { pid, time, number, event })
}

/// What strace says besides what tasks do: messages, and lines of stack traces (`-k`).
fn own(line: &str) -> Option<Event<'_>> {
    if let Some(message) = message(line) {
        return Some(attached(message).unwrap_or(Event::Other));
    }
    if let Some(attached) = attached(line) {
        return Some(attached);
    }
    let is_other = line.is_empty()
        || line.starts_with("> ")
        || (line.starts_with("Process ") && line.ends_with("detached"));
    is_other.then_some(Event::Other)
}

/// What follows strace's own name, which is as it was called: `strace: …`, `/usr/bin/strace: …`.
pub fn message(line: &str) -> Option<&str> {
    let (folder, message) = line.split_once("strace: ")?;
    let is_path = folder.ends_with('/') && folder.chars().all(is_of_path);
    (folder.is_empty() || is_path).then_some(message)
}

/// A message that strace has written into a line of its own: what stands before it goes on in the next line.
pub fn interrupted(text: &str) -> Option<(&str, &str)> {
    let (before, message) = text.split_at_checked(text.rfind("strace: Process ")?)?;
    let pid = message.strip_prefix("strace: Process ")?.strip_suffix(" attached")?;
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let before = match before.ends_with('/') {
        true => without_folder(before),
        false => before,
    };
    (!before.is_empty()).then_some((before, message))
}

/// A text without the folder at its end that strace was called from: what stands before it holds no slash but for the
/// end of a comment.
fn without_folder(text: &str) -> &str {
    let path = text.trim_end_matches(is_of_path).len();
    let (before, path) = text.split_at_checked(path).unwrap_or((text, ""));
    let after_comment = usize::from(before.ends_with('*') && path.starts_with('/'));
    let start = path.get(after_comment..).and_then(|rest| rest.find('/'));
    let start = start.map_or(text.len(), |start| before.len() + after_comment + start);
    let text = text.get(..start).unwrap_or_default();
    // `./strace`, `../strace`.
    text.trim_end_matches('.')
}

fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+')
}

/// `Process 7 attached`, with what older releases add.
fn attached(message: &str) -> Option<Event<'_>> {
    let (pid, rest) = message.strip_prefix("Process ")?.split_once(' ')?;
    let pid = pid.parse().ok()?;
    rest.starts_with("attached").then_some(Event::Attached(pid))
}

/// `[pid 7] `, `7 `, and with the name of the program as `-Y` shows it: `7<sh> `.
fn pid(line: &str) -> (Option<u32>, &str) {
    let inner = line.strip_prefix("[pid").and_then(|rest| rest.split_once("] "));
    if let Some((pid, rest)) = inner {
        let pid = pid.trim();
        let digits = pid.split('<').next().unwrap_or_default();
        return match digits.parse() {
            Ok(pid) => (Some(pid), rest.trim_start()),
            Err(_) => (None, line),
        };
    }
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = line.split_at(digits);
    let pid = number.parse::<u64>().ok().filter(|pid| (1..=PID_MAX).contains(pid));
    let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) else { return (None, line) };
    if rest.starts_with(' ') {
        return (Some(pid), rest.trim_start());
    }
    let named = rest.strip_prefix('<').and_then(|rest| rest.split_once("> "));
    match named {
        Some((_, rest)) => (Some(pid), rest.trim_start()),
        None => (None, line),
    }
}

/// `12:30:01`, `12:30:01.123456`, `1700000000.123456`, and for `-r` the seconds since the line before.
fn time(line: &str) -> (Option<Time>, &str) {
    if !line.starts_with(|c: char| c.is_ascii_digit()) {
        return (None, line);
    }
    let Some((token, rest)) = line.split_once(' ') else { return (None, line) };
    let Some(time) = Time::parse(token) else { return (None, line) };
    let rest = rest.trim_start();
    // With both -t and -r.
    let rest = match rest.strip_prefix("(+").and_then(|rest| rest.split_once(") ")) {
        Some((_, rest)) => rest.trim_start(),
        None => rest,
    };
    (Some(time), rest)
}

/// `[  59] ` of `-n`, and after it or alone `[00007f0123456789] ` of `-i`.
fn number(line: &str) -> (Option<u32>, &str) {
    let bracket = |line: &str| -> Option<(String, usize)> {
        let (inner, _) = line.strip_prefix('[')?.split_once("] ")?;
        let token = inner.trim_start();
        let fits = !token.is_empty() && token.chars().all(|c| c.is_ascii_hexdigit() || c == '?');
        fits.then(|| (token.to_owned(), inner.len() + 3))
    };
    let is_pointer = |token: &str| matches!(token.len(), 8 | 16);
    match bracket(line) {
        Some((token, end)) if !is_pointer(&token) => {
            let rest = line.get(end..).unwrap_or_default().trim_start();
            let rest = match bracket(rest) {
                Some((token, end)) if is_pointer(&token) => rest.get(end..).unwrap_or_default(),
                _ => rest,
            };
            (low_half(token.parse().ok()), rest.trim_start())
        }
        Some((_, end)) => (None, line.get(end..).unwrap_or_default().trim_start()),
        None => (None, line),
    }
}

/// strace shows numbers sign-extended to 64 bits; the kernel looks at 32.
pub fn low_half(number: Option<u64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number & 0xffff_ffff).ok())
}

fn event(event: &str) -> Option<Event<'_>> {
    if let Some(mode) = event.strip_prefix("[ Process PID=") {
        let (_, mode) = mode.split_once(" runs in ")?;
        return match mode.split(' ').next()? {
            "64" => Some(Event::Mode(Mode::Native)),
            "32" => Some(Event::Mode(Mode::Bits32)),
            "x32" => Some(Event::Mode(Mode::X32)),
            _ => None,
        };
    }
    if let Some(rest) = event.strip_prefix("<... ") {
        let (name, rest) = rest.split_once(" resumed>")?;
        return match name {
            "???" => Some(Event::Other),
            name => is_name(name).then_some(Event::Resumed(name, rest)),
        };
    }
    if let Some(ended) = event.strip_prefix("+++ ") {
        if let Some(pid) = ended.strip_prefix("superseded by execve in pid ") {
            return pid.strip_suffix(" +++")?.parse().ok().map(Event::Superseded);
        }
        return ended.ends_with("+++").then_some(Event::Ended);
    }
    if event.starts_with("--- ") {
        return event.ends_with("---").then_some(Event::Other);
    }
    if event.starts_with("???(") {
        return Some(Event::NotMade);
    }
    let (name, rest) = event.split_once('(')?;
    is_name(name).then_some(Event::Call(name, rest))
}

fn is_name(name: &str) -> bool {
    // The longest of any architecture has 26 letters (`sched_rr_get_interval_time64`: 28).
    let fits = (1..=64).contains(&name.len()) && !name.starts_with(|c: char| c.is_ascii_digit());
    // `rt_sigaction#64`: with the x32 bit and the number of a 64-bit program, as only strace tells it.
    let name = name.strip_suffix("#64").unwrap_or(name);
    fits && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> (Option<u32>, Option<Time>, Option<u32>, &str) {
        let Line { pid, time, number, event } = parse(line).unwrap();
        let Event::Call(name, _) = event else { panic!("{line}: {event:?}") };
        (pid, time, number, name)
    }

    #[test]
    fn every_way_to_begin_a_line_is_read() {
        let of_day =
            |seconds: u64, micros: u64| Some(Time::OfDay((seconds * 1_000_000 + micros) * 1000));
        let read = Some(Time::Unix(1_700_000_000_123_456_000));
        for (line, expected) in [
            ("read(0, \"\", 1) = 0", (None, None, None, "read")),
            ("[pid    7] read(0, \"\", 1) = 0", (Some(7), None, None, "read")),
            ("[pid 7<a] b>] read(0, \"\", 1) = 0", (None, None, None, "")),
            ("18701 [  12] brk(NULL) = 0x5", (Some(18701), None, Some(12), "brk")),
            ("18701<sh> brk(NULL) = 0x5", (Some(18701), None, None, "brk")),
            ("14:05:13 brk(NULL) = 0x5", (None, of_day(50713, 0), None, "brk")),
            ("7 14:05:13.000007 brk(NULL) = 0x5", (Some(7), of_day(50713, 7), None, "brk")),
            ("7 14:05:13 (+     0.000001) brk(NULL) = 0", (Some(7), of_day(50713, 0), None, "brk")),
            ("1700000000.123456 brk(NULL) = 0", (None, read, None, "brk")),
            ("7 1700000000.123456 [  12] brk(NULL) = 0", (Some(7), read, Some(12), "brk")),
            ("     0.000123 brk(NULL) = 0", (None, Some(Time::Since(123_000)), None, "brk")),
            ("7      0.000123 brk(NULL) = 0", (Some(7), Some(Time::Since(123_000)), None, "brk")),
            ("[00007f8a12345678] brk(NULL) = 0", (None, None, None, "brk")),
            ("[  12] [00007f8a12345678] brk(NULL) = 0", (None, None, Some(12), "brk")),
            ("[????????????????] brk(NULL) = 0", (None, None, None, "brk")),
            ("[1073741863] getpid() = 7", (None, None, Some(0x4000_0027), "getpid")),
            (
                "[18446744073709551612] syscall_0xfffffffffffffffc(0) = 0",
                (None, None, Some(0xffff_fffc), "syscall_0xfffffffffffffffc"),
            ),
        ] {
            if expected.3.is_empty() {
                assert_eq!(parse(line), None, "{line}");
            } else {
                assert_eq!(call(line), expected, "{line}");
            }
        }
    }

    #[test]
    fn a_message_in_the_middle_of_a_line_is_found() {
        for folder in ["", "/usr/bin/", "./", "../bin/"] {
            for before in
                ["vfork(", "clone(flags=A|SIGCHLD", "read(3, ", "execve(\"/x\", 0x7f /* 3 vars */"]
            {
                let message = "strace: Process 7 attached";
                let line = format!("{before}{folder}{message}");
                assert_eq!(interrupted(&line), Some((before, message)), "{line}");
            }
            assert_eq!(interrupted(&format!("{folder}strace: Process 7 attached")), None);
        }
        assert_eq!(interrupted("write(1, \"strace: Process 7 attached\", 9) = 9"), None);
        assert_eq!(interrupted("vfork(strace: Process x attached"), None);
    }

    #[test]
    fn events_are_distinguished() {
        let event = |line: &'static str| parse(line).map(|line| line.event);
        for (line, expected) in [
            ("strace: Process 7 attached", Event::Attached(7)),
            ("/usr/bin/strace: Process 7 attached", Event::Attached(7)),
            ("./strace: -p: no such process", Event::Other),
            ("Process 7 attached", Event::Attached(7)),
            ("strace: Process 7 attached with 3 threads", Event::Attached(7)),
            ("strace: Process 7 detached", Event::Other),
            (" > /usr/lib/libc.so.6(__read+0x1) [0xf7]", Event::Other),
            ("", Event::Other),
            ("7 +++ exited with 0 +++", Event::Ended),
            ("[pid 7] +++ killed by SIGKILL (core dumped) +++", Event::Ended),
            ("7 +++ superseded by execve in pid 8 +++", Event::Superseded(8)),
            ("--- SIGCHLD {si_signo=SIGCHLD} ---", Event::Other),
            ("[ Process PID=7 runs in 32 bit mode. ]", Event::Mode(Mode::Bits32)),
            ("7 [  11] [ Process PID=7 runs in x32 mode. ]", Event::Mode(Mode::X32)),
            ("7 <... read resumed>\"\", 1) = 0", Event::Resumed("read", "\"\", 1) = 0")),
            ("7 <... ??? resumed>) = ?", Event::Other),
            ("7 ???( <unfinished ...>", Event::NotMade),
        ] {
            assert_eq!(event(line), Some(expected), "{line}");
        }
        for other in ["hello", "7", "7 hello world", "(", "a b(c)", "9(1)", "[  x] y", "+++ a"] {
            assert_eq!(event(other), None, "{other}");
        }
    }
}
