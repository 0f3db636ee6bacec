//! Room for containers to come: what belongs to those that have ended is read and given back, so that a recording can
//! go on for months.
//!
//! A number that the probe uses again is another number outside of it: how often it was given back is in its upper
//! bits.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use aya::Pod;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, Queue};
use probe_common::{
    ArgumentsKey, CONTAINERS, Container, ContainerFilter, Counters, NUMBERS, Program, ProgramKey,
    Refusal, RefusalKey, SET_MASK, Seen, UnknownKey, room,
};

use super::snapshot::all;
use super::{Probe, ProbeError, Snapshot};

/// `BPF_NOEXIST` of `include/uapi/linux/bpf.h`.
const NOEXIST: u64 = 1;

/// What was given back, and what was read before.
pub struct Given {
    /// How often each set was given back.
    sets: Vec<u32>,
    /// How often each index of a container was.
    containers: Vec<u32>,
    /// How many of each kind of [`room`].
    returned: [u64; room::KINDS as usize],
    /// What was counted in them.
    pub(super) read: Snapshot,
    /// Containers that are not recorded, by their number outside of the probe.
    ignored: BTreeSet<u32>,
    /// The highest index of a container that was seen.
    highest: Cell<u32>,
}

impl Given {
    pub(super) fn new(sets: u16) -> Self {
        Self {
            sets: vec![0; usize::from(sets)],
            containers: vec![0; CONTAINERS as usize + 1],
            returned: [0; room::KINDS as usize],
            read: Snapshot::default(),
            ignored: BTreeSet::new(),
            highest: Cell::new(0),
        }
    }

    /// The number of a set outside of the probe.
    pub(super) fn set(&self, set: u32) -> u32 {
        let before = self.sets.get(set as usize).copied().unwrap_or_default();
        before * (u32::from(SET_MASK) + 1) + set
    }

    /// The number of a container outside of the probe.
    pub(super) fn container(&self, index: u32) -> u32 {
        let before = self.containers.get(index as usize).copied().unwrap_or_default();
        before * CONTAINERS + index
    }

    /// The container with the number that its outer one has outside of the probe.
    pub(super) fn named(&self, container: Container) -> Container {
        Container { parent: self.container(container.parent), ..container }
    }
}

/// Containers of which no task is left, with their index in the probe.
pub struct Ended(BTreeMap<u32, Container>);

impl Ended {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Probe {
    /// The number of a container that the probe has announced: it stands for this one as long as the recording lasts.
    pub fn container_id(&self, index: u32) -> u32 {
        self.given.container(index)
    }

    /// A container, by the number that [`container_id`](Self::container_id) has given it. What has ended and was
    /// given back in the meantime is all zero.
    pub fn container(&self, id: u32) -> Result<Container, ProbeError> {
        let index = id % CONTAINERS;
        if self.given.container(index) == id {
            return Ok(self.given.named(self.container_at(index)?));
        }
        let read = self.given.read.containers.iter().find(|(read, _)| *read == id);
        // SAFETY: the type is valid for any bit pattern.
        Ok(read.map_or_else(|| unsafe { std::mem::zeroed() }, |(_, container)| *container))
    }

    /// Lets a container take no more room, since it is not recorded. One that others were made in is left alone:
    /// they may be recorded.
    pub fn ignore(&mut self, id: u32) -> Result<(), ProbeError> {
        let index = id % CONTAINERS;
        if self.given.container(index) == id {
            self.given.ignored.insert(id);
            self.set_words("IGNORED", std::iter::once((index, 1)))?;
        }
        Ok(())
    }

    /// All containers that the probe has now, by their index.
    pub(super) fn containers(&self) -> Result<Vec<(u32, Container)>, ProbeError> {
        let used = map!(self.USED as Array<_, u64>);
        let used = used
            .get(&room::CONTAINERS, 0)
            .map_err(|source| ProbeError::Map { map: "USED", source })?;
        // They are given out in their order, before one is given out again.
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        // But for those that the probe took for a namespace to which another CPU gave one at the same time: these go to the
        // end of the queue and are not counted, so what is in use may lie beyond.
        let named = self.by_namespace()?.into_values().max().unwrap_or_default();
        self.given.highest.set(self.given.highest.get().max(used).max(named).min(CONTAINERS - 1));
        let used = self.given.highest.get();
        let mut containers = Vec::new();
        for index in 1..=used {
            let container = self.container_at(index)?;
            if container.mount_namespace != 0 {
                containers.push((index, container));
            }
        }
        Ok(containers)
    }

    /// Indexes of containers, by their mount namespace.
    fn by_namespace(&self) -> Result<BTreeMap<u64, u32>, ProbeError> {
        let map = map!(self.BY_NAMESPACE as HashMap<_, u64, u32>);
        Ok(all(&map, "BY_NAMESPACE")?.into_iter().collect())
    }

