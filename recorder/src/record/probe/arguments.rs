//! Values of arguments: the rules, as the probe takes them, and what it kept, as a recording has it.

use std::collections::BTreeMap;

use probe_common::{ArgumentsKey, KEPT_ARGUMENTS, LookedAt, NUMBERS, kept as how};

use super::numbers::index_of;
use strait_generator::abi::Abi;
use strait_generator::observation::Values;
use strait_generator::policy::argument::{ArgumentRule, Reduction};

/// The rules, by the probe's index of an ABI and by number. Calls with a number for which the probe has
/// no counter have none.
pub fn rules() -> impl Iterator<Item = (u32, u32, probe_common::ArgumentRule)> {
    ArgumentRule::all().flat_map(|rule| {
        rule.calls().flat_map(move |call| {
            Abi::ALL.into_iter().filter_map(move |abi| {
                let number = abi.syscall_number(call)?;
                let known = usize::try_from(number).is_ok_and(|number| number < NUMBERS);
                Some((index_of(abi).filter(|_| known)?, number, for_probe(rule)))
            })
        })
    })
}

fn for_probe(rule: &ArgumentRule) -> probe_common::ArgumentRule {
    let mut result = probe_common::ArgumentRule::default();
    for (nth, argument) in rule.keep.iter().enumerate().take(KEPT_ARGUMENTS) {
        result.masks[nth] = argument.mask;
        result.indexes[nth] = argument.argument;
        result.kinds[nth] = match argument.reduction {
            Reduction::Value | Reduction::Flags => how::BITS,
            Reduction::Zero => how::ANY,
            Reduction::Together => how::ALL,
        };
    }
    result
}

/// What tells one refusal of a call from another, by the probe's index of an ABI and by number: what the
/// rules keep, and the arguments that `asked_for` has bits for.
pub fn told_apart(asked_for: &[(u32, u32, u8)]) -> BTreeMap<(u32, u32), LookedAt> {
    let mut table: BTreeMap<(u32, u32), LookedAt> = BTreeMap::new();
    for (abi, number, rule) in rules() {
        let of_call = table.entry((abi, number)).or_default();
        for nth in 0..KEPT_ARGUMENTS {
            let (index, mask) = (usize::from(rule.indexes[nth]), rule.masks[nth]);
            match rule.kinds[nth] {
                how::NOT => {}
                how::ANY => of_call.any[index] |= mask,
                _ => of_call.bits[index] |= mask,
            }
        }
    }
    for (abi, number, bits) in asked_for {
        let of_call = table.entry((*abi, *number)).or_default();
        for index in (0..6).filter(|index| bits & (1 << index) != 0) {
            of_call.bits[index] = u64::MAX;
            of_call.any[index] = 0;
        }
    }
    table
}

/// What the probe kept of the arguments of a call.
pub fn values_of(abi: Abi, key: &ArgumentsKey) -> Values {
    let rule = abi.syscall_name(key.number).and_then(ArgumentRule::for_call);
    rule.map_or(Values::Lost, |rule| {
        Values::Kept(key.values[..rule.keep.len().min(KEPT_ARGUMENTS)].to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_arguments_are_compared_by_all_bits_and_others_by_their_rule() {
        let number = |name| Abi::X86_64.syscall_number(name).unwrap();
        let table = told_apart(&[(0, number("socket"), 0b100), (0, number("read"), 1)]);
        let socket = table[&(0, number("socket"))];
        assert_eq!(socket.bits[2], u64::MAX);
        assert!(socket.bits[0] != 0, "there is a rule for the family");
        assert_eq!(table[&(0, number("read"))].bits, [u64::MAX, 0, 0, 0, 0, 0]);
        let prlimit = table[&(0, number("prlimit64"))];
        assert_eq!((prlimit.bits[0], prlimit.any[0]), (0, 0xffff_ffff));
    }
}
