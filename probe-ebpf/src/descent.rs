//! Which tasks descend from the command, where containers are recorded and the command itself is not.
//!
//! A bit for each thread id, which a fork sets or clears. It does not change when a task gets another parent, as a
//! daemon does that detaches itself. The stacks of these tasks are counted as those of recorded ones are
//! ([`scope`](crate::scope)), so that `sys_enter` looks at their calls, and at no others.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;

use crate::kernel::{Task, config, current_is_recorder};
use crate::scope::add;

/// The loader sets the size.
#[map]
static DESCENDANTS: Array<u64> = Array::with_max_entries(1, 0);

/// The word with a task's bit, and the bit.
#[inline(always)]
fn place(pid: u32) -> Option<(*mut u64, u64)> {
    let word = DESCENDANTS.get_ptr_mut(pid / 64)?;
    Some((word, 1 << (pid % 64)))
}

/// Whether the task with this thread id descends from the command.
#[inline(always)]
pub fn is(pid: u32) -> bool {
    if config!(follows) != 1 {
        return false;
    }
    // SAFETY: an aligned word in a map's value.
    place(pid).is_some_and(|(word, bit)| unsafe { core::ptr::read_volatile(word) } & bit != 0)
}

/// Sets or clears a task's bit. Returns whether it was set.
#[inline(always)]
fn put(pid: u32, value: bool) -> bool {
    let before = is(pid);
    if before != value
        && let Some((word, bit)) = place(pid)
    {
        // Other CPUs change other bits of the word at the same time. This bit is known, so adding it sets it and
        // subtracting it clears it, without a carry.
        add(word, if value { bit } else { bit.wrapping_neg() });
    }
    before
}

/// Notes a new task. Returns whether it descends from the command, or is it.
#[inline(always)]
pub fn fork(parent: &Task, child: &Task) -> bool {
    if config!(follows) != 1 {
        return false;
    }
    let descends =
        is(parent.pid()) || child.tgid() != parent.tgid() && current_is_recorder();
    put(child.pid(), descends);
    descends
}

/// A thread that was not the leader has taken over the leader's id.
#[inline(always)]
pub fn rename(old_pid: u32, pid: u32) {
    if config!(follows) == 1 && old_pid != pid {
        let descends = put(old_pid, false);
        put(pid, descends);
    }
}

/// Forgets a task that ends. Returns whether it was one of the command's.
#[inline(always)]
pub fn exit(pid: u32) -> bool {
    config!(follows) == 1 && put(pid, false)
}
