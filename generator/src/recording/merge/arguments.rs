//! Values of arguments of many recordings: alternatives, and never one stricter rule.

use super::{add_count, add_counts};
use crate::recording::{ArgumentUse, Arguments};

/// The values of both, as alternatives. Calls of which the values are not known are calls whose values had
/// no room, so that nobody takes the others for all that there are.
pub(super) fn united_arguments(
    (one, one_count): (Option<Arguments>, u64),
    (other, other_count): (Option<Arguments>, u64),
) -> Option<Arguments> {
    let (mut sum, more) = match (one, other) {
        (None, None) => return None,
        (Some(mut known), None) => {
            add_count(&mut known.overflow, other_count);
            return Some(known);
        }
        (None, Some(mut known)) => {
            add_count(&mut known.overflow, one_count);
            return Some(known);
        }
        (Some(one), Some(other)) => (one, other),
    };
    // Another release may keep other arguments: what both keep can be told apart.
    let common: Vec<u8> =
        sum.indexes.iter().filter(|index| more.indexes.contains(index)).copied().collect();
    sum = reduced(sum, &common);
    let more = reduced(more, &common);
    add_count(&mut sum.overflow, more.overflow);
    for (values, used) in more.values {
        add_use(sum.values.entry(values).or_default(), used);
    }
    Some(sum)
}

/// Without the arguments that are not among these.
fn reduced(arguments: Arguments, to: &[u8]) -> Arguments {
    if arguments.indexes == to {
        return arguments;
    }
    let mut reduced =
        Arguments { indexes: to.to_vec(), overflow: arguments.overflow, ..Arguments::default() };
    for (values, used) in arguments.values {
        let kept: Vec<u64> = arguments
            .indexes
            .iter()
            .zip(values)
            .filter(|(index, _)| to.contains(index))
            .map(|(_, value)| value)
            .collect();
        if kept.is_empty() {
            add_count(&mut reduced.overflow, used.count);
        } else {
            add_use(reduced.values.entry(kept).or_default(), used);
        }
    }
    reduced
}

fn add_use(sum: &mut ArgumentUse, more: ArgumentUse) {
    sum.first_seen =
        if sum.count == 0 { more.first_seen } else { sum.first_seen.min(more.first_seen) };
    add_count(&mut sum.count, more.count);
    add_counts(&mut sum.programs, more.programs);
    add_counts(&mut sum.phases, more.phases);
}
