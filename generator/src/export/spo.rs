//! `SeccompProfile` and `ProfileBinding` of the Security Profiles Operator.
//!
//! Its profile has no `defaultErrnoRet`, so that what has no rule is refused with EPERM, the default of
//! every runtime. Where the profile says something else (ENOSYS, on which software falls back), every
//! call that Strait's tables know and the profile does not name becomes a rule of its own.
//!
//! Source: `api/seccompprofile/v1beta1/seccompprofile_types.go` and `deploy/base-crds/crds` of
//! kubernetes-sigs/security-profiles-operator, read in November 2026.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ExportError, Exported, File, Named, Options, yaml};
use crate::abi::Abi;
use crate::policy::{Action, Errno, Predicate};
use crate::profile::{self, Entry, Profile};

const HOME: &str = "a SeccompProfile of the Security Profiles Operator";
const GROUP: &str = "security-profiles-operator.x-k8s.io";

/// Architectures that the schema of the resource lists none of.
const UNKNOWN_ARCHITECTURES: [&str; 4] =
    ["SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"];

/// What the operator can hold of a profile, and what had to be changed for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// A profile of which the default action, if it is an error, is EPERM.
    pub profile: Profile,
    /// Entries that were left out, since a value is above 2⁶³−1; by call.
    pub left_out: BTreeSet<String>,
    /// Calls with conditions, for which a refusal is EPERM and no longer the profile's default.
    pub other_errno: BTreeSet<String>,
    /// Refusals with an error of 0, which the operator drops, so that they become EPERM.
    pub zero_errno: BTreeSet<String>,
}

/// Changes a profile into one that needs no `defaultErrnoRet` and no value above 2⁶³−1.
///
/// Nothing is allowed that was not allowed before.
pub fn adapt(profile: &Profile) -> Adapted {
    let eperm = Action::Errno(Errno::EPERM);
    let default = match profile.default {
        Action::Errno(_) => eperm,
        other => other,
    };
    let mut adapted = Adapted {
        profile: Profile {
            default,
            architectures: profile.architectures.clone(),
            entries: Vec::new(),
        },
        left_out: BTreeSet::new(),
        other_errno: BTreeSet::new(),
        zero_errno: BTreeSet::new(),
    };
    let mut named: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in &profile.entries {
        if entry.action == profile.default {
            continue;
        }
        for name in &entry.names {
            *named.entry(name).or_default() |= entry.args.is_empty();
        }
        let mut entry = entry.clone();
        if entry.args.iter().any(|arg| is_too_large(arg.predicate)) {
            // What is left out gets the default, which refuses (see `export`).
            adapted.left_out.extend(entry.names);
            continue;
        }
        if matches!(entry.action, Action::Errno(errno) if errno.number() == 0) {
            adapted.zero_errno.extend(entry.names.iter().cloned());
            entry.action = eperm;
        }
        if entry.action != default {
            adapted.profile.entries.push(entry);
        }
    }
    if default != profile.default {
        let conditional = named.iter().filter(|(_, always)| !**always);
        adapted.other_errno = conditional.map(|(name, _)| (*name).to_owned()).collect();
        let rest: BTreeSet<&str> = profile
            .abis(Abi::NATIVE)
            .into_iter()
            .flat_map(Abi::syscalls)
            .map(|(_, name)| name)
            .filter(|name| !named.contains_key(name))
            .collect();
        let mut names: BTreeSet<String> = rest.into_iter().map(str::to_owned).collect();
        let repeated = profile
            .entries
            .iter()
            .filter(|entry| entry.action == profile.default && entry.args.is_empty());
        let unnamed = |name: &&String| !named.contains_key(name.as_str());
        names.extend(repeated.flat_map(|entry| &entry.names).filter(unnamed).cloned());
        if !names.is_empty() {
            adapted.profile.entries.push(Entry {
                names: names.into_iter().collect(),
                action: profile.default,
                args: Vec::new(),
            });
        }
    }
    adapted
}

