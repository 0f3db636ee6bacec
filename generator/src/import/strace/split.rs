//! Splits the text between the brackets of a call into arguments.

/// The arguments of a call, and what came after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// As they are written, without spaces around them.
    pub args: Vec<&'a str>,
    /// What follows.
    pub end: End<'a>,
}

/// What follows the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// The closing bracket, and this result, from the equals sign on.
    Result(&'a str),
    /// The rest is on another line; this much is on the first.
    Unfinished(&'a str),
    /// Nothing: the line is cut off, or something else was written into it.
    Cut,
}

/// Cuts what follows the opening bracket.
pub fn split(text: &str) -> Split<'_> {
    let bytes = text.as_bytes();
    let mut args = Vec::new();
    let (mut at, mut start, mut depth) = (0_usize, 0_usize, 0_usize);
    let part = |start: usize, end: usize| text.get(start..end).unwrap_or_default().trim();
    let add = |args: &mut Vec<_>, start: usize, end: usize| {
        let arg = part(start, end);
        if !arg.is_empty() || !args.is_empty() {
            args.push(arg);
        }
    };
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            b'"' => match string(rest) {
                Some(length) => at += length - 1,
                None => break,
            },
            b'/' if rest.starts_with(b"/*") => match find(rest, b"*/") {
                Some(end) => at += end + 1,
                None => break,
            },
            b'<' if rest.starts_with(b"<<") => at += 1,
            b'<' if stops(rest) => {
                if !part(start, at).is_empty() {
                    add(&mut args, start, at);
                }
                return Split { args, end: End::Unfinished(text.get(..at).unwrap_or_default()) };
            }
            b'<' => match decoration(rest) {
                Some(length) => at += length - 1,
                None => break,
            },
            b'(' | b'[' | b'{' => depth += 1,
            b')' if depth == 0 => {
                add(&mut args, start, at);
                let result = text.get(at + 1..).unwrap_or_default().trim_start();
                let end = if result.starts_with('=') { End::Result(result) } else { End::Cut };
                return Split { args, end };
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                add(&mut args, start, at);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    // What is cut off may be half an argument.
    Split { args, end: End::Cut }
}

/// Whether strace says here that the call goes on elsewhere, or nowhere.
fn stops(text: &[u8]) -> bool {
    // `<pid changed to 7 ...>`: it was an execve in a thread.
    [&b"<unfinished ...>"[..], b"<detached ...>", b"<pid changed to "]
        .iter()
        .any(|says| text.starts_with(says))
}

/// The length of a string in quotes, with them; `None` if it does not end.
pub fn string(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The length of what `-y` and `-Y` put after a number, with its brackets: `</etc/passwd>`, `<pipe:[7]>`,
/// `<TCP:[127.0.0.1:1->127.0.0.1:2]>`, `</dev/null<char 1:3>>`. strace escapes `<` and `>` in paths.
fn decoration(text: &[u8]) -> Option<usize> {
    // A path has brackets as it likes; those of sockets hold arrows.
    let is_path = text.get(1) == Some(&b'/');
    let (mut at, mut depth, mut brackets) = (0, 0_usize, 0_usize);
    loop {
        match text.get(at)? {
            b'"' if !is_path => at += string(text.get(at..)?)? - 1,
            b'[' if !is_path => brackets += 1,
            b']' if !is_path => brackets = brackets.saturating_sub(1),
            b'<' => depth += 1,
            b'>' if brackets == 0 => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<&str> {
        split(text).args
    }

    #[test]
    fn commas_and_brackets_within_an_argument_are_its_own() {
        assert_eq!(args(") = 7"), Vec::<&str>::new());
        assert_eq!(args("\"a)\\\",(\", 3) = 7"), ["\"a)\\\",(\"", "3"]);
        assert_eq!(args("{a=1, b=[2, 3]}, f(1, 2), 4) = 0"), ["{a=1, b=[2, 3]}", "f(1, 2)", "4"]);
        assert_eq!(args("3</tmp/a, b)>, 4) = 0"), ["3</tmp/a, b)>", "4"]);
        assert_eq!(args("3</tmp/a[b>, 4) = 0"), ["3</tmp/a[b>", "4"]);
        assert_eq!(args("3</dev/null<char 1:3>>, 4) = 0"), ["3</dev/null<char 1:3>>", "4"]);
        let socket = "3<TCP:[127.0.0.1:1->127.0.0.1:2]>";
        assert_eq!(args(&format!("{socket}, 4) = 0")), [socket, "4"]);
        let unix = "3<UNIX-STREAM:[1->2,\"/a>)\"]>";
        assert_eq!(args(&format!("{unix}, 4) = 0")), [unix, "4"]);
        assert_eq!(args("0x2 /* A, B) */, 1) = 0"), ["0x2 /* A, B) */", "1"]);
        assert_eq!(args("\"x\", 21<<MFD_HUGE_SHIFT) = 3"), ["\"x\"", "21<<MFD_HUGE_SHIFT"]);
        assert_eq!(args("<... resuming interrupted read ...>) = 0").len(), 1);
    }

    #[test]
    fn what_follows_is_the_result_or_there_is_more() {
        assert_eq!(split("0)  = ?").end, End::Result("= ?"));
        assert_eq!(split("0, <unfinished ...>").end, End::Unfinished("0, "));
        assert_eq!(split("0, <unfinished ...>").args, ["0"]);
        assert_eq!(split("0,  <detached ...>").end, End::Unfinished("0,  "));
        assert_eq!(split(" <unfinished ...>").args, Vec::<&str>::new());
        for cut in ["0, \"abc", "0, 1", "0, {a=1", "3</tmp", "0 /* a", "0) hello"] {
            assert_eq!(split(cut).end, End::Cut, "{cut}");
        }
        // The last one may be half of a number.
        assert_eq!(args("0, 12"), ["0"]);
    }
}
