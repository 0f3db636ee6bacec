//! Single arguments, as people write them.

use super::{TABLE, argument};
use crate::abi::Abi;

/// What the kernel calls an argument; `None` if that is not known.
pub fn argument_name(call: &str, index: usize) -> Option<&'static str> {
    let kind = TABLE.calls.get(call)?.get(index)?;
    kind.split(':').next()
}

/// Whether the kernel looks at the lower half of an argument only.
pub fn is_32_bit(call: &str, index: usize) -> bool {
    let kind = TABLE.calls.get(call).and_then(|kinds| kinds.get(index));
    kind.is_some_and(|kind| kind.ends_with(" int") || kind.ends_with(" uint"))
}

/// A value of an argument: by name where it has one.
pub fn value(abi: Abi, number: u32, index: usize, value: u64) -> String {
    let name = abi.syscall_name(number).unwrap_or_default();
    let Some(kind) = TABLE.calls.get(name).and_then(|kinds| kinds.get(index)) else {
        return format!("{value:#x}");
    };
    let kind = kind.rsplit(' ').next().unwrap_or_default();
    let sets = TABLE.uses.get(name).and_then(|uses| uses.get(&index));
    argument(kind, value, sets.map_or(&[][..], Vec::as_slice))
}

/// Values or bits of an argument by their names, separated by spaces; names that are not known are left
/// out.
pub fn constants<'a>(
    call: &'a str,
    index: usize,
    names: &'a str,
) -> impl Iterator<Item = u64> + 'a {
    names.split_whitespace().filter_map(move |name| super::parse::constant(call, index, name))
}
