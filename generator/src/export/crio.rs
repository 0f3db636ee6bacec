//! Annotations with which CRI-O 1.30 and newer takes a profile from a registry.
//!
//! Source: `internal/config/seccomp/seccomp.go` and `seccompociartifact` of cri-o/cri-o, read in
//! November 2026: the annotations count only where the security context names no profile.

use serde_json::json;

use super::row::Row;
use super::{ExportError, Exported, File, Named, Options, yaml};

pub(super) const TARGET: Row = Row {
    name: "crio",
    help: "Annotations for a profile in a registry",
    export: |_, options, named| export(options, named),
    ..Row::PLAIN
};

const ANNOTATION: &str = "seccomp-profile.kubernetes.cri-o.io";

fn export(options: &Options, named: &Named) -> Result<Exported, ExportError> {
    let Some(artifact) = &options.artifact else {
        return Err(ExportError::Missing {
            target: "CRI-O",
            what: "to know where in a registry the profile will be",
            option: "--artifact, such as --artifact registry.example.com/seccomp/nginx:1.27",
        });
    };
    // "POD" is CRI-O's word for every container of a pod.
    let container = options.container.as_ref().map_or("POD", |name| name.as_str());
    let mut annotations = serde_json::Map::new();
    annotations.insert(format!("{ANNOTATION}/{container}"), json!(artifact.to_string()));
    let patch = options.patch(&json!({"metadata": {"annotations": annotations}}));
    let settings = format!(
        "# /etc/crio/crio.conf.d/10-seccomp-annotation.conf, for each runtime that should obey it\n\
         [crio.runtime.runtimes.crun]\nallowed_annotations = [\"{ANNOTATION}\"]\n"
    );
    Ok(Exported {
        files: vec![
            File::text("annotations-patch.yaml", yaml::document(&patch)),
            File::text("10-seccomp-annotation.conf", settings),
            named.file(),
        ],
        warnings: Vec::new(),
        notes: vec![
            format!(
                "push the artifact first: `--to oci-artifact -o DIR`, then \
                 `skopeo copy oci:DIR docker://{artifact}`"
            ),
            "CRI-O looks at the annotation only if the security context names no seccompProfile, or \
             Unconfined. A kubelet with seccompDefault names one, and then the annotation is ignored"
                .to_owned(),
            "the annotation is obeyed only where the runtime's allowed_annotations list it".to_owned(),
        ],
    })
}