    /// Finds containers of which no task is left, and lets no task join them any more. None if the kernel cannot say
    /// when the probe has taken note of that.
    pub fn ended(&mut self) -> Result<Ended, ProbeError> {
        let mut ended: BTreeMap<u32, Container> = self.containers()?.into_iter().collect();
        // The outer container has what was called in the inner one.
        let outer: BTreeSet<u32> = ended
            .values()
            .filter(|container| container.live > 0)
            .map(|container| container.parent)
            .collect();
        let by_namespace = self.by_namespace()?;
        let is_named = |index: &u32, container: &Container| {
            by_namespace.get(&container.mount_namespace) == Some(index)
        };
        // What is neither named nor has begun is being made just now, or the probe itself has given it back.
        ended.retain(|index, container| {
            let is_one = container.began != 0 || is_named(index, container);
            container.live == 0 && is_one && !outer.contains(index)
        });
        let named = ended.iter().filter(|(index, container)| is_named(index, container));
        let namespaces = named.map(|(_, container)| container.mount_namespace).collect();
        self.remove::<u64, u32>("BY_NAMESPACE", namespaces)?;
        if !ended.is_empty() && !barrier() {
            self.join_again(&ended)?;
            ended.clear();
        }
        // A task may have joined before the namespace was taken away.
        let mut joined = BTreeMap::new();
        for (index, container) in &ended {
            if self.container_at(*index)?.live > 0 {
                joined.insert(*index, *container);
            }
        }
        self.join_again(&joined)?;
        ended.retain(|index, _| !joined.contains_key(index));
        Ok(Ended(ended))
    }

    fn join_again(&mut self, containers: &BTreeMap<u32, Container>) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: "BY_NAMESPACE", source };
        let map = self.ebpf.map_mut("BY_NAMESPACE").ok_or(ProbeError::Missing("BY_NAMESPACE"))?;
        let mut map: HashMap<_, u64, u32> = HashMap::try_from(map).map_err(error)?;
        for (index, container) in containers {
            // If the namespace has got another index in the meantime, both go on.
            let _ = map.insert(container.mount_namespace, index, NOEXIST);
        }
        Ok(())
    }

    /// Reads what was counted in containers that have ended, and gives back their indexes and sets.
    pub fn give_back(&mut self, ended: Ended) -> Result<(), ProbeError> {
        let Ended(mut ended) = ended;
        for (index, container) in &mut ended {
            *container = self.container_at(*index)?;
        }
        let mut read = Snapshot::default();
        let sets =
            self.read(&mut read, &|_, program| ended.contains_key(&program.key.container))?;
        for (index, container) in &ended {
            if container.began != 0 {
                let id = self.given.container(*index);
                read.containers.push((id, self.given.named(*container)));
            }
        }
        let filters = self.filters()?;
        let filters: BTreeMap<_, _> =
            filters.into_iter().filter(|(_, (index, _))| ended.contains_key(index)).collect();
        for (index, filter) in filters.values().filter(|(_, filter)| !filter.is_empty()) {
            read.filters.insert(self.given.container(*index), filter.clone());
        }
        self.keep(read);
        self.forget(&sets)?;
        self.zero::<ContainerFilter>("CONTAINER_FILTERS", filters.keys())?;
        self.push("FREE_FILTERS", filters.keys().copied())?;
        self.zero::<Container>("CONTAINERS", ended.keys())?;
        self.set_words("IGNORED", ended.keys().map(|index| (*index, 0)))?;
        for set in &sets {
            self.given.sets[*set as usize] += 1;
        }
        for index in ended.keys() {
            self.given.containers[*index as usize] += 1;
        }
        self.given.returned[room::SETS as usize] += sets.len() as u64;
        self.given.returned[room::CONTAINERS as usize] += ended.len() as u64;
        let returned = self.given.returned;
        self.set_words("RETURNED", (0..).zip(returned))?;
        log::debug!("gave back {} containers and {} sets", ended.len(), sets.len());
        self.push("FREE", sets.iter().copied())?;
        self.push("FREE_CONTAINERS", ended.keys().copied())
    }

    /// Keeps what was read, but not of containers that are not recorded.
    fn keep(&mut self, mut read: Snapshot) {
        let ignored: BTreeSet<u32> = read
            .containers
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| self.given.ignored.remove(id))
            .collect();
        read.containers.retain(|(id, _)| !ignored.contains(id));
        read.sets.retain(|counts| !ignored.contains(&counts.program.key.container));
        let sets: BTreeSet<u32> = read.sets.iter().map(|counts| counts.set).collect();
        let all = &mut self.given.read;
        all.sets.extend(read.sets);
        all.containers.extend(read.containers);
        all.filters.extend(read.filters.into_iter().filter(|(id, _)| !ignored.contains(id)));
        let is_kept = |set: &u32| sets.contains(set);
        all.unknown.extend(read.unknown.into_iter().filter(|(key, _)| is_kept(&key.set)));
        all.arguments.extend(read.arguments.into_iter().filter(|(key, _)| is_kept(&key.set)));
        all.refusals.extend(read.refusals.into_iter().filter(|(key, _)| is_kept(&key.set)));
    }

    /// Removes all that was counted in these sets.
    fn forget(&mut self, sets: &BTreeSet<u32>) -> Result<(), ProbeError> {
        let programs = map!(self.PROGRAMS as Array<_, Program>);
        let mut keys = Vec::new();
        for set in sets {
            let program = programs
                .get(set, 0)
                .map_err(|source| ProbeError::Map { map: "PROGRAMS", source })?;
            keys.push(program.key);
        }
        self.remove::<ProgramKey, u32>("SETS", keys)?;
        self.remove_of::<UnknownKey, Seen>("UNKNOWN", &|key| sets.contains(&key.set))?;
        self.remove_of::<UnknownKey, u64>("COMBINATIONS", &|key| sets.contains(&key.set))?;
        self.remove_of::<ArgumentsKey, Seen>("ARGUMENTS", &|key| sets.contains(&key.set))?;
        self.remove_of::<RefusalKey, Refusal>("REFUSALS", &|key| sets.contains(&key.set))?;
        self.remove_of::<RefusalKey, u64>("REFUSED", &|key| sets.contains(&key.set))?;
        self.zero::<Program>("PROGRAMS", sets)?;
        self.zero::<Counters>("FIRST", sets)?;
        let error = |source| ProbeError::Map { map: "COUNTERS", source };
        let map = self.ebpf.map_mut("COUNTERS").ok_or(ProbeError::Missing("COUNTERS"))?;
        let mut counters: PerCpuArray<_, Counters> = PerCpuArray::try_from(map).map_err(error)?;
        let cpus = aya::util::nr_cpus().unwrap_or(1);
        for set in sets {
            let zero = PerCpuValues::try_from(vec![[0; NUMBERS]; cpus])
                .map_err(|error| ProbeError::Control(io::Error::other(error)))?;
            counters.set(*set, zero, 0).map_err(error)?;
        }
        Ok(())
    }

    fn remove<K: Pod, V: Pod>(
        &mut self,
        name: &'static str,
        keys: Vec<K>,
    ) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: name, source };
        let map = self.ebpf.map_mut(name).ok_or(ProbeError::Missing(name))?;
        let mut map: HashMap<_, K, V> = HashMap::try_from(map).map_err(error)?;
        for key in keys {
            // It may not be there: two indexes can be of one namespace.
            let _ = map.remove(&key);
        }
        Ok(())
    }

    fn remove_of<K: Pod, V: Pod>(
        &mut self,
        name: &'static str,
        is_gone: &dyn Fn(&K) -> bool,
    ) -> Result<(), ProbeError> {
        let map = self.ebpf.map(name).ok_or(ProbeError::Missing(name))?;
        let map: HashMap<&MapData, K, V> =
            HashMap::try_from(map).map_err(|source| ProbeError::Map { map: name, source })?;
        let keys = all(&map, name)?.into_iter().map(|(key, _)| key).filter(is_gone).collect();
        self.remove::<K, V>(name, keys)
    }

    fn zero<'a, T: Pod>(
        &mut self,
        name: &'static str,
        indexes: impl IntoIterator<Item = &'a u32>,
    ) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: name, source };
        let map = self.ebpf.map_mut(name).ok_or(ProbeError::Missing(name))?;
        let mut array: Array<_, T> = Array::try_from(map).map_err(error)?;
        for index in indexes {
            // SAFETY: a plain type that is valid for any bit pattern.
            let zero: T = unsafe { std::mem::zeroed() };
            array.set(*index, zero, 0).map_err(error)?;
        }
        Ok(())
    }

    /// Puts numbers into a queue from which the probe takes them.
    pub(super) fn push(
        &mut self,
        name: &'static str,
        numbers: impl Iterator<Item = u32>,
    ) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: name, source };
        let map = self.ebpf.map_mut(name).ok_or(ProbeError::Missing(name))?;
        let mut free: Queue<_, u32> = Queue::try_from(map).map_err(error)?;
        for number in numbers {
            free.push(number, 0).map_err(error)?;
        }
        Ok(())
    }
}