/// The schema says `format: int64`.
fn is_too_large(predicate: Predicate) -> bool {
    let too_large = |value| i64::try_from(value).is_err();
    match predicate {
        Predicate::NotEqual(value)
        | Predicate::Less(value)
        | Predicate::LessOrEqual(value)
        | Predicate::Equal(value)
        | Predicate::GreaterOrEqual(value)
        | Predicate::Greater(value) => too_large(value),
        Predicate::MaskedEqual { mask, value } => too_large(mask) || too_large(value),
    }
}

pub(super) fn export(
    profile: &Profile,
    options: &Options,
    named: &Named,
) -> Result<Exported, ExportError> {
    let unknown = profile.architectures.iter().find(|a| UNKNOWN_ARCHITECTURES.contains(&a.name()));
    if let Some(architecture) = unknown {
        return Err(ExportError::Unsuitable {
            home: HOME,
            reason: format!(
                "its schema does not list {architecture}: remove it, or use `--to configmap`"
            ),
        });
    }
    let adapted = adapt(profile);
    // Its own types leave zeros out (`omitempty`), which means the same.
    let mut spec: Value = serde_json::from_str(&profile::print(&adapted.profile)?)?;
    if let Some(fields) = spec.as_object_mut() {
        fields.shift_remove("defaultErrnoRet");
    }
    let name = named.object();
    let mut documents = vec![json!({
        "apiVersion": format!("{GROUP}/v1beta1"),
        "kind": "SeccompProfile",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": options.name.as_str()}},
        "spec": spec,
    })];
    let mut notes = notes(profile, &adapted);
    match &options.image {
        Some(image) => {
            let mut metadata = json!({"name": name});
            if let Some(namespace) = &options.namespace {
                metadata["namespace"] = json!(namespace.as_str());
            }
            documents.push(json!({
                "apiVersion": format!("{GROUP}/v1alpha1"),
                "kind": "ProfileBinding",
                "metadata": metadata,
                "spec": {
                    "profileRef": {"kind": "SeccompProfile", "name": name},
                    "image": image.to_string(),
                },
            }));
            notes.push(format!(
                "the binding takes effect for containers whose image is written exactly as `{image}`, in \
                 namespaces with the label spo.x-k8s.io/enable-binding"
            ));
        }
        None => notes.push(format!(
            "without --image there is no ProfileBinding: name the image, or write \
             localhostProfile: operator/{name}.json into the pods"
        )),
    }
    notes.push(format!(
        "a recent operator keeps profiles outside of namespaces and installs this one as \
         operator/{name}.json; an older one as operator/NAMESPACE/{name}.json"
    ));
    Ok(Exported { files: vec![File::text("seccompprofile.yaml", yaml::stream(&documents))], notes })
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn notes(profile: &Profile, adapted: &Adapted) -> Vec<String> {
    let mut notes = Vec::new();
    if let Action::Errno(errno) = profile.default
        && errno != Errno::EPERM
    {
        notes.push(format!(
            "the operator knows no default errno: a call without a rule gets EPERM. So every call that the \
             profile answers with {errno} is named, as far as Strait knows it; newer ones get EPERM (runc \
             answers ENOSYS above the last number that is named)"
        ));
    }
    if !adapted.other_errno.is_empty() {
        notes.push(format!(
            "refused with EPERM where no condition holds, not with the profile's default: {}",
            listed(&adapted.other_errno)
        ));
    }
    if !adapted.left_out.is_empty() {
        notes.push(format!(
            "left out, since the operator holds no value above 2^63-1, so that less is allowed: rules of {}",
            listed(&adapted.left_out)
        ));
    }
    if !adapted.zero_errno.is_empty() {
        notes.push(format!(
            "refused with EPERM, since the operator drops an error of 0: {}",
            listed(&adapted.zero_errno)
        ));
    }
    notes
}
