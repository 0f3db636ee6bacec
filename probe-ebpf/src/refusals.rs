//! Calls that a seccomp filter refused: they leave the kernel without having passed `sys_enter`,
//! which comes after seccomp. Rare, so each is stored with what tells it from others.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{
    ABIS, IN_CALL, KILLED, NUMBERS, Refusal, RefusalKey, SET_MASK, Seen, loss,
};

use crate::kernel::{Call, Task, config, read};
use crate::scope::{add as add_shared, entry, lose};
use crate::programs::set_of_abi;

#[map]
static REFUSALS: HashMap<RefusalKey, Refusal> = HashMap::with_max_entries(4096, 0);

/// By ABI and number: a bit for each argument that the filter looks at. Filled by the loader.
#[map]
static LOOKED_AT: Array<u64> = Array::with_max_entries((ABIS * NUMBERS) as u32, 0);

/// Stores the call that is leaving. Returns whether the task is about to be killed for it.
#[inline(always)]
pub fn add(ctx: &RawTracePointContext, task: &Task, set: u16) -> bool {
    let regs: *const u8 = ctx.arg(0);
    let returned = ctx.arg::<u64>(1) as i64;
    let call = Call::new(task, read(regs, config!(regs_number)).unwrap_or(u32::MAX));
    let set = if call.is_native() { u32::from(set) } else { set_of_abi(ctx, set, call.abi) };
    // A filter that kills or traps leaves the number of the call where the result would be.
    let errno = if (-4095..0).contains(&returned) { -returned as u32 } else { KILLED };
    let mut refusal = Refusal { seen: Seen::default(), args: [0; 6] };
    let mut key = RefusalKey { set, abi: call.abi, number: call.number, errno, args: [0; 6] };
    let looked_at = looked_at(&call);
    for index in 0..6 {
        let value = call.argument(regs, index as u8);
        refusal.args[index] = value;
        if looked_at & (1 << index) != 0 {
            key.args[index] = value;
        }
    }
    store(&key, &mut refusal);
    errno == KILLED
}

/// Stores that a filter has killed the task without letting it leave its call, as far as that can be
/// told from its end.
#[inline(always)]
pub fn killed(task: &Task) {
    const SIGSYS: u32 = 31;
    if config!(watch_refusals) != 1 || task.exit_code() & 0x7f != SIGSYS {
        return;
    }
    let Some(entry) = entry(task.pid()) else {
        return;
    };
    let set = entry.get() & SET_MASK;
    if set == 0 || entry.get() & IN_CALL != 0 {
        return;
    }
    let key = RefusalKey {
        set: u32::from(set),
        abi: config!(native_abi),
        number: u32::MAX,
        errno: KILLED,
        args: [0; 6],
    };
    store(&key, &mut Refusal { seen: Seen::default(), args: [0; 6] });
}

#[inline(always)]
fn looked_at(call: &Call) -> u64 {
    if call.number as usize >= NUMBERS {
        return 0;
    }
    LOOKED_AT.get(call.abi * NUMBERS as u32 + call.number).copied().unwrap_or(0)
}

#[inline(always)]
fn store(key: &RefusalKey, refusal: &mut Refusal) {
    if REFUSALS.get_ptr_mut(key).is_none() {
        // SAFETY: takes no arguments.
        refusal.seen.first = unsafe { bpf_ktime_get_ns() };
        // An error means that another CPU was first, or that there is no room; the next look tells.
        let _ = REFUSALS.insert(key, &*refusal, 1);
    }
    match REFUSALS.get_ptr_mut(key) {
        // SAFETY: a field of a map's value.
        Some(refusal) => add_shared(unsafe { &raw mut (*refusal).seen.count }, 1),
        None => lose(loss::REFUSALS),
    }
}
