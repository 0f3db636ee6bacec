//! What starts a workload in a container, and what it calls once the filter is there.
//!
//! A runtime installs the filter and goes on as itself until it executes the workload. A profile has
//! to allow these calls too, and they differ from runtime to runtime, so that a profile made under
//! one does not start under another. The sets are data in `profiles/runtimes/`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::choice::Choice;
use crate::policy::data::{embedded, words};
use crate::recording::Container;

static INIT: LazyLock<File> = LazyLock::new(|| embedded(strait_profiles::runtimes::INIT));

#[derive(Deserialize)]
struct File {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    calls: String,
    needed: Needed,
    /// Values that are kept of their arguments, as in an `ArgumentRule`.
    #[serde(default)]
    arguments: BTreeMap<String, Vec<Vec<u64>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Needed {
    Always,
    WithoutNoNewPrivs,
}

impl File {
    /// All versions together, for `run` and `exec`: who starts a container may be updated, and
    /// whoever can start one will look into it.
    fn calls(&self, no_new_privs: bool) -> impl Iterator<Item = &str> {
        self.needed(no_new_privs).flat_map(|set| words(&set.calls))
    }

    fn needed(&self, no_new_privs: bool) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(move |set| !no_new_privs || set.needed == Needed::Always)
    }

    /// Values of a call's arguments; nothing if this file does not have the call. `None` if it has the
    /// call and does not know them.
    fn arguments(&self, name: &str, no_new_privs: bool) -> Option<BTreeSet<Vec<u64>>> {
        let mut values = BTreeSet::new();
        for set in
            self.needed(no_new_privs).filter(|set| words(&set.calls).any(|call| call == name))
        {
            values.extend(set.arguments.get(name)?.iter().cloned());
        }
        Some(values)
    }
}

/// An OCI runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Runtime {
    /// Docker's and containerd's own.
    Runc,
    /// Podman's on most distributions.
    Crun,
    /// The one in Rust.
    Youki,
}

/// What there is to know about a runtime.
struct Facts {
    /// The name of its command.
    name: &'static str,
    help: &'static str,
    calls: &'static str,
}

/// A row for each, in the order of the enum.
const RUNTIMES: [Facts; 3] = [
    Facts {
        name: "runc",
        help: "What Docker and containerd use",
        calls: strait_profiles::runtimes::RUNC,
    },
    Facts {
        name: "crun",
        help: "What podman and CRI-O use",
        calls: strait_profiles::runtimes::CRUN,
    },
    Facts { name: "youki", help: "The one in Rust", calls: strait_profiles::runtimes::YOUKI },
];

static FILES: LazyLock<[File; RUNTIMES.len()]> =
    LazyLock::new(|| RUNTIMES.map(|runtime| embedded(runtime.calls)));

impl Runtime {
    /// All that Strait knows.
    pub const ALL: [Self; RUNTIMES.len()] = [Self::Runc, Self::Crun, Self::Youki];

    /// The name of its command.
    #[must_use]
    pub const fn name(self) -> &'static str {
        RUNTIMES[self as usize].name
    }

    fn calls(self, no_new_privs: bool) -> impl Iterator<Item = &'static str> {
        self.file().calls(no_new_privs)
    }

    fn file(self) -> &'static File {
        &FILES[self as usize]
    }
}

/// The runtimes that a profile has to start under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtimes {
    /// The one that was recorded, by what it called then. Nothing is added.
    Recorded,
    /// This one.
    One(Runtime),
    /// Any that Strait knows.
    Any,
}

impl Choice for Runtimes {
    fn all() -> Vec<Self> {
        let each = Runtime::ALL.into_iter().map(Self::One);
        [Self::Recorded].into_iter().chain(each).chain([Self::Any]).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::One(runtime) => runtime.name(),
            Self::Any => "any",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Recorded => "The one under which it was recorded; none for a command",
            Self::One(runtime) => RUNTIMES[runtime as usize].help,
            Self::Any => "All of them",
        }
    }
}

impl Runtimes {
    /// Whose sets are added.
    fn known(self) -> impl Iterator<Item = Runtime> {
        let is_known = move |runtime: &Runtime| match self {
            Self::Recorded => false,
            Self::One(one) => *runtime == one,
            Self::Any => true,
        };
        Runtime::ALL.into_iter().filter(is_known)
    }

    /// Whether a container was recorded under one of these. What Strait does not know counts.
    fn include(self, name: &str) -> bool {
        let known = Runtime::ALL.into_iter().find(|runtime| runtime.name() == name);
        match self {
            Self::Recorded | Self::Any => true,
            Self::One(runtime) => known.is_none_or(|known| known == runtime),
        }
    }
}

/// How the workload will be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Under which runtimes.
    pub runtimes: Runtimes,
    /// Always with `no_new_privs`, so that the filter is installed just before execve.
    pub no_new_privs: bool,
    /// With an init process in front of it, as `docker run --init` does.
    pub init: bool,
}

impl Default for Startup {
    /// Under any runtime, with `no_new_privs` or without, and no init process.
    fn default() -> Self {
        Self { runtimes: Runtimes::Any, no_new_privs: false, init: false }
    }
}

