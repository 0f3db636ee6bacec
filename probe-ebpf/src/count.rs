//! The counters. In place and per CPU: while a tracing program runs the kernel runs no second one on
//! the same CPU (it would skip it, and count that), so an increment needs no atomic instruction.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{Counters, NUMBERS, Seen, UnknownKey, loss};

use crate::arguments;
use crate::kernel::Call;
use crate::scope::{add as add_shared, lose};

/// By set. The loader sets the size of this and the next one.
#[map]
static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// By set: when each call was first made, in nanoseconds of `CLOCK_MONOTONIC`.
#[map]
static FIRST: Array<Counters> = Array::with_max_entries(1, 0);

/// Calls with a number for which [`COUNTERS`] has no room.
#[map]
static UNKNOWN: HashMap<UnknownKey, Seen> = HashMap::with_max_entries(1024, 0);

/// Counts a call of a set.
#[inline(always)]
pub fn add(ctx: &RawTracePointContext, set: u32, call: &Call) {
    let index = call.number as usize;
    if index >= NUMBERS {
        unknown(set, call.number);
        return;
    }
    let Some(counters) = COUNTERS.get_ptr_mut(set) else {
        lose(loss::CALLS);
        return;
    };
    // SAFETY: the index is below the array's length.
    unsafe {
        let counter = counters.cast::<u64>().add(index);
        let before = *counter;
        if before == 0 {
            // The first one; or one of those that are counted by their arguments.
            if arguments::add(ctx, set, call) {
                return;
            }
            first(set, index);
        }
        *counter = before + 1;
    }
}

/// Stores the time of a call's first appearance, at most once for each CPU.
#[inline(never)]
fn first(set: u32, index: usize) {
    let Some(table) = FIRST.get_ptr_mut(set) else {
        return;
    };
    if index >= NUMBERS {
        return;
    }
    // SAFETY: as above; `bpf_ktime_get_ns` takes no arguments.
    unsafe {
        let now = bpf_ktime_get_ns();
        let time = table.cast::<u64>().add(index);
        if *time == 0 || now < *time {
            *time = now;
        }
    }
}

#[inline(never)]
fn unknown(set: u32, number: u32) {
    let key = UnknownKey { set, number };
    if UNKNOWN.get_ptr_mut(key).is_none() {
        // SAFETY: takes no arguments.
        let first = unsafe { bpf_ktime_get_ns() };
        // An error means that another CPU was first, or that there is no room; the next look tells.
        let _ = UNKNOWN.insert(key, Seen { count: 0, first }, 1);
    }
    match UNKNOWN.get_ptr_mut(key) {
        // SAFETY: a field of a map's value.
        Some(seen) => add_shared(unsafe { &raw mut (*seen).count }, 1),
        None => lose(loss::CALLS),
    }
}
