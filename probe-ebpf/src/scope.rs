//! Which tasks are recorded: an entry for every thread id there can be, so that no task is ever
//! without room and a look costs no hashing. An entry is a set number with the bits `SLOW` and, where
//! refusals are watched, `IN_CALL`; 0 is a task that is not recorded. Only the task itself, or its parent before it first runs, writes it.

use core::arch::asm;

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, RingBuf};
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::debug;
use probe_common::{
    Event, FILTER_ENTRIES, IN_CALL, ProgramKey, SET_LAUNCH, SET_OTHER, SLOW, STACK_BITS, TASK_CHUNKS,
    TASKS_PER_CHUNK, entered, event, loss, room,
};

use crate::{containers, descent, programs};
use crate::kernel::{Task, config, current_is_recorder};

#[map]
static TASKS: Array<[u16; TASKS_PER_CHUNK]> = Array::with_max_entries(TASK_CHUNKS, 0);

/// How many recorded tasks there are of those whose kernel stacks share an entry: by the stack's address,
/// so that a look needs neither the task nor a helper. A call on a stack with 0 is of no recorded task;
/// on any other it is looked at. Where stacks do not lie as expected the loader fills in ones. So it does where
/// tasks are adopted, and then nothing is counted, since nothing tells where their stacks lie.
#[map]
static FILTER: Array<u64> = Array::with_max_entries(FILTER_ENTRIES, 0);

/// What [`measure_stack`] has found.
#[map]
static STACK: Array<u64> = Array::with_max_entries(2, 0);

/// Where tasks are adopted: how each recorded one has come into the table, one of [`entered`]. A task that is
/// adopted at the moment it is forked is counted once. The loader sets the size.
#[map]
static ENTERED: HashMap<u32, u32> = HashMap::with_max_entries(1, 0);

/// How many indexes of each kind of [`room`] were given out.
#[map]
static USED: Array<u64> = Array::with_max_entries(room::KINDS, 0);

/// How many the recorder has given back.
#[map]
static RETURNED: Array<u64> = Array::with_max_entries(room::KINDS, 0);

/// How many tasks are recorded now.
#[map]
static LIVE: Array<u64> = Array::with_max_entries(1, 0);

#[map]
static LOSSES: Array<u64> = Array::with_max_entries(loss::KINDS, 0);

#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// Whether a call with its registers (or a stack that begins) at this address may be of a recorded task.
#[inline(always)]
pub fn may_be_recorded(address: u64) -> bool {
    FILTER.get((address >> STACK_BITS) as u32 & (FILTER_ENTRIES - 1)) != Some(&0)
}

#[inline(always)]
fn count_stack(task: &Task, increment: u64) {
    if config!(adopts) == 1 {
        return;
    }
    let index = (task.stack() >> STACK_BITS) as u32 & (FILTER_ENTRIES - 1);
    if let Some(count) = FILTER.get_ptr_mut(index) {
        add(count, increment);
    }
}

/// Stores where the running task has its stack and its registers.
#[inline(always)]
pub fn measure_stack(task: &Task) {
    let _ = STACK.set(0, task.stack(), 0);
    let _ = STACK.set(1, task.registers(), 0);
}

/// The entry of one task.
pub struct Entry(*mut u16);

impl Entry {
    #[inline(always)]
    pub fn get(&self) -> u16 {
        // SAFETY: made by `entry` from a map's value.
        unsafe { core::ptr::read_volatile(self.0) }
    }

    #[inline(always)]
    pub fn set(&self, value: u16) {
        // SAFETY: as above; nobody else writes this entry now.
        unsafe { core::ptr::write_volatile(self.0, value) }
    }
}

/// The entry of the task with this thread id; `None` if the id is larger than the kernel can give.
#[inline(always)]
pub fn entry(pid: u32) -> Option<Entry> {
    let chunk = TASKS.get_ptr_mut(pid / TASKS_PER_CHUNK as u32)?;
    // SAFETY: the index is within the chunk.
    Some(Entry(unsafe { chunk.cast::<u16>().add(pid as usize % TASKS_PER_CHUNK) }))
}

/// Counts something that could not be stored; `kind` is one of [`loss`].
#[inline(always)]
pub fn lose(kind: u32) {
    if let Some(losses) = LOSSES.get_ptr_mut(kind) {
        add(losses, 1);
    }
}

/// Adds to a number that other CPUs add to as well.
#[inline(always)]
pub fn add(number: *mut u64, increment: u64) {
    // Rust has no atomics for this target, which was without compare-and-swap before Linux 5.12.
    // SAFETY: an aligned word in a map's value.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) number, in(reg) increment) };
}

/// Notes that an index of this kind was given out, of `all`, and asks for room if half of them are.
#[inline(always)]
pub fn take(kind: u32, all: u32) {
    let Some(used) = USED.get_ptr_mut(kind) else {
        return;
    };
    add(used, 1);
    // SAFETY: an aligned word in a map's value.
    let used = unsafe { core::ptr::read_volatile(used) };
    let returned = RETURNED.get(kind).copied().unwrap_or(0);
    if used.wrapping_sub(returned) > u64::from(all / 2) {
        announce(Event { kind: event::ROOM, set: kind, pid: 0 });
    }
}

/// Takes back what [`take`] has noted.
#[inline(always)]
pub fn untake(kind: u32) {
    if let Some(used) = USED.get_ptr_mut(kind) {
        add(used, u64::MAX);
    }
}

#[inline(always)]
fn count_live(increment: u64) {
    if let Some(live) = LIVE.get_ptr_mut(0) {
        add(live, increment);
    }
}

