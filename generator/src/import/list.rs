//! Profiles as lists of calls: what they allow, with any arguments.
//!
//! The resources that the Security Profiles Operator keeps (`SeccompProfile`) hold profiles too; its recorder writes
//! them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::lines::{Lines, Stop};
use super::notes::Notes;
use super::{About, ImportError, Options, Reader, UNKNOWN, host, program};
use crate::limits::MANIFEST_BYTES;
use crate::machine::{Machine, Machines};
use crate::manifest::resource::{self, ResourceError, SeccompResource};
use crate::observation::{self, Observation, Observations, Values};
use crate::profile::{self, OnMachines, ParseError, Workload, parse_on};
use crate::recording::{Losses, Recording, Start, Tracer};

/// Whether a beginning is that of a profile or a resource: 1 if so.
pub(super) fn likeness(head: &str) -> usize {
    let is_json = head.trim_start().starts_with('{') && !super::audit::is_journal(head);
    let is_yaml =
        ["apiVersion:", "kind:"].iter().any(|key| head.lines().any(|line| line.starts_with(key)));
    usize::from(is_json || is_yaml)
}

/// Reads profiles.
pub(super) struct List {
    machines: Machines,
    wanted: Option<String>,
    observations: Observations,
    found: BTreeSet<Machine>,
    name: Option<String>,
}

impl List {
    pub fn new(options: &Options) -> Self {
        Self {
            machines: options.machine.map_or(Machines::ALL, Machines::from),
            wanted: options.name.clone(),
            observations: Observations::default(),
            found: BTreeSet::new(),
            name: None,
        }
    }

    /// The profile in a text that may be a resource.
    fn profile(&mut self, text: String, notes: &mut Notes) -> Result<String, ImportError> {
        match profile::document(&text) {
            Err(ParseError::Resource(_)) => {}
            Err(error) => return Err(ImportError::Profile { name: notes.file.clone(), error }),
            Ok(_) => return Ok(text),
        }
        // With one resource in it, --name is what its recording is called; with several, which one is meant.
        let found = match (resource::find(&text, None), &self.wanted) {
            (Err(ResourceError::Several(_)), Some(wanted)) => resource::find(&text, Some(wanted)),
            (found, _) => found,
        };
        let found =
            found.map_err(|error| ImportError::Resource { name: notes.file.clone(), error })?;
        let SeccompResource { name, profile, notes: remarks } = found;
        remarks.into_iter().for_each(|remark| notes.say(remark));
        self.name.get_or_insert(name);
        Ok(profile)
    }

    fn add(&mut self, profile: &OnMachines, name: &str) -> Result<(), ImportError> {
        let failed = |error| ImportError::NoPolicy { name: name.to_owned(), error };
        let listed = profile.clone().only(profile.listed_machines());
        let policy = listed.policy().map_err(failed)?;
        let of_nobody = program(UNKNOWN);
        for abi in listed.abis() {
            for (number, _) in abi.syscalls().filter(|(number, _)| policy.may_allow(abi, *number)) {
                self.found.insert(abi.machine());
                self.observations.add(&Observation {
                    program: &of_nobody,
                    abi,
                    phase: None,
                    number,
                    values: Values::NotTold,
                    count: 1,
                    first: Duration::ZERO,
                });
            }
        }
        Ok(())
    }
}

impl Reader for List {
    fn read(&mut self, lines: Lines<'_>, notes: &mut Notes) -> Result<(), ImportError> {
        let name = notes.file.clone();
        let limit = u64::try_from(MANIFEST_BYTES).unwrap_or(u64::MAX);
        let text = lines.all(MANIFEST_BYTES).map_err(|stop| match stop {
            Stop::TooLarge => ImportError::TooLarge { name: name.clone(), limit },
            Stop::Failed(_) => ImportError::stopped(&name, stop),
        })?;
        let text = self.profile(text, notes)?;
        let workload = Workload::default();
        let failed = |error| ImportError::Profile { name: name.clone(), error };
        let profile = parse_on(&text, self.machines, &workload).map_err(failed)?;
        if profile::parse(&text).is_err() {
            let machine = profile.machines().iter().next().unwrap_or(Machine::X86_64);
            let resolved = profile::resolve(&text, &workload.on(machine)).map_err(failed)?;
            resolved.notes.iter().for_each(|note| notes.say(note));
            if resolved.is_dialect {
                notes.say(
                    "it is in the dialect of dockerd and podman, and is taken for Docker's default capabilities and \
                     a new kernel. `strait convert` resolves it for others",
                );
            }
        }
        if profile.profiles().iter().any(|profile| profile.default.lets_through()) {
            notes.say("it allows every call that it does not name, which is nearly all of them");
        }
        self.add(&profile, &name)
    }

    fn finish(self: Box<Self>, about: &About<'_>, _: &mut Notes) -> Result<Recording, ImportError> {
        let of_list = observation::About {
            host: host(self.found.into_iter().collect()),
            target: about.target(self.name.as_deref(), Start::Exec),
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
            losses: Losses::default(),
            still_running: 0,
            tracer: Tracer::List,
        };
        Ok(self.observations.recording(of_list))
    }
}