impl Startup {
    /// What has to be allowed whether or not it was recorded.
    pub(super) fn calls(&self) -> BTreeSet<&'static str> {
        let runtimes = self.runtimes.known();
        let mut calls: BTreeSet<&str> =
            runtimes.flat_map(|runtime| runtime.calls(self.no_new_privs)).collect();
        if self.init {
            calls.extend(INIT.calls(self.no_new_privs));
        }
        calls
    }

    /// The values that are kept of the arguments of a call with which a workload is started; nothing if it
    /// is not one. `None` if not all of them are known.
    pub(super) fn arguments(&self, name: &str) -> Option<BTreeSet<Vec<u64>>> {
        let runtimes = self.runtimes.known().map(Runtime::file);
        let init: Option<&'static File> = self.init.then_some(&INIT);
        let of_each = runtimes.chain(init).map(|file| file.arguments(name, self.no_new_privs));
        of_each.collect::<Option<Vec<_>>>().map(|sets| sets.into_iter().flatten().collect())
    }

    /// Whether a call stays that nobody but the runtime made when this container was recorded.
    pub(super) fn keeps(&self, name: &str, container: &Container) -> bool {
        let as_recorded = !self.no_new_privs || container.no_new_privs;
        match self.runtimes {
            Runtimes::Recorded => as_recorded || needed_with_no_new_privs(name, &container.runtime),
            Runtimes::One(_) | Runtimes::Any => {
                as_recorded && self.runtimes.include(&container.runtime)
            }
        }
    }

    /// Who starts it, in words; empty if nothing is added.
    pub(super) fn starters(&self) -> Vec<&'static str> {
        let runtimes = self.runtimes.known().map(Runtime::name);
        runtimes.chain(self.init.then_some("the init process")).collect()
    }
}

/// Whether this runtime, or any if Strait does not know it, makes the call with `no_new_privs` too.
fn needed_with_no_new_privs(name: &str, runtime: &str) -> bool {
    let own = Runtime::ALL.iter().find(|known| known.name() == runtime);
    let candidates = own.map_or(&Runtime::ALL[..], std::slice::from_ref);
    candidates.iter().any(|runtime| runtime.calls(true).any(|call| call == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Abi;
    use crate::policy::Capability;
    use crate::policy::baseline::{Baseline, Context};

    #[test]
    fn every_name_is_a_call_and_within_the_baseline_without_any_capability() {
        for abi in [Abi::X86_64, Abi::Aarch64] {
            let baseline = Baseline::docker_default().resolve(&Context {
                abis: BTreeSet::from([abi]),
                capabilities: BTreeSet::<Capability>::new(),
                kernel: None,
            });
            for name in FILES.iter().chain([&*INIT]).flat_map(|file| file.calls(false)) {
                assert!(Abi::X86_64.syscall_number(name).is_some(), "{name}");
                let allowed =
                    baseline.treatment(abi, name).is_some_and(|t| !t.allowed().is_empty());
                assert!(allowed || abi.syscall_number(name).is_none(), "{abi} {name}");
            }
        }
    }

    #[test]
    fn every_set_says_where_it_is_from() {
        let init = strait_profiles::runtimes::INIT;
        for text in RUNTIMES.iter().map(|runtime| runtime.calls).chain([init]) {
            let file: serde_json::Value = serde_json::from_str(text).unwrap();
            assert!(file["date"].as_str().is_some_and(|date| date.len() == "2026-11".len()));
            for set in file["sets"].as_array().unwrap() {
                let said = |field: &str| set[field].as_str().is_some_and(|text| !text.is_empty());
                assert!(said("versions") && said("source"), "{set}");
                assert!(set["seen"].is_null() || said("seen"), "{set}");
                let when = set["when"].as_str().unwrap();
                assert!(words(when).all(|when| ["run", "exec"].contains(&when)), "{when}");
            }
        }
    }

    #[test]
    fn published_base_profiles_are_wider() {
        let calls = Startup { init: true, ..Startup::default() }.calls();
        for name in ["mount", "pivot_root", "setns", "unshare", "sethostname", "umount2", "keyctl"]
        {
            assert!(!calls.contains(name), "{name}");
        }
    }

    #[test]
    fn no_new_privs_needs_less_of_every_runtime() {
        for runtime in Runtime::ALL {
            let with: BTreeSet<&str> = runtime.calls(true).collect();
            let without: BTreeSet<&str> = runtime.calls(false).collect();
            assert!(with.is_subset(&without) && with.len() < without.len(), "{}", runtime.name());
            assert!(with.contains("execve"));
        }
    }

    #[test]
    fn what_only_another_runtime_called_is_not_kept() {
        let container = Container { runtime: "crun".to_owned(), ..Container::default() };
        let keeps = |runtimes, no_new_privs| {
            Startup { runtimes, no_new_privs, init: false }.keeps("newcall", &container)
        };
        assert!(keeps(Runtimes::Any, false));
        assert!(keeps(Runtimes::Recorded, false));
        assert!(keeps(Runtimes::One(Runtime::Crun), false));
        assert!(!keeps(Runtimes::One(Runtime::Runc), false));
        assert!(!keeps(Runtimes::Any, true));
        assert!(!keeps(Runtimes::Recorded, true));
    }
}