/// Waits until each of the probe's programs that runs now has ended: they run as readers of RCU, for which this call
/// waits (`membarrier_global` in `kernel/sched/membarrier.c`). Not where CPUs run without a tick.
fn barrier() -> bool {
    // `MEMBARRIER_CMD_GLOBAL` of `include/uapi/linux/membarrier.h`.
    const GLOBAL: libc::c_int = 1;
    // SAFETY: the call takes numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The probe's maps by set, or by something that has one, by the types of their keys.
    const BY_SET: [&str; 4] = ["ProgramKey", "UnknownKey", "ArgumentsKey", "RefusalKey"];

    /// A set that is given out again must not have what was counted before.
    #[test]
    fn each_map_that_is_kept_by_set_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let probe = fs::read_dir(root.join("../probe-ebpf/src")).unwrap();
        let sources = probe.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let sources: String = sources.collect();
        let maps = sources.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("static ")?.split_once(": HashMap<")?;
            BY_SET.iter().any(|key| kind.starts_with(key)).then(|| name.to_owned())
        });
        let maps: Vec<String> = maps.collect();
        assert!(maps.len() >= 6, "{maps:?}");
        let own = fs::read_to_string(root.join("src/record/probe/room.rs")).unwrap();
        for map in maps {
            assert!(own.contains(&format!("(\"{map}\", ")), "{map} keeps what a set had before");
        }
    }
}
