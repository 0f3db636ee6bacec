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
}

impl Condition {
    /// Whether all of it holds, for `includes`.
    pub fn holds(&self, context: &Context) -> bool {
        self.capabilities.iter().all(|capability| context.capabilities.contains(capability))
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

/// Reads a condition; what is wrong with it goes to `wrong` with the path below it.
pub(super) fn condition(
    fields: &Map<String, Value>,
    mut wrong: impl FnMut(String, String),
) -> Condition {
    let mut condition = Condition::default();
    for (field, value) in fields {
        match (field.as_str(), value) {
            (_, Value::Null) => {}
            ("caps", Value::Array(names)) => {
                for (nth, name) in names.iter().enumerate() {
                    // dockerd compares the letters: no other way to write it has an effect.
                    let exact = |capability: &Capability| name == &capability.to_string();
                    match name.as_str().and_then(|name| name.parse().ok()).filter(exact) {
                        Some(capability) => condition.capabilities.push(capability),
                        None => wrong(
                            format!("caps[{nth}]"),
                            format!(
                                "{name} is no capability: write a name such as \"CAP_SYS_ADMIN\", \
                                 with CAP_ and in capitals"
                            ),
                        ),
                    }
                }
            }
            ("arches", Value::Array(names)) => {
                for (nth, name) in names.iter().enumerate() {
                    match name.as_str() {
                        Some(name) if !name.is_empty() => condition.machines.push(name.to_owned()),
                        _ => wrong(
                            format!("arches[{nth}]"),
                            "expected the name that Go has for an architecture, such as \"amd64\""
                                .to_owned(),
                        ),
                    }
                }
            }
            ("minKernel", Value::String(text)) if text.is_empty() => {}
            ("minKernel", value) => match value.as_str().and_then(version) {
                Some(least) => condition.least_kernel = Some(least),
                None => wrong(
                    "minKernel".to_owned(),
                    format!("{value} is no kernel version: write one such as \"4.8\""),
                ),
            },
            ("caps" | "arches", _) => wrong(field.clone(), "expected a list".to_owned()),
            _ => wrong(
                field.clone(),
                "unknown condition: `caps`, `arches` and `minKernel` are known".to_owned(),
            ),
        }
    }
    condition
}
