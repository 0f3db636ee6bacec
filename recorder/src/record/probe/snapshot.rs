//! The counts of the probe, read from the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd};

use aya::Pod;
use aya::maps::{Array, HashMap, MapData, PerCpuArray};
use probe_common::{
    ArgumentsKey, Container, ContainerFilter, Counters, NUMBERS, Program, Refusal, RefusalKey,
    SET_FIRST, Seen, UnknownKey, loss,
};

use super::{PROGRAMS, Probe, ProbeError};
use strait_generator::recording::Losses;

/// All that the probe has counted.
///
/// Sets and indexes of containers are given out again when a container has ended, but not here: each number stands
/// for one thing as long as the recording lasts.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// One for each set in use, the reserved ones too.
    pub sets: Vec<SetCounts>,
    /// Calls of unknown number.
    pub unknown: Vec<(UnknownKey, Seen)>,
    /// Refused calls.
    pub refusals: Vec<(RefusalKey, Refusal)>,
    /// Refusals that could not be stored.
    pub refusals_lost: u64,
    /// How often each combination of values was seen, for calls that have a rule; these are not in the
    /// sets.
    pub arguments: Vec<(ArgumentsKey, Seen)>,
    /// What could not be stored.
    pub losses: Losses,
    /// Containers that have begun, by their index.
    pub containers: Vec<(u32, Container)>,
    /// The instructions of the filters with which containers began, by their index, where they are known.
    pub filters: BTreeMap<u32, Vec<u64>>,
}

/// The counters of one set.
#[derive(Clone)]
pub struct SetCounts {
    /// Its number.
    pub set: u32,
    /// Its executable; zeroed for the reserved sets.
    pub program: Program,
    /// Number, count, and time of the first call, of each call that was made.
    pub calls: Vec<(u32, Seen)>,
}

impl Probe {
    /// All that was counted up to now.
    pub fn snapshot(&self) -> Result<Snapshot, ProbeError> {
        let mut snapshot = self.given.read.clone();
        snapshot.losses = self.losses()?;
        let losses = map!(self.LOSSES as Array<_, u64>);
        snapshot.refusals_lost = losses
            .get(&loss::REFUSALS, 0)
            .map_err(|source| ProbeError::Map { map: "LOSSES", source })?;
        self.read(&mut snapshot, &|_, _| true)?;
        for (index, container) in self.containers()? {
            if container.began != 0 {
                snapshot
                    .containers
                    .push((self.given.container(index), self.given.named(container)));
            }
        }
        for (index, filter) in self.filters()?.into_values() {
            if !filter.is_empty() {
                snapshot.filters.insert(self.given.container(index), filter);
            }
        }
        Ok(snapshot)
    }

    /// Adds what was counted in the sets that are asked for, by their number and executable.
    pub(super) fn read(
        &self,
        snapshot: &mut Snapshot,
        is_asked_for: &dyn Fn(u32, &Program) -> bool,
    ) -> Result<BTreeSet<u32>, ProbeError> {
        let counters = map!(self.COUNTERS as PerCpuArray<_, Counters>);
        let first = map!(self.FIRST as Array<_, Counters>);
        let programs = map!(self.PROGRAMS as Array<_, Program>);
        let mut read = BTreeSet::new();
        for set in 1..u32::from(self.sets) {
            let program = programs
                .get(&set, 0)
                .map_err(|source| ProbeError::Map { map: "PROGRAMS", source })?;
            let is_in_use = set < u32::from(SET_FIRST) || program.ready == 1;
            if !is_in_use || !is_asked_for(set, &program) {
                continue;
            }
            let counts = counters
                .get(&set, 0)
                .map_err(|source| ProbeError::Map { map: "COUNTERS", source })?;
            let first =
                first.get(&set, 0).map_err(|source| ProbeError::Map { map: "FIRST", source })?;
            let calls = (0..NUMBERS)
                .map(|number| {
                    let count = counts.iter().map(|of_cpu| of_cpu[number]).sum();
                    (number as u32, Seen { count, first: first[number] })
                })
                .filter(|(_, seen)| seen.count > 0)
                .collect();
            read.insert(set);
            let mut program = program;
            program.key.container = self.given.container(program.key.container);
            snapshot.sets.push(SetCounts { set: self.given.set(set), program, calls });
        }
        let unknown = all(&map!(self.UNKNOWN as HashMap<_, UnknownKey, Seen>), "UNKNOWN")?;
        snapshot.unknown.extend(unknown.into_iter().filter_map(|(key, seen)| {
            let set = read.get(&key.set).map(|set| self.given.set(*set))?;
            Some((UnknownKey { set, ..key }, seen))
        }));
        let arguments = all(&map!(self.ARGUMENTS as HashMap<_, ArgumentsKey, Seen>), "ARGUMENTS")?;
        snapshot.arguments.extend(arguments.into_iter().filter_map(|(key, seen)| {
            let set = read.get(&key.set).map(|set| self.given.set(*set))?;
            Some((ArgumentsKey { set, ..key }, seen))
        }));
        let refusals = all(&map!(self.REFUSALS as HashMap<_, RefusalKey, Refusal>), "REFUSALS")?;
        snapshot.refusals.extend(refusals.into_iter().filter_map(|(key, refusal)| {
            let set = read.get(&key.set).map(|set| self.given.set(*set))?;
            Some((RefusalKey { set, ..key }, refusal))
        }));
        Ok(read)
    }

    /// Filters of containers, as far as they could be read, by their place: the index of the container, and the
    /// instructions.
    pub(super) fn filters(&self) -> Result<BTreeMap<u32, (u32, Vec<u64>)>, ProbeError> {
        let map = map!(self.CONTAINER_FILTERS as Array<_, ContainerFilter>);
        let mut filters = BTreeMap::new();
        for place in 0..map.len() {
            let filter = map
                .get(&place, 0)
                .map_err(|source| ProbeError::Map { map: "CONTAINER_FILTERS", source })?;
            if filter.container != 0 {
                let instructions = filter.instructions.iter().take(filter.length as usize);
                filters.insert(place, (filter.container, instructions.copied().collect()));
            }
        }
        Ok(filters)
    }

    fn losses(&self) -> Result<Losses, ProbeError> {
        let losses = map!(self.LOSSES as Array<_, u64>);
        let count =
            |kind| losses.get(&kind, 0).map_err(|source| ProbeError::Map { map: "LOSSES", source });
        Ok(Losses {
            calls: count(loss::CALLS)?,
            programs: count(loss::PROGRAMS)?,
            tasks: count(loss::TASKS)?,
            missed: self.missed(),
            ..Losses::default()
        })
    }

    /// How often the kernel has skipped one of the programs because another was running on the same
    /// CPU: `recursion_misses` of `Documentation/filesystems/proc.rst`, since Linux 5.12.
    fn missed(&self) -> u64 {
        PROGRAMS
            .iter()
            .filter_map(|(name, _)| self.ebpf.program(name)?.fd().ok())
            .filter_map(|fd| {
                let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
                std::fs::read_to_string(path).ok()
            })
            .filter_map(|info| {
                let line = info.lines().find(|line| line.starts_with("recursion_misses"))?;
                line.split_whitespace().nth(1)?.parse::<u64>().ok()
            })
            .sum()
    }
}

/// All entries of a map, of this name.
pub(super) fn all<K: Pod, V: Pod>(
    map: &HashMap<&MapData, K, V>,
    name: &'static str,
) -> Result<Vec<(K, V)>, ProbeError> {
    map.iter().collect::<Result<_, _>>().map_err(|source| ProbeError::Map { map: name, source })
}
