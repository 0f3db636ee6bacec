//! Which executable a task runs. Every executable, seen through one ABI, has a set of counters of
//! its own, so that attribution costs a call no more than the index of its set.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_probe_read_kernel_str_bytes;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, Queue};
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::{debug, warn};
use probe_common::{
    Event, Program, ProgramKey, SET_FIRST, SET_MASK, SET_OTHER, SLOW, event, loss, phase, room,
};

use crate::kernel::{Task, config, read};
use crate::containers;
use crate::scope::{announce, lose, take, untake};

/// By set. The loader sets the size of the three maps.
#[map]
static PROGRAMS: Array<Program> = Array::with_max_entries(1, 0);

#[map]
static SETS: HashMap<ProgramKey, u32> = HashMap::with_max_entries(1, 0);

/// Sets that no executable has yet; filled by the loader.
#[map]
static FREE: Queue<u32> = Queue::with_max_entries(1, 0);

/// The entry of a task that has just begun to run an executable. Where there is no set for it, calls
/// within a container go on being counted where they were.
#[inline(always)]
pub fn entry_of_exec(
    ctx: &RawTracePointContext,
    task: &Task,
    bprm: *const u8,
    container: u32,
    phase: u16,
    before: u16,
) -> u16 {
    let key = ProgramKey { container, phase, ..key_of(bprm).unwrap_or_default() };
    let pid = task.pid();
    let set = set_of(ctx, key, |program| {
        program.pid = pid;
        path(bprm, config!(binprm_filename), &mut program.filename);
        path(bprm, config!(binprm_interp), &mut program.interp);
    });
    let slow = if phase & !phase::UNFILTERED == phase::STARTUP { SLOW } else { 0 };
    let now = match set {
        Some(set) => set as u16 | slow,
        None if container != 0 && before & SET_MASK != 0 => before & SET_MASK,
        None => SET_OTHER + config!(native_abi) as u16,
    };
    if set.is_none() {
        containers::note_entry(container, now);
    }
    now
}

/// The set of what a runtime calls in a container between filter and exec.
#[inline(always)]
pub fn set_of_runtime(ctx: &RawTracePointContext, container: u32, before: u16) -> u16 {
    let abi = config!(native_abi) as u16;
    let key = ProgramKey { container, abi, phase: phase::RUNTIME, ..ProgramKey::default() };
    let other = if before == 0 { SET_OTHER + abi } else { before };
    set_of(ctx, key, |_| {}).map_or(other, |set| set as u16)
}

/// The set for calls of the executable that has `set`, now that its container is up.
#[inline(always)]
pub fn set_of_running(ctx: &RawTracePointContext, set: u16) -> u16 {
    let Some(startup) = PROGRAMS.get(u32::from(set)) else {
        return set;
    };
    let flag = startup.key.phase & phase::UNFILTERED;
    let key = ProgramKey { phase: phase::RUNNING | flag, ..startup.key };
    set_like(ctx, key, startup).map_or(set, |set| set as u16)
}

/// The set for calls through another ABI of the executable that has `set` for native ones.
#[inline(never)]
pub fn set_of_abi(ctx: &RawTracePointContext, set: u16, abi: u32) -> u32 {
    let other = u32::from(SET_OTHER) + abi;
    if set < SET_FIRST {
        return other;
    }
    let Some(native) = PROGRAMS.get(u32::from(set)) else {
        return other;
    };
    let key = ProgramKey { abi: abi as u16, ..native.key };
    set_like(ctx, key, native).unwrap_or(other)
}

/// The container of a set; 0 if it is of none.
#[inline(always)]
pub fn container_of(set: u16) -> u32 {
    container_and_phase(set).0
}

/// The container of a set, and the phase.
#[inline(always)]
pub fn container_and_phase(set: u16) -> (u32, u16) {
    if set < SET_FIRST {
        return (0, phase::NONE);
    }
    PROGRAMS
        .get(u32::from(set))
        .map_or((0, phase::NONE), |program| (program.key.container, program.key.phase))
}

/// A set of the same executable as another one.
#[inline(always)]
fn set_like(ctx: &RawTracePointContext, key: ProgramKey, like: &Program) -> Option<u32> {
    set_of(ctx, key, |program| {
        program.pid = like.pid;
        program.filename = like.filename;
        program.interp = like.interp;
    })
}

/// The set of an executable, if there is one or one is free.
#[inline(always)]
pub fn set_of(
    ctx: &RawTracePointContext,
    key: ProgramKey,
    fill: impl FnOnce(&mut Program),
) -> Option<u32> {
    if let Some(set) = SETS.get_ptr(key) {
        // SAFETY: a map's value. An entry is removed only when no task of its container is left.
        return Some(unsafe { *set });
    }
    if !containers::has_room(key.container) {
        return None;
    }
    let Ok(Some(set)) = FREE.pop() else {
        if !containers::lose(key.container) {
            lose(loss::PROGRAMS);
        }
        warn!(ctx, "no set left for inode {} of device {}", key.inode, key.device);
        return None;
    };
    // SAFETY: a map's value that no other CPU has, since the set was free.
    let program = unsafe { &mut *PROGRAMS.get_ptr_mut(set)? };
    program.key = key;
    fill(program);
    program.ready = 1;
    take(room::SETS, config!(sets));
    if SETS.insert(key, set, 1).is_err() {
        // Another CPU ran the same executable for the first time at the same moment.
        program.ready = 0;
        let _ = FREE.push(set, 0);
        untake(room::SETS);
        // SAFETY: as above.
        return SETS.get_ptr(key).map(|set| unsafe { *set });
    }
    containers::count_set(key.container);
    debug!(ctx, "set {} for inode {} of device {}, run by {}", set, key.inode, key.device, ctx.pid());
    announce(Event { kind: event::PROGRAM, set, pid: program.pid });
    Some(set)
}

#[inline(always)]
fn key_of(bprm: *const u8) -> Option<ProgramKey> {
    let file: *const u8 = read(bprm, config!(binprm_file))?;
    let inode: *const u8 = read(file, config!(file_inode))?;
    let sb: *const u8 = read(inode, config!(inode_sb))?;
    Some(ProgramKey {
        inode: read(inode, config!(inode_ino))?,
        device: read(sb, config!(sb_dev))?,
        abi: config!(native_abi) as u16,
        ..ProgramKey::default()
    })
}

/// Copies the string that a field of `linux_binprm` points to; left empty if it cannot be read.
#[inline(always)]
fn path(bprm: *const u8, field: u32, into: &mut [u8; probe_common::PATH_LEN]) {
    if let Some(text) = read::<*const u8>(bprm, field) {
        // SAFETY: the helper checks the address and stays within the buffer.
        let _ = unsafe { bpf_probe_read_kernel_str_bytes(text, into) };
    }
}
