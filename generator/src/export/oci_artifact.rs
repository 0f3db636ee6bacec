//! The OCI artifact of KEP-6061: one layer of raw JSON, as an OCI image layout on disk.
//!
//! Source: kubernetes/enhancements pull request 6062 and kubernetes-sigs/security-profiles-operator pull
//! request 3421: the media type stands on the config and as `artifactType`; 1 MiB and 128 entries at
//! most; no listener and no SCMP_ACT_NOTIFY.

use serde_json::json;

use super::{ExportError, Exported, File, Named, Options};
use crate::digest::sha256;
use crate::profile::Profile;

const HOME: &str = "an artifact of KEP-6061";
/// Of the config and of the artifact.
pub(super) const MEDIA_TYPE: &str = "application/vnd.cncf.seccomp-profile.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What ORAS gives a layer of which nothing else is said.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Entries and bytes that a runtime accepts by default.
const MOST_ENTRIES: usize = 128;
const MOST_BYTES: usize = 1 << 20;

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

pub(super) fn export(
    profile: &Profile,
    options: &Options,
    named: &Named,
) -> Result<Exported, ExportError> {
    let unsuitable = |reason| ExportError::Unsuitable { home: HOME, reason };
    if profile.entries.len() > MOST_ENTRIES {
        let count = profile.entries.len();
        return Err(unsuitable(format!(
            "it has {count} entries, and runtimes accept {MOST_ENTRIES}: put calls with the same rule \
             into one entry"
        )));
    }
    if named.json.len() > MOST_BYTES {
        return Err(unsuitable(format!(
            "it has {} bytes, and runtimes accept {MOST_BYTES}",
            named.json.len()
        )));
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
        warnings: Vec::new(),
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
