//! Sets of arguments as text.

use std::collections::BTreeSet;

use crate::abi::Abi;
use crate::decode;
use crate::policy::argument::{ArgumentRule, Reduction};
use crate::policy::decide::space::{Cube, Set};
use crate::policy::width;

/// How many values are listed before the rest is counted.
const LISTED: usize = 12;
/// Into how many parts a set may fall to be described at all.
const MOST: usize = 64;

/// Which arguments a set has, such as `AF_UNIX, AF_INET`.
pub(crate) fn describe(set: &Set, abi: Abi, number: u32) -> String {
    if is_all(set) {
        return "any arguments".to_owned();
    }
    if set.is_empty() {
        return "no arguments".to_owned();
    }
    let cubes = set.cubes(MOST);
    cubes
        .as_deref()
        .and_then(|cubes| values(cubes, abi, number))
        .or_else(|| ranges(set, abi, number))
        .or_else(|| cubes.as_deref().map(|cubes| masks(cubes, abi, number)))
        .unwrap_or_else(|| "some arguments, under many conditions".to_owned())
}

/// Whether nothing is left out.
pub(super) fn is_all(set: &Set) -> bool {
    Set::all().minus(set).is_empty()
}

fn name(abi: Abi, number: u32, index: usize) -> String {
    let call = abi.syscall_name(number).unwrap_or_default();
    decode::argument_name(call, index).map_or_else(|| format!("argument {index}"), str::to_owned)
}

/// The arguments that a cube looks at.
fn used(cube: &Cube) -> impl Iterator<Item = usize> {
    cube.mask.iter().enumerate().filter(|(_, mask)| **mask != 0).map(|(index, _)| index)
}

fn at(values: &[u64; 6], index: usize) -> u64 {
    values.get(index).copied().unwrap_or_default()
}

/// The bits of an argument that make up a value, as a profile compares it: without those of
/// SOCK_CLOEXEC for a type of socket, for example.
fn bits_of_value(abi: Abi, call: &str, index: usize) -> u64 {
    let kept = ArgumentRule::for_call(call).into_iter().flat_map(|rule| &rule.keep);
    let mut of_argument = kept
        .filter(|kept| kept.reduction == Reduction::Value && usize::from(kept.argument) == index);
    match of_argument.next() {
        Some(kept) => kept.mask,
        None if decode::is_32_bit(call, index) => 0xffff_ffff,
        None => width(abi).mask(),
    }
}

/// The same set, with cubes of a few neighbouring values taken apart into these. Cubes overlap, so that many
/// parts may be the same.
fn apart(cubes: &[Cube], abi: Abi, call: &str) -> Vec<Cube> {
    const FEW: u32 = 4;
    const PARTS: usize = 1024;
    let mut whole: BTreeSet<Cube> = cubes.iter().copied().collect();
    for index in 0..6 {
        let bits = bits_of_value(abi, call, index);
        let mut todo: Vec<Cube> = std::mem::take(&mut whole).into_iter().collect();
        while let Some(cube) = todo.pop() {
            let mask = at(&cube.mask, index);
            let free = bits & !mask;
            if mask == 0 || mask & !bits != 0 || !(1..=FEW).contains(&free.count_ones()) {
                whole.insert(cube);
                continue;
            }
            let bit = 1 << free.trailing_zeros();
            for set in [0, bit] {
                let mut half = cube;
                if let (Some(mask), Some(value)) =
                    (half.mask.get_mut(index), half.value.get_mut(index))
                {
                    *mask |= bit;
                    *value |= set;
                }
                todo.push(half);
            }
            if whole.len() + todo.len() > PARTS {
                return cubes.to_vec();
            }
        }
    }
    let mut parts: Vec<Cube> = whole.into_iter().collect();
    parts.sort_by_key(|cube| (cube.value, cube.mask));
    parts
}

/// Single values of arguments, if that is all that the set is made of.
fn values(cubes: &[Cube], abi: Abi, number: u32) -> Option<String> {
    let call = abi.syscall_name(number).unwrap_or_default();
    let is_value = |cube: &Cube, index: usize| {
        let mask = at(&cube.mask, index);
        mask == width(abi).mask()
            || (mask == 0xffff_ffff && decode::is_32_bit(call, index))
            || mask == bits_of_value(abi, call, index)
    };
    let cubes = &apart(cubes, abi, call)[..];
    if !cubes.iter().all(|cube| used(cube).all(|index| is_value(cube, index))) {
        return None;
    }
    let same: Vec<usize> = used(cubes.first()?).collect();
    if !cubes.iter().all(|cube| used(cube).eq(same.iter().copied())) {
        return None;
    }
    let value =
        |cube: &Cube, index: usize| decode::value(abi, number, index, at(&cube.value, index));
    let [one] = same.as_slice() else {
        let tuple = |cube: &Cube| {
            let parts: Vec<_> = used(cube).map(|index| value(cube, index)).collect();
            format!("({})", parts.join(", "))
        };
        return Some(list(cubes.iter().map(tuple)));
    };
    let texts: Vec<_> = cubes.iter().map(|cube| value(cube, *one)).collect();
    let named = texts.iter().any(|text| text.starts_with(char::is_alphabetic));
    let text = list(texts.into_iter());
    Some(if named { text } else { format!("{} {text}", name(abi, number, *one)) })
}

