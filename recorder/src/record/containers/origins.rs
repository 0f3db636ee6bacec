//! Decides which containers the command started, and which only started at the same time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::engine_requests::EngineRequests;
use super::known::{Known, trusted};
use crate::record::probe::Snapshot;
use strait_generator::recording::{Container, ContainerOrigin};

/// What is known of the command, and what is wanted.
#[derive(Default)]
pub(super) struct Origins {
    /// Whether there is a command. Without one all containers are what was asked for.
    pub follows: bool,
    /// Whether all are recorded, of whatever origin: all were asked for, or some by their names.
    pub all: bool,
    /// What the command has asked of engines.
    pub requests: Rc<RefCell<EngineRequests>>,
    /// Containers that were left out, by their names.
    pub left_out: RefCell<BTreeSet<String>>,
}

/// Of each container, by index.
pub(super) struct Resolved {
    origins: BTreeMap<u32, ContainerOrigin>,
    /// Whether any of them is the command's for certain.
    any: bool,
}

impl Resolved {
    /// The origin of this container; `None` where there is no command.
    pub fn origin(&self, index: u32) -> Option<ContainerOrigin> {
        self.origins.get(&index).copied()
    }
}

impl Origins {
    /// Tells the origin of each container. One that was made in another one has that one's, if none of its own.
    pub fn resolve(&self, snapshot: &Snapshot, known: &Known) -> Resolved {
        let requests = self.requests.borrow();
        let own = |index: u32, descends: bool| {
            let container = known
                .get(&index)
                .map(|(identity, description)| trusted(identity, description).1.container);
            if descends {
                ContainerOrigin::Descent
            } else if container.is_some_and(|container| requests.has(&container)) {
                ContainerOrigin::Engine
            } else {
                ContainerOrigin::Time
            }
        };
        let mut origins = BTreeMap::new();
        if self.follows {
            let containers = &snapshot.containers;
            origins.extend(
                containers.iter().map(|(index, it)| (*index, own(*index, it.descends == 1))),
            );
            inherit(
                &mut origins,
                containers.iter().map(|(index, it)| (*index, it.parent)).collect(),
            );
        }
        let is_certain =
            |index: &u32| origins.get(index).is_some_and(|it| *it > ContainerOrigin::Time);
        let any = known.keys().any(is_certain);
        Resolved { origins, any }
    }

    /// Whether a container is left out because the command does not seem to have started it: time is the last resort, for
    /// a command of whose containers none is known otherwise.
    pub fn leaves_out(&self, resolved: &Resolved, index: u32, container: &Container) -> bool {
        resolved.origin(index) == Some(ContainerOrigin::Time)
            && resolved.any
            && !self.all
            && !self.requests.borrow().may_have(container)
    }
}

/// Gives each container the origin of the one that it was made in, if that is stronger.
fn inherit(origins: &mut BTreeMap<u32, ContainerOrigin>, mut parents: BTreeMap<u32, u32>) {
    parents.retain(|_, parent| *parent != 0);
    let mut changed = true;
    while changed {
        changed = false;
        for (index, parent) in &parents {
            let outer = origins.get(parent).copied();
            let own = origins.get(index).copied();
            if outer > own {
                origins.extend(outer.map(|outer| (*index, outer)));
                changed = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::engine::{Description, EngineKind, Identity};

    const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

    /// A container of root's Docker, with this digit as its id.
    fn container(digit: char) -> (Identity, Description) {
        let identity = Identity {
            id: ID.replace('1', &digit.to_string()),
            engine: Some(EngineKind::Docker),
            runtime: None,
            pid: 1,
            owner: 0,
            began: 1,
        };
        let description = Description::from_identity(&identity);
        (identity, description)
    }

    fn seen(parent: u32, descends: u32) -> probe_common::Container {
        // SAFETY: a plain type that is valid for any bit pattern.
        let nothing: probe_common::Container = unsafe { std::mem::zeroed() };
        probe_common::Container { parent, descends, ..nothing }
    }

    /// Who is left out of containers 1, 2, …
    fn left_out(origins: &Origins, seen: &[probe_common::Container]) -> Vec<u32> {
        let containers: Vec<_> = (1..).zip(seen.iter().copied()).collect();
        let known: Known = containers
            .iter()
            .map(|(index, _)| (*index, container(char::from_digit(*index, 10).unwrap())))
            .collect();
        let snapshot = Snapshot { containers, ..Snapshot::default() };
        let resolved = origins.resolve(&snapshot, &known);
        let is_out = |index: &u32| origins.leaves_out(&resolved, *index, &known[index].1.container);
        known.keys().copied().filter(is_out).collect()
    }

    fn beside_a_command() -> Origins {
        Origins { follows: true, ..Origins::default() }
    }

    #[test]
    fn others_are_left_out_where_the_commands_own_are_known() {
        let three = [seen(0, 1), seen(0, 0), seen(0, 0)];
        assert_eq!(left_out(&beside_a_command(), &three), [2, 3]);
        let origins = beside_a_command();
        origins.requests.borrow_mut().handle_request(
            format!("POST /containers/{}/start HTTP/1.1", ID.replace('1', "3")).as_bytes(),
        );
        assert_eq!(left_out(&origins, &three), [2]);
    }

    #[test]
    fn time_counts_where_nothing_else_does() {
        let three = [seen(0, 0), seen(0, 0), seen(0, 0)];
        assert!(left_out(&beside_a_command(), &three).is_empty());
        let without = Origins::default();
        assert!(left_out(&without, &[seen(0, 1), seen(0, 0)]).is_empty());
    }

    #[test]
    fn all_are_recorded_if_all_are_asked_for() {
        let origins = Origins { all: true, ..beside_a_command() };
        assert!(left_out(&origins, &[seen(0, 1), seen(0, 0)]).is_empty());
        let origins = beside_a_command();
        origins.requests.borrow_mut().handle_request(b"POST /libpod/kube/play HTTP/1.1");
        assert!(left_out(&origins, &[seen(0, 1), seen(0, 0)]).is_empty());
    }

    #[test]
    fn what_was_made_in_a_container_belongs_to_its_owner() {
        let nested = [seen(0, 1), seen(3, 0), seen(1, 0), seen(5, 0), seen(0, 0)];
        assert_eq!(left_out(&beside_a_command(), &nested), [4, 5]);
    }
}
