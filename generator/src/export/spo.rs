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

use super::row::{Kind, Row};
use super::{ExportError, Exported, File, Named, Options, yaml};
use crate::abi::Abi;
use crate::machine::Machines;
use crate::policy::{Action, Errno, NoPolicy, Predicate, Width, decide, multiplex};
use crate::profile::lint::overlapping;
use crate::profile::{self, Entry, Profile};

pub(super) const TARGET: Row = Row {
    name: "spo",
    help: "SeccompProfile and ProfileBinding of the Security Profiles Operator",
    kind: Kind::Manifest,
    depends_on_machine: true,
    export,
    ..Row::PLAIN
};

const NAME: &str = "a SeccompProfile of the Security Profiles Operator";
const GROUP: &str = "security-profiles-operator.x-k8s.io";

/// Architectures that the schema of the resource lists none of.
const UNKNOWN_ARCHITECTURES: [&str; 4] =
    ["SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"];

/// What the operator can hold of a profile, and what had to be changed for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// A profile of which the default action, if it is an error, is EPERM.
    pub profile: Profile,
    /// Calls of which a rule was left out: a value is above 2⁶³−1, or a refusal that stood in its way is
    /// now the default.
    pub left_out: BTreeSet<String>,
    /// Calls with conditions, for which a refusal is EPERM and no longer the profile's default.
    pub other_errno: BTreeSet<String>,
    /// Refusals with an error of 0, which the operator drops, so that they become EPERM.
    pub zero_errno: BTreeSet<String>,
}

/// Changes a profile for these machines into one that needs no `defaultErrnoRet` and no value above 2⁶³−1.
///
/// Nothing is allowed that was not allowed before.
///
/// # Errors
///
/// [`NoPolicy`] if the profile makes none.
pub fn adapt(profile: &Profile, machines: Machines) -> Result<Adapted, NoPolicy> {
    let before = profile.policy(machines)?;
    let mut adapted = without_errno(profile, machines);
    let lost = lost_refusals(profile, &adapted.profile, machines);
    leave_out(&mut adapted, &lost);
    // A refusal that is now the default no longer stands in the way of other rules for its call.
    loop {
        let after = adapted.profile.policy(machines)?;
        let comparison = decide::compare(&before, &after);
        let widened = comparison.changes().filter(|change| change.widened.is_some());
        let mut wider = BTreeSet::new();
        for (abi, name) in widened.filter_map(|change| Some((change.abi, change.name()?))) {
            // A rule for a multiplexer and those for the calls through it get in each other's way.
            let family = multiplex::multiplexer(abi, name).map_or(name, |(call, _)| call);
            let through = abi.syscalls().map(|(_, other)| other).filter(|other| {
                multiplex::multiplexer(abi, other).is_some_and(|(call, _)| call == family)
            });
            wider.extend(through.chain([name, family]).map(str::to_owned));
        }
        if wider.is_empty() {
            // Of two rules for a call the first counts; without it, the other one gives its error.
            let others = comparison.changes().filter(|change| change.refusal.is_some());
            let names = others.filter_map(|change| change.name().map(str::to_owned));
            adapted.other_errno.extend(names);
            return Ok(adapted);
        }
        leave_out(&mut adapted, &wider);
    }
}

/// Takes calls out of all rules that let them through.
fn leave_out(adapted: &mut Adapted, names: &BTreeSet<String>) {
    for entry in adapted.profile.entries.iter_mut().filter(|entry| entry.action.lets_through()) {
        let (out, kept) =
            std::mem::take(&mut entry.names).into_iter().partition(|name| names.contains(name));
        entry.names = kept;
        let out: Vec<String> = out;
        adapted.left_out.extend(out);
    }
    adapted.profile.entries.retain(|entry| !entry.names.is_empty());
}

