//! What a container is allowed when nobody wrote a profile for it.
//!
//! The facts are data in `profiles/baselines/`; here they are resolved for a machine, a set of
//! capabilities and a kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::complement::complement;
use super::data::{embedded, words};
use super::{Action, Capability, Clause, Conflict, Errno, Policy, Predicate};
use crate::abi::Abi;

static DOCKER_DEFAULT: LazyLock<Baseline> = LazyLock::new(|| {
    Baseline(embedded(include_str!("../../../profiles/baselines/docker-default.json")))
});

/// Numbers that x32 has for itself. Calls newer than Linux 3.4 have none of these, so a number in
/// here says nothing about the age of a call.
const X32_OWN: std::ops::Range<u32> = 512..548;

/// A processor family, by the name that Go and so Docker has for it. A baseline's facts are about
/// the machine: on an x86-64 one, all three ABIs get the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// 64-bit x86.
    Amd64,
    /// 32-bit x86.
    X86,
    /// x86-64 with 32-bit pointers.
    X32,
    /// 32-bit arm.
    Arm,
    /// 64-bit arm.
    Arm64,
    /// 64-bit little-endian POWER.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    /// 31-bit z/Architecture.
    S390,
    /// 64-bit z/Architecture.
    S390x,
}

impl From<Abi> for Machine {
    /// The machine on which Strait meets an ABI: i386 and x32 programs run on x86-64.
    fn from(abi: Abi) -> Self {
        match abi {
            Abi::X86_64 | Abi::X86 | Abi::X32 => Self::Amd64,
            Abi::Aarch64 => Self::Arm64,
        }
    }
}

/// A kernel version: major and minor.
pub type KernelVersion = (u32, u32);

#[derive(Debug, Deserialize)]
struct Table {
    title: String,
    source: String,
    date: String,
    refuse_with: String,
    always: Vec<String>,
    since_kernel: BTreeMap<String, String>,
    on_machine: BTreeMap<Machine, String>,
    with_capability: BTreeMap<String, String>,
    by_argument: Vec<ByArgument>,
    refuse_by_name: Vec<RefuseByName>,
}

#[derive(Debug, Deserialize)]
struct ByArgument {
    call: String,
    argument: usize,
    #[serde(default)]
    argument_on_machine: BTreeMap<Machine, usize>,
    allow: Vec<PredicateFact>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum PredicateFact {
    Masked { mask: u64, equal: u64 },
    Equal { equal: u64 },
    Less { less: u64 },
    Greater { greater: u64 },
}

impl From<PredicateFact> for Predicate {
    fn from(fact: PredicateFact) -> Self {
        match fact {
            PredicateFact::Masked { mask, equal } => Self::MaskedEqual { mask, value: equal },
            PredicateFact::Equal { equal } => Self::Equal(equal),
            PredicateFact::Less { less } => Self::Less(less),
            PredicateFact::Greater { greater } => Self::Greater(greater),
        }
    }
}

#[derive(Debug, Deserialize)]
struct RefuseByName {
    call: String,
    with: String,
    unless_capability: String,
}

/// What applies to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The ABIs that it uses.
    pub abis: BTreeSet<Abi>,
    /// Its bounding set.
    pub capabilities: BTreeSet<Capability>,
    /// The kernel it runs on; `None` for one that has everything the baseline asks for.
    pub kernel: Option<KernelVersion>,
}

/// What a baseline does with the calls of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Allowed.
    Allow,
    /// Allowed where one of the predicates holds for an argument, else refused as any other call.
    AllowIf {
        /// Index of the argument, 0 to 5.
        argument: usize,
        /// Any of these.
        any: Vec<Predicate>,
    },
    /// Refused, by name, with an error of its own.
    Refuse(Errno),
}

/// What would have to be otherwise for a baseline to allow a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Any of these capabilities.
    Capability(Vec<Capability>),
    /// A kernel of this version or later.
    Kernel(KernelVersion),
    /// Nothing helps: the call is refused to everybody.
    Never,
}

/// A default profile as a table of facts.
#[derive(Debug)]
pub struct Baseline(Table);

