//! Whether one filter allows anything that another one refuses.

use std::collections::BTreeSet;

use super::filter::{Call, Filter};

// include/uapi/linux/audit.h
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT`, arch/x86/include/uapi/asm/unistd.h.
const X32: u32 = 0x4000_0000;

/// Well above the largest number that any kernel has.
const NUMBERS: u32 = 1024;

/// Combinations of values that are tried for one call. A filter that compares so many arguments
/// with so many values would have to be looked at by other means.
const MANY: usize = 2_000_000;

/// A call that `narrow` allows and `wide` refuses, if one was found.
///
/// Every number of every ABI is tried, with all combinations of the values at which a comparison
/// in either filter changes its answer, so that it is found if there is one.
pub fn beyond(narrow: &Filter, wide: &Filter) -> Option<Call> {
    let numbers = |bit: u32| (0..NUMBERS).map(move |number| number | bit);
    let calls = [(X86_64, 0), (X86_64, X32), (I386, 0)]
        .into_iter()
        .flat_map(|(arch, bit)| numbers(bit).map(move |number| (arch, number)));
    for (arch, number) in calls {
        let [mut words, others] = [narrow, wide].map(|filter| filter.interesting(arch, number));
        for (words, others) in std::iter::zip(&mut words, others) {
            words.extend(others);
        }
        let values: [Vec<u64>; 6] =
            std::array::from_fn(|index| values(&words[2 * index], &words[2 * index + 1]));
        let combinations: usize = values.iter().map(Vec::len).product();
        assert!(combinations <= MANY, "{combinations} combinations for call {number}");
        for combination in 0..combinations {
            let mut rest = combination;
            let args = std::array::from_fn(|index| {
                let value = values[index][rest % values[index].len()];
                rest /= values[index].len();
                value
            });
            let call = Call { arch, number, args };
            if narrow.allows(&call) && !wide.allows(&call) {
                return Some(call);
            }
        }
    }
    None
}

/// All combinations of the halves of an argument; only 0 if nobody looks at it.
fn values(lower: &BTreeSet<u32>, upper: &BTreeSet<u32>) -> Vec<u64> {
    if lower.is_empty() && upper.is_empty() {
        return vec![0];
    }
    let with_extremes =
        |words: &BTreeSet<u32>| words.iter().copied().chain([0, u32::MAX]).collect::<BTreeSet<_>>();
    let upper = with_extremes(upper);
    with_extremes(lower)
        .into_iter()
        .flat_map(|low| upper.iter().map(move |high| u64::from(low) | u64::from(*high) << 32))
        .collect()
}
