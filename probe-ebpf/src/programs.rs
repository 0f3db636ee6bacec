//! Which executable a task runs. Every executable, seen through one ABI, has a set of counters of
//! its own, so that attribution costs a call no more than the index of its set.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_probe_read_kernel_str_bytes;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, Queue};
use aya_ebpf::programs::RawTracePointContext;
use aya_log_ebpf::{debug, warn};
use probe_common::{Event, Program, ProgramKey, SET_FIRST, SET_OTHER, event, loss};

use crate::kernel::{Task, config, read};
use crate::scope::{announce, lose};

/// By set. The loader sets the size of the three maps.
#[map]
static PROGRAMS: Array<Program> = Array::with_max_entries(1, 0);

#[map]
static SETS: HashMap<ProgramKey, u32> = HashMap::with_max_entries(1, 0);

/// Sets that no executable has yet; filled by the loader.
#[map]
static FREE: Queue<u32> = Queue::with_max_entries(1, 0);

/// The set of the executable that a task has just begun to run.
#[inline(always)]
pub fn set_of_exec(ctx: &RawTracePointContext, task: &Task, bprm: *const u8) -> u16 {
    let key = key_of(bprm).unwrap_or_default();
    let pid = task.pid();
    let set = set_of(ctx, key, |program| {
        program.pid = pid;
        path(bprm, config!(binprm_filename), &mut program.filename);
        path(bprm, config!(binprm_interp), &mut program.interp);
    });
    set as u16
}

/// The set for calls through another ABI of the executable that has `set` for native ones.
#[inline(never)]
pub fn set_of_abi(ctx: &RawTracePointContext, set: u16, abi: u32) -> u32 {
    if set < SET_FIRST {
        return u32::from(SET_OTHER) + abi;
    }
    let Some(native) = PROGRAMS.get(u32::from(set)) else {
        return u32::from(SET_OTHER) + abi;
    };
    let key = ProgramKey { abi, ..native.key };
    set_of(ctx, key, |program| {
        program.pid = native.pid;
        program.filename = native.filename;
        program.interp = native.interp;
    })
}

#[inline(always)]
fn set_of(ctx: &RawTracePointContext, key: ProgramKey, fill: impl FnOnce(&mut Program)) -> u32 {
    if let Some(set) = SETS.get_ptr(key) {
        // SAFETY: a map's value; entries are never removed.
        return unsafe { *set };
    }
    let other = u32::from(SET_OTHER) + key.abi;
    let Ok(Some(set)) = FREE.pop() else {
        lose(loss::PROGRAMS);
        warn!(ctx, "no set left for inode {} of device {}", key.inode, key.device);
        return other;
    };
    let Some(program) = PROGRAMS.get_ptr_mut(set) else {
        return other;
    };
    // SAFETY: a map's value that no other CPU has, since the set was free.
    let program = unsafe { &mut *program };
    program.key = key;
    fill(program);
    program.ready = 1;
    if SETS.insert(key, set, 1).is_err() {
        // Another CPU ran the same executable for the first time at the same moment.
        program.ready = 0;
        let _ = FREE.push(set, 0);
        // SAFETY: as above.
        return SETS.get_ptr(key).map_or(other, |set| unsafe { *set });
    }
    debug!(ctx, "set {} for inode {} of device {}, run by {}", set, key.inode, key.device, ctx.pid());
    announce(Event { kind: event::PROGRAM, set, pid: program.pid });
    set
}

#[inline(always)]
fn key_of(bprm: *const u8) -> Option<ProgramKey> {
    let file: *const u8 = read(bprm, config!(binprm_file))?;
    let inode: *const u8 = read(file, config!(file_inode))?;
    let sb: *const u8 = read(inode, config!(inode_sb))?;
    Some(ProgramKey {
        inode: read(inode, config!(inode_ino))?,
        device: read(sb, config!(sb_dev))?,
        abi: config!(native_abi),
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
