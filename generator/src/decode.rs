//! System calls as people write them: `socket(AF_ALG, SOCK_SEQPACKET, 0)`.

mod argument;
mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::abi::Abi;

pub use argument::value;
pub(crate) use argument::{argument_name, constants, is_32_bit};
pub use parse::{ParseError, Pattern, pattern};

#[derive(Deserialize)]
struct Table {
    calls: BTreeMap<String, Vec<String>>,
    values: BTreeMap<String, Values>,
    uses: BTreeMap<String, BTreeMap<usize, Vec<String>>>,
}

#[derive(Deserialize)]
struct Values {
    flags: bool,
    names: BTreeMap<i64, String>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = strait_profiles::ARGUMENTS;
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a test reads it: {error}"))
});

/// The arguments of a call, each as text: by name where a value has one, decimal for numbers,
/// hexadecimal for addresses and bits. As many as the call has; all six if that is not known.
#[must_use]
pub fn arguments(abi: Abi, number: u32, args: &[u64; 6]) -> Vec<String> {
    let name = abi.syscall_name(number).unwrap_or_default();
    let Some(kinds) = TABLE.calls.get(name) else {
        return args.iter().map(|value| format!("{value:#x}")).collect();
    };
    kinds
        .iter()
        .zip(args)
        .enumerate()
        .map(|(index, (kind, value))| {
            let kind = kind.rsplit(' ').next().unwrap_or_default();
            let sets = TABLE.uses.get(name).and_then(|uses| uses.get(&index));
            argument(kind, *value, sets.map_or(&[][..], Vec::as_slice))
        })
        .collect()
}

/// A whole call: its name, or its number if it has none, and its arguments.
pub fn call(abi: Abi, number: u32, args: &[u64; 6]) -> String {
    let name = abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned);
    format!("{name}({})", arguments(abi, number, args).join(", "))
}

/// The same, with dots for arguments that say nothing: all but those at these indexes, 0 to 5.
pub(crate) fn abridged(abi: Abi, number: u32, args: &[u64; 6], telling: &BTreeSet<u8>) -> String {
    let name = abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned);
    let mut shown = Vec::new();
    for (index, argument) in (0..).zip(arguments(abi, number, args)) {
        if telling.contains(&index) {
            shown.push(argument);
        } else if shown.last().is_none_or(|last| last != "…") {
            shown.push("…".to_owned());
        }
    }
    format!("{name}({})", shown.join(", "))
}

/// The kernel takes only the lower half of a 32-bit argument, whatever is in the upper one.
fn argument(kind: &str, value: u64, sets: &[String]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
    let low = value as u32;
    let (bits, number) = match kind {
        "int" => (i64::from(low), i64::from(low.cast_signed()).to_string()),
        "uint" => (i64::from(low), low.to_string()),
        "long" => (value.cast_signed(), value.cast_signed().to_string()),
        "ulong" => (value.cast_signed(), value.to_string()),
        _ => (
            value.cast_signed(),
            if value == 0 { "NULL".to_owned() } else { format!("{value:#x}") },
        ),
    };
    named(bits, kind == "int", sets).unwrap_or(number)
}

fn named(bits: i64, signed: bool, sets: &[String]) -> Option<String> {
    let sets: Vec<_> = sets.iter().filter_map(|name| TABLE.values.get(name)).collect();
    let (flags, values): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.flags);
    let mut rest = bits;
    let mut parts = Vec::new();
    for (bit, name) in flags.iter().flat_map(|set| &set.names) {
        if rest & bit != 0 {
            rest &= !bit;
            parts.push(name.clone());
        }
    }
    let value = values.iter().find_map(|set| {
        #[expect(clippy::cast_possible_truncation, reason = "an int has 32 bits")]
        let as_signed = signed.then(|| i64::from(rest as i32));
        set.names.get(&rest).or_else(|| set.names.get(&as_signed?))
    });
    match value {
        Some(name) => parts.insert(0, name.clone()),
        None if parts.is_empty() => return None,
        None if rest != 0 => parts.push(format!("{rest:#x}")),
        None => {}
    }
    Some(parts.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x86_64(name: &str, args: [u64; 6]) -> String {
        call(Abi::X86_64, Abi::X86_64.syscall_number(name).unwrap(), &args)
    }

    #[test]
    fn calls_read_as_in_a_manual_page() {
        assert_eq!(
            x86_64("socket", [38, 0x80005, 0, 9, 9, 9]),
            "socket(AF_ALG, SOCK_SEQPACKET|SOCK_CLOEXEC, 0)"
        );
        assert_eq!(x86_64("unshare", [0x1000_0000, 0, 0, 0, 0, 0]), "unshare(CLONE_NEWUSER)");
        assert_eq!(
            x86_64("clone", [0x0120_0011, 0, 0, 0, 0, 0]),
            "clone(SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID, 0, NULL, NULL, 0)"
        );
        assert_eq!(
            x86_64("openat", [0xffff_ff9c, 0x7000, 0, 0, 0, 0]),
            "openat(AT_FDCWD, 0x7000, 0, 0)"
        );
        assert_eq!(x86_64("prctl", [38, 1, 0, 0, 0, 0]), "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)");
        assert_eq!(x86_64("getppid", [1, 2, 3, 4, 5, 6]), "getppid()");
    }

    #[test]
    fn rubbish_in_the_upper_half_of_an_int_changes_nothing() {
        let request = 0x5412;
        let sign_extended = request | 0xffff_ffff_0000_0000;
        assert_eq!(
            x86_64("ioctl", [0, sign_extended, 0, 0, 0, 0]),
            x86_64("ioctl", [0, request, 0, 0, 0, 0])
        );
        assert_eq!(x86_64("ioctl", [0, request, 0, 0, 0, 0]), "ioctl(0, TIOCSTI, 0)");
    }

    #[test]
    fn a_call_without_a_name_shows_its_number_and_all_arguments() {
        assert_eq!(
            call(Abi::X86_64, 1000, &[1, 2, 3, 4, 5, 6]),
            "1000(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)"
        );
    }

    #[test]
    fn every_use_names_a_call_an_argument_and_values_that_there_are() {
        for (call, uses) in &TABLE.uses {
            for (index, sets) in uses {
                assert!(*index < TABLE.calls[call].len(), "{call}");
                assert!(sets.iter().all(|set| TABLE.values.contains_key(set)), "{call}");
            }
        }
    }
}
