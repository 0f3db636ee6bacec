//! A profile as each machine reads it.

use super::{ParseError, Profile, Workload, parse_for};
use crate::abi::Abi;
use crate::machine::{Machine, Machines};
use crate::policy::{NoPolicy, Policy};

/// A profile as each of some machines reads it. Plain OCI is the same on all of them; a dialect is resolved
/// for each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct OnMachines {
    first: (Machine, Profile),
    others: Vec<(Machine, Profile)>,
}

/// Reads a profile, in a dialect too, as dockerd or podman on each of these machines would for this
/// workload. Of no machine, it is read as on x86-64.
///
/// # Errors
///
/// [`ParseError`] names every place that is wrong.
pub fn parse_on(
    text: &str,
    machines: Machines,
    workload: &Workload,
) -> Result<OnMachines, ParseError> {
    let read = |machine| Ok((machine, parse_for(text, &workload.on(machine))?));
    let mut machines = machines.iter();
    Ok(OnMachines {
        first: read(machines.next().unwrap_or(Machine::X86_64))?,
        others: machines.map(read).collect::<Result<_, ParseError>>()?,
    })
}

impl OnMachines {
    /// The same profile on all of these machines.
    pub fn same(profile: &Profile, machines: impl Into<Machines>) -> Self {
        let mut machines = machines.into().iter();
        Self {
            first: (machines.next().unwrap_or(Machine::X86_64), profile.clone()),
            others: machines.map(|machine| (machine, profile.clone())).collect(),
        }
    }

    /// Each machine, and what it reads.
    pub fn iter(&self) -> impl Iterator<Item = (Machine, &Profile)> {
        [&self.first].into_iter().chain(&self.others).map(|(machine, profile)| (*machine, profile))
    }

    /// The machines.
    #[must_use]
    pub fn machines(&self) -> Machines {
        self.iter().map(|(machine, _)| machine).collect()
    }

    /// What a machine reads; what the first one does, if it is none of them.
    #[must_use]
    pub fn on(&self, machine: Machine) -> &Profile {
        self.iter().find(|(on, _)| *on == machine).map_or(&self.first.1, |(_, profile)| profile)
    }

    /// The profiles that differ, each once.
    #[must_use]
    pub fn profiles(&self) -> Vec<&Profile> {
        let mut different: Vec<&Profile> = Vec::new();
        for (_, profile) in self.iter() {
            if !different.contains(&profile) {
                different.push(profile);
            }
        }
        different
    }

    /// On these machines alone, as far as they are among its own; unchanged if none is.
    pub fn only(self, machines: Machines) -> Self {
        let Self { first, others } = self.clone();
        let mut kept = [first].into_iter().chain(others).filter(|(on, _)| machines.contains(*on));
        match kept.next() {
            Some(first) => Self { first, others: kept.collect() },
            None => self,
        }
    }

    /// The machines whose ABIs it lists; all of its own if it lists none of theirs.
    #[must_use]
    pub fn listed_machines(&self) -> Machines {
        let listed = |(machine, profile): (Machine, &Profile)| {
            profile.listed_machines().contains(machine).then_some(machine)
        };
        let listed: Machines = self.iter().filter_map(listed).collect();
        if listed.is_empty() { self.machines() } else { listed }
    }

    /// The ABIs of its machines that the filters made of it there cover.
    #[must_use]
    pub fn abis(&self) -> Vec<Abi> {
        self.iter().flat_map(|(machine, profile)| profile.abis(machine)).collect()
    }

    /// What it means on its machines.
    ///
    /// # Errors
    ///
    /// [`NoPolicy`] if it makes none on one of them.
    pub fn policy(&self) -> Result<Policy, NoPolicy> {
        let (machine, profile) = &self.first;
        self.others.iter().try_fold(profile.policy(*machine)?, |all, (machine, profile)| {
            Ok(all.and(profile.policy(*machine)?))
        })
    }
}
