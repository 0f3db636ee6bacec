//! What an engine takes for the creation of a container is taken for one, and the body that is passed on gives
//! it the profile, or has one of its own, however a body is read: the oracle is a model of what Go does, which
//! shares nothing with the code under test.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strait_recorder::record::create_requests::{Dialect, Done, Profile, Target, give, target};

const TEXT: &str = "ours";
const FILE: &str = "/ours.json";

fuzz_target!(|input: (&str, &str, u8)| {
    let (path, body, dialect) = input;
    check_path(path);
    // Little that is random is JSON: words stand for what bodies are made of.
    check_body(
        &WORDS.iter().fold(body.to_owned(), |body, (key, word)| body.replace(key, word)),
        dialect,
    );
    check_body(body, dialect);
});

const WORDS: [(&str, &str); 12] = [
    ("\u{1}", "\"HostConfig\":"),
    ("\u{2}", "\"hostconfig\":"),
    ("\u{3}", "\"SecurityOpt\":"),
    ("\u{4}", "\"\u{17f}ecurityopt\":"),
    ("\u{5}", "[\"seccomp=unconfined\"]"),
    ("\u{6}", "[\"seccomp=/own\"]"),
    ("\u{7}", "null"),
    ("\u{8}", "\"seccomp_profile_path\":"),
    ("\u{b}", "\"Seccomp_Profile_Path\":"),
    ("\u{c}", "\"unconfined\""),
    ("\u{e}", "{\"Image\":\"a\","),
    ("\u{f}", "[\"label=a\",\"seccomp:unconfined\"]"),
];

/// Docker's routes match the decoded path, podman's the one that was sent.
fn check_path(path: &str) {
    let ours = target(path);
    let decoded = unescape(path.as_bytes());
    let routes = |path: &[u8]| {
        let path = std::str::from_utf8(path).unwrap_or_default();
        let rest = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
            Some((version, rest))
                if version.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)) =>
            {
                rest
            }
            _ => path.strip_prefix('/').unwrap_or_default(),
        };
        match rest {
            "containers/create" => Some(false),
            "libpod/containers/create" => Some(true),
            _ => None,
        }
    };
    let theirs = decoded.as_deref().and_then(routes).or_else(|| routes(path.as_bytes()));
    if let (Some(libpod), true) = (theirs, decoded.is_some()) {
        assert_eq!(ours, Some(Target::Create { libpod }), "{path:?}");
    }
}

fn unescape(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut index = 0;
    while index < path.len() {
        if path[index] == b'%' {
            let digits = std::str::from_utf8(path.get(index + 1..index + 3)?).ok()?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            out.push(u8::from_str_radix(digits, 16).ok()?);
            index += 3;
        } else {
            out.push(path[index]);
            index += 1;
        }
    }
    Some(out)
}

fn check_body(body: &str, dialect: u8) {
    let dialect = [Dialect::Docker, Dialect::Compatible, Dialect::Libpod][usize::from(dialect % 3)];
    let profile = Profile { text: TEXT.to_owned(), file: FILE.into() };
    let Ok(passed) = give("", body.as_bytes(), dialect, &profile, &[]) else { return };
    let ours = if dialect == Dialect::Docker { TEXT } else { FILE };
    // Both the first reading and the last of a repeated name, so that no order counts.
    for is_last in [true, false] {
        let read = chosen(&passed.body, dialect, is_last);
        match passed.done {
            Done::Given => assert_eq!(read.as_deref(), Some(ours), "{body}"),
            Done::HasItsOwn => {
                let own = read.unwrap_or_default();
                assert!(dialect == Dialect::Libpod || !is_none(&own), "{body}");
            }
            Done::NotChosen => panic!("all are chosen: {body}"),
        }
    }
    // What was done is what the engine would have done with the original.
    let original = chosen(body.as_bytes(), dialect, true);
    if passed.done == Done::Given {
        assert!(original.as_deref().is_none_or(is_none), "{body}");
    } else if dialect != Dialect::Libpod {
        assert_eq!(original, chosen(&passed.body, dialect, true), "{body}");
    }
    let again =
        give("", &passed.body, dialect, &profile, &[]).expect("what was passed on is understood");
    assert_eq!(again.done, Done::HasItsOwn, "{body}");
    // Not the bytes: serde_json reads a fraction to within the last digit. No field of engines needs more.
    assert_eq!(chosen(&again.body, dialect, true), chosen(&passed.body, dialect, true), "{body}");
}

