//! Values of arguments: the rules, as the probe takes them, and what it kept, as a recording has it.

use std::time::Duration;

use probe_common::{ArgumentsKey, KEPT_ARGUMENTS, NUMBERS, Seen, kept};

use super::assemble::index_of;
use crate::abi::Abi;
use crate::policy::argument::{ArgumentRule, How};
use crate::recording::{Arguments, Call, Phase, Program};

/// The rules, by the probe's index of an ABI and by number. Calls with a number for which the probe has
/// no counter have none.
pub fn rules() -> impl Iterator<Item = (u32, u32, probe_common::ArgumentRule)> {
    ArgumentRule::all().flat_map(|rule| {
        rule.calls().flat_map(move |call| {
            Abi::ALL.into_iter().filter_map(move |abi| {
                let number = abi.syscall_number(call)?;
                let known = usize::try_from(number).is_ok_and(|number| number < NUMBERS);
                known.then(|| (index_of(abi), number, for_probe(rule)))
            })
        })
    })
}

fn for_probe(rule: &ArgumentRule) -> probe_common::ArgumentRule {
    let mut result = probe_common::ArgumentRule::default();
    for (nth, argument) in rule.keep.iter().enumerate().take(KEPT_ARGUMENTS) {
        result.masks[nth] = argument.mask;
        result.indexes[nth] = argument.argument;
        result.kinds[nth] = match argument.how {
            How::Value | How::Flags => kept::BITS,
            How::Zero => kept::ANY,
            How::Together => kept::ALL,
        };
    }
    result
}

/// Adds how often one combination of values was seen, to a call of which the count has it already.
pub fn add(
    call: &mut Call,
    rule: &ArgumentRule,
    key: &ArgumentsKey,
    seen: Seen,
    (program, phase): (&Program, Option<Phase>),
    first: Duration,
) {
    let arguments = call.arguments.get_or_insert_default();
    arguments.indexes = indexes(rule);
    let values = key.values[..rule.keep.len().min(KEPT_ARGUMENTS)].to_vec();
    let one = arguments.values.entry(values).or_default();
    one.first_seen = if one.count == 0 { first } else { one.first_seen.min(first) };
    one.count += seen.count;
    *one.programs.entry(program.path.clone()).or_default() += seen.count;
    if let Some(phase) = phase {
        *one.phases.entry(phase).or_default() += seen.count;
    }
}

/// Marks calls with a rule of which some were counted without their values.
pub fn mark_overflow(abi: Abi, number: u32, call: &mut Call) {
    let Some(rule) = abi.syscall_name(number).and_then(ArgumentRule::of) else {
        return;
    };
    let arguments = call
        .arguments
        .get_or_insert_with(|| Arguments { indexes: indexes(rule), ..Arguments::default() });
    let with_values: u64 = arguments.values.values().map(|one| one.count).sum();
    arguments.overflow = call.count.saturating_sub(with_values);
}

fn indexes(rule: &ArgumentRule) -> Vec<u8> {
    rule.keep.iter().map(|argument| argument.argument).collect()
}
