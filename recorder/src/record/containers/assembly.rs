//! Makes a recording for each container from the counts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use probe_common::phase;

use super::known::{Known, trusted};
use super::origins::Origins;
use super::programs::Programs;
use crate::record::assemble::{Marks, Names};
use crate::record::assemble::{assemble, refusals};
use crate::record::engine::{Cache, FileNames, ObservedTask, Only, identify};
use crate::record::probe::Snapshot;
use strait_generator::bpf::{Filter, Instruction};
use strait_generator::observation::About;
use strait_generator::outcome::ContainerRecording;
use strait_generator::recording::{Container, Host, Losses, Start, Target, TargetKind, Tracer};

/// What the kernel saw of a container.
pub(super) fn observed_task(container: &probe_common::Container) -> ObservedTask {
    let cgroups = container.cgroups.iter().map(|name| text(name));
    ObservedTask {
        pid: container.pid,
        comm: text(&container.comm),
        cgroups: cgroups.filter(|name| !name.is_empty()).collect(),
        owner: container.owner,
        began: container.began,
    }
}

/// Text that ends at the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// One moment, on both clocks.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub started: Timestamp,
    pub start: u64,
}

impl Clock {
    fn at(self, monotonic: u64) -> Timestamp {
        let since = monotonic.saturating_sub(self.start);
        self.started + SignedDuration::from_nanos(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

/// What all recordings have in common.
pub(super) struct Assembly {
    pub host: Host,
    pub native: u32,
    pub clock: Clock,
    pub only: Vec<Only>,
    /// Whether a container that is seen for the first time can be none that was there before.
    pub knows_old: bool,
    /// What engines have reported, for containers of which there was no time to ask.
    pub cache: Cache,
    /// Containers that were not selected, and whose name or image is unknown.
    pub unnamed: RefCell<BTreeSet<String>>,
    /// Containers that were not chosen, by their names.
    pub others: Rc<RefCell<BTreeSet<String>>>,
    /// Whose containers they are.
    pub origins: Origins,
    /// What their programs can call, if that is found out.
    pub programs: Option<Programs>,
}

impl Assembly {
    /// What people should know about the choice.
    pub fn notes(&self) -> Vec<String> {
        let unnamed = self.unnamed.borrow();
        let note = |name: &String| {
            format!(
                "container {name}: name and image unknown, so that --only NAME and image=IMAGE cannot choose it"
            )
        };
        unnamed.iter().map(note).collect()
    }

    /// The names of containers that were not chosen.
    pub fn others(&self) -> BTreeSet<String> {
        self.others.take()
    }

    /// What was lost, of all containers and of those that could not be identified.
    pub fn losses(&self, snapshot: &Snapshot) -> Losses {
        let own: u64 = snapshot.containers.iter().map(|(_, container)| container.lost).sum();
        Losses { programs: snapshot.losses.programs.saturating_add(own), ..snapshot.losses }
    }

    /// One for each container that was chosen, the first to live first.
    pub fn recordings(
        &self,
        snapshot: &Snapshot,
        names: &mut Names,
        known: &Known,
        marks: &Marks,
    ) -> Vec<ContainerRecording> {
        let finished = Timestamp::now();
        let mut containers: Vec<_> = snapshot.containers.iter().collect();
        containers.sort_by_key(|(_, container)| container.began);
        let identified: Known = containers
            .iter()
            .filter_map(|(index, container)| {
                let unknown = || {
                    let identity = identify(&observed_task(container))?;
                    let description = self.cache.description(&identity);
                    Some((identity, description))
                };
                Some((*index, known.get(index).cloned().or_else(unknown)?))
            })
            .collect();
        let resolved = self.origins.resolve(snapshot, &identified);
        self.origins.left_out.take();
        let mut files = FileNames::default();
        let mut recordings = Vec::new();
        for (index, container) in containers {
            let Some((identity, description)) = identified.get(index) else { continue };
            // A program in a container that calls itself a runtime makes no other container of it: what it calls
            // is in the recording of the one that it is in.
            let outer = identified.get(&container.parent);
            if outer.is_some_and(|(outer, _)| outer.id == identity.id) {
                continue;
            }
            let (name, description) = trusted(identity, description);
            let described = Container {
                origin: resolved.origin(*index),
                ..of_kernel(description.container, container)
            };
            if self.origins.leaves_out(&resolved, *index, &described) {
                self.origins.left_out.borrow_mut().insert(name);
                continue;
            }
            if !self.only.is_empty()
                && !self.only.iter().any(|only| only.matches(&described, &name))
            {
                if described.name.is_empty() && described.image.is_empty() {
                    self.unnamed.borrow_mut().insert(name.clone());
                }
                self.others.borrow_mut().insert(name);
                continue;
            }
            let own = of_container(snapshot, *index);
            let mut observations = assemble(&own, names, self.native, container.began);
            let refusals = refusals(&own, names);
            observations.refuse(&refusals);
            observations.samples(marks.samples(&own, self.native, container.began));
            let mut recording = observations.recording(About {
                host: self.host.clone(),
                target: Target {
                    start: match (self.knows_old, described.filtered) {
                        (false, _) => Start::Attached,
                        (true, true) => Start::Filter,
                        (true, false) => Start::Exec,
                    },
                    kind: TargetKind::Container(Box::new(described)),
                    name: name.clone(),
                    command: description.command,
                },
                started: self.clock.at(container.began),
                finished,
                losses: Losses { starts: u64::from(!self.knows_old), ..losses(snapshot, *index) },
                still_running: running(snapshot, *index),
                tracer: Tracer::Ebpf,
            });
            if let Some(programs) = &self.programs {
                let sets = own.sets.iter();
                let sets =
                    sets.map(|counts| (counts.set, names.program(counts.set, &counts.program)));
                programs.fill(&mut recording, &sets.collect::<Vec<_>>());
            }
            let file = (!recording.is_before_start()).then(|| files.next(&name));
            recordings.push(ContainerRecording {
                file,
                recording,
                seccomp: description.seccomp,
                filter: snapshot.filters.get(index).and_then(|filter| installed(filter)),
                refusals,
            });
        }
        recordings
    }
}

/// A filter as the kernel has it.
fn installed(instructions: &[u64]) -> Option<Filter> {
    Filter::new(instructions.iter().copied().map(Instruction::from_bits).collect()).ok()
}

/// A description with what only the kernel knows.
fn of_kernel(described: Container, container: &probe_common::Container) -> Container {
    Container {
        no_new_privs: container.no_new_privs == 1,
        bounding_set: Some(container.bounding_set),
        filtered: container.filtered == 1,
        ..described
    }
}

/// A container and those that were made in it.
fn family(snapshot: &Snapshot, index: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([index]);
    loop {
        let before = family.len();
        let inner = snapshot.containers.iter().filter(|(_, inner)| family.contains(&inner.parent));
        let inner: Vec<u32> = inner.map(|(index, _)| *index).collect();
        family.extend(inner);
        if family.len() == before {
            return family;
        }
    }
}

/// What was lost of a container: what was lost of all, and what its own executables had no room for.
fn losses(snapshot: &Snapshot, index: u32) -> Losses {
    let family = family(snapshot, index);
    let own = snapshot.containers.iter().filter(|(index, _)| family.contains(index));
    let own: u64 = own.map(|(_, container)| container.lost).sum();
    Losses { programs: snapshot.losses.programs.saturating_add(own), ..snapshot.losses }
}

/// Tasks of a container that have not ended.
fn running(snapshot: &Snapshot, index: u32) -> u64 {
    let family = family(snapshot, index);
    let own = snapshot.containers.iter().filter(|(index, _)| family.contains(index));
    own.map(|(_, container)| container.live).sum()
}

/// What belongs to a container and to those that were made in it. What ran in it before its filter was
/// a hook of the runtime, unless there never was a filter.
fn of_container(snapshot: &Snapshot, index: u32) -> Snapshot {
    let family = family(snapshot, index);
    let filtered: BTreeSet<u32> = snapshot
        .containers
        .iter()
        .filter(|(_, container)| container.filtered == 1)
        .map(|(index, _)| *index)
        .collect();
    let sets: Vec<_> = snapshot
        .sets
        .iter()
        .filter(|counts| {
            let key = counts.program.key;
            let hook = key.phase & phase::UNFILTERED != 0 && filtered.contains(&key.container);
            family.contains(&key.container) && !hook
        })
        .cloned()
        .collect();
    let numbers: BTreeSet<u32> = sets.iter().map(|counts| counts.set).collect();
    Snapshot {
        sets,
        unknown: snapshot
            .unknown
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        refusals: snapshot
            .refusals
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        arguments: snapshot
            .arguments
            .iter()
            .filter(|(key, _)| numbers.contains(&key.set))
            .copied()
            .collect(),
        ..Snapshot::default()
    }
}
