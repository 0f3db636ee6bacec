//! Containers: what lives in a mount namespace that was made after the recording began. Nobody has to
//! register one.
//!
//! A task of such a namespace *waits* until it is under a filter that its runtime was not under: then
//! its container begins, and with it the recording, at the very next call. A task that executes
//! something while it still waits belongs to a container without a filter (or is a hook of the runtime;
//! the recorder tells them apart, since a filter may still come).
//!
//! A namespace that is made within a container belongs to that container, unless a container runtime
//! made it: then it is a container of its own, whose calls the recorder counts for the outer one too.

use aya_ebpf::helpers::{bpf_get_current_comm, bpf_ktime_get_ns, bpf_probe_read_kernel_str_bytes};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, Queue};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{
    CGROUP_LEN, CONTAINERS as MAX, Container, Event, NUMBERS, SET_MASK, SLOW, event, loss,
    phase, room,
};

use crate::descent;
use crate::filters;
use crate::kernel::{Call, Task, config, parent_directory, read};
use crate::programs;
use crate::scope::{self, add, announce, take, untake};

/// By index, from 1.
#[map]
static CONTAINERS: Array<Container> = Array::with_max_entries(MAX + 1, 0);

/// Indexes by the number of the mount namespace.
#[map]
static BY_NAMESPACE: HashMap<u64, u32> = HashMap::with_max_entries(MAX, 0);

/// Indexes that no container has; filled by the loader, and by the recorder when a container has ended.
#[map]
static FREE_CONTAINERS: Queue<u32> = Queue::with_max_entries(MAX, 0);

/// By number: 1 for each native call by which a server waits for something to happen. Filled by the
/// loader.
#[map]
static WAITS: Array<u64> = Array::with_max_entries(NUMBERS as u32, 0);

/// By index: 1 for a container that is not recorded, and takes no more room. Written by the recorder.
#[map]
static IGNORED: Array<u64> = Array::with_max_entries(MAX + 1, 0);

/// By thread id: the container for which a task waits.
#[map]
static WAITING: HashMap<u32, u32> = HashMap::with_max_entries(16384, 0);

/// Mount namespaces that there were when the recording began; filled by the loader where the kernel
/// does not number them in their order.
#[map]
static OLD_NAMESPACES: HashMap<u64, u32> = HashMap::with_max_entries(16384, 0);

/// How many tasks were started in a mount namespace of a user whose containers are not asked for.
#[map]
static STRANGERS: Array<u64> = Array::with_max_entries(1, 0);

/// The newest mount namespace there was when the recording began, where the kernel numbers them in
/// their order.
#[map]
static NEWEST: Array<u64> = Array::with_max_entries(1, 0);

/// Notes that no mount namespace up to this one is a new container's.
#[inline(always)]
pub fn begin_after(namespace: u64) {
    if let Some(newest) = NEWEST.get_ptr_mut(0) {
        // SAFETY: a map's value.
        unsafe { *newest = namespace };
    }
}

/// `None` for index 0, which stands for no container.
#[inline(always)]
fn container(index: u32) -> Option<&'static mut Container> {
    if index == 0 {
        return None;
    }
    // SAFETY: a map's value. Other CPUs write to it too, but only whole words.
    CONTAINERS.get_ptr_mut(index).map(|container| unsafe { &mut *container })
}

#[inline(always)]
fn waiting(pid: u32) -> Option<u32> {
    // SAFETY: a map's value, copied at once.
    WAITING.get_ptr(pid).map(|index| unsafe { *index })
}

/// The entry of a child. `of_parent` is its parent's, without `IN_CALL`.
#[inline(always)]
pub fn fork(parent: &Task, of_parent: u16, child: &Task) -> u16 {
    let namespace = child.mount_namespace();
    let waits_for = if of_parent & SLOW != 0 { waiting(parent.pid()) } else { None };
    let within = waits_for.unwrap_or_else(|| programs::container_of(of_parent & SET_MASK));
    let same = container(within).is_some_and(|outer| outer.mount_namespace == namespace);
    let is_new =
        !same && !is_old(namespace) && (within == 0 || waits_for.is_some() || by_runtime());
    let owner = if is_new { asked_for(parent, child) } else { None };
    let waits_for = match owner {
        Some(owner) => {
            // What a runtime does in a container before its own container begins counts for the former.
            let outer = if waits_for.is_some() { 0 } else { within };
            let index = of_namespace(namespace, outer, owner, parent);
            if index.is_none() {
                scope::lose(loss::TASKS);
            }
            index
        }
        None => waits_for,
    };
    if let Some(index) = waits_for {
        if WAITING.insert(child.pid(), index, 0).is_ok() {
            count_live(index, 1);
            return of_parent | SLOW;
        }
        scope::lose(loss::TASKS);
    }
    count_live(programs::container_of(of_parent & SET_MASK), 1);
    of_parent
}

