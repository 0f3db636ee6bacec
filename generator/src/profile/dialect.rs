//! What the dialects of Docker and containers/common say besides plain OCI, for one machine.
//!
//! `archMap`, `includes`, `excludes`, `minKernel`, `name` and errors by name are resolved by dockerd and
//! by podman, buildah and CRI-O before a runtime sees the profile (moby `profiles/seccomp/seccomp_linux.go`,
//! containers/common `pkg/seccomp/seccomp_linux.go`): `includes` needs all of its capabilities, `excludes`
//! any, and capabilities are those of the bounding set. containerd and the kubelet resolve nothing of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::machine::Machine;
use crate::policy::Capability;
use crate::policy::baseline::{KernelVersion, version};
use crate::untrusted::short;

/// What a dialect is resolved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The machine on which it is resolved.
    pub machine: Machine,
    /// The bounding set of the workload.
    pub capabilities: BTreeSet<Capability>,
    /// The kernel; `None` for one that is newer than any that a profile asks for.
    pub kernel: Option<KernelVersion>,
}

impl Context {
    /// Whether any rule would be another one in plain OCI.
    pub(super) fn is_at_least(&self, least: KernelVersion) -> bool {
        self.kernel.is_none_or(|kernel| kernel >= least)
    }
}

/// A condition: `includes` or `excludes` of an entry.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub capabilities: Vec<Capability>,
    pub machines: Vec<String>,
    pub least_kernel: Option<KernelVersion>,
    /// It asks for a capability that there is not.
    pub impossible: bool,
}

/// What there is to say about a part of a condition, with the path below it.
pub(super) enum Notice {
    /// It cannot be read.
    Wrong(String, String),
    /// Engines take it, though not for what it seems to be; and what it is.
    Taken(String, &'static str, String),
}

impl Condition {
    /// Whether all of it holds, for `includes`.
    pub fn holds(&self, context: &Context) -> bool {
        !self.impossible
            && self.capabilities.iter().all(|one| context.capabilities.contains(one))
            && (self.machines.is_empty() || self.names(context))
            && self.least_kernel.is_none_or(|least| context.is_at_least(least))
    }

    /// Whether any of it holds, for `excludes`.
    pub fn holds_in_part(&self, context: &Context) -> bool {
        self.capabilities.iter().any(|capability| context.capabilities.contains(capability))
            || self.names(context)
            || self.least_kernel.is_some_and(|least| context.is_at_least(least))
    }

    fn names(&self, context: &Context) -> bool {
        self.machines.iter().any(|machine| machine == context.machine.go_name())
    }
}

/// Reads a condition; what there is to say about it goes to `say`.
pub(super) fn condition(fields: &Map<String, Value>, mut say: impl FnMut(Notice)) -> Condition {
    let mut condition = Condition::default();
    for (field, value) in fields {
        match (field.as_str(), value) {
            (_, Value::Null) => {}
            ("caps", Value::Array(names)) => {
                for (nth, name) in names.iter().enumerate() {
                    // dockerd compares the letters: no other way to write it has an effect.
                    let exact = |capability: &Capability| name == &capability.to_string();
                    let at = format!("caps[{nth}]");
                    match name.as_str().map(|name| name.parse().ok().filter(exact)) {
                        Some(Some(capability)) => condition.capabilities.push(capability),
                        Some(None) => {
                            condition.impossible = true;
                            let detail = short(name.as_str().unwrap_or_default());
                            say(Notice::Taken(at, NO_CAPABILITY, detail));
                        }
                        None => wrong(&mut say, at, "expected the name of a capability"),
                    }
                }
            }
            ("arches", Value::Array(names)) => {
                for (nth, name) in names.iter().enumerate() {
                    match name.as_str() {
                        Some(name) if !name.is_empty() => condition.machines.push(name.to_owned()),
                        _ => wrong(
                            &mut say,
                            format!("arches[{nth}]"),
                            "expected the name that Go has for an architecture, such as \"amd64\"",
                        ),
                    }
                }
            }
            ("minKernel", Value::String(text)) if text.is_empty() => {}
            ("minKernel", value) => match value.as_str().and_then(version) {
                Some(least) => condition.least_kernel = Some(least),
                None => say(Notice::Wrong(
                    "minKernel".to_owned(),
                    format!("{value} is not a valid kernel version: write one such as \"4.8\""),
                )),
            },
            ("caps" | "arches", _) => wrong(&mut say, field.clone(), "expected a list"),
            _ => say(Notice::Taken(field.clone(), UNKNOWN_CONDITION, String::new())),
        }
    }
    condition
}

fn wrong(say: &mut impl FnMut(Notice), at: String, message: &str) {
    say(Notice::Wrong(at, message.to_owned()));
}

const NO_CAPABILITY: &str = "not a capability as engines compare them, so that the condition never holds: write a \
                             name such as CAP_SYS_ADMIN, with CAP_ and in capitals";
const UNKNOWN_CONDITION: &str =
    "unknown condition, which engines ignore: `caps`, `arches` and `minKernel` are known";
