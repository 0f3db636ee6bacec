//! The filters with which containers begin, copied out of the kernel: what a runtime was told to install is not
//! always known, and is not always what it has installed.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, Queue};
use probe_common::{ContainerFilter, FILTERS, INSTRUCTIONS};

use crate::kernel::{Task, config};

/// The loader sets the size: there is room only where refusals are watched in containers.
#[map]
static CONTAINER_FILTERS: Array<ContainerFilter> = Array::with_max_entries(1, 0);

/// Places that have no filter yet; filled by the loader.
#[map]
static FREE_FILTERS: Queue<u32> = Queue::with_max_entries(FILTERS, 0);

/// Keeps the filter of a container, if it is the only one that it has beside the `before` of its runtime.
/// Where it cannot be read, or there is no room, it stays unknown.
///
/// Of the running task, which is not handed over: it would have to lie in memory at each call.
#[inline(never)]
pub fn keep(container: u32, before: u32) {
    let task = Task::current();
    let is_wanted = config!(watch_refusals) == 1 && config!(fprog_filter) != 0;
    if !is_wanted || task.filters() != before.wrapping_add(1) {
        return;
    }
    let Some((length, code)) = task.newest_filter() else {
        return;
    };
    let length = u32::from(length);
    if length == 0 || length > INSTRUCTIONS as u32 {
        return;
    }
    let Ok(Some(place)) = FREE_FILTERS.pop() else {
        return;
    };
    let Some(kept) = CONTAINER_FILTERS.get_ptr_mut(place) else {
        return;
    };
    // SAFETY: a map's value, with room for as many instructions; the helper checks the source.
    unsafe {
        (*kept).container = container;
        let into = (&raw mut (*kept).instructions).cast();
        if bpf_probe_read_kernel(into, length * 8, code.cast()) == 0 {
            (*kept).length = length;
        }
    }
}
