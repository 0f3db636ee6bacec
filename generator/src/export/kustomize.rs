//! A kustomize component that binds a workload to the profile.

use serde_json::{Value, json};

use super::{Exported, File, Named, Options, on_every_node, yaml};

/// `securityContext` with the profile.
pub(super) fn security_context(path: &str) -> Value {
    json!({"seccompProfile": {"type": "Localhost", "localhostProfile": path}})
}

/// The pod's or one container's security context, as a strategic merge patch of a pod's spec.
fn spec(options: &Options, path: &str) -> Value {
    match &options.container {
        Some(container) => json!({
            "containers": [{"name": container.as_str(), "securityContext": security_context(path)}],
        }),
        None => json!({"securityContext": security_context(path)}),
    }
}

pub(super) fn export(options: &Options, named: &Named) -> Exported {
    let workload = options.workload();
    let patch = options.patch(&json!({"spec": spec(options, &named.path())}));
    let component = json!({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [{
            "path": "seccomp-patch.yaml",
            "target": {"kind": workload.kind, "name": workload.name.as_str()},
        }],
    });
    let mut notes = vec![format!(
        "put the folder beside your base and list it under `components:` in kustomization.yaml"
    )];
    if options.container.is_none() {
        notes.push(
            "the whole pod is bound, sidecars and init containers too, unless they have a profile of \
             their own: --container NAME binds one container"
                .to_owned(),
        );
    }
    notes.push(on_every_node(&named.path()));
    Exported {
        files: vec![
            File::text("seccomp-patch.yaml", yaml::document(&patch)),
            File::text("kustomization.yaml", yaml::document(&component)),
            named.file(),
        ],
        warnings: Vec::new(),
        notes,
    }
}