#[inline(always)]
fn count_live(index: u32, increment: u64) {
    if let Some(container) = container(index) {
        add(&raw mut container.live, increment);
    }
}

/// Notes that a task of this container has got an entry, which is of another container, or of none, if there was no
/// set for it.
#[inline(always)]
pub fn note_entry(index: u32, entry: u16) {
    let now = programs::container_of(entry & SET_MASK);
    if now != index {
        count_live(index, u64::MAX);
        count_live(now, 1);
    }
}

#[inline(always)]
fn is_old(namespace: u64) -> bool {
    namespace <= NEWEST.get(0).copied().unwrap_or(0) || OLD_NAMESPACES.get_ptr(namespace).is_some()
}

/// Who made the mount namespace of a new task, if that is root or somebody whose containers are asked for. Any
/// other user can make as many as he likes, and must not take the room of those that are recorded.
#[inline(always)]
fn asked_for(parent: &Task, child: &Task) -> Option<u32> {
    let owner = child.mount_namespace_owner(parent)?;
    let is_asked_for = owner == 0
        || owner == config!(owners[0])
        || owner == config!(owners[1])
        || owner == config!(owners[2])
        || owner == config!(owners[3]);
    if is_asked_for {
        return Some(owner);
    }
    if let Some(strangers) = STRANGERS.get_ptr_mut(0) {
        add(strangers, 1);
    }
    None
}

/// The container of a mount namespace, made if it is seen for the first time.
#[inline(always)]
fn of_namespace(namespace: u64, outer: u32, owner: u32, runtime: &Task) -> Option<u32> {
    if let Some(index) = BY_NAMESPACE.get_ptr(namespace) {
        // SAFETY: a map's value. The recorder removes it only when no task of it is left.
        return Some(unsafe { *index });
    }
    let index = FREE_CONTAINERS.pop().ok()??;
    take(room::CONTAINERS, MAX);
    let container = container(index)?;
    container.mount_namespace = namespace;
    container.parent = outer;
    container.owner = owner;
    container.filters_before = runtime.filters();
    container.descends = u32::from(descent::is(runtime.pid()));
    if BY_NAMESPACE.insert(namespace, index, 1).is_err() {
        // Another CPU was first.
        let _ = FREE_CONTAINERS.push(index, 0);
        untake(room::CONTAINERS);
        // SAFETY: as above.
        return BY_NAMESPACE.get_ptr(namespace).map(|index| unsafe { *index });
    }
    Some(index)
}

/// Whether an executable of this container may take a set; if not, that is a loss of this container alone.
#[inline(always)]
pub fn has_room(index: u32) -> bool {
    let Some(container) = container(index) else {
        return true;
    };
    if IGNORED.get(index) == Some(&1) {
        return false;
    }
    let has_room = container.sets < u64::from(config!(sets_per_container));
    if !has_room {
        add(&raw mut container.lost, 1);
    }
    has_room
}

/// Notes that there was no set for an executable of this container. Returns false if there is no such container.
#[inline(always)]
pub fn lose(index: u32) -> bool {
    let Some(container) = container(index) else {
        return false;
    };
    add(&raw mut container.lost, 1);
    true
}

/// Notes that an executable of this container has taken a set.
#[inline(always)]
pub fn count_set(index: u32) {
    if let Some(container) = container(index) {
        add(&raw mut container.sets, 1);
    }
}

/// Whether the running task is a container runtime, by its name, as runc, crun and youki set it.
#[inline(always)]
fn by_runtime() -> bool {
    let Ok(comm) = bpf_get_current_comm() else {
        return false;
    };
    let head = [comm[0], comm[1], comm[2], comm[3]];
    head == *b"runc" || head == *b"crun" || head == *b"youk"
}

