//! Strait's probe: counts, in the kernel and in place, the system calls of the tasks that are
//! recorded.
//!
//! Every system call of the machine passes through [`sys_enter`]. For a task that is not recorded
//! that is one array lookup; for one that is, another one and an increment. Nothing is sent to user
//! space per call, so there is no buffer that could overflow.
//!
//! - [`scope`]: which tasks are recorded, followed through fork, exec and exit
//! - [`containers`]: which of them are containers, and when these begin
//! - [`descent`]: which tasks descend from the command, where that is not recorded itself
//! - [`requests`]: what those ask of container engines
//! - [`programs`]: which executable a task runs: one set of counters for each
//! - [`count`]: the counters
//! - [`arguments`]: the values of arguments, for calls where a filter may look at them
//! - [`refusals`]: calls that a seccomp filter refused
//! - [`filters`]: the filters with which containers begin
//! - [`kernel`]: how kernel memory is read
//!
//! Raw tracepoints, since every kernel has them and loading needs no search through its BTF.
#![no_std]
#![no_main]
// Inline assembly for BPF is not stable; `cargo xtask build-ebpf` builds with a compiler that allows it.
#![feature(asm_experimental_arch)]

mod arguments;
mod containers;
mod count;
mod descent;
mod filters;
mod kernel;
mod programs;
mod refusals;
mod requests;
mod scope;

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{IN_CALL, SET_LAUNCH, SET_MASK, SLOW, control};

use crate::kernel::{Call, Task, config};

/// `sys_enter(struct pt_regs *regs, long id)`, after seccomp and ptrace have let the call pass.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn sys_enter(ctx: RawTracePointContext) -> i32 {
    if !scope::may_be_recorded(ctx.arg(0)) {
        return 0;
    }
    let task = Task::current();
    let Some(entry) = scope::entry(task.pid()) else {
        return 0;
    };
    let value = entry.get() & !IN_CALL;
    if value == 0 && config!(follows) != 1 {
        return 0;
    }
    let call = Call::new(&task, ctx.arg::<u64>(1) as u32);
    if config!(follows) == 1 {
        requests::look(&ctx, &task, &call);
    }
    if value == 0 {
        return 0;
    }
    let now = if value & SLOW != 0 { slow(&ctx, &task, value, &call) } else { value };
    if config!(watch_refusals) == 1 {
        entry.set(now | IN_CALL);
    } else if now != value {
        entry.set(now);
    }
    let set = now & SET_MASK;
    if set == 0 || (set == SET_LAUNCH && !call.is_exec()) {
        return 0;
    }
    let set =
        if call.is_native() { u32::from(set) } else { programs::set_of_abi(&ctx, set, call.abi) };
    count::add(&ctx, set, &call);
    0
}

/// The entry of a task with the bit [`SLOW`], with what this call changes about it.
#[inline(always)]
fn slow(ctx: &RawTracePointContext, task: &Task, entry: u16, call: &Call) -> u16 {
    if config!(containers) != 1 {
        return entry;
    }
    // What waits is the first call of a container that is up.
    containers::note_wait(entry & SET_MASK, call);
    containers::look(ctx, task, entry)
}

/// `sys_exit(struct pt_regs *regs, long ret)`. Attached only where refusals are watched: a call that
/// a filter refused is one that leaves without having entered.
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn sys_exit(ctx: RawTracePointContext) -> i32 {
    if !scope::may_be_recorded(ctx.arg(0)) {
        return 0;
    }
    let task = Task::current();
    let Some(entry) = scope::entry(task.pid()) else {
        return 0;
    };
    let value = entry.get();
    if value == 0 {
        return 0;
    }
    if value & IN_CALL != 0 {
        entry.set(value & !IN_CALL);
        return 0;
    }
    // The very first call under a filter may be one that it refuses.
    let now = if config!(containers) == 1 && value & SLOW != 0 {
        containers::look(&ctx, &task, value)
    } else {
        value
    };
    let set = now & SET_MASK;
    let killed = set != 0 && refusals::add(&ctx, &task, set);
    // The end of a task that is killed is not to be counted as well.
    entry.set(if killed { now | IN_CALL } else { now });
    0
}

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`: every kind of clone,
/// threads too, before the child first runs.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn sched_process_fork(ctx: RawTracePointContext) -> i32 {
    scope::fork(&Task::current(), &Task::at(ctx.arg(1)));
    0
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`: the new
/// executable is in place, and a thread that was not the leader has become it.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    let task = Task::current();
    let old_pid = ctx.arg::<u64>(1) as u32;
    if let Some(entry) = scope::leave_old_pid(&task, old_pid) {
        let before = entry.get() & !IN_CALL;
        let (container, phase) = containers::exec(&task, before);
        let now = programs::entry_of_exec(&ctx, &task, ctx.arg(2), container, phase, before);
        entry.set(now | IN_CALL);
    }
    0
}

/// `sched_process_exit(struct task_struct *p)`: the task calls nothing any more.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn sched_process_exit(ctx: RawTracePointContext) -> i32 {
    let task = Task::current();
    refusals::killed(&task);
    scope::exit(&ctx, &task);
    0
}

/// Not attached: run by the recorder itself, with what it is to do as the first argument.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn control(ctx: RawTracePointContext) -> i32 {
    match ctx.arg::<u64>(0) {
        control::BEGIN_AFTER => containers::begin_after(Task::current().mount_namespace()),
        control::ADOPT => {
            scope::adopt(&ctx, ctx.arg::<u64>(1) as u32, ctx.arg(2), ctx.arg::<u64>(3) as u32);
        }
        control::LEAVE => scope::leave(ctx.arg::<u64>(1) as u32),
        _ => {}
    }
    0
}

/// Run like [`control`]: stores where the stack of the running task lies and where its registers are kept
/// during a system call. A program of its own, since Linux before 5.15 does not take it.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn measure_stack(_ctx: RawTracePointContext) -> i32 {
    scope::measure_stack(&Task::current());
    0
}

/// What any tracing of system calls costs: the measure for [`sys_enter`] in `cargo xtask bench`.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn floor(_ctx: RawTracePointContext) -> i32 {
    0
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers are for GPL-compatible programs only; Apache-2.0 OR MIT is "Dual MIT/GPL" to the
/// kernel's list of names.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