fn is_none(profile: &str) -> bool {
    ["", "unconfined", "default", "builtin"].contains(&profile)
}

/// The profile that Go finds in a body, as the last name or the first of several has it.
fn chosen(body: &[u8], dialect: Dialect, is_last: bool) -> Option<String> {
    let tokens = Tokens { rest: std::str::from_utf8(body).expect("JSON is UTF-8") };
    let mut found = Found { is_last, ..Found::default() };
    tokens.value(&mut Vec::new(), &mut found, dialect);
    match dialect {
        Dialect::Libpod => found.path,
        _ => found.options.iter().rev().find_map(|option| {
            let (name, value) = option.split_once('=').or_else(|| option.split_once(':'))?;
            if name == "seccomp" {
                Some(value.to_owned())
            } else {
                option.strip_prefix("seccomp:").map(str::to_owned)
            }
        }),
    }
}

#[derive(Default)]
struct Found {
    is_last: bool,
    options: Vec<String>,
    has_options: bool,
    path: Option<String>,
}

/// A scanner of JSON that is known to be JSON.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn peek(&mut self) -> char {
        self.skip();
        self.rest.chars().next().unwrap_or('\0')
    }

    fn string(&mut self) -> String {
        self.skip();
        let mut end = 1;
        let bytes = self.rest.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (text, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        unquote(&text[1..end])
    }

    /// Reads one value, which is at this path of folded names.
    fn value(mut self, path: &mut Vec<String>, found: &mut Found, dialect: Dialect) -> Self {
        let is = |path: &[String], names: &[&str]| {
            path.iter().map(String::as_str).eq(names.iter().copied())
        };
        let is_options = dialect != Dialect::Libpod && is(path, &["hostconfig", "securityopt"]);
        let is_path = dialect == Dialect::Libpod && is(path, &["seccomp_profile_path"]);
        match self.peek() {
            '{' => {
                self.rest = &self.rest[1..];
                while self.peek() != '}' {
                    let name = fold(&self.string());
                    self.skip();
                    self.rest = &self.rest[1..];
                    path.push(name);
                    self = self.value(path, found, dialect);
                    path.pop();
                    if self.peek() == ',' {
                        self.rest = &self.rest[1..];
                    }
                }
                self.rest = &self.rest[1..];
            }
            '[' => {
                self.rest = &self.rest[1..];
                let mut items = Vec::new();
                while self.peek() != ']' {
                    if self.peek() == '"' {
                        items.push(self.string());
                    } else {
                        path.push("[]".to_owned());
                        self = self.value(path, found, dialect);
                        path.pop();
                    }
                    if self.peek() == ',' {
                        self.rest = &self.rest[1..];
                    }
                }
                self.rest = &self.rest[1..];
                if is_options && (found.is_last || !found.has_options) {
                    found.options = items;
                    found.has_options = true;
                }
            }
            '"' => {
                let text = self.string();
                if is_path && (found.is_last || found.path.is_none()) {
                    found.path = Some(text);
                }
            }
            _ => {
                let end = self
                    .rest
                    .find([',', '}', ']', ' ', '\t', '\n', '\r'])
                    .unwrap_or(self.rest.len());
                if is_options && &self.rest[..end] == "null" && found.is_last {
                    found.options.clear();
                }
                self.rest = &self.rest[end..];
            }
        }
        self
    }
}

fn unquote(text: &str) -> String {
    let mut units = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let char = match char {
            '\\' => match chars.next().expect("an escape") {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("digits"));
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend(char.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16_lossy(&units)
}

/// By Unicode's simple folding, for which a letter is its lower case, and that of its upper case.
fn fold(name: &str) -> String {
    name.chars()
        .map(|char| {
            // Turkish letters, which fold in Turkish only.
            if matches!(char, '\u{130}' | '\u{131}') {
                return char;
            }
            let mut upper = char.to_uppercase();
            let one = upper.next().unwrap_or(char);
            if upper.next().is_some() { char } else { one.to_lowercase().next().unwrap_or(one) }
        })
        .collect()
}
