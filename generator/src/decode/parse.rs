//! Calls as people write them, read back: `socket(AF_NETLINK, SOCK_RAW, 0)`.

use thiserror::Error;

use super::TABLE;
use crate::abi::Abi;

/// Why a text is no call.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Something like `socket(1`.
    #[error(
        "`{0}` is not a call: write a name, or a name with arguments, as `socket(AF_INET, SOCK_STREAM, 0)`"
    )]
    Syntax(String),
    /// No such call.
    #[error("{abi} has no system call `{name}`{hint}")]
    UnknownCall {
        /// As given.
        name: String,
        /// Where it was looked for.
        abi: Abi,
        /// Names that are much like it.
        hint: String,
    },
    /// More than it has.
    #[error("`{name}` has {has} arguments, and {given} are given")]
    TooMany {
        /// Name of the call.
        name: String,
        /// How many it has.
        has: usize,
        /// How many there are.
        given: usize,
    },
    /// Neither a number nor a name.
    #[error(
        "`{text}`, argument {index} of `{call}`, is neither a number nor a known name for it{hint}. A _ \
         stands for any value"
    )]
    UnknownValue {
        /// Name of the call.
        call: String,
        /// Which argument, from 0.
        index: usize,
        /// As given.
        text: String,
        /// What it could be.
        hint: String,
    },
}

/// A call of which some arguments are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Its ABI.
    pub abi: Abi,
    /// Its number, without the x32 bit.
    pub number: u32,
    /// Arguments; `None` for those that may be anything.
    pub args: [Option<u64>; 6],
}

impl Pattern {
    /// The arguments, with 0 for what may be anything.
    pub fn args(&self) -> [u64; 6] {
        self.args.map(Option::unwrap_or_default)
    }
}

/// The name in front of the arguments, if there are any.
fn call_name(text: &str) -> &str {
    text.split('(').next().unwrap_or_default().trim()
}

/// Reads a call: a name, or a number, and in brackets its arguments, of which the last ones may be
/// missing. `_` stands for any value, as what is missing does.
///
/// # Errors
///
/// [`ParseError`] says what it could have been.
pub fn pattern(abi: Abi, text: &str) -> Result<Pattern, ParseError> {
    let text = text.trim();
    let syntax = || ParseError::Syntax(text.to_owned());
    let name = call_name(text);
    let rest = text.strip_prefix(name).map(str::trim).ok_or_else(syntax)?;
    let arguments = match rest {
        "" => None,
        rest => Some(
            rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(syntax)?,
        ),
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(syntax());
    }
    let number = abi.syscall_number(name).or_else(|| name.parse().ok()).ok_or_else(|| {
        let hint = hint(name, abi.syscalls().map(|(_, name)| name.to_owned()));
        ParseError::UnknownCall { name: name.to_owned(), abi, hint }
    })?;
    let name = abi.syscall_name(number).unwrap_or(name);
    let mut args = [None; 6];
    let given: Vec<&str> = match arguments.map(str::trim) {
        None | Some("") => Vec::new(),
        Some(arguments) => arguments.split(',').map(str::trim).collect(),
    };
    let has = TABLE.calls.get(name).map_or(6, Vec::len);
    if given.len() > has {
        return Err(ParseError::TooMany { name: name.to_owned(), has, given: given.len() });
    }
    for (index, (slot, text)) in args.iter_mut().zip(given).enumerate() {
        if !matches!(text, "_" | "*" | "..." | "…") {
            *slot = Some(value(name, index, text)?);
        }
    }
    Ok(Pattern { abi, number, args })
}

/// Names and numbers joined by `|`.
fn value(call: &str, index: usize, text: &str) -> Result<u64, ParseError> {
    let mut value = 0;
    for part in text.split('|').map(str::trim) {
        value |= number(part).or_else(|| constant(call, index, part)).ok_or_else(|| {
            ParseError::UnknownValue {
                call: call.to_owned(),
                index,
                text: part.to_owned(),
                hint: hint(part, names(call, index)),
            }
        })?;
    }
    Ok(if super::is_32_bit(call, index) { value & 0xffff_ffff } else { value })
}

fn number(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None if digits == "NULL" => 0,
        None => digits.parse().ok()?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

/// The sets of names that this argument may have.
fn sets(call: &str, index: usize) -> &'static [String] {
    TABLE.uses.get(call).and_then(|uses| uses.get(&index)).map_or(&[], Vec::as_slice)
}

fn names(call: &str, index: usize) -> impl Iterator<Item = String> {
    let sets = sets(call, index).iter().filter_map(|set| TABLE.values.get(set));
    sets.flat_map(|set| set.names.values().cloned())
}

pub(super) fn constant(call: &str, index: usize, text: &str) -> Option<u64> {
    let sets = sets(call, index).iter().filter_map(|set| TABLE.values.get(set));
    let mut entries = sets.flat_map(|set| &set.names);
    entries.find(|(_, name)| *name == text).map(|(value, _)| value.cast_unsigned())
}

/// `; did you mean …`, for the names that begin alike or have the text in them.
fn hint(text: &str, names: impl Iterator<Item = String>) -> String {
    const FEW: usize = 6;
    let text = text.to_lowercase();
    let stem: String = text.chars().take(text.chars().count().max(6) / 2).collect();
    let alike = |name: &String| {
        let name = name.to_lowercase();
        name.contains(&text) || name.starts_with(&stem)
    };
    let few: Vec<_> = names.filter(alike).take(FEW).collect();
    if few.is_empty() { String::new() } else { format!("; there is {}", few.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn x86_64(text: &str) -> Result<Pattern, ParseError> {
        pattern(Abi::X86_64, text)
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "socket(AF_ALG, SOCK_SEQPACKET|SOCK_CLOEXEC, 0)",
            "unshare(CLONE_NEWUSER)",
            "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)",
            "openat(AT_FDCWD, 0x7000, 0, 0)",
            "getppid()",
        ] {
            let read = x86_64(text).unwrap();
            assert_eq!(call(Abi::X86_64, read.number, &read.args()), text);
        }
    }

    #[test]
    fn arguments_that_are_not_given_may_be_anything() {
        let bare = x86_64("socket").unwrap();
        assert_eq!((bare.number, bare.args), (41, [None; 6]));
        let some = x86_64("socket(_, SOCK_RAW)").unwrap();
        assert_eq!(some.args, [None, Some(3), None, None, None, None]);
        assert_eq!(x86_64("1000").unwrap().number, 1000);
    }

    #[test]
    fn a_negative_int_has_no_upper_half() {
        assert_eq!(x86_64("close(-1)").unwrap().args[0], Some(0xffff_ffff));
        assert_eq!(x86_64("brk(-1)").unwrap().args[0], Some(u64::MAX));
    }

    #[test]
    fn what_is_no_call_is_explained() {
        let says = |text: &str, words: &[&str]| {
            let error = x86_64(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        says("socket(AF_INET", &["not a call"]);
        says("", &["not a call"]);
        says("sockt", &["x86_64 has no system call `sockt`", "socket"]);
        says("socket(AF_NETLNK)", &["argument 0", "AF_NETLINK"]);
        says("close(1, 2)", &["1 argument", "2 are given"]);
        says("close(AF_INET)", &["argument 0"]);
    }
}