/// Looks at a call of a task with the bit `SLOW`: returns the task's new entry, without `IN_CALL`.
#[inline(always)]
pub fn look(ctx: &RawTracePointContext, task: &Task, entry: u16) -> u16 {
    let pid = task.pid();
    if let Some(index) = waiting(pid) {
        let Some(container) = container(index) else {
            return entry;
        };
        if task.filters() <= container.filters_before {
            return entry;
        }
        let _ = WAITING.remove(pid);
        container.filtered = 1;
        if container.began == 0 {
            filters::keep(index, container.filters_before);
        }
        begin(container, index, pid, task);
        let now = programs::set_of_runtime(ctx, index, entry & SET_MASK);
        note_entry(index, now);
        return now;
    }
    let index = programs::container_of(entry & SET_MASK);
    if container(index).is_some_and(|container| container.waited == 1) {
        return programs::set_of_running(ctx, entry & SET_MASK);
    }
    entry
}

/// Notes that a container is up, if this call of a task with the bit `SLOW` waits for something.
#[inline(always)]
pub fn note_wait(set: u16, call: &Call) {
    if call.is_native()
        && WAITS.get(call.number) == Some(&1)
        && let Some(container) = container(programs::container_of(set))
    {
        container.waited = 1;
    }
}

/// The container and phase of an executable that a task begins to run.
#[inline(always)]
pub fn exec(task: &Task, entry: u16) -> (u32, u16) {
    if config!(containers) != 1 {
        return (0, phase::NONE);
    }
    let pid = task.pid();
    let waits_for = if entry & SLOW != 0 { waiting(pid) } else { None };
    let (index, before) = match waits_for {
        Some(index) => (index, phase::RUNTIME | phase::UNFILTERED),
        None => programs::container_and_phase(entry & SET_MASK),
    };
    let Some(container) = container(index) else {
        return (0, phase::NONE);
    };
    if waits_for.is_some() {
        let _ = WAITING.remove(pid);
        begin(container, index, pid, task);
    }
    let flag = before & phase::UNFILTERED;
    let of_life = match before & !phase::UNFILTERED {
        phase::RUNTIME if started(container, flag) => phase::EXEC,
        phase::RUNTIME => {
            start(container, flag, task);
            phase::STARTUP
        }
        phase::STARTUP if container.waited == 1 => phase::RUNNING,
        other => other,
    };
    (index, of_life | flag)
}

/// `started` has a bit for each way: a hook that ran before the filter is not the container's start.
#[inline(always)]
fn started(container: &Container, flag: u16) -> bool {
    container.started & (1 << (flag / phase::UNFILTERED)) != 0
}

#[inline(always)]
fn start(container: &mut Container, flag: u16, task: &Task) {
    container.started |= 1 << (flag / phase::UNFILTERED);
    container.waited = 0;
    container.bounding_set = task.bounding_set();
    container.no_new_privs = task.no_new_privs();
}

/// Notes who and what a container is, when its first task is under its filter or executes something.
#[inline(always)]
fn begin(container: &mut Container, index: u32, pid: u32, task: &Task) {
    if container.began != 0 {
        return;
    }
    // SAFETY: takes no arguments.
    container.began = unsafe { bpf_ktime_get_ns() };
    container.pid = pid;
    container.comm = bpf_get_current_comm().unwrap_or_default();
    let mut directory = task.cgroup_directory();
    for name in &mut container.cgroups {
        let Some(at) = directory else { break };
        if at.is_null() {
            break;
        }
        copy_name(at, name);
        directory = parent_directory(at);
    }
    announce(Event { kind: event::CONTAINER, set: index, pid });
}

#[inline(always)]
fn copy_name(directory: *const u8, into: &mut [u8; CGROUP_LEN]) {
    if let Some(name) = read::<*const u8>(directory, config!(kn_name)) {
        // SAFETY: the helper checks the address and stays within the buffer.
        let _ = unsafe { bpf_probe_read_kernel_str_bytes(name, into) };
    }
}

/// A thread that was not the leader has taken over the leader's id.
#[inline(always)]
pub fn move_waiting(old_pid: u32, pid: u32) {
    if config!(containers) == 1
        && let Some(index) = waiting(old_pid)
    {
        let _ = WAITING.remove(old_pid);
        let _ = WAITING.insert(pid, index, 0);
    }
}

/// A recorded or waiting task ends.
#[inline(always)]
pub fn exit(pid: u32, entry: u16) {
    if config!(containers) != 1 {
        return;
    }
    let waits_for = if entry & SLOW != 0 { waiting(pid) } else { None };
    if waits_for.is_some() {
        let _ = WAITING.remove(pid);
    }
    let index = waits_for.unwrap_or_else(|| programs::container_of(entry & SET_MASK));
    count_live(index, u64::MAX);
}
