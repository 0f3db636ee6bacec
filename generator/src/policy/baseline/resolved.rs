//! A baseline as it applies to one workload.

use std::collections::{BTreeMap, BTreeSet};

use super::{Baseline, Context, Treatment, clauses};
use crate::abi::Abi;
use crate::machine::Machine;
use crate::policy::decide::Meaning;
use crate::policy::{Action, Clause, Conflict, Errno, Policy};

/// Numbers that x32 has for itself. Calls newer than Linux 3.4 have none of these, so a number in
/// here says nothing about the age of a call.
const X32_OWN: std::ops::Range<u32> = 512..548;

/// A baseline for a set of ABIs, capabilities and a kernel.
#[derive(Debug)]
pub struct Resolved<'a> {
    baseline: &'a Baseline,
    context: Context,
    tables: BTreeMap<Machine, BTreeMap<&'a str, Treatment>>,
    /// The largest number that is named.
    newest: BTreeMap<Abi, u32>,
}

impl<'a> Resolved<'a> {
    pub(super) fn new(baseline: &'a Baseline, context: &Context) -> Self {
        let machines: BTreeSet<Machine> = context.abis.iter().map(|abi| abi.machine()).collect();
        let tables: BTreeMap<Machine, BTreeMap<&str, Treatment>> = machines
            .into_iter()
            .map(|machine| {
                let table =
                    baseline.treatments(machine.go_name(), &context.capabilities, context.kernel);
                (machine, table)
            })
            .collect();
        let newest = context.abis.iter().filter_map(|abi| {
            let names = tables.get(&abi.machine())?.keys();
            let numbers = names.filter_map(|name| abi.syscall_number(name));
            Some((*abi, numbers.filter(|number| !X32_OWN.contains(number)).max()?))
        });
        Self { newest: newest.collect(), baseline, context: context.clone(), tables }
    }

    /// The baseline that was resolved.
    #[must_use]
    pub fn baseline(&self) -> &'a Baseline {
        self.baseline
    }

    /// What it was resolved for.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What is done with a call of an ABI; `None` if it is refused like any call without a name.
    #[must_use]
    pub fn treatment(&self, abi: Abi, name: &str) -> Option<&Treatment> {
        self.tables.get(&abi.machine())?.get(name)
    }

    /// How many calls of the ABI's table are allowed, for some arguments at least.
    #[must_use]
    pub fn allowed_count(&self, abi: Abi) -> usize {
        abi.syscalls()
            .filter(|(_, name)| {
                let treatment = self.treatment(abi, name);
                treatment.is_some_and(|treatment| !matches!(treatment, Treatment::Refuse(_)))
            })
            .count()
    }

    /// The error that a call gets which the baseline does not name.
    ///
    /// For calls that are newer than all those that it names that is ENOSYS, since runc answers so
    /// (`libcontainer/seccomp/patchbpf`: a stub for numbers above the largest one in the profile).
    #[must_use]
    pub fn refusal(&self, abi: Abi, number: u32) -> Errno {
        match self.newest.get(&abi) {
            Some(newest) if number > *newest && !X32_OWN.contains(&number) => Errno::ENOSYS,
            Some(_) | None => self.baseline.refuse_with(),
        }
    }

    /// The baseline as a policy over one ABI, as runc enforces it.
    ///
    /// # Errors
    ///
    /// [`Conflict`] if the table contradicts itself.
    pub fn policy(&self, abi: Abi) -> Result<Policy, Conflict> {
        let default = Action::Errno(self.baseline.refuse_with());
        let mut policy = Policy::new(default, [abi]);
        let table = self.tables.get(&abi.machine());
        for (name, treatment) in table.into_iter().flatten() {
            match treatment {
                Treatment::Allow => policy.add(name, Action::Allow, Clause::ALWAYS)?,
                Treatment::Refuse(errno) => {
                    policy.add(name, Action::Errno(*errno), Clause::ALWAYS)?;
                }
                Treatment::ByArguments { allow, refuse } => {
                    for clause in allow {
                        policy.add(name, Action::Allow, *clause)?;
                    }
                    for (errno, clause) in refuse {
                        policy.add(name, Action::Errno(*errno), *clause)?;
                    }
                }
                Treatment::AllowIf { argument, any } => {
                    for clause in clauses(*argument, any) {
                        policy.add(name, Action::Allow, clause)?;
                    }
                }
            }
        }
        for (number, name) in abi.syscalls() {
            if self.treatment(abi, name).is_none() {
                let refusal = Action::Errno(self.refusal(abi, number));
                policy.add(name, refusal, Clause::ALWAYS)?;
            }
        }
        Ok(policy)
    }

    /// What the baseline does with the calls of all ABIs that it was resolved for.
    ///
    /// # Errors
    ///
    /// [`Conflict`] if the table contradicts itself.
    pub fn meaning(&self) -> Result<Meaning, Conflict> {
        let abis = self.context.abis.iter();
        abis.map(|abi| Ok(Meaning::from(&self.policy(*abi)?))).collect()
    }
}