fn list(texts: impl ExactSizeIterator<Item = String>) -> String {
    let count = texts.len();
    let few: Vec<_> = texts.take(LISTED).collect();
    match count.saturating_sub(LISTED) {
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

/// Ranges of one argument.
fn ranges(set: &Set, abi: Abi, number: u32) -> Option<String> {
    let (index, ranges) = set.ranges(MOST, width(abi))?;
    let value = |value| decode::value(abi, number, index, value);
    let last_of_all = width(abi).mask();
    let texts = ranges.into_iter().map(|(first, last)| match (first, last) {
        _ if first == last => value(first),
        (first, last) if last == last_of_all => format!("{} and above", value(first)),
        (first, last) => format!("{} to {}", value(first), value(last)),
    });
    let texts: Vec<_> = texts.collect();
    Some(format!("{} {}", name(abi, number, index), list(texts.into_iter())))
}

/// Bits that have to be set or not.
fn masks(cubes: &[Cube], abi: Abi, number: u32) -> String {
    const LOW: u64 = 0xffff_ffff;
    let call = abi.syscall_name(number).unwrap_or_default();
    let condition = |cube: &Cube, index: usize| {
        let (mask, wanted) = (at(&cube.mask, index), at(&cube.value, index));
        let name = name(abi, number, index);
        // The kernel does not look there, but a filter that compares all 64 bits does.
        if decode::is_32_bit(call, index) && mask > LOW {
            let upper = if wanted > LOW { "rubbish" } else { "zeros" };
            return match mask & LOW {
                0 => format!("{name} with {upper} in its upper half"),
                _ => {
                    let value = decode::value(abi, number, index, wanted & LOW);
                    format!("{name} {value} with {upper} in its upper half")
                }
            };
        }
        let bits = |bits| {
            let text = decode::value(abi, number, index, bits);
            let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            if is_number { format!("{bits:#x}") } else { text }
        };
        match (wanted, mask & !wanted) {
            (0, off) => format!("{name} without {}", bits(off)),
            (on, 0) => format!("{name} with {}", bits(on)),
            (on, off) => format!("{name} with {} and without {}", bits(on), bits(off)),
        }
    };
    let mut texts: Vec<String> = Vec::new();
    for cube in cubes {
        let all: Vec<_> = used(cube).map(|index| condition(cube, index)).collect();
        let text = all.join(" and ");
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    list(texts.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Clause, Predicate};

    fn text(call: &str, clauses: &[Clause]) -> String {
        let abi = Abi::X86_64;
        let set = Set::any(clauses, width(abi));
        describe(&set, abi, abi.syscall_number(call).unwrap())
    }

    fn on(index: usize, predicate: Predicate) -> Clause {
        Clause::on(index, predicate).unwrap()
    }

    #[test]
    fn values_have_names() {
        let low = |value| Predicate::MaskedEqual { mask: 0xffff_ffff, value };
        assert_eq!(text("socket", &[on(0, low(1)), on(0, low(2))]), "AF_UNIX, AF_INET");
        let equal = Predicate::Equal;
        assert_eq!(text("socket", &[on(0, equal(16))]), "AF_NETLINK");
        assert_eq!(text("close", &[on(0, equal(3))]), "fd 3");
        let mut both = [None; 6];
        both[0] = Some(low(2));
        both[1] = Some(low(1));
        assert_eq!(text("socket", &[Clause::new(both)]), "(AF_INET, SOCK_STREAM)");
        both[1] = Some(Predicate::MaskedEqual { mask: 0xfff7_f7ff, value: 1 });
        assert_eq!(text("socket", &[Clause::new(both)]), "(AF_INET, SOCK_STREAM)");
        let few: Vec<Clause> = [0, 1, 2, 3, 8].map(|command| on(1, low(command))).into();
        assert_eq!(text("fcntl", &few), "F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETOWN");
    }

    /// AF_INET and AF_INET6 differ in one bit, and so do their types: the parts of the set overlap.
    #[test]
    fn combinations_of_values_are_listed_one_by_one() {
        let low = |value| Some(Predicate::MaskedEqual { mask: 0xffff_ffff, value });
        let mut clauses = Vec::new();
        for family in [1, 2, 10, 16] {
            for kind in [1, 2, 3] {
                for protocol in [0, 1, 6, 17] {
                    let mut all = [None; 6];
                    let kind = Predicate::MaskedEqual { mask: 0xfff7_f7ff, value: kind };
                    (all[0], all[1], all[2]) = (low(family), Some(kind), low(protocol));
                    clauses.push(Clause::new(all));
                }
            }
        }
        let text = text("socket", &clauses);
        assert!(text.starts_with("(AF_UNIX, SOCK_STREAM, 0), (AF_UNIX, SOCK_STREAM, 1)"), "{text}");
        assert!(text.ends_with("and 36 more"), "{text}");
    }

    #[test]
    fn ranges_and_bits_are_described() {
        assert_eq!(
            text("socket", &[on(0, Predicate::Less(38)), on(0, Predicate::Equal(39))]),
            "family AF_UNSPEC to AF_CAIF, AF_NFC"
        );
        assert_eq!(
            text("clone", &[on(0, Predicate::MaskedEqual { mask: 0x1002_0000, value: 0 })]),
            "clone_flags without CLONE_NEWNS|CLONE_NEWUSER"
        );
        let mut rubbish = [None; 6];
        rubbish[0] = Some(Predicate::MaskedEqual { mask: 0x1_ffff_ffff, value: 0x1_0000_0002 });
        assert_eq!(
            text("socket", &[Clause::new(rubbish)]),
            "family AF_INET with rubbish in its upper half"
        );
        assert_eq!(text("read", &[Clause::ALWAYS]), "any arguments");
        assert_eq!(text("read", &[]), "no arguments");
    }
}
