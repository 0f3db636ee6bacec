//! Where the rules of a profile are in its text.

/// The line of each element of the top-level list `syscalls`, counted from 1, in valid JSON; empty if there is no such
/// list.
pub fn rule_lines(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut lines, mut line, mut depth) = (Vec::new(), 1, 0_usize);
    // Whether the list begins next, and whether its elements are being passed.
    let (mut named, mut within) = (false, false);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => line += 1,
            b'"' => {
                let end = end_of_string(bytes, at);
                named = depth == 1 && text.get(at..end) == Some("\"syscalls\"");
                at = end;
                continue;
            }
            b'[' | b'{' => {
                if within && depth == 2 {
                    lines.push(line);
                }
                within |= named && depth == 1 && *byte == b'[';
                named = false;
                depth += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                within &= depth > 1;
            }
            b':' | b' ' | b'\t' | b'\r' => {}
            _ => named = false,
        }
        at += 1;
    }
    lines
}

/// The place behind a string that begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_the_line_on_which_it_begins() {
        let text = "{\n \"comment\": \"syscalls\", \"x\": {\"syscalls\": [{}]},\n \"syscalls\":\n [\n  {\"names\": \
                    [\"a\\\"]\"]}, {\n  \"args\": [{}]},\n  {}\n ],\n \"y\": [{}]\n}";
        assert_eq!(rule_lines(text), [5, 5, 7]);
    }

    #[test]
    fn what_has_no_rules_has_no_lines() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"syscalls\": null}",
            "{\"syscalls\": []}",
            "{\"a\": \"syscalls\", \"b\": [{}]}",
        ] {
            assert_eq!(rule_lines(text), [0; 0], "{text}");
        }
    }
}
