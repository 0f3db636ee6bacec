//! A kustomize component that binds a workload to the profile.

use serde_json::{Value, json};

use super::row::{Kind, Row};
use super::{Exported, File, Named, Options, on_every_node, yaml};

pub(super) const TARGET: Row = Row {
    name: "kustomize",
    help: "A kustomize component with a patch",
    kind: Kind::Manifest,
    has_init: true,
    export: |_, options, named| Ok(export(options, named)),
    together: Some(export_all),
    ..Row::PLAIN
};

/// `securityContext` with the profile.
pub(super) fn security_context(path: &str) -> Value {
    json!({"seccompProfile": {"type": "Localhost", "localhostProfile": path}})
}

/// The pod's or one container's security context, as a strategic merge patch of a pod's spec.
fn spec(options: &Options, path: &str) -> Value {
    // A patch of another list would add a container that has no image.
    let list = if options.is_init { "initContainers" } else { "containers" };
    match &options.container {
        Some(container) => json!({
            list: [{"name": container.as_str(), "securityContext": security_context(path)}],
        }),
        None => json!({"securityContext": security_context(path)}),
    }
}

/// A patch in a file of this name, and what a component says about it.
fn patch(options: &Options, named: &Named, file: &str) -> (File, Value) {
    let workload = options.workload();
    let patch = options.patch(&json!({"spec": spec(options, &named.path())}));
    let entry = json!({
        "path": file,
        "target": {"kind": workload.kind, "name": workload.name.as_str()},
    });
    (File::text(file, yaml::document(&patch)), entry)
}

fn component(patches: &[Value]) -> File {
    let component = json!({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": patches,
    });
    File::text("kustomization.yaml", yaml::document(&component))
}

const INCLUDE: &str =
    "put the folder beside your base and list it under `components:` in kustomization.yaml";

/// What is bound, for people.
fn bound(options: &Options) -> String {
    match (&options.container, options.is_init) {
        (None, _) => "the whole pod is bound, sidecars and init containers too, unless they have a profile of \
                      their own: --container NAME binds one container"
            .to_owned(),
        (Some(container), true) => {
            format!("`{container}` is patched in `initContainers`, where sidecars are too")
        }
        (Some(container), false) => {
            format!("`{container}` is patched in `containers`: --init for an init container or a sidecar")
        }
    }
}

fn export(options: &Options, named: &Named) -> Exported {
    let (file, entry) = patch(options, named, "seccomp-patch.yaml");
    Exported {
        files: vec![file, component(&[entry]), named.file()],
        warnings: Vec::new(),
        notes: vec![INCLUDE.to_owned(), bound(options), on_every_node(&named.path())],
    }
}

/// One component with a patch for each workload.
fn export_all(all: &[(&Options, Named)]) -> Exported {
    let (mut files, mut entries) = (Vec::new(), Vec::new());
    let mut notes = vec![INCLUDE.to_owned()];
    for (options, named) in all {
        let (file, entry) = patch(options, named, &format!("{}-seccomp-patch.yaml", options.name));
        files.push(file);
        entries.push(entry);
        notes.push(on_every_node(&named.path()));
    }
    if let Some((options, _)) = all.first() {
        notes.insert(1, bound(options));
    }
    files.push(component(&entries));
    Exported { files, warnings: Vec::new(), notes }
}
