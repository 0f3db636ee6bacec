//! Calls that did not get past a seccomp filter: they leave the kernel without having passed `sys_enter`,
//! which comes after seccomp. Rare, so each is stored with what tells it from others.
//!
//! Not each of them was refused, and not each refusal is that of the filter that is asked about: a task
//! may have installed another one, a supervisor (`SECCOMP_RET_USER_NOTIF`) may have done the work, a tracer may
//! have taken the call out. Here is only noted how each was answered.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{
    ABIS, IN_CALL, LookedAt, NUMBERS, REFUSED_VALUES, Refusal, RefusalKey, SET_MASK, Seen, answer,
    loss,
};

use crate::kernel::{Call, Task, config, read};
use crate::scope::{add as add_shared, entry, lose};
use crate::programs::set_of_abi;

#[map]
static REFUSALS: HashMap<RefusalKey, Refusal> = HashMap::with_max_entries(4096, 0);

/// How many different arguments there are of one refused call: by its key without any.
#[map]
static REFUSED: HashMap<RefusalKey, u64> = HashMap::with_max_entries(4096, 0);

/// By ABI and number. Filled by the loader.
#[map]
static LOOKED_AT: Array<LookedAt> = Array::with_max_entries((ABIS * NUMBERS) as u32, 0);

/// What is being stored: not on the stack, of which there is too little, and where the verifier need not follow each
/// value that it may have.
#[repr(C)]
struct Scratch {
    key: RefusalKey,
    /// Of all its arguments.
    of_call: RefusalKey,
    refusal: Refusal,
}

/// One for calls that leave and one for tasks that end. While a program runs the kernel runs it no second time on
/// the same CPU.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// Element of [`SCRATCH`] for calls that leave, and for tasks that end.
const LEAVING: u32 = 0;
const ENDING: u32 = 1;

#[inline(always)]
fn scratch(index: u32) -> Option<&'static mut Scratch> {
    // SAFETY: a map's value that no other program has now.
    SCRATCH.get_ptr_mut(index).map(|scratch| unsafe { &mut *scratch })
}

/// Stores the call that is leaving. Returns whether the task is about to be killed for it.
#[inline(always)]
pub fn add(ctx: &RawTracePointContext, task: &Task, set: u16) -> bool {
    let Some(scratch) = scratch(LEAVING) else {
        return false;
    };
    let regs: *const u8 = ctx.arg(0);
    let raw = read(regs, config!(regs_number)).unwrap_or(u32::MAX);
    let call = Call::new(task, raw);
    scratch.key.set =
        if call.is_native() { u32::from(set) } else { set_of_abi(ctx, set, call.abi) };
    scratch.key.abi = call.abi;
    scratch.key.number = call.number;
    scratch.key.others = 0;
    scratch.key.errno = answer(task, raw, ctx.arg::<u64>(1) as i64);
    call.arguments(regs, &mut scratch.refusal.args);
    compare_by(&call, scratch);
    store(scratch);
    // SAFETY: a field of a map's value, of which the verifier is to know nothing more.
    unsafe { core::ptr::read_volatile(&raw const scratch.key.errno) == answer::KILLED }
}

/// Keeps of the arguments what tells one refusal of this call from another.
#[inline(always)]
fn compare_by(call: &Call, scratch: &mut Scratch) {
    scratch.key.args = [0; 6];
    let Some(looked_at) = looked_at(call) else {
        return;
    };
    for index in 0..6 {
        let value = scratch.refusal.args[index];
        scratch.key.args[index] = value & looked_at.bits[index] | any(value & looked_at.any[index]);
    }
}

/// How a call was answered: with an errno, 0 for none, or one of [`answer`].
#[inline(always)]
fn answer(task: &Task, raw: u32, returned: i64) -> u32 {
    // A filter that kills or traps leaves the registers as they were, in which the number stands on x86
    // where the result would be (`syscall_rollback`). The signal alone may come from elsewhere.
    let untouched = config!(has_x32) != 1 || returned as u32 == raw;
    match task.forced_sigsys() {
        Some(true) if untouched => answer::SIGSYS,
        Some(false) if untouched => answer::KILLED,
        _ if (-4095..=0).contains(&returned) => -returned as u32,
        _ => answer::RETURNED,
    }
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
    // Who ends with the whole process was either seen to leave its call, or is another one of its threads, or
    // got the signal by kill(2): a filter lets none but a single thread end so.
    if set == 0 || entry.get() & IN_CALL != 0 || task.process_ends() {
        return;
    }
    let Some(scratch) = scratch(ENDING) else {
        return;
    };
    scratch.key = RefusalKey {
        set: u32::from(set),
        abi: config!(native_abi),
        number: u32::MAX,
        errno: answer::KILLED,
        args: [0; 6],
        others: 1,
    };
    scratch.refusal.args = [0; 6];
    store(scratch);
}

#[inline(always)]
fn looked_at(call: &Call) -> Option<&'static LookedAt> {
    if call.number as usize >= NUMBERS {
        return None;
    }
    LOOKED_AT.get(call.abi * NUMBERS as u32 + call.number)
}

/// 1 if any bit is set, without a branch: the verifier follows each way through them all.
#[inline(always)]
fn any(bits: u64) -> u64 {
    (bits | bits.wrapping_neg()) >> 63
}

#[inline(never)]
fn store(scratch: &mut Scratch) {
    scratch.refusal.seen = Seen::default();
    if REFUSALS.get_ptr_mut(&scratch.key).is_none() {
        if scratch.key.others == 0 && !has_room(scratch) {
            scratch.key.args = [0; 6];
            scratch.key.others = 1;
        }
        if REFUSALS.get_ptr_mut(&scratch.key).is_none() {
            // SAFETY: takes no arguments.
            scratch.refusal.seen.first = unsafe { bpf_ktime_get_ns() };
            // An error means that another CPU was first, or that there is no room; the next look tells.
            let _ = REFUSALS.insert(&scratch.key, &scratch.refusal, 1);
        }
    }
    match REFUSALS.get_ptr_mut(&scratch.key) {
        // SAFETY: a field of a map's value.
        Some(refusal) => add_shared(unsafe { &raw mut (*refusal).seen.count }, 1),
        None => lose(loss::REFUSALS),
    }
}

/// Whether one more combination of arguments of this call may be kept apart, which is then counted.
#[inline(always)]
fn has_room(scratch: &mut Scratch) -> bool {
    scratch.of_call = scratch.key;
    scratch.of_call.args = [0; 6];
    scratch.of_call.others = 1;
    if REFUSED.get_ptr_mut(&scratch.of_call).is_none() {
        // As in `store`.
        let _ = REFUSED.insert(&scratch.of_call, 0u64, 1);
    }
    let Some(values) = REFUSED.get_ptr_mut(&scratch.of_call) else {
        return false;
    };
    // SAFETY: a map's value.
    if unsafe { core::ptr::read_volatile(values) } >= REFUSED_VALUES {
        return false;
    }
    add_shared(values, 1);
    true
}
