//! The OCI artifact of KEP-6061: one layer of raw JSON, as an OCI image layout on disk.
//!
//! Source: kubernetes/enhancements pull request 6062 and kubernetes-sigs/security-profiles-operator pull
//! request 3421: the media type stands on the config and as `artifactType`; what a profile may hold is in
//! [`artifact`].

use std::collections::BTreeSet;

use serde_json::json;

use super::row::{Kind, Row};
use super::{ExportError, Exported, File, Named, Options};
use crate::digest::sha256;
use crate::machine::Machines;
use crate::policy::{Width, decide::within, width};
use crate::profile::Profile;
use crate::profile::consumers::artifact::{self, Fault, MOST_BYTES};
use crate::profile::lint::overlapping;
use crate::untrusted::short;

pub(super) const TARGET: Row = Row {
    name: "oci-artifact",
    help: "An OCI layout as KEP-6061 wants it; needs -o",
    kind: Kind::Layout,
    export: |profile, options, _| export(profile, options),
    ..Row::PLAIN
};

const NAME: &str = "an artifact of KEP-6061";
/// Of the config and of the artifact.
pub(super) const MEDIA_TYPE: &str = "application/vnd.cncf.seccomp-profile.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What ORAS gives a layer of which nothing else is said.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

struct Blob {
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = sha256(&bytes);
        Self { bytes, digest }
    }

    fn descriptor(&self, media_type: &str) -> serde_json::Value {
        json!({
            "mediaType": media_type,
            "digest": format!("sha256:{}", self.digest),
            "size": self.bytes.len(),
        })
    }

    fn file(self) -> File {
        File::data(format!("blobs/sha256/{}", self.digest), self.bytes)
    }
}

fn unsuitable(reason: String) -> ExportError {
    ExportError::Unsuitable { target: NAME, reason }
}

/// A profile that is accepted, and the calls of which a refusal is left to the default.
fn accepted(profile: &Profile) -> Result<(Profile, BTreeSet<String>), ExportError> {
    let mixed: BTreeSet<String> = artifact::faults(profile)
        .into_iter()
        .filter_map(|fault| match fault {
            Fault::Mixed(call, _) => Some(call),
            _ => None,
        })
        .filter(|call| !profile.default.lets_through() && !overlaps(profile, call))
        .collect();
    let accepted = without_refusals(profile, &mixed);
    if let Some(fault) = artifact::faults(&accepted).into_iter().next() {
        return Err(unsuitable(reason(fault)));
    }
    // What is refused of a multiplexer, and what is let through of a call behind it, are rules of two names.
    if !mixed.is_empty()
        && let Err(more) = within(&accepted.policy(Machines::ALL)?, &profile.policy(Machines::ALL)?)
    {
        return Err(unsuitable(format!(
            "the rules of {} have different results, which runtimes do not accept, and without what refuses some of \
             them `{more}` would be allowed: use one result for each call",
            mixed.iter().map(|name| format!("`{}`", short(name))).collect::<Vec<_>>().join(", ")
        )));
    }
    Ok((accepted, mixed))
}

/// The profile without what refuses these calls.
fn without_refusals(profile: &Profile, calls: &BTreeSet<String>) -> Profile {
    let mut without = profile.clone();
    for entry in without.entries.iter_mut().filter(|entry| !entry.action.lets_through()) {
        entry.names.retain(|name| !calls.contains(name));
    }
    without.entries.retain(|entry| !entry.names.is_empty());
    without
}

/// Whether what refuses a call may refuse some of what lets it through, so that without it more is allowed. In 32
/// bits large values may be the same.
fn overlaps(profile: &Profile, call: &str) -> bool {
    let narrow = profile.abis(Machines::ALL).iter().any(|abi| width(*abi) == Width::Bits32);
    let entries =
        || profile.entries.iter().filter(|entry| entry.names.iter().any(|name| name == call));
    let clauses = |lets_through: bool| {
        entries()
            .filter(move |entry| entry.action.lets_through() == lets_through)
            .flat_map(|entry| entry.clauses())
            .collect::<Vec<_>>()
    };
    let is_large = entries().flat_map(|entry| &entry.args).any(|arg| {
        arg.predicate.constants().iter().any(|constant| *constant > u64::from(u32::MAX))
    });
    let (through, refused) = (clauses(true), clauses(false));
    (narrow && is_large && !refused.is_empty())
        || through.iter().any(|one| refused.iter().any(|other| overlapping(one, other)))
}

fn reason(fault: Fault) -> String {
    match fault {
        Fault::Entries(call, count) => format!(
            "`{call}` is in {count} entries, and runtimes accept {}: put conditions with the same action into fewer",
            artifact::MOST_ENTRIES
        ),
        Fault::Clauses(call, count) => format!(
            "`{call}` has {count} conditions, each of which is enough, and runtimes accept {}: use fewer",
            artifact::MOST_CLAUSES
        ),
        Fault::Names(entry, count) => format!(
            "syscalls[{entry}] has {count} names, and runtimes accept {}: split it",
            artifact::MOST_NAMES
        ),
        Fault::Rules(count) => format!(
            "it has {count} rules (names times conditions), and runtimes accept {}: use fewer conditions",
            artifact::MOST_RULES
        ),
        Fault::Mixed(call, _) => format!(
            "the rules of `{call}` have different results under conditions of which not all filters are certain, \
             which runtimes do not accept: use one result for the call"
        ),
    }
}

fn export(profile: &Profile, options: &Options) -> Result<Exported, ExportError> {
    let (profile, mixed) = accepted(profile)?;
    let named = Named::new(&profile, options)?;
    if named.json.len() > MOST_BYTES {
        let count = named.json.len();
        return Err(unsuitable(format!("it has {count} bytes, and runtimes accept {MOST_BYTES}")));
    }
    let mut warnings = Vec::new();
    if !mixed.is_empty() {
        warnings.push(format!(
            "runtimes do not accept rules of one call with different results: what is refused of these calls gets the \
             default's answer in place of its own: {}",
            mixed.iter().map(|name| short(name)).collect::<Vec<_>>().join(", ")
        ));
    }
    let layer = Blob::new(named.json.clone().into_bytes());
    let config = Blob::new(b"{}".to_vec());
    let mut layer_descriptor = layer.descriptor(LAYER);
    layer_descriptor["annotations"] =
        json!({"org.opencontainers.image.title": format!("{}.json", options.name)});
    let manifest = Blob::new(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": MEDIA_TYPE,
        "config": config.descriptor(MEDIA_TYPE),
        "layers": [layer_descriptor],
    }))?);
    let mut entry = manifest.descriptor(MANIFEST);
    entry["artifactType"] = json!(MEDIA_TYPE);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": named.version});
    let index = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }))?;
    let reference = manifest.digest.clone();
    Ok(Exported {
        files: vec![
            File::data("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            File::data("index.json", index),
            manifest.file(),
            config.file(),
            layer.file(),
        ],
        warnings,
        notes: vec![
            format!(
                "push it with `oras cp --from-oci-layout DIR:{version} REGISTRY/NAME:TAG` or \
                 `skopeo copy oci:DIR:{version} docker://REGISTRY/NAME:TAG`",
                version = named.version
            ),
            format!("refer to it as REGISTRY/NAME@sha256:{reference}: a tag is not accepted"),
            "a node intersects the profile with its own: it can only become narrower there"
                .to_owned(),
        ],
    })
}
