//! The values of arguments, for calls that have a rule: what a filter could tell apart.
//!
//! A call with a rule has no counter in [`count`](crate::count): its place there stays at zero, so that each
//! such call takes the way of a first one and comes here, and calls without a rule pay nothing. Only
//! where there is no room for its values is it counted there.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{
    ABIS, ArgumentRule, ArgumentsKey, KEPT_ARGUMENTS, NUMBERS, Seen, UnknownKey, VALUES_PER_CALL,
    kept,
};

use crate::kernel::Call;
use crate::scope::add as add_shared;

/// By ABI and number. Filled by the loader.
#[map]
static RULES: Array<ArgumentRule> = Array::with_max_entries((ABIS * NUMBERS) as u32, 0);

/// How often each combination of values was seen, and when first. The loader sets the size.
#[map]
static ARGUMENTS: HashMap<ArgumentsKey, Seen> = HashMap::with_max_entries(1, 0);

/// How many combinations there are of one call of one set.
#[map]
static COMBINATIONS: HashMap<UnknownKey, u64> = HashMap::with_max_entries(8192, 0);

/// Counts a call by the values of its arguments. Returns false if it has no rule, or there is no room.
#[inline(never)]
pub fn add(ctx: &RawTracePointContext, set: u32, call: &Call) -> bool {
    let Some(rule) = RULES.get(call.abi * NUMBERS as u32 + call.number) else {
        return false;
    };
    if rule.kinds[0] == kept::NOT {
        return false;
    }
    let regs: *const u8 = ctx.arg(0);
    let mut key = ArgumentsKey { set, number: call.number, values: [0; KEPT_ARGUMENTS] };
    for nth in 0..KEPT_ARGUMENTS {
        if rule.kinds[nth] != kept::NOT {
            let value = call.argument(regs, rule.indexes[nth]) & rule.masks[nth];
            key.values[nth] = match rule.kinds[nth] {
                kept::ANY => u64::from(value != 0),
                kept::ALL => u64::from(value == rule.masks[nth]),
                _ => value,
            };
        }
    }
    if let Some(seen) = ARGUMENTS.get_ptr_mut(key) {
        // SAFETY: a field of a map's value.
        add_shared(unsafe { &raw mut (*seen).count }, 1);
        return true;
    }
    insert(&key)
}

#[inline(never)]
fn insert(key: &ArgumentsKey) -> bool {
    let of_call = UnknownKey { set: key.set, number: key.number };
    if COMBINATIONS.get_ptr_mut(of_call).is_none() {
        // An error means that another CPU was first, or that there is no room; the next look tells.
        let _ = COMBINATIONS.insert(of_call, 0u64, 1);
    }
    let Some(combinations) = COMBINATIONS.get_ptr_mut(of_call) else {
        return false;
    };
    // SAFETY: a map's value.
    if unsafe { core::ptr::read_volatile(combinations) } >= u64::from(VALUES_PER_CALL) {
        return false;
    }
    // SAFETY: takes no arguments.
    let first = unsafe { bpf_ktime_get_ns() };
    if ARGUMENTS.insert(key, Seen { count: 0, first }, 1).is_ok() {
        add_shared(combinations, 1);
    }
    match ARGUMENTS.get_ptr_mut(key) {
        Some(seen) => {
            // SAFETY: a field of a map's value.
            add_shared(unsafe { &raw mut (*seen).count }, 1);
            true
        }
        None => false,
    }
}
