//! What a container is allowed without a profile of its own.
//!
//! The facts are data in `profiles/baselines/`; here they are resolved for a machine, a set of
//! capabilities and a kernel.

mod resolved;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::complement::complement;
use super::data::{embedded, words};
use super::{Capability, Clause, Errno, Predicate};
use crate::abi::Abi;
use table::Table;

pub use resolved::Resolved;

static DOCKER_DEFAULT: LazyLock<Baseline> =
    LazyLock::new(|| Baseline(embedded(strait_profiles::baselines::DOCKER_DEFAULT)));

static PODMAN_DEFAULT: LazyLock<Baseline> =
    LazyLock::new(|| Baseline(embedded(strait_profiles::baselines::PODMAN_DEFAULT)));

static CONTAINERD_DEFAULT: LazyLock<Baseline> =
    LazyLock::new(|| Baseline(embedded(strait_profiles::baselines::CONTAINERD_DEFAULT)));

/// A kernel version: major and minor.
pub type KernelVersion = (u32, u32);

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
    /// By several arguments: any of the first clauses allows it, those of the others refuse it with an
    /// error of their own, and in between it is refused as any other call.
    ByArguments {
        /// Any of these.
        allow: Vec<Clause>,
        /// Errors and when they are the answer.
        refuse: Vec<(Errno, Clause)>,
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

/// Reads `4.8`.
#[must_use]
pub fn version(text: &str) -> Option<KernelVersion> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Reads `6.1`, and what `uname -r` says: `6.1.0-13-amd64`.
#[must_use]
pub fn release(text: &str) -> Option<KernelVersion> {
    let (major, rest) = text.split_once('.')?;
    let minor = rest.split(['.', '-', '+']).next()?;
    version(&format!("{major}.{minor}"))
}

impl Baseline {
    /// The default profile of Docker and containerd (moby/profiles).
    #[must_use]
    pub fn docker_default() -> &'static Self {
        &DOCKER_DEFAULT
    }

    /// The default profile of podman, buildah and CRI-O (containers/common).
    #[must_use]
    pub fn podman_default() -> &'static Self {
        &PODMAN_DEFAULT
    }

    /// The default profile that containerd itself has, for Kubernetes' `RuntimeDefault`.
    #[must_use]
    pub fn containerd_default() -> &'static Self {
        &CONTAINERD_DEFAULT
    }

    /// Every baseline that comes with Strait.
    #[must_use]
    pub fn all() -> [&'static Self; 3] {
        [Self::docker_default(), Self::podman_default(), Self::containerd_default()]
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is called in a sentence, with an article.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The error for a call that the baseline does not name.
    #[must_use]
    pub fn refuse_with(&self) -> Errno {
        self.0.refuse_with.parse().unwrap_or(Errno::EPERM)
    }

    /// What is done with each name on a processor, by the name that Go has for it (`amd64`); names that are not here are refused with
    /// [`refuse_with`](Self::refuse_with).
    pub fn treatments(
        &self,
        processor: &str,
        capabilities: &BTreeSet<Capability>,
        kernel: Option<KernelVersion>,
    ) -> BTreeMap<&str, Treatment> {
        let has = |name: &str| name.parse().is_ok_and(|cap| capabilities.contains(&cap));
        let mut table = BTreeMap::new();
        for rule in &self.0.by_argument {
            let argument = rule.argument_on_machine.get(processor);
            let treatment = Treatment::AllowIf {
                argument: *argument.unwrap_or(&rule.argument),
                any: rule.allow.iter().copied().map(Predicate::from).collect(),
            };
            table.insert(rule.call.as_str(), treatment);
        }
        let errno = |name: &str| name.parse().unwrap_or_else(|_| self.refuse_with());
        for rule in &self.0.by_arguments {
            if !has(&rule.unless_capability) {
                let refuse = rule.refuse.iter();
                let treatment = Treatment::ByArguments {
                    allow: rule.allow.iter().map(table::clause).collect(),
                    refuse: refuse
                        .map(|refuse| (errno(&refuse.with), table::clause(&refuse.when)))
                        .collect(),
                };
                table.insert(rule.call.as_str(), treatment);
            }
        }
        for rule in &self.0.refuse_by_name {
            if !rule.unless_capability.as_deref().is_some_and(has) {
                let refuse = Treatment::Refuse(errno(&rule.with));
                table.extend(words(&rule.call).map(|name| (name, refuse.clone())));
            }
        }
        let always = self.0.always.iter();
        let by_kernel = self
            .0
            .since_kernel
            .iter()
            .filter(|(since, _)| kernel.is_none_or(|kernel| version(since) <= Some(kernel)))
            .map(|(_, names)| names);
        let by_machine = self.0.on_machine.get(processor);
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
    #[must_use]
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
    #[must_use]
    pub fn resolve(&self, context: &Context) -> Resolved<'_> {
        Resolved::new(self, context)
    }
}

fn clauses(argument: usize, any: &[Predicate]) -> impl Iterator<Item = Clause> {
    any.iter().filter_map(move |predicate| Clause::on(argument, *predicate))
}

impl Treatment {
    /// The clauses under which the call is allowed; none if it is refused.
    #[must_use]
    pub fn allowed(&self) -> Vec<Clause> {
        match self {
            Self::Allow => vec![Clause::ALWAYS],
            Self::AllowIf { argument, any } => clauses(*argument, any).collect(),
            Self::ByArguments { allow, .. } => allow.clone(),
            Self::Refuse(_) => Vec::new(),
        }
    }

    /// The clauses under which a call that is allowed by argument is refused.
    #[must_use]
    pub fn refused(&self) -> Vec<Clause> {
        match self {
            Self::AllowIf { argument, any } => {
                let others = complement(any).unwrap_or_default();
                clauses(*argument, &others).collect()
            }
            Self::ByArguments { refuse, .. } => refuse.iter().map(|(_, clause)| *clause).collect(),
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
        for Baseline(table) in Baseline::all() {
            assert!(table.refuse_with.parse::<Errno>().is_ok());
            for name in table.with_capability.keys() {
                assert!(name.parse::<Capability>().is_ok(), "{name}");
            }
            for since in table.since_kernel.keys() {
                assert!(version(since).is_some(), "{since}");
            }
            for rule in &table.refuse_by_name {
                assert!(rule.with.parse::<Errno>().is_ok(), "{}", rule.call);
                let capability = rule.unless_capability.as_deref();
                assert!(capability.is_none_or(|name| name.parse::<Capability>().is_ok()));
            }
            for rule in &table.by_arguments {
                assert!(rule.unless_capability.parse::<Capability>().is_ok());
                let indexes =
                    rule.allow.iter().chain(rule.refuse.iter().map(|refuse| &refuse.when));
                assert!(indexes.flat_map(BTreeMap::keys).all(|index| *index < 6), "{}", rule.call);
                assert!(rule.refuse.iter().all(|refuse| refuse.with.parse::<Errno>().is_ok()));
            }
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
        for capabilities in [BTreeSet::new(), Capability::docker_default(), Capability::all()] {
            for baseline in Baseline::all() {
                let context = Context {
                    abis: Abi::ALL.into(),
                    capabilities: capabilities.clone(),
                    kernel: None,
                };
                let resolved = baseline.resolve(&context);
                for abi in Abi::ALL {
                    let _ = resolved.policy(abi).unwrap();
                }
                assert_eq!(resolved.meaning().unwrap().abis().count(), Abi::ALL.len());
            }
        }
    }
}