/// Calls of which a refusal under conditions is gone that overlaps with what lets them through.
fn lost_refusals(profile: &Profile, adapted: &Profile, machines: Machines) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    // On i386 a rule for `socket` is one for `socketcall` too, which a refusal of that may overlap.
    for refusal in profile.entries.iter().filter(|entry| !entry.action.lets_through()) {
        if !adapted.entries.contains(refusal) && profile.abis(machines).contains(&Abi::X86) {
            let through = |name: &&String| {
                let call = multiplex::multiplexer(Abi::X86, name).map(|(call, _)| call);
                call.is_some_and(|call| refusal.names.iter().any(|refused| refused == call))
            };
            let allowed = adapted.entries.iter().filter(|entry| entry.action.lets_through());
            lost.extend(allowed.flat_map(|entry| &entry.names).filter(through).cloned());
        }
    }
    let gone = |entry: &&Entry| {
        !entry.action.lets_through() && !entry.args.is_empty() && !adapted.entries.contains(entry)
    };
    // In 32 bits a large constant is another one, so there conditions of one call may always overlap.
    let truncates =
        profile.abis(machines).iter().any(|abi| crate::policy::width(*abi) == Width::Bits32);
    for refusal in profile.entries.iter().filter(gone) {
        for entry in adapted.entries.iter().filter(|entry| entry.action.lets_through()) {
            let overlaps = refusal.clauses().iter().any(|refused| {
                entry.clauses().iter().any(|allowed| {
                    !allowed.is_unconditional() && (truncates || overlapping(refused, allowed))
                })
            });
            let names = entry.names.iter().filter(|name| overlaps && refusal.names.contains(name));
            lost.extend(names.cloned());
        }
    }
    lost
}

fn without_errno(profile: &Profile, machines: Machines) -> Adapted {
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
            .abis(machines)
            .into_iter()
            .flat_map(Abi::syscalls)
            .map(|(_, name)| name)
            .filter(|name| !named.contains_key(name))
            .collect();
        let (entangled, rest): (BTreeSet<&str>, BTreeSet<&str>) =
            rest.into_iter().partition(|name| is_entangled(profile, name, &named, machines));
        adapted.other_errno.extend(entangled.into_iter().map(str::to_owned));
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

/// Whether a rule for this call would be in the way of others, through i386's `socketcall` or `ipc`:
/// libseccomp makes two of each.
fn is_entangled(
    profile: &Profile,
    name: &str,
    named: &BTreeMap<&str, bool>,
    machines: Machines,
) -> bool {
    if !profile.abis(machines).contains(&Abi::X86) {
        return false;
    }
    let multiplexer = |name: &str| multiplex::multiplexer(Abi::X86, name).map(|(call, _)| call);
    multiplexer(name).is_some_and(|call| named.get(call) == Some(&false))
        || named.keys().any(|other| multiplexer(other) == Some(name))
}

/// The schema says `format: int64`.
fn is_too_large(predicate: Predicate) -> bool {
    predicate.constants().into_iter().any(|constant| i64::try_from(constant).is_err())
}

fn export(profile: &Profile, options: &Options, named: &Named) -> Result<Exported, ExportError> {
    let unknown = profile.architectures.iter().find(|a| UNKNOWN_ARCHITECTURES.contains(&a.name()));
    if let Some(architecture) = unknown {
        return Err(ExportError::Unsuitable {
            target: NAME,
            reason: format!(
                "its schema does not list {architecture}: remove it, or use `--to configmap`"
            ),
        });
    }
    let adapted = adapt(profile, options.machines)?;
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
    let mut notes = Vec::new();
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
    Ok(Exported {
        files: vec![File::text("seccompprofile.yaml", yaml::stream(&documents))],
        warnings: warnings(profile, &adapted),
        notes,
    })
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn warnings(profile: &Profile, adapted: &Adapted) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Action::Errno(errno) = profile.default
        && errno != Errno::EPERM
    {
        warnings.push(format!(
            "the operator knows no default errno: a call without a rule gets EPERM. So every call that the \
             profile answers with {errno} is named, as far as Strait knows it; newer ones get EPERM (runc \
             answers ENOSYS above the last number that is named)"
        ));
    }
    if !adapted.other_errno.is_empty() {
        warnings.push(format!(
            "refused with EPERM where no condition holds, not with the profile's default: {}",
            listed(&adapted.other_errno)
        ));
    }
    if !adapted.left_out.is_empty() {
        warnings.push(format!(
            "left out, so that less is allowed, since the operator holds no value above 2^63-1, and no refusal \
             with EPERM beside a rule that overlaps: rules of {}",
            listed(&adapted.left_out)
        ));
    }
    if !adapted.zero_errno.is_empty() {
        warnings.push(format!(
            "refused with EPERM, since the operator drops an error of 0: {}",
            listed(&adapted.zero_errno)
        ));
    }
    warnings
}