/// Announces a rare fact. If the ring is full the recorder finds it in a map.
#[inline(always)]
pub fn announce(event: Event) {
    // Lost announcements are recovered, so there is nothing to count.
    let _ = EVENTS.output::<Event>(event, 0);
}

/// The child of a recorded task is recorded, and so is what the recorder itself forks (a process, not a
/// thread): the command. Where containers are recorded it is instead what lives in a mount namespace
/// that is new.
#[inline(always)]
pub fn fork(parent: &Task, child: &Task) {
    let Some(of_parent) = entry(parent.pid()) else {
        return;
    };
    let of_parent = of_parent.get() & !IN_CALL;
    let of_child = if config!(containers) == 1 {
        containers::fork(parent, of_parent, child)
    } else if of_parent != 0 {
        of_parent
    } else if child.tgid() != parent.tgid() && current_is_recorder() {
        SET_LAUNCH | SLOW
    } else {
        0
    };
    let descends = descent::fork(parent, child);
    if of_child == 0 {
        if descends {
            count_stack(child, 1);
        }
        // A task that was adopted after it had ended may have left its id to this one.
        if config!(adopts) == 1 {
            leave(child.pid());
        }
        return;
    }
    match entry(child.pid()) {
        // The child leaves the call that made it.
        Some(entry) => {
            count_stack(child, 1);
            entry.set(of_child | IN_CALL);
            if is_first(child.pid()) {
                count_live(1);
            }
        }
        None => lose(loss::TASKS),
    }
}

/// Whether a task that was forked is not adopted already.
#[inline(always)]
fn is_first(pid: u32) -> bool {
    if config!(adopts) != 1 {
        return true;
    }
    let by_fork = entered::BY_FORK;
    if ENTERED.insert(pid, by_fork, u64::from(aya_ebpf::bindings::BPF_NOEXIST)).is_ok() {
        return true;
    }
    let is_adopted = ENTERED.get_ptr(pid).is_some();
    if is_adopted {
        let _ = ENTERED.insert(pid, by_fork, 0);
    } else {
        // There is no room to tell; two ways at once are rarer than a task that is not counted.
        lose(loss::TASKS);
    }
    !is_adopted
}

/// Records, from now on, a task that runs already.
#[inline(never)]
pub fn adopt(ctx: &RawTracePointContext, pid: u32, inode: u64, device: u32) {
    let abi = config!(native_abi) as u16;
    let key = ProgramKey { inode, device, abi, ..ProgramKey::default() };
    let Some(entry) = entry(pid) else {
        lose(loss::TASKS);
        return;
    };
    if entry.get() != 0 {
        return;
    }
    let set = programs::set_of(ctx, key, |program| program.pid = pid);
    let by = entered::BY_ADOPTION;
    if ENTERED.insert(pid, by, u64::from(aya_ebpf::bindings::BPF_NOEXIST)).is_err() {
        // Its parent was faster; or there is no room.
        if ENTERED.get_ptr(pid).is_none() {
            lose(loss::TASKS);
        }
        return;
    }
    count_live(1);
    entry.set(set.map_or(SET_OTHER + config!(native_abi) as u16, |set| set as u16) | IN_CALL);
}

/// Records a task no more that was adopted. If it was forked by a recorded task in the meantime it stays.
#[inline(never)]
pub fn leave(pid: u32) {
    // SAFETY: a map's value, copied at once.
    let by = ENTERED.get_ptr(pid).map(|by| unsafe { *by });
    if by != Some(entered::BY_ADOPTION) {
        return;
    }
    let _ = ENTERED.remove(pid);
    if let Some(entry) = entry(pid) {
        entry.set(0);
    }
    count_live(u64::MAX);
}

/// At exec, the entry of a recorded task; `None` if it is not recorded. A thread that was not the
/// leader takes over the leader's id, and with it goes its entry.
#[inline(always)]
pub fn leave_old_pid(task: &Task, old_pid: u32) -> Option<Entry> {
    descent::rename(old_pid, task.pid());
    let old = entry(old_pid)?;
    let value = old.get();
    if value == 0 {
        return None;
    }
    let pid = task.pid();
    if pid == old_pid {
        return Some(old);
    }
    old.set(0);
    containers::move_waiting(old_pid, pid);
    if config!(adopts) == 1 {
        let _ = ENTERED.remove(old_pid);
        let _ = ENTERED.insert(pid, entered::BY_FORK, 0);
    }
    let new = entry(pid)?;
    new.set(value);
    Some(new)
}

/// Takes a task that ends out of the table, since its id will be given to another one.
#[inline(always)]
pub fn exit(ctx: &RawTracePointContext, task: &Task) {
    let pid = task.pid();
    let Some(entry) = entry(pid) else {
        return;
    };
    let value = entry.get();
    let descends = descent::exit(pid);
    if value == 0 {
        if descends {
            count_stack(task, u64::MAX);
        }
        return;
    }
    entry.set(0);
    count_stack(task, u64::MAX);
    if config!(adopts) == 1 {
        let _ = ENTERED.remove(pid);
    }
    containers::exit(pid, value);
    let Some(live) = LIVE.get_ptr_mut(0) else {
        return;
    };
    add(live, u64::MAX);
    // SAFETY: an aligned word in a map's value. Whoever comes last reads 0; two may.
    if unsafe { core::ptr::read_volatile(live) } == 0 {
        debug!(ctx, "the last recorded task has ended: {}", pid);
        announce(Event { kind: event::ALL_ENDED, set: 0, pid });
    }
}