fn version(text: &str) -> Option<KernelVersion> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Baseline {
    /// The default profile of Docker and containerd (moby/profiles).
    pub fn docker_default() -> &'static Self {
        &DOCKER_DEFAULT
    }

    /// What it is called in a sentence, with an article.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Where its facts come from, and their date as year and month.
    pub fn provenance(&self) -> (&str, &str) {
        (&self.0.source, &self.0.date)
    }

    /// The error for a call that the baseline does not name.
    pub fn refuse_with(&self) -> Errno {
        self.0.refuse_with.parse().unwrap_or(Errno::EPERM)
    }

    /// What is done with each name on a machine; names that are not here are refused with
    /// [`refuse_with`](Self::refuse_with).
    pub fn treatments(
        &self,
        machine: Machine,
        capabilities: &BTreeSet<Capability>,
        kernel: Option<KernelVersion>,
    ) -> BTreeMap<&str, Treatment> {
        let has = |name: &str| name.parse().is_ok_and(|cap| capabilities.contains(&cap));
        let mut table = BTreeMap::new();
        for rule in &self.0.by_argument {
            let argument = rule.argument_on_machine.get(&machine);
            let treatment = Treatment::AllowIf {
                argument: *argument.unwrap_or(&rule.argument),
                any: rule.allow.iter().copied().map(Predicate::from).collect(),
            };
            table.insert(rule.call.as_str(), treatment);
        }
        for rule in &self.0.refuse_by_name {
            if !has(&rule.unless_capability) {
                let errno = rule.with.parse().unwrap_or_else(|_| self.refuse_with());
                table.insert(rule.call.as_str(), Treatment::Refuse(errno));
            }
        }
        let always = self.0.always.iter();
        let by_kernel = self
            .0
            .since_kernel
            .iter()
            .filter(|(since, _)| kernel.is_none_or(|kernel| version(since) <= Some(kernel)))
            .map(|(_, names)| names);
        let by_machine = self.0.on_machine.get(&machine);
        let by_capability = self
            .0
            .with_capability
            .iter()
            .filter(|(capability, _)| has(capability))
            .map(|(_, names)| names);
        let lists = always.chain(by_kernel).chain(by_machine).chain(by_capability);
        table.extend(lists.flat_map(|names| words(names)).map(|name| (name, Treatment::Allow)));
        table
    }

    /// What would have to be otherwise for the call to be allowed on this machine.
    pub fn requirement(&self, name: &str, kernel: Option<KernelVersion>) -> Requirement {
        let names = |list: &str| words(list).any(|word| word == name);
        let capabilities: Vec<Capability> = self
            .0
            .with_capability
            .iter()
            .filter(|(_, list)| names(list))
            .filter_map(|(capability, _)| capability.parse().ok())
            .collect();
        let since = self
            .0
            .since_kernel
            .iter()
            .filter(|(_, list)| names(list))
            .filter_map(|(since, _)| version(since))
            .find(|since| kernel.is_some_and(|kernel| kernel < *since));
        match since {
            Some(since) => Requirement::Kernel(since),
            None if capabilities.is_empty() => Requirement::Never,
            None => Requirement::Capability(capabilities),
        }
    }

    /// The baseline for a workload.
    pub fn resolve(&self, context: &Context) -> Resolved<'_> {
        let machines: BTreeSet<Machine> = context.abis.iter().copied().map(Machine::from).collect();
        let tables: BTreeMap<Machine, BTreeMap<&str, Treatment>> = machines
            .into_iter()
            .map(|machine| {
                let table = self.treatments(machine, &context.capabilities, context.kernel);
                (machine, table)
            })
            .collect();
        let newest = context.abis.iter().filter_map(|abi| {
            let names = tables.get(&Machine::from(*abi))?.keys();
            let numbers = names.filter_map(|name| abi.syscall_number(name));
            Some((*abi, numbers.filter(|number| !X32_OWN.contains(number)).max()?))
        });
        Resolved { newest: newest.collect(), baseline: self, context: context.clone(), tables }
    }
}

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
    /// The baseline that was resolved.
    pub fn baseline(&self) -> &'a Baseline {
        self.baseline
    }

    /// What it was resolved for.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What is done with a call of an ABI; `None` if it is refused like any call without a name.
    pub fn treatment(&self, abi: Abi, name: &str) -> Option<&Treatment> {
        self.tables.get(&Machine::from(abi))?.get(name)
    }

    /// How many calls of the ABI's table are allowed, for some arguments at least.
    pub fn allowed_count(&self, abi: Abi) -> usize {
        abi.syscalls()
            .filter(|(_, name)| {
                let treatment = self.treatment(abi, name);
                matches!(treatment, Some(Treatment::Allow | Treatment::AllowIf { .. }))
            })
            .count()
    }

    /// The error that a call gets which the baseline does not name.
    ///
    /// For calls that are newer than all those that it names that is ENOSYS, since runc answers so
    /// (`libcontainer/seccomp/patchbpf`: a stub for numbers above the largest one in the profile).
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
        let table = self.tables.get(&Machine::from(abi));
        for (name, treatment) in table.into_iter().flatten() {
            match treatment {
                Treatment::Allow => policy.add(name, Action::Allow, Clause::ALWAYS)?,
                Treatment::Refuse(errno) => {
                    policy.add(name, Action::Errno(*errno), Clause::ALWAYS)?;
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
}

fn clauses(argument: usize, any: &[Predicate]) -> impl Iterator<Item = Clause> {
    any.iter().filter_map(move |predicate| Clause::on(argument, *predicate))
}

impl Treatment {
    /// The clauses under which the call is allowed; none if it is refused.
    pub fn allowed(&self) -> Vec<Clause> {
        match self {
            Self::Allow => vec![Clause::ALWAYS],
            Self::AllowIf { argument, any } => clauses(*argument, any).collect(),
            Self::Refuse(_) => Vec::new(),
        }
    }

    /// The clauses under which a call that is allowed by argument is refused.
    pub fn refused(&self) -> Vec<Clause> {
        match self {
            Self::AllowIf { argument, any } => {
                let others = complement(any).unwrap_or_default();
                clauses(*argument, &others).collect()
            }
            Self::Allow | Self::Refuse(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(capabilities: BTreeSet<Capability>) -> Resolved<'static> {
        Baseline::docker_default().resolve(&Context {
            abis: Abi::ALL.into(),
            capabilities,
            kernel: None,
        })
    }

    #[test]
    fn the_counts_are_the_published_ones() {
        let always = Baseline::docker_default().0.always.iter();
        assert_eq!(always.flat_map(|names| words(names)).count(), 361);
        let resolved = resolve(Capability::docker_default());
        let up_to_linux_6_12 =
            Abi::X86_64.syscalls().filter(|(number, _)| *number <= 462).filter(|(_, name)| {
                let treatment = resolved.treatment(Abi::X86_64, name);
                treatment.is_some_and(|treatment| !treatment.allowed().is_empty())
            });
        assert_eq!(up_to_linux_6_12.count(), 305);
        assert_eq!(resolved.allowed_count(Abi::X86_64), 309);
    }

    #[test]
    fn every_name_of_the_table_can_be_read() {
        let table = &Baseline::docker_default().0;
        assert!(table.refuse_with.parse::<Errno>().is_ok());
        for name in table.with_capability.keys() {
            assert!(name.parse::<Capability>().is_ok(), "{name}");
        }
        for since in table.since_kernel.keys() {
            assert!(version(since).is_some(), "{since}");
        }
        for rule in &table.refuse_by_name {
            assert!(rule.with.parse::<Errno>().is_ok(), "{}", rule.call);
            assert!(rule.unless_capability.parse::<Capability>().is_ok());
        }
    }

    #[test]
    fn a_call_that_is_refused_says_what_it_would_take() {
        let baseline = Baseline::docker_default();
        let sys_admin = "CAP_SYS_ADMIN".parse().unwrap();
        assert_eq!(baseline.requirement("mount", None), Requirement::Capability(vec![sys_admin]));
        assert_eq!(baseline.requirement("ptrace", Some((4, 7))), Requirement::Kernel((4, 8)));
        assert_eq!(baseline.requirement("io_uring_setup", None), Requirement::Never);
    }

    #[test]
    fn every_abi_has_a_policy() {
        for capabilities in [BTreeSet::new(), Capability::all()] {
            let resolved = resolve(capabilities);
            for abi in Abi::ALL {
                resolved.policy(abi).unwrap();
            }
        }
    }
}
